"""Writing the stamp into a PostgreSQL database, in one transaction."""

from typing import TYPE_CHECKING

from launcher.errors import LauncherError, WrongDataError
from launcher.identity import postgresql, postgresql_connect, postgresql_faults, postgresql_schema
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp
from launcher.identity.postgresql_faults import identifier
from launcher.identity.postgresql_schema import Layout

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# 42P07: it is there; 23505: an index of the catalog, where two create it at one moment; 40001: two replaced the rows.
_MEANWHILE = ("42P07", "42710", "23505", "40001")

_TRIGGERS = """
SELECT 'the trigger ' || tgname FROM pg_catalog.pg_trigger WHERE tgrelid = :table AND NOT tgisinternal
UNION ALL SELECT 'the rule ' || rulename FROM pg_catalog.pg_rewrite WHERE ev_class = :table LIMIT 1
"""


def write_stamp(expected: Expectation, stamp: Stamp, renewed: bool) -> None:
    """Create the stamp table with its rows where our tables are, else where new ones go; all of it or nothing.

    renewed: replace the rows of the stamp that is there. Raises LauncherError where somebody else stamped it meanwhile
    (65), it cannot be written (77) or somebody holds a lock on it (75).
    """
    from sqlalchemy.exc import DBAPIError

    with postgresql_connect.connected(expected, readonly=False) as db:
        found, session = postgresql.found(db, expected)
        if found.schema is None:
            raise _no_schema(session.role, expected)
        try:
            if renewed:
                _refuse_triggers(db, found, expected)
            _write(db, f"{identifier(found.schema)}.{STAMP_TABLE}".replace(":", "\\:"), stamp, renewed)
            db.commit()
        except DBAPIError as error:
            raise _fault(error.orig or error, found.schema, session.role, expected) from None


def _refuse_triggers(db: "Connection", found: Layout, expected: Expectation) -> None:
    """A trigger or a rule would run with our write, and may write elsewhere."""
    from sqlalchemy import text

    asked = {"table": found.tables[STAMP_TABLE].oid if STAMP_TABLE in found.tables else 0}
    if name := db.execute(text(_TRIGGERS), asked).scalar():
        raise WrongDataError(
            "bad-stamp",
            f"{expected.spot} could not be stamped: {postgresql_schema.printable_hint(name)} on it would run",
            f"drop it, then: autopack-run {expected.profile} check",
        )


def _write(db: "Connection", table: str, stamp: Stamp, renewed: bool) -> None:
    from sqlalchemy import text

    if renewed:
        db.execute(text(f"DELETE FROM ONLY {table} WHERE key IN ('db_id', 'database', 'created_at')"))
    else:
        db.execute(text(f"CREATE TABLE {table} (key text PRIMARY KEY, value text NOT NULL)"))
    rows = [{"key": key, "value": value} for key, value in stamp._asdict().items()]
    db.execute(text(f"INSERT INTO {table} (key, value) VALUES (:key, :value)"), rows)


def _no_schema(role: str, expected: Expectation) -> LauncherError:
    return WrongDataError(
        "other-schema",
        f"{expected.spot} could not be stamped: the search_path of role '{role}' names no schema that is there",
        f"CREATE SCHEMA …, or schema = … in [databases.{expected.name}]",
    )


def _fault(error: BaseException, schema: str, role: str, expected: Expectation) -> LauncherError:
    state = str(getattr(error, "sqlstate", None))
    what = f"{expected.spot} could not be stamped"
    if state in _MEANWHILE:
        return WrongDataError(
            "bad-stamp",
            f"{what}: somebody else stamped it meanwhile",
            f"autopack-run {expected.profile} check",
        )
    if state in ("42P01", "42703"):
        return WrongDataError(
            "bad-stamp",
            f"{what}: it has no stamp that could be replaced",
            f"autopack-run {expected.profile} adopt",
        )
    if state == "3F000":
        return _no_schema(role, expected)
    if state == "42501":
        grant = f"GRANT USAGE, CREATE ON SCHEMA {identifier(schema)} TO {identifier(role)}"
        return postgresql_faults.no_right(
            f"role '{role}' may not make the stamp in schema '{schema}'",
            postgresql_schema.printable_hint(grant),
            expected,
        )
    return postgresql_faults.fault(error, expected)
