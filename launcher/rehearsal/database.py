"""The engine behind DATABASE_URL, which never makes a database where none is."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from launcher.rehearsal.errors import WorkloadError
from launcher.rehearsal.masking import mask_url, reason

VARIABLE = "DATABASE_URL"
BUSY_TIMEOUT = 30  # seconds that a SQLite writer waits for the others
CONNECT_TIMEOUT = 5  # seconds
# What SQLAlchemy takes where a URL names no driver depends on its version; what is installed decides here.
DRIVERS = {"postgresql": ("psycopg2", "psycopg"), "mysql": ("MySQLdb", "pymysql"), "mariadb": ("MySQLdb", "pymysql")}
CONNECT_TIMEOUT_DRIVERS = ("psycopg", "psycopg2", "pymysql", "mysqldb")


@dataclass(frozen=True)
class Database:
    """An engine and the masked name that errors use for it."""

    engine: Engine
    masked: str

    @property
    def writer(self) -> Engine:
        """The same engine for transactions that write: on SQLite one at a time has the lock from its start."""
        return self.engine.execution_options(writes=True)

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Turn a driver's error into a WorkloadError that names this database; on leaving, close the connections.

        The last connection to a SQLite file in WAL mode takes `-wal` and `-shm` away with it.
        """
        try:
            yield
        except SQLAlchemyError as error:
            raise WorkloadError(f"{self.masked}: {reason(error)}") from None
        finally:
            self.engine.dispose()


def open_database(*, create: bool = False) -> Database:
    """Return the database that DATABASE_URL names; nothing is connected to yet.

    create: a SQLite file may be missing, and is made in WAL mode.
    Raises WorkloadError where the variable is not set, or names nothing that can be opened here.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        raise WorkloadError(f"{VARIABLE} is not set: it names the database, as sqlite:////folder/file.db does")
    url = _parse(text)
    masked = mask_url(url, text)
    engine = _engine(_with_driver(url), masked)
    if url.get_backend_name() == "sqlite":
        if create:
            event.listen(engine, "connect", _write_ahead)
        else:
            _refuse_to_create(engine, masked)
        _own_transactions(engine)
    return Database(engine, masked)


def _parse(text: str) -> URL:
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        # The text is never echoed: what does not parse may be all password.
        raise WorkloadError(f"{VARIABLE} does not parse as a database URL") from None
    if backend == "sqlite" and (not url.database or url.database.startswith((":memory:", "file:"))):
        raise WorkloadError(f"{VARIABLE} must name a SQLite file: other processes see no private database")
    return url


def _with_driver(url: URL) -> URL:
    """The URL with a driver that is installed, where it names none."""
    installed = next((name for name in DRIVERS.get(url.drivername, ()) if find_spec(name)), None)
    return url.set(drivername=f"{url.drivername}+{installed.lower()}") if installed else url


def _engine(url: URL, masked: str) -> Engine:
    # READ COMMITTED: MariaDB's default locks gaps between rows, on which two drains deadlock.
    options: dict[str, Any] = {"pool_pre_ping": True, "isolation_level": "READ COMMITTED"}
    if url.get_backend_name() == "sqlite":
        options = {"connect_args": {"timeout": BUSY_TIMEOUT}}
    try:
        if url.get_driver_name() in CONNECT_TIMEOUT_DRIVERS and "connect_timeout" not in url.query:
            options["connect_args"] = {"connect_timeout": CONNECT_TIMEOUT}
        return create_engine(url, **options)
    except NoSuchModuleError:
        raise WorkloadError(f"{VARIABLE}: SQLAlchemy knows no database called {url.drivername}") from None
    except ModuleNotFoundError as error:
        raise WorkloadError(f"{masked}: the driver {error.name} is not installed") from None


def _refuse_to_create(engine: Engine, masked: str) -> None:
    @event.listens_for(engine, "do_connect")
    def check(_dialect: object, _record: object, args: list[Any], _options: dict[str, Any]) -> None:
        """Ask at every connection: the file may vanish while a server runs, and sqlite3 would make an empty one."""
        if not os.path.isfile(args[0]):
            raise WorkloadError(f"{masked}: no database file there; nothing was created")


def _write_ahead(connection: Any, _record: ConnectionPoolEntry) -> None:
    """Put a new SQLite file (0 pages) in WAL mode; one that is there keeps its own.

    A killed writer then leaves `-wal` and `-shm`, which whoever opens the file next recovers, instead of a hot
    journal, which a reader without the right to write cannot get past.
    """
    cursor = connection.cursor()
    deadline = time.monotonic() + BUSY_TIMEOUT
    while cursor.execute("PRAGMA page_count").fetchone()[0] == 0:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:  # two creates at once: SQLite does not wait for this lock by itself
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    cursor.close()


def _own_transactions(engine: Engine) -> None:
    """Let SQLAlchemy say BEGIN itself, as its SQLite documentation has it.

    The sqlite3 module begins too late by itself (before the first INSERT or UPDATE): two drains would then read
    the same QUEUED phase. BEGIN IMMEDIATE lets one of them in at a time.
    """

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
