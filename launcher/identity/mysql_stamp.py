"""Writing the stamp into a MySQL or MariaDB database: the one write of the launcher there."""

from typing import TYPE_CHECKING

from launcher.errors import LauncherError, WrongDataError
from launcher.identity import mysql_faults, mysql_numbers, mysql_tables
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp
from launcher.identity.mysql_connect import connected, run

if TYPE_CHECKING:
    from sqlalchemy import Connection

_EXISTS, _DUPLICATE = 1050, 1062
_READ_ONLY = (1290, 1792, 1836)
_CREATE = (
    f"CREATE TABLE {STAMP_TABLE} (`key` VARCHAR(64) NOT NULL PRIMARY KEY, `value` VARCHAR(255) NOT NULL)"
    " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
)


def write_stamp(expected: Expectation, stamp: Stamp, renewed: bool = False) -> None:
    """Write the stamp into the existing database; renewed: in the place of the one that it has.

    CREATE TABLE commits by itself here, so the rows come last and in one statement: a writer that dies leaves an empty
    table, which the next one fills. Raises LauncherError where somebody else stamped it meanwhile, or it cannot be
    written.
    """
    from sqlalchemy.exc import DBAPIError

    with connected(expected) as (connection, _):
        try:
            if renewed:
                _renew(connection, stamp, expected)
            else:
                _write(connection, stamp, expected)
        except DBAPIError as error:
            raise _fault(error, connection, expected) from None


def _write(connection: "Connection", stamp: Stamp, expected: Expectation) -> None:
    from sqlalchemy.exc import DBAPIError

    try:
        run(connection, _CREATE)
    except DBAPIError as error:
        if mysql_faults.number(error) != _EXISTS:
            raise
        mysql_tables.refuse_elsewhere(connection, expected)
        mysql_tables.refuse_triggers(connection, expected)
    # The same transaction that looks also writes: two that fill an empty table meet at the primary key.
    if run(connection, f"SELECT 1 FROM {STAMP_TABLE} LIMIT 1").fetchone() is not None:
        raise _stamped_meanwhile(expected)
    fields = stamp._asdict().items()
    run(
        connection,
        f"INSERT INTO {STAMP_TABLE} (`key`, `value`) VALUES (%s, %s), (%s, %s), (%s, %s)",
        *(part for field in fields for part in field),
    )
    connection.commit()


def _renew(connection: "Connection", stamp: Stamp, expected: Expectation) -> None:
    mysql_tables.refuse_elsewhere(connection, expected)
    mysql_tables.refuse_triggers(connection, expected)
    for key in ("db_id", "created_at"):
        changed = run(
            connection, f"UPDATE {STAMP_TABLE} SET `value` = %s WHERE `key` = %s", getattr(stamp, key), key
        ).rowcount
        if changed != 1:
            raise mysql_tables.bad_stamp(f"it has {changed} rows for {key}", expected)
    connection.commit()


def _stamped_meanwhile(expected: Expectation) -> LauncherError:
    """What is there now is most likely their good stamp, so nothing here tells to take it away."""
    return WrongDataError(
        "bad-stamp",
        f"{expected.spot} could not be stamped: somebody else stamped it meanwhile",
        f"autopack-run {expected.profile} check; if it is the right one: autopack-run {expected.profile} adopt",
    )


def _fault(error: Exception, connection: "Connection", expected: Expectation) -> LauncherError:
    code = mysql_faults.number(error)
    if code == _DUPLICATE:
        return _stamped_meanwhile(expected)
    if code == mysql_numbers.NO_COLUMN:
        return mysql_tables.bad_stamp("it has other columns", expected)
    if code == mysql_numbers.NO_TABLE:
        return mysql_tables.bad_stamp("it went away meanwhile", expected)
    if code in mysql_numbers.NO_RIGHT or code == 1044:
        user, _, host = str(run(connection, "SELECT CURRENT_USER()").scalar_one()).rpartition("@")
        return mysql_faults.no_right(expected, "CREATE, SELECT, INSERT, UPDATE", STAMP_TABLE, user, host)
    if code in _READ_ONLY:
        return mysql_faults.read_only(expected, "read_only")
    return mysql_faults.fault(error, expected)
