"""A PostgreSQL database, looked at in one read-only transaction whose cost no number of rows changes.

The rules and their measurements: IDENTITY.md, "PostgreSQL" and "What decides the design", 7 and 8.
"""

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.errors import ConfigurationError, LauncherError, WrongDataError
from launcher.identity import postgresql_connect, postgresql_faults, postgresql_schema, stamp_table
from launcher.identity.expectation import STAMP_TABLE, Expectation, ServerIdentity, Stamp, printable
from launcher.identity.postgresql_faults import identifier
from launcher.identity.postgresql_schema import ALEMBIC, Layout, Session, bad_stamp

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

STATEMENT_SECONDS = 3.0
LOCK_SECONDS = 1.0
ROWS_SECONDS = 1.0
"""For all of needs_rows together: after a mass delete a table that looks empty takes seconds to be found so."""

# SET LOCAL under another name: plain SET would stay in the session that a pooler hands to the next client.
_LIMITS = """
SELECT pg_catalog.set_config('statement_timeout', :statement, true), pg_catalog.set_config('lock_timeout', :lock, true)
"""
_SERVER = """
SELECT pg_catalog.current_database(), d.oid, pg_catalog.pg_is_in_recovery(),
       pg_catalog.current_setting('default_transaction_read_only'), pg_catalog.current_setting('server_version'),
       current_user, pg_catalog.current_setting('search_path'), pg_catalog.current_schema(),
       d.datconnlimit BETWEEN 0 AND 5 OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles r
       WHERE r.rolname IN (current_user, session_user) AND r.rolconnlimit BETWEEN 0 AND 5)
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""
_SYSTEM = "SELECT system_identifier FROM pg_catalog.pg_control_system()"
# The control file lags behind a promotion of the server that a standby follows; what is received says it at once, to a
# role that may read all statistics, and nothing where no server is followed.
_STANDBY_TIMELINE = """
SELECT GREATEST((SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()),
                (SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery()),
                (SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver))
