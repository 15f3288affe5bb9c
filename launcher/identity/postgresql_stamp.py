"""Writing the stamp into a PostgreSQL database, in one transaction."""

from typing import TYPE_CHECKING

from launcher.errors import LauncherError, WrongDataError
from launcher.identity import postgresql, postgresql_connect, postgresql_faults, postgresql_schema
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp
from launcher.identity.postgresql_faults import identifier

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# 42P07: it is there; 23505: an index of the catalog, where two create it at one moment; 40001: two replaced the rows.
_MEANWHILE = ("42P07", "42710", "23505", "40001")


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
            _write(db, f"{identifier(found.schema)}.{STAMP_TABLE}".replace(":", "\\:"), stamp, renewed)
            db.commit()
        except DBAPIError as error:
            raise _fault(error.orig or error, found.schema, session.role, expected) from None


def _write(db: "Connection", table: str, stamp: Stamp, renewed: bool) -> None:
    from sqlalchemy import text

    if renewed:
        db.execute(text(f"DELETE FROM {table} WHERE key IN ('db_id', 'database', 'created_at')"))
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
