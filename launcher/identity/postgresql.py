"""A PostgreSQL database, looked at in one read-only transaction whose cost no number of rows changes.

The rules and their measurements: IDENTITY.md, "PostgreSQL" and "What decides the design", 7 and 8.
"""

from typing import TYPE_CHECKING, Any

from launcher.identity import postgresql_connect, postgresql_rows, postgresql_schema, postgresql_server
from launcher.identity.expectation import STAMP_TABLE, Expectation, ServerIdentity, printable
from launcher.identity.postgresql_schema import Layout, Session
from launcher.identity.stamp_table import holds_tables

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_SCHEMA_OF = """
SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = :oid AND c.relname = :stamp AND c.relkind IN ('r', 'p')
"""


def inspect(expected: Expectation) -> ServerIdentity | None:
    """What stands at the expected place; None where a task that creates it finds no stamp and no table.

    Raises LauncherError with the fault's code and words; missing tables and names are the verdict's matter.
    """
    with postgresql_connect.connected(expected) as db:
        return _identity(db, expected)


def name_of(oid: int, expected: Expectation) -> str:
    """The name of the database with that oid on the same server, "" where there is none. Raises LauncherError."""
    return _one("SELECT datname FROM pg_catalog.pg_database WHERE oid = :oid", {"oid": oid}, expected)


def schema_of_stamp(oid: int, expected: Expectation) -> str:
    """The schema of the stamp's table with that oid, "" where there is none any more. Raises LauncherError."""
    return _one(_SCHEMA_OF, {"oid": oid, "stamp": STAMP_TABLE}, expected)


def _one(sql: str, parameters: dict[str, Any], expected: Expectation) -> str:
    from sqlalchemy import text

    with postgresql_connect.connected(expected) as db:
        postgresql_server.limits(db, postgresql_server.STATEMENT_SECONDS)
        row = db.execute(text(sql), parameters).one_or_none()
        return str(row[0]) if row else ""


def found(db: "Connection", expected: Expectation) -> tuple[Layout, Session]:
    """Where our tables are and who asks, in a transaction that is bounded from here on; raises LauncherError."""
    _, session = postgresql_server.ask(db, expected)
    return postgresql_schema.layout(db, session, expected), session


def _identity(db: "Connection", expected: Expectation) -> ServerIdentity | None:
    server, session = postgresql_server.ask(db, expected)
    found = postgresql_schema.layout(db, session, expected)
    notes = (*postgresql_connect.driver_notes(expected), *postgresql_schema.judge_rights(found, session, expected))
    stamp = postgresql_rows.read_stamp(db, found, expected)
    tables = postgresql_schema.table_names(db, found, expected)
    if expected.creates and stamp is None and not holds_tables(tables):
        postgresql_schema.refuse_no_create(db, session, expected)
        return None
    high_water, settled = (None, None) if server.replica else postgresql_server.snapshot(db)
    empty, slow = postgresql_rows.empty(db, found, expected)
    return ServerIdentity(
        "postgresql",
        expected.url.shown,
        printable(server.database),
        {
            "system_identifier": postgresql_server.system_identifier(db),
            "oid": int(server.oid),
            "timeline": postgresql_server.timeline(db, server.replica),
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
        postgresql_rows.revision(db, found, expected),
        empty,
        notes + slow,
        server.scarce,
        postgresql_server.answered(db, server, expected),
        postgresql_server.address(db),
    )