"""
# pg_control_checkpoint lags behind a promotion, too; the name of the WAL file being written begins with the timeline.
_PRIMARY_TIMELINE = "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn())"
_SNAPSHOT = """
SELECT pg_catalog.pg_snapshot_xmax(s)::text || ' ' || pg_catalog.pg_snapshot_xmin(s)::text
FROM pg_catalog.pg_current_snapshot() s
"""
_READ_ONLY_SOURCE = "SELECT source FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only'"


class _Server(NamedTuple):
    database: str
    oid: int
    replica: bool
    read_only: str
    version: str
    role: str
    path: str
    schema: str | None
    scarce: bool


def inspect(expected: Expectation) -> ServerIdentity | None:
    """What stands at the expected place; None where a task that creates it finds neither a stamp nor a table of ours.

    Raises LauncherError with the fault's code and words; missing tables and names are the verdict's matter.
    """
    with postgresql_connect.connected(expected) as db:
        return _identity(db, expected)


def name_of(oid: int, expected: Expectation) -> str:
    """The name of the database with that oid on the same server, "" where there is none. Raises LauncherError."""
    from sqlalchemy import text

    with postgresql_connect.connected(expected) as db:
        limits(db, STATEMENT_SECONDS)
        row = db.execute(
            text("SELECT datname FROM pg_catalog.pg_database WHERE oid = :oid"), {"oid": oid}
        ).one_or_none()
        return str(row[0]) if row else ""


def limits(db: "Connection", seconds: float) -> None:
    """Bound every statement and every wait for a lock of this transaction, and of no other."""
    from sqlalchemy import text

    lock = min(LOCK_SECONDS, seconds * 0.8)
    db.execute(text(_LIMITS), {"statement": f"{int(seconds * 1000)}ms", "lock": f"{int(lock * 1000)}ms"})


def found(db: "Connection", expected: Expectation) -> tuple[Layout, Session]:
    """Where our tables are and who asks, in a transaction that is bounded from here on; raises LauncherError."""
    _, session = _server(db, expected)
    return postgresql_schema.layout(db, session, expected), session


def _server(db: "Connection", expected: Expectation) -> tuple[_Server, Session]:
    from sqlalchemy import text

    limits(db, STATEMENT_SECONDS)
    server = _Server(*db.execute(text(_SERVER)).one())
    _judge_server(db, server, expected)
    return server, Session(server.role, server.database, server.path, server.schema)


def _identity(db: "Connection", expected: Expectation) -> ServerIdentity | None:
    server, session = _server(db, expected)
    found = postgresql_schema.layout(db, session, expected)
    notes = (*postgresql_connect.driver_notes(expected), *postgresql_schema.judge_rights(found, session, expected))
    stamp = read_stamp(db, found, expected)
    tables = postgresql_schema.table_names(db, found, expected)
    if expected.creates and stamp is None and not _any_of_ours(tables, expected):
        postgresql_schema.refuse_no_create(db, session, expected)
        return None
    high_water, settled = (None, None) if server.replica else _snapshot(db)
    empty, slow = _empty(db, found, expected)
    return ServerIdentity(
        "postgresql",
        expected.url.shown,
        printable(server.database),
        {
            "system_identifier": _optional(db, _SYSTEM),
            "oid": int(server.oid),
            "timeline": _timeline(db, server.replica),
            # A clone of the schema has another, and so has what pg_restore --clean has put back.
            "stamp_oid": found.tables[STAMP_TABLE].oid if stamp else None,
        },
        server.version,
        found.schema,
        server.replica,
        server.read_only == "on",
        high_water,
        settled,
        tables,
        stamp,
        _revision(db, found, expected),
        empty,
        notes + slow,
        server.scarce,
    )


def _any_of_ours(tables: tuple[str, ...], expected: Expectation) -> bool:
    ours = {name.casefold() for name in postgresql_schema.required(expected)}
    return any(not ours or name.casefold() in ours for name in tables)


def _judge_server(db: "Connection", server: _Server, expected: Expectation) -> None:
    if server.database != expected.url.database:
        raise WrongDataError(
            "pooler-alias",
            f"the URL says '{printable(expected.url.database)}', the server says '{printable(server.database)}':"
            f" {expected.spot} leads through a pooler that renames databases",
            f"write /{printable(server.database)} if that is the one, or correct the pooler's [databases]",
        )
    if not (expected.writes or expected.creates):
        return
    if server.replica:
        raise postgresql_faults.replica(expected)
    if server.read_only == "on":
        raise _read_only(_optional(db, _READ_ONLY_SOURCE) or "", server, expected)


def _read_only(source: str, server: _Server, expected: Expectation) -> LauncherError:
    role, database = identifier(server.role), identifier(server.database)
    what = {
        "user": f"ALTER ROLE {role}",
        "database": f"ALTER DATABASE {database}",
        "database user": f"ALTER ROLE {role} IN DATABASE {database}",
    }.get(source)
    hint = f"as its owner: {what} RESET default_transaction_read_only;" if what else ""
    where = f", set by its {source}" if source else ""
    return postgresql_faults.read_only(f"default_transaction_read_only = on{where}", expected, hint)


def _optional(db: "Connection", sql: str) -> str | None:
    """One value as text; None where this role or this server may not tell it."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    try:
        with db.begin_nested():
            value = db.execute(text(sql)).scalar()
    except DBAPIError as error:
        # 42501: revoked; 42883: an older server; 0A000, 55000, 58P01: a service that has no WAL or control file to show
        if getattr(error.orig, "sqlstate", None) not in ("42501", "42883", "0A000", "55000", "58P01"):
            raise
        return None
    return None if value is None else str(value)


def _timeline(db: "Connection", replica: bool) -> int | None:
    if replica:
        told = _optional(db, _STANDBY_TIMELINE)
        return int(told) if told else None
    name = _optional(db, _PRIMARY_TIMELINE)
    return int(name[:8], 16) if name else None


