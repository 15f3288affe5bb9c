"""What a PostgreSQL server says of itself: which database and role, a replica or not, its number, timeline and counter.

The rules and their measurements: IDENTITY.md, "PostgreSQL" and "What decides the design", 7 and 8.
"""

from typing import TYPE_CHECKING, NamedTuple

from launcher.errors import LauncherError, WrongDataError
from launcher.identity import postgresql_faults, postgresql_options
from launcher.identity.expectation import Expectation, printable
from launcher.identity.postgresql_faults import identifier
from launcher.identity.postgresql_schema import Session
from launcher.identity.url import libpq_places

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

STATEMENT_SECONDS = 3.0
LOCK_SECONDS = 1.0

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
       OR pg_catalog.current_setting('max_connections')::int
       - pg_catalog.current_setting('superuser_reserved_connections')::int
       - COALESCE(pg_catalog.current_setting('reserved_connections', true), '0')::int
       - (SELECT pg_catalog.sum(pg_catalog.pg_stat_get_db_numbackends(oid)) FROM pg_catalog.pg_database) <= 5
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
# The second is what a ledger may hold against the server: behind the last commit, else the oldest that is open, since a
# crash gives the number of an unfinished one again. One that somebody has forgotten must not hold it back.
_SNAPSHOT = """
SELECT s.xmax || ' ' || GREATEST(s.xmin, (SELECT max(x) + 1 FROM pg_catalog.generate_series(
    GREATEST(s.xmax - 64, 3), s.xmax - 1) x WHERE pg_catalog.pg_xact_status(x::text::xid8) = 'committed'))
FROM (SELECT pg_catalog.pg_snapshot_xmax(s)::text::bigint AS xmax, pg_catalog.pg_snapshot_xmin(s)::text::bigint AS xmin
      FROM pg_catalog.pg_current_snapshot() s) s
"""
# Where a role may execute no pg_xact_status.
_SNAPSHOT_ALONE = """
SELECT pg_catalog.pg_snapshot_xmax(s)::text || ' ' || pg_catalog.pg_snapshot_xmin(s)::text
FROM pg_catalog.pg_current_snapshot() s
"""
_SOURCE = "SELECT source FROM pg_catalog.pg_settings WHERE name = '{}'"


class Server(NamedTuple):
    """Its answer. scarce: so few connections are allowed that a second one may take the program's."""

    database: str
    oid: int
    replica: bool
    read_only: str
    version: str
    role: str
    path: str
    schema: str | None
    scarce: bool


def limits(db: "Connection", seconds: float) -> None:
    """Bound every statement and every wait for a lock of this transaction, and of no other."""
    from sqlalchemy import text

    lock = min(LOCK_SECONDS, seconds * 0.8)
    db.execute(text(_LIMITS), {"statement": f"{int(seconds * 1000)}ms", "lock": f"{int(lock * 1000)}ms"})


def ask(db: "Connection", expected: Expectation) -> tuple[Server, Session]:
    """Who answers and whose session it is, bounded from here on; raises LauncherError where it cannot be the one."""
    from sqlalchemy import text

    limits(db, STATEMENT_SECONDS)
    server = Server(*db.execute(text(_SERVER)).one())
    _judge_server(db, server, expected)
    named = postgresql_options.names("search_path", expected)
    source = _optional(db, _SOURCE.format("search_path")) if named else None
    return server, Session(server.role, server.database, server.path, server.schema, source)


def _judge_server(db: "Connection", server: Server, expected: Expectation) -> None:
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
        raise _read_only(_optional(db, _SOURCE.format("default_transaction_read_only")) or "", server, expected)


def _read_only(source: str, server: Server, expected: Expectation) -> LauncherError:
    role, database = identifier(server.role), identifier(server.database)
    what = {
        "user": f"ALTER ROLE {role}",
        "database": f"ALTER DATABASE {database}",
        "database user": f"ALTER ROLE {role} IN DATABASE {database}",
    }.get(source)
    hint = f"as its owner: {what} RESET default_transaction_read_only;" if what else ""
    where = f", set by its {source}" if source else ""
    if client := postgresql_options.giver(source, expected):
        where, hint = f", set by {client}", postgresql_options.remedy("default_transaction_read_only", expected)
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


def answered(db: "Connection", server: Server, expected: Expectation) -> str:
    """Which of the URL's hosts it is, with the database, as a guard writes it; "" where the URL names one."""
    from urllib.parse import quote

    made = getattr(db.connection.dbapi_connection, "info", None)
    if made is None or len(libpq_places(expected.url)) < 2:
        return ""
    return f"postgresql://{quote(made.host, safe='')}:{made.port}/{quote(server.database, safe='')}"


def address(db: "Connection") -> str:
    """The numeric address that the connection has led to, "" for a socket."""
    return str(getattr(getattr(db.connection.dbapi_connection, "info", None), "hostaddr", ""))


def system_identifier(db: "Connection") -> str | None:
    """The number that the server's initdb drew; None where this role may not know."""
    return _optional(db, _SYSTEM)


def timeline(db: "Connection", replica: bool) -> int | None:
    """The timeline of the WAL that is written, on a replica received; None where this role may not know."""
    if replica:
        told = _optional(db, _STANDBY_TIMELINE)
        return int(told) if told else None
    name = _optional(db, _PRIMARY_TIMELINE)
    return int(name[:8], 16) if name else None


def snapshot(db: "Connection") -> tuple[int | None, int | None]:
    """The next transaction's number, and what of it no crash takes back; None where the server does not tell."""
    told = _optional(db, _SNAPSHOT) or _optional(db, _SNAPSHOT_ALONE)
    high_water, settled = told.split() if told else (None, None)
    return (int(high_water), int(settled)) if high_water and settled else (None, None)
