"""The tables of a MySQL or MariaDB database, its stamp and its Alembic revision."""

from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.errors import LauncherError, WrongDataError
from launcher.identity import mysql_faults, mysql_numbers, stamp_table
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp, printable
from launcher.identity.mysql_connect import quoted, run

if TYPE_CHECKING:
    from sqlalchemy import Connection

OTHERS = 50
_ALEMBIC = "alembic_version"
_OWN_TABLES = ("BASE TABLE", "SYSTEM VERSIONED")
_ELSEWHERE = ("CONNECT", "FEDERATED", "MRG_MYISAM", "SPIDER")  # engines whose rows may be another database's


class Found(NamedTuple):
    """tables: the required ones that are there, and up to 50 others. ours: the former, by their casefolded names."""

    tables: tuple[str, ...]
    ours: dict[str, str]
    stamp: Stamp | None
    revision: str | None
    notes: tuple[str, ...]


def look(
    connection: "Connection", database: str, folds: bool, account: tuple[str, str], expected: Expectation
) -> Found:
    """What the database contains. account: user and host, for the GRANT in a fault.

    Raises LauncherError for a required table or a stamp that this user may not read, and for a stamp that is none.
    """
    listed = _listed(connection, database, expected)
    others, notes = _told_apart(listed, folds, expected)
    ours: dict[str, str] = {}
    for name in dict.fromkeys((*expected.tables, *expected.needs_rows)):
        actual = next((each for each in others if each.casefold() == name.casefold()), None)
        if actual and (what := _kind_of_elsewhere(connection, actual)):
            raise stamp_table.no_table(actual, what, expected)
        if _readable(connection, actual or name, actual is not None, account, expected):
            ours[name.casefold()] = actual or name
    stamp, more = _stamp(connection, STAMP_TABLE in listed, account, expected)
    if not expected.tables and not expected.needs_rows:
        ours = {name.casefold(): name for name in others if name.casefold() != STAMP_TABLE}
    tables = tuple(sorted({*others, *ours.values()}))
    return Found(tables, ours, stamp, _revision(connection, account, expected), notes + more)


def _listed(connection: "Connection", database: str, expected: Expectation) -> list[str]:
    """Names alone: with any other column MariaDB would open every table's file."""
    wanted = tuple(dict.fromkeys((*expected.tables, *expected.needs_rows, STAMP_TABLE, _ALEMBIC)))
    sql = "SELECT TABLE_NAME FROM information_schema.tables WHERE TABLE_SCHEMA = %s"
    some = run(connection, f"{sql} ORDER BY TABLE_NAME LIMIT {OTHERS}", database)
    marks = ", ".join(["%s"] * len(wanted))
    named = run(connection, f"{sql} AND TABLE_NAME IN ({marks})", database, *wanted)
    return sorted({_text(name) for (name,) in (*some, *named)})


def _told_apart(listed: list[str], folds: bool, expected: Expectation) -> tuple[list[str], tuple[str, ...]]:
    """Without the names that differ from a required one in capitals, where the server tells those apart."""
    required = {*expected.tables, *expected.needs_rows}
    folded = {name.casefold() for name in required}
    wrong = [] if folds else [name for name in listed if name.casefold() in folded and name not in required]
    notes = tuple(f"{printable(name)} is another table: this server tells capitals apart" for name in wrong)
    return [name for name in listed if name not in wrong], notes


def _readable(
    connection: "Connection", name: str, listed: bool, account: tuple[str, str], expected: Expectation
) -> bool:
    """Whether the table is there. A table without any right is not listed, and looks to this user as one that is not
    there at all: only where the user has rights to the whole database does the server say that it is missing."""
    from sqlalchemy.exc import DBAPIError

    try:
        run(connection, f"SELECT 1 FROM {quoted(name)} LIMIT 0").fetchall()
    except DBAPIError as error:
        code = mysql_faults.number(error)
        if code == mysql_numbers.NO_TABLE:
            return False
        if code not in mysql_numbers.NO_RIGHT:
            raise mysql_faults.unreadable(error, name, expected) from None
        if expected.creates and not listed:
            return False
        raise _unreadable(name, listed, account, expected) from None
    return True


