"""Databases on servers, as their drivers reach them themselves: psycopg, psycopg2, asyncpg, pg8000, PyMySQL."""

import os
import sys

import _autopack_run_guard as guard
from _autopack_run_guard import databases, engines

TYPE_CHECKING = False  # typing costs a start five milliseconds
if TYPE_CHECKING:
    from typing import Any


def watch_psycopg(module: "Any") -> None:
    """Wrap Connection.connect, before psycopg itself binds it to the name `connect`."""
    real = vars(module.Connection)["connect"].__func__

    def connect(cls: "Any", *words: "Any", **named: "Any") -> "Any":
        _refuse_other_libpq(module.e.OperationalError, _psycopg_parts, words, named)
        return _opened_libpq(real(cls, *words, **named))

    module.Connection.connect = classmethod(guard.like(connect, real))  # type: ignore[arg-type]  # `like` says object


def watch_psycopg_async(module: "Any") -> None:
    """Likewise AsyncConnection.connect."""
    real = vars(module.AsyncConnection)["connect"].__func__

    async def connect(cls: "Any", *words: "Any", **named: "Any") -> "Any":
        _refuse_other_libpq(module.e.OperationalError, _psycopg_parts, words, named)
        return _opened_libpq(await real(cls, *words, **named))

    module.AsyncConnection.connect = classmethod(guard.like(connect, real))  # type: ignore[arg-type]  # `like` says object


def watch_psycopg2(module: "Any") -> None:
    """Wrap connect."""
    real = module.connect

    def connect(*words: "Any", **named: "Any") -> "Any":
        _refuse_other_libpq(module.OperationalError, _psycopg2_parts, words, named)
        return _opened_libpq(real(*words, **named))

    module.connect = guard.like(connect, real)


def watch_asyncpg(module: "Any") -> None:
    """Wrap what asyncpg.connect and its pools both use."""
    real = module._connect

    async def _connect(*words: "Any", **named: "Any") -> "Any":
        connection = await real(*words, **named)
        found = guard.active and guard.safely(engines.asyncpg_place, connection)
        if found:
            try:  # only now: its own reading of dsn, service and PG… variables says where it goes
                guard.safely(databases.refuse_other, found[0], OSError)
            except OSError:
                connection.terminate()
                raise
            guard.safely(engines.record_place, *found)
        return connection

    module._connect = guard.like(_connect, real)


def watch_pg8000(module: "Any") -> None:
    """Wrap the constructor of its connections."""
    kind = getattr(module, "CoreConnection", None) or module.Connection  # the latter before 1.17
    real = kind.__init__

    def __init__(self: "Any", *words: "Any", **named: "Any") -> None:  # noqa: N807 (it takes the place of one)
        place = guard.active and guard.safely(_pg8000_place, words, named)
        if place:
            guard.safely(databases.refuse_other, place, module.InterfaceError)
        real(self, *words, **named)
        if place:
            guard.safely(lambda: engines.record_place(place, engines.far_end(self._usock)))

    kind.__init__ = guard.like(__init__, real)


def _pg8000_place(words: "Any", named: "Any") -> str:
    parts = dict(zip(("user", "host", "database", "port"), words), **named)
    host, database = parts.get("host", "localhost"), parts.get("database") or parts.get("user")
    port = parts.get("port", 5432)
    if parts.get("unix_sock"):  # its name says the port
        host, port = os.path.dirname(parts["unix_sock"]), parts["unix_sock"].rpartition(".")[2]
    if isinstance(database, bytes):
        database = database.decode("utf-8", "replace")
    where = {"host": host, "port": port, "database": database}
    return engines.server_place("postgresql", (), where)


def watch_pymysql(module: "Any") -> None:
    """Wrap Connection.connect, by which a connection is also made anew, and select_db."""
    connecting, selecting = module.Connection.connect, module.Connection.select_db

    def connect(self: "Any", *words: "Any", **named: "Any") -> "Any":
        return going(self, None, lambda: connecting(self, *words, **named))

    def select_db(self: "Any", db: "Any") -> "Any":
        return going(self, db, lambda: selecting(self, db))

    def going(connection: "Any", db: "Any", go: "Any") -> "Any":
        place = guard.active and guard.safely(_pymysql_place, connection, db)
        if place:
            guard.safely(databases.refuse_other, place, module.err.OperationalError)
        result = go()
        if place:
            guard.safely(_record_pymysql, connection, place)
        return result

    module.Connection.connect = guard.like(connect, connecting)
    module.Connection.select_db = guard.like(select_db, selecting)


def _refuse_other_libpq(kind: "type[Exception]", parts: "Any", words: "Any", named: "Any") -> None:
    if guard.active and (guard.block_databases or guard.disputed):
        guard.safely(_refuse_parts, kind, parts, words, named)


def _refuse_parts(kind: "type[Exception]", parts: "Any", words: "Any", named: "Any") -> None:
    found = parts(*words, **named)
    found.setdefault("hostaddr", os.environ.get("PGHOSTADDR") or None)
    databases.refuse_other(engines.server_place("postgresql", (), found), kind)


def _psycopg_parts(conninfo: str = "", **named: "Any") -> "dict[str, Any]":
    # Loaded by psycopg itself: an import of it here would be one more need of the guard's.
    return sys.modules["psycopg.conninfo"].conninfo_to_dict(  # type: ignore[no-any-return]  # it is psycopg's, untyped
        conninfo, **{name: named[name] for name in engines.PLACE if name in named}
    )


def _psycopg2_parts(dsn: "str | None" = None, *_words: "Any", **named: "Any") -> "dict[str, Any]":
    named.setdefault("dbname", named.get("database"))
    return dict(
        sys.modules["psycopg2.extensions"].parse_dsn(dsn or ""),
        **{name: named[name] for name in engines.PLACE if named.get(name)},
    )


def _opened_libpq(connection: "Any") -> "Any":
    found = guard.active and guard.safely(engines.live_place, "postgresql", connection)
    if found:
        guard.safely(engines.record_place, *found)
    return connection


def _record_pymysql(connection: "Any", place: str) -> None:
    """A socket that the program has made itself may lead elsewhere than the connection's own host and port."""
    name = engines.peer_name(connection._sock)
    if name and isinstance(name, str) and not connection.unix_socket:
        place = engines.server_place("mysql", (), {"unix_socket": name, "db": place.rpartition("/")[2]})
    engines.record_place(place, engines.far_end(connection._sock))


def _pymysql_place(connection: "Any", db: "Any") -> str:
    named = {name: getattr(connection, name, None) for name in ("host", "port", "unix_socket", "db")}
    name = named["db"] if db is None else db
    named["db"] = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    return engines.server_place("mysql", (), named)
