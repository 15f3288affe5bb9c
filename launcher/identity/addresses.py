"""Whether what answers at a numeric address is the proven server, where a program has not gone where the probe went.

A host's name stands for several addresses, and libpq's PGHOSTADDR, a service file or a driver's arguments may send a
connection elsewhere than its host says. The server itself is asked: two that say the same moment of their start are
one. MySQL tells its start in whole seconds: there the machine, the folder of data and its own identity must agree too.
"""

import contextlib
import time
from typing import TYPE_CHECKING, NamedTuple

from launcher.errors import LauncherError
from launcher.identity import server
from launcher.identity.expectation import Expectation
from launcher.identity.url import DatabaseURL, libpq_places, names_service, server_places
from launcher.sockets import plain

if TYPE_CHECKING:
    from sqlalchemy import Connection

_POSTGRESQL = "SELECT current_database(), pg_postmaster_start_time()::text"
_MYSQL = "SELECT DATABASE(), @@hostname, @@port, @@datadir, @@pid_file"
# Containers may have all of that in common: an identity of its own, where it has one, and the moment of its start.
_MYSQL_OWN = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid', 'server_uid')"
_MYSQL_UPTIME = "SHOW GLOBAL STATUS LIKE 'Uptime'"
_UPTIME_SECONDS = 2.0  # it is told in whole seconds
_AGAIN_SECONDS = 1.0
_PATIENCE = 5.0
"""Seconds that questions without an answer may take in all; the addresses that are left are doubts."""


class Addresses:
    """The addresses of one expected database's server; each is asked until it answers.

    reached: the probe's own, "" for none; without it all count that the host has.
    """

    def __init__(self, expected: Expectation, reached: str) -> None:
        self._expected, self._own, self._waited = expected, _Answer("", 0.0), 0.0
        self._ports = {port for _, _, port, _ in server_places(expected.url)}
        self._fixed = not names_service(expected.url)
        self._known: dict[tuple[str, str], bool | None] = {}
        self._reached = {plain(reached)} if reached else None
        self._asked_at: dict[tuple[str, str], float] = {}

    def is_other(self, address: str, port: str) -> bool:
        """Whether another server answers there. One that cannot be asked is none, but a doubt."""
        address = plain(address)
        if not address:
            return False
        if self._reached is None:  # only now: a name server may take long, and most drivers say no address
            self._reached = set()
            with contextlib.suppress(LauncherError):
                self._reached = server.bounded(lambda: _addresses_of(self._expected.url), self._expected)
        if address in self._reached and (port in self._ports or not self._fixed):
            return False
        key = address, port
        if (
            self._known.get(key) is None
            and time.monotonic() - self._asked_at.get(key, -_AGAIN_SECONDS) >= _AGAIN_SECONDS
        ):
            self._known[key] = self._is_same(address, port)
            self._asked_at[key] = time.monotonic()
        return self._known[key] is False

    def doubt(self, address: str, port: str) -> str:
        """That nothing shows what answers there, in words; "" where that is known or was not asked."""
        address = plain(address)
        if self._known.get((address, port), True) is not None:
            return ""
        return f"connected to {address}:{port}, and nothing shows that this is the proven server"

    @property
    def doubts(self) -> list[str]:
        """What could not be told up to now, in words."""
        return [text for key in self._known if (text := self.doubt(*key))]

    def _is_same(self, address: str, port: str) -> bool | None:
        """None where one of the two cannot be asked."""
        if self._waited >= _PATIENCE or self._expected.url.dialect not in server.KINDS:
            return None
        began = time.monotonic()
        try:
            if not self._own.text:
                self._own = server.bounded(lambda: _what_answers(self._expected), self._expected)
            there = _at(address, port, self._expected)
            found = server.bounded(lambda: _what_answers(there), there)
            if not found.is_like(self._own):  # it may have been started anew since it was asked
                self._own = server.bounded(lambda: _what_answers(self._expected), self._expected)
            return found.is_like(self._own)
        except LauncherError:
            self._waited += time.monotonic() - began
            return None


class _Answer(NamedTuple):
    """What a server says of itself. began: MySQL's start, in seconds of its own clock, else 0."""

    text: str
    began: float

    def is_like(self, other: "_Answer") -> bool:
        """Whether both are of one server."""
        return self.text == other.text and abs(self.began - other.began) <= _UPTIME_SECONDS


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


def _what_answers(expected: Expectation) -> _Answer:
    if expected.url.dialect == "postgresql":
        from launcher.identity import postgresql_connect

        with postgresql_connect.connected(expected) as connection:
            return _Answer(_row(connection, _POSTGRESQL), 0.0)
    from launcher.identity import mysql_connect

    with mysql_connect.connected(expected) as (connection, _):
        own = sorted(map(str, connection.exec_driver_sql(_MYSQL_OWN).all()))
        now = float(connection.exec_driver_sql("SELECT UNIX_TIMESTAMP()").scalar_one())
        up = float(connection.exec_driver_sql(_MYSQL_UPTIME).one()[1])
        return _Answer(f"{_row(connection, _MYSQL)} {own}", now - up)


def _row(connection: "Connection", sql: str) -> str:
    return repr(tuple(map(str, connection.exec_driver_sql(sql).one())))