def _unreadable(name: str, listed: bool, account: tuple[str, str], expected: Expectation) -> LauncherError:
    fault = mysql_faults.no_right(expected, "SELECT", name, *account)
    if listed:
        return fault
    message = f"{fault.message}, or there is no such table; the server does not say which"
    return LauncherError(fault.slug, fault.code, message, fault.hint)


def _stamp(
    connection: "Connection", listed: bool, account: tuple[str, str], expected: Expectation
) -> tuple[Stamp | None, tuple[str, ...]]:
    """The stamp. A table of that name which is none raises WrongDataError, since adopt could not write one; but one
    without rows is what a writer leaves that dies, since creating a table cannot be undone here."""
    if listed:
        refuse_elsewhere(connection, expected)
    if not _readable(connection, STAMP_TABLE, listed, account, expected):
        return None, ()
    from sqlalchemy.exc import DBAPIError

    try:
        rows = run(
            connection,
            f"SELECT `key`, `value` FROM {quoted(STAMP_TABLE)} WHERE `key` IN (%s, %s, %s) LIMIT 4",
            *stamp_table.KEYS,
        ).fetchall()
        if not rows and run(connection, f"SELECT 1 FROM {quoted(STAMP_TABLE)} LIMIT 1").fetchone() is None:
            return None, (f"{STAMP_TABLE} is empty: whoever wrote the stamp did not finish",)
    except DBAPIError as error:
        if mysql_faults.number(error) != mysql_numbers.NO_COLUMN:
            raise
        raise bad_stamp("it has other columns", expected) from None
    return stamp_table.parse(map(tuple, rows), lambda why: bad_stamp(why, expected)), ()


def refuse_elsewhere(connection: "Connection", expected: Expectation) -> None:
    """Raise WrongDataError where the stamp's name is a view's or the like: its rows are another table's, maybe another
    database's, and what is written into it lands there."""
    if what := _kind_of_elsewhere(connection, STAMP_TABLE):
        raise bad_stamp(f"it is {what}, so its rows are another table's", expected)


def _kind_of_elsewhere(connection: "Connection", name: str) -> str:
    """What it is, with its article, where its rows are not its own; else "". Asked for one name, the server opens no
    other table's file."""
    sql = (
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.tables"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s"
    )
    for found, kind, engine in run(connection, sql, name):
        if _text(found) == name and _text(kind) not in _OWN_TABLES:
            return f"a {printable(_text(kind).lower())}"
        if _text(found) == name and _text(engine).upper() in _ELSEWHERE:
            return f"a table of the engine {printable(_text(engine))}"
    return ""


def refuse_triggers(connection: "Connection", expected: Expectation) -> None:
    """Raise WrongDataError where a trigger would run with what is written into the stamp."""
    sql = (
        "SELECT TRIGGER_NAME FROM information_schema.triggers"
        " WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = %s LIMIT 1"
    )
    if row := run(connection, sql, STAMP_TABLE).fetchone():
        raise WrongDataError(
            "bad-stamp",
            f"{expected.spot} could not be stamped: the trigger {printable(_text(row[0]))} on {STAMP_TABLE} would run",
            f"drop it, then: autopack-run {expected.profile} check",
        )


def bad_stamp(why: str, expected: Expectation) -> WrongDataError:
    """A table with the stamp's name that is not one."""
    rename = f"RENAME TABLE {STAMP_TABLE} TO {STAMP_TABLE}_old,"
    return stamp_table.bad_stamp(expected.spot, why, rename, expected)


def _revision(connection: "Connection", account: tuple[str, str], expected: Expectation) -> str | None:
    """Alembic's revision, several heads joined; None where another program's table of that name has another shape."""
    from sqlalchemy.exc import DBAPIError

    try:
        rows = run(connection, f"SELECT version_num FROM {_ALEMBIC} ORDER BY 1 LIMIT 10").fetchall()
    except DBAPIError as error:
        code = mysql_faults.number(error)
        if code in mysql_numbers.NO_RIGHT and expected.revision:
            raise _unreadable(_ALEMBIC, False, account, expected) from None
        if code not in (mysql_numbers.NO_TABLE, mysql_numbers.NO_COLUMN, *mysql_numbers.NO_RIGHT):
            raise mysql_faults.unreadable(error, _ALEMBIC, expected) from None
        return None
    return ", ".join(printable(_text(row[0])) for row in rows) or None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