def _snapshot(db: "Connection") -> tuple[int | None, int | None]:
    told = _optional(db, _SNAPSHOT)
    high_water, settled = told.split() if told else (None, None)
    return (int(high_water), int(settled)) if high_water and settled else (None, None)


def qualified(found: Layout, name: str) -> str:
    """The table as SQL, which no search_path leads elsewhere; a colon would be a parameter of SQLAlchemy's."""
    return f"{identifier(found.tables[name].schema)}.{identifier(name)}".replace(":", "\\:")


def read_stamp(db: "Connection", found: Layout, expected: Expectation) -> Stamp | None:
    """The stamp; a table of that name which holds none raises WrongDataError, since adopt could not write one."""
    if STAMP_TABLE not in found.tables:
        return None
    sql = (
        f"SELECT key::text, value::text FROM {qualified(found, STAMP_TABLE)}"
        " WHERE key IN ('db_id', 'database', 'created_at') LIMIT 4"
    )
    rows = _of_shape(db, sql)
    if rows is None:
        raise bad_stamp("it has no columns key and value", found.schema, expected)
    if len(rows) < len(stamp_table.KEYS) and _hides_rows(db, found):
        grant = f"CREATE POLICY autopack_read ON {qualified(found, STAMP_TABLE)} FOR SELECT USING (true)"
        raise postgresql_faults.no_right("row-level security hides the stamp from this role", grant, expected)
    return stamp_table.parse(rows, lambda why: bad_stamp(why, found.schema, expected))


def _hides_rows(db: "Connection", found: Layout) -> bool:
    from sqlalchemy import text

    sql = "SELECT relrowsecurity FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(:name)"
    return bool(db.execute(text(sql), {"name": qualified(found, STAMP_TABLE)}).scalar())


def _of_shape(db: "Connection", sql: str) -> list[Any] | None:
    """The rows; None where a table of that name has other columns."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    try:
        with db.begin_nested():
            return [tuple(row) for row in db.execute(text(sql))]
    except DBAPIError as error:
        if not str(getattr(error.orig, "sqlstate", None)).startswith(("427", "428", "42883", "42846", "22")):
            raise
        return None


def _revision(db: "Connection", found: Layout, expected: Expectation) -> str | None:
    """Alembic's revision, several heads joined; None where another program's table of that name has another shape."""
    if ALEMBIC not in found.tables or not found.tables[ALEMBIC].reads:
        return None
    rows = _of_shape(db, f"SELECT version_num::text FROM {qualified(found, ALEMBIC)} ORDER BY 1 LIMIT 10")
    return ", ".join(printable(str(row[0])) for row in rows or ()) or None


def _empty(db: "Connection", found: Layout, expected: Expectation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The needs_rows tables without a row, and notes on those that took too long to tell."""
    end = time.monotonic() + ROWS_SECONDS
    here = [name for name in expected.needs_rows if name in found.tables]
    rows = {name: _has_row(db, found, name, end - time.monotonic(), expected) for name in here}
    slow = [name for name, has in rows.items() if has is None]
    note = f"whether {', '.join(slow)} has rows took more than {ROWS_SECONDS:.0f} s to tell, so nobody knows"
    return tuple(name for name, has in rows.items() if has is False), (note,) if slow else ()


def _has_row(db: "Connection", found: Layout, name: str, seconds: float, expected: Expectation) -> bool | None:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    if seconds < 0.02:
        return None
    try:
        with db.begin_nested():
            limits(db, seconds)
            return bool(db.execute(text(f"SELECT EXISTS (SELECT 1 FROM {qualified(found, name)})")).scalar())
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if state == "57014":
            return None
        if not state or state.startswith(("42501", "55P03", "57")):
            raise
        # A foreign table whose server is down, a view that writes, a materialized view without data.
        raise ConfigurationError(
            "unreadable-table",
            f"{expected.spot}: '{printable(name)}' of needs_rows cannot be read:"
            f" {postgresql_faults.words(str(error.orig), expected)}",
            "leave it out of needs_rows of the task",
        ) from None
    finally:
        limits(db, STATEMENT_SECONDS)
