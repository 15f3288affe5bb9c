"""What a run has open on its PostgreSQL server, as the server itself lists it: sessions by the name that they bear.

libpq and most drivers beside it take the name from PGAPPNAME, so it also shows what no guard can: psql, psycopg without
SQLAlchemy, another language. A session that is listed is evidence; that one is not says nothing, since a program may
have taken a name of its own, or have been gone between two questions (IDENTITY.md, "Proving it about the child").
"""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from launcher.environment import Environment, Origin
from launcher.identity.expectation import Expectation
from launcher.identity.url import DatabaseURL, server_places
from launcher.sockets import End

if TYPE_CHECKING:
    from sqlalchemy import Connection

VARIABLE = "PGAPPNAME"
OWN = "autopack-run"
"""The name of the launcher's own connections, which are none of the run's; theirs begin with it."""
_LONGEST = 63  # bytes of a name on the server (NAMEDATALEN)
_KEPT = 10_000  # sessions

# Seconds since the start, and between two questions from then on: what is over soon is to be seen too.
_PACES = ((5.0, 0.5), (0.0, 0.1))
_PACES_APART = ((5.0, 5.0), (0.0, 0.5))
_TRIES = 3
_RETRY_SECONDS = 2.0
_PATIENCE = 1.0

_WHERE = "SELECT current_database(), pg_postmaster_start_time()"
_SESSIONS = """
SELECT DISTINCT datname, coalesce(host(client_addr), ''), coalesce(client_port, 0),
  application_name = :name OR left(application_name, :length) = :below FROM pg_stat_activity
WHERE datname IS NOT NULL AND backend_type = 'client backend'
  AND (application_name = :name OR left(application_name, :length) = :below
       OR client_port = ANY(:ports) AND application_name <> :own)
"""


class Session(NamedTuple):
    """A session of the run. database: as the server calls it. address, port: the client's end as the server sees it."""

    database: str
    address: str
    port: int

    def place(self, url: DatabaseURL) -> str:
        """The database as a guard would write it. url: of the pinned one, on the same server."""
        from urllib.parse import quote

        if url.host:
            host = f"[{url.host}]" if ":" in url.host else url.host
            return f"postgresql://{host}{url.port and ':' + url.port}/{quote(self.database, safe='')}"
        _, host, port, _ = min(server_places(url))
        return f"postgresql://{quote(host, safe='')}:{port}/{quote(self.database, safe='')}"


class Sessions:
    """Asks the pinned server for the run's sessions, in a thread of its own; a run never waits for it.

    url: the pinned database. name: what the run's sessions are called. label: of the program that they are said to be
    of where the process is not known. variables: the program's environment, which libpq reads. ends: asked for the
    near ends of the run's connections, by which those are found whose driver takes no name. found: all that were
    seen. database: what the server calls the pinned one, "" while it has not been asked.
    """

    def __init__(
        self, url: DatabaseURL, name: str, label: str, variables: Mapping[str, str], ends: Callable[[], set[End]] = set
    ) -> None:
        self._url, self._name, self.label, self._variables, self._ends = url, name, label, variables, ends
        self._found: set[Session] = set()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.database = ""

    @property
    def found(self) -> frozenset[Session]:
        """All that were seen up to now, copied in one step of the interpreter."""
        return frozenset(self._found.copy())

    def start(self) -> None:
        """Ask from now on; again after a stop."""
        if self._thread and not self._over.is_set():
            return
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, args=(self._over,), name="sessions", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask a last time and no more. Returns within a second, whatever the server does."""
        self._over.set()
        if self._thread:
            self._thread.join(_PATIENCE)

    def _ask_on(self, over: threading.Event) -> None:
        """Until it is over, or the server cannot be asked: a password that it refuses is not tried for ever."""
        for tried in range(1, _TRIES + 1):
            # Whatever a driver raises, and where there is none: what the server does not say stays unknown.
            with contextlib.suppress(Exception):
                self._ask_until(over)
                return
            if over.wait(_RETRY_SECONDS * tried):
                return

    def _ask_until(self, over: threading.Event) -> None:
        """Over one connection to the database that every server has for its own housekeeping: one to the pinned one
        would keep it from a DROP, and behind a pooler the program from its own. Where that cannot be had, a short one
        for each question."""
        with contextlib.ExitStack() as stack:
            kept = self._connection_beside(stack)
            began, last = time.monotonic(), False
            while True:
                with contextlib.nullcontext(kept) if kept else self._connection(self._url) as connection:
                    self._ask(connection)
                if last:
                    return
                paces = _PACES if kept else _PACES_APART
                last = over.wait(next(pace for since, pace in paces if time.monotonic() - began >= since))

    def _ask(self, connection: "Connection") -> None:
        from sqlalchemy import text

        ends = self._ends()
        words = {"name": self._name, "below": f"{self._name}/", "length": len(self._name) + 1, "own": OWN}
        rows = connection.execute(text(_SESSIONS), {**words, "ports": [port for _, port in ends]}).all()
        if len(self._found) < _KEPT:
            self._found.update(Session(*row[:3]) for row in rows if row[3] or tuple(row[1:3]) in ends)

    def _connection_beside(self, stack: contextlib.ExitStack) -> "Connection | None":
        """A connection to the same server that is not to the pinned database; None where it cannot be had."""
        with self._connection(self._url) as pinned:
            self.database, started = pinned.exec_driver_sql(_WHERE).one()
        with contextlib.suppress(Exception):  # whatever a driver raises
            other = stack.enter_context(self._connection(_beside(self._url)))
            if other.exec_driver_sql(_WHERE).one()[1] == started:  # behind a pooler it may be another server
                return other
            stack.pop_all().close()
        return None

    @contextmanager
    def _connection(self, url: DatabaseURL) -> "Iterator[Connection]":
        """One that holds no transaction open, made as the program makes its own."""
        from launcher.identity import postgresql_connect

        expected = Expectation("(sessions)", url, "the pinned database", "PROFILE", variables=self._variables)
        with postgresql_connect.connected(expected) as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")


def _beside(url: DatabaseURL) -> DatabaseURL:
    """The database that every server has for its own housekeeping."""
    from sqlalchemy import make_url

    text = make_url(url.text).set(database="postgres").render_as_string(hide_password=False)
    return url._replace(text=text, database="postgres")


@functools.cache
def _token() -> str:
    """What tells this launch's sessions from any other's."""
    return os.urandom(4).hex()


def announce(environment: Environment, url: DatabaseURL | None) -> str:
    """Give the program the name of its sessions, and return it; "" where they have none, or one of their own.

    In a launch inside of another one it begins with the outer one's, which so finds these sessions too.
    """
    if url is None or url.dialect != "postgresql" or _is_named(url):
        return ""
    own = environment.text(VARIABLE) or ""
    if own and own != OWN and not own.startswith(f"{OWN}/"):
        return ""
    if own.endswith(f"/{_token()}"):
        return own
    outer = own if own and len(own) + 1 + len(_token()) <= _LONGEST else OWN
    name = f"{outer}/{_token()}"
    environment.set(VARIABLE, name, Origin("launcher", "by which the server lists the run's sessions"))
    return name


def _is_named(url: DatabaseURL) -> bool:
    options = url.text.partition("?")[2].split("&")
    return any(option.startswith("application_name=") for option in options)
