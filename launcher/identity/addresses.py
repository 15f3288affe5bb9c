"""Whether what answers at a numeric address is the proven server, where a program has not gone where the probe went.

A host's name stands for several addresses, and libpq's PGHOSTADDR, a service file or a driver's arguments may send a
connection elsewhere than its host says. The server itself is asked: two that say the same moment of their start, or
the same folder of data on the same machine, are one.
"""

import contextlib
from typing import TYPE_CHECKING

from launcher.errors import LauncherError
from launcher.identity.expectation import Expectation
from launcher.identity.url import DatabaseURL, libpq_places
from launcher.sockets import plain

if TYPE_CHECKING:
    from sqlalchemy import Connection

_POSTGRESQL = "SELECT current_database(), pg_postmaster_start_time()::text"
_MYSQL = "SELECT DATABASE(), @@hostname, @@port, @@datadir, @@pid_file"


class Addresses:
    """The addresses of one expected database's server; each is asked once. reached: the probe's own, "" for none.

    Without a probe's all count that its host has. doubts: what could not be told, in words.
    """

    def __init__(self, expected: Expectation, reached: str) -> None:
        self._expected, self._own = expected, ""
        self._known: dict[tuple[str, str], bool | None] = {}
        self._reached = {plain(reached)} if reached else _addresses_of(expected.url)
        self.doubts: list[str] = []

    def is_other(self, address: str, port: str) -> bool:
        """Whether another server answers there. One that cannot be asked is none, but a doubt."""
        address = plain(address)
        if not address or address in self._reached:
            return False
        if (address, port) not in self._known:
            self._known[address, port] = same = self._is_same(address, port)
            if same is None:
                self.doubts.append(f"connected to {address}:{port}, and nothing shows that this is the proven server")
        return self._known[address, port] is False

    def _is_same(self, address: str, port: str) -> bool | None:
        """None where one of the two cannot be asked."""
        try:
            self._own = self._own or _what_answers(self._expected)
            return _what_answers(_at(address, port, self._expected)) == self._own
        except LauncherError:
            return None


def _addresses_of(url: DatabaseURL) -> set[str]:
    import socket
    from urllib.parse import unquote

    found = set[str]()
    hosts = [host for host, _ in libpq_places(url)] if url.dialect == "postgresql" else [unquote(url.host)]
    for host in hosts:
        with contextlib.suppress(OSError, UnicodeError):  # a socket's folder, a name that nobody knows
            ends = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM)
            found |= {plain(str(end[4][0])) for end in ends}
    return found


def _at(address: str, port: str, expected: Expectation) -> Expectation:
    """The same database at that address; the host's name stays, where TLS looks at it."""
    from sqlalchemy import make_url

    url = make_url(expected.url.text).difference_update_query(["host", "hostaddr", "port", "unix_socket"])
    url = url.set(port=int(port) if port else None)
    if expected.url.dialect == "postgresql":
        url = url.set(host=url.host or address).update_query_dict({"hostaddr": address})
    else:
        url = url.set(host=address)
    text = url.render_as_string(hide_password=False)
    return expected._replace(url=expected.url._replace(text=text, host=url.host or "", port=port))


def _what_answers(expected: Expectation) -> str:
    if expected.url.dialect == "postgresql":
        from launcher.identity import postgresql_connect

        with postgresql_connect.connected(expected) as connection:
            return _row(connection, _POSTGRESQL)
    from launcher.identity import mysql_connect

    with mysql_connect.connected(expected) as (connection, _):
        return _row(connection, _MYSQL)


def _row(connection: "Connection", sql: str) -> str:
    return repr(tuple(map(str, connection.exec_driver_sql(sql).one())))
