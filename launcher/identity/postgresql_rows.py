"""The rows of a PostgreSQL database that decide: the stamp's, Alembic's, and whether a table has any."""

import time
from typing import TYPE_CHECKING, Any

from launcher.errors import ConfigurationError
from launcher.identity import postgresql_faults, stamp_table
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp, printable
from launcher.identity.postgresql_faults import identifier
from launcher.identity.postgresql_schema import ALEMBIC, Layout, bad_stamp
from launcher.identity.postgresql_server import STATEMENT_SECONDS, limits

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

ROWS_SECONDS = 1.0
"""For all of needs_rows together: after a mass delete a table that looks empty takes seconds to be found so."""


def _named(found: Layout, name: str) -> str:
    """The table's name as SQL, which no search_path leads elsewhere."""
    return f"{identifier(found.tables[name].schema)}.{identifier(name)}"


def _qualified(found: Layout, name: str) -> str:
    """The same for SQLAlchemy, to which a colon begins a parameter."""
    return _named(found, name).replace(":", "\\:")


def read_stamp(db: "Connection", found: Layout, expected: Expectation) -> Stamp | None:
    """The stamp; a table of that name which holds none raises WrongDataError, since adopt could not write one."""
    if STAMP_TABLE not in found.tables:
        return None
    sql = (
        f"SELECT key::text, value::text FROM ONLY {_qualified(found, STAMP_TABLE)}"
        " WHERE key IN ('db_id', 'database', 'created_at') LIMIT 4"
    )
    rows = _of_shape(db, sql)
    if rows is None:
        raise bad_stamp("it has no columns key and value", found.schema, expected)
    if len(rows) < len(stamp_table.KEYS) and _hides_rows(db, found, STAMP_TABLE):
        grant = f"CREATE POLICY autopack_read ON {_named(found, STAMP_TABLE)} FOR SELECT USING (true)"
        raise postgresql_faults.no_right("row-level security hides the stamp from this role", grant, expected)
    return stamp_table.parse(rows, lambda why: bad_stamp(why, found.schema, expected))


def _hides_rows(db: "Connection", found: Layout, name: str) -> bool:
    from sqlalchemy import text

    return bool(
        db.execute(text("SELECT pg_catalog.row_security_active(:table)"), {"table": found.tables[name].oid}).scalar()
    )


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


def revision(db: "Connection", found: Layout, expected: Expectation) -> str | None:
    """Alembic's revision, several heads joined; None where another program's table of that name has another shape."""
    if ALEMBIC not in found.tables or not found.tables[ALEMBIC].reads:
        return None
    rows = _of_shape(db, f"SELECT version_num::text FROM {_qualified(found, ALEMBIC)} ORDER BY 1 LIMIT 10")
    return ", ".join(printable(str(row[0])) for row in rows or ()) or None


def empty(db: "Connection", found: Layout, expected: Expectation) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
            has = bool(db.execute(text(f"SELECT EXISTS (SELECT 1 FROM {_qualified(found, name)})")).scalar())
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if state == "57014":
            return None
        if not state or state.startswith(("42501", "55P03", "57")):
            raise
        # A partition whose foreign server is down, a policy that fails.
        raise ConfigurationError(
            "unreadable-table",
            f"{expected.spot}: '{printable(name)}' of needs_rows cannot be read:"
            f" {postgresql_faults.words(str(error.orig), expected)}",
            "leave it out of needs_rows of the task",
        ) from None
    finally:
        limits(db, STATEMENT_SECONDS)
    if not has and _hides_rows(db, found, name):
        grant = f"CREATE POLICY autopack_read ON {_named(found, name)} FOR SELECT USING (true)"
        what = f"row-level security shows this role no row of '{printable(name)}', so nobody knows whether it has any"
        raise postgresql_faults.no_right(what, grant, expected)
    return has
