"""Ports of this machine: a free one, and who holds a fixed one."""

import sys

from launcher.errors import BUSY, LauncherError


def free_port() -> int:
    """A TCP port of the loopback address that was free a moment ago."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refuse_taken(port: int) -> None:
    """Raise LauncherError (75) with the process that holds the port, where somebody listens on it."""
    held = holder(port)
    if held:
        raise LauncherError(
            "port-taken", BUSY, f"port {port} is taken by {held}", "stop it, or take another: --port NUMBER"
        )


def holder(port: int, host: str = "127.0.0.1") -> str:
    """The process that listens on the port of the loopback address, as `name (pid N)`; "" where nobody does.

    host: that of the server's URL: `::1` is IPv6's loopback address, `localhost` both.
    """
    addresses = {"localhost": ("127.0.0.1", "::1"), "::1": ("::1",)}.get(host.lower(), ("127.0.0.1",))
    return _listener(port) if any(_is_held(address, port) for address in addresses) else ""


def _is_held(address: str, port: int) -> bool:
    import errno
    import socket

    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            if sys.platform == "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:  # connections of an earlier server that are still fading away do not count
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except PermissionError:
        return False  # a low port: whether the task may have it is the task's matter
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # a system without IPv6
    return False


def _listener(port: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.laddr
                and connection.laddr.port == port
                and connection.status == psutil.CONN_LISTEN
                and connection.pid
            ):
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass  # only root may see other users' sockets on some systems
    return "a process that this user cannot see"
