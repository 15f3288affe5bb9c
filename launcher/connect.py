"""Connect to a server within a deadline, whatever the name server, the network or the server does."""

import contextlib
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket


def left(end: float) -> float:
    """Seconds until `end` (time.monotonic), more than 0, which would mean not to wait. Raises TimeoutError then."""
    seconds = end - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def connect(host: str, port: int, secure: bool, end: float) -> "socket.socket":
    """A connection to the first address of the host that somebody listens on, through no proxy.

    secure: with TLS, whatever the certificate says, since a local server's name is made up. Raises OSError where
    nobody listens, TimeoutError at `end`.
    """
    addresses = _addresses(host, port, end)
    for number, (family, address) in enumerate(addresses):
        # Each gets its share of the time: Windows takes two seconds to find that nobody listens, and localhost is ::1
        # as well as 127.0.0.1.
        connection = _connected(family, address, left(end) / (len(addresses) - number))
        if connection:
            return _secured(connection, host, end) if secure else connection
    raise ConnectionRefusedError


def _connected(family: int, address: Any, seconds: float) -> "socket.socket | None":
    import socket

    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection


def _addresses(host: str, port: int, end: float) -> list[tuple[int, Any]]:
    """In a thread, since nothing bounds the time of a name server that does not answer."""
    import socket
    import threading

    found = list[tuple[int, Any]]()

    def resolve() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found.extend((int(each[0]), each[4]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))

    thread = threading.Thread(target=resolve, name="health", daemon=True)
    thread.start()
    thread.join(left(end) / 2)
    if host.lower().rstrip(".") == "localhost":  # loopback also where no file says so (RFC 6761, 6.3)
        loopback = [(int(socket.AF_INET), ("127.0.0.1", port)), (int(socket.AF_INET6), ("::1", port))]
        known = {address[0] for _, address in found}
        found.extend(each for each in loopback if each[1][0] not in known)
    return list(found)


def _secured(connection: "socket.socket", host: str, end: float) -> "socket.socket":
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection.settimeout(left(end))
        return context.wrap_socket(connection, server_hostname=host)
    except OSError:
        connection.close()
        raise
