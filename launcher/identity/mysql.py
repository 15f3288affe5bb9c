"""Which database a MySQL or MariaDB server has at the expected place, in one read-only transaction (IDENTITY.md)."""

import time
from typing import TYPE_CHECKING, NamedTuple

from launcher.errors import WrongDataError
from launcher.identity import mysql_faults, mysql_numbers, mysql_rights, mysql_tables
from launcher.identity.expectation import STAMP_TABLE, Expectation, ServerIdentity, printable
from launcher.identity.mysql_connect import connected, limit, quoted, run
from launcher.identity.stamp_table import holds_tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

ROW_SECONDS = 1.0
ROWS_SECONDS = 2.0


class Server(NamedTuple):
    """What the server says of itself. folds: its table names do not tell capitals apart. user, host: the account."""

    database: str
    name: str
    port: int
    version: str
    user: str
    host: str
    settings: dict[str, str]

    @property
    def folds(self) -> bool:
        """https://dev.mysql.com/doc/refman/8.4/en/identifier-case-sensitivity.html"""
        return self.settings.get("lower_case_table_names", "0") != "0"


def inspect(expected: Expectation) -> ServerIdentity | None:
    """What stands at the expected place; None where the task creates it and neither a stamp nor a table is there.

    Raises LauncherError for every fault of the server, the user or the place. Whether it is the right database is the
    verdict's matter.
    """
    with connected(expected) as (connection, notes):
        run(connection, "START TRANSACTION READ ONLY")
        server = _server(connection)
        _refuse_other(server, connection, expected)
        standing = mysql_rights.standing(connection, server.settings, expected)
        found = mysql_tables.look(connection, server.database, server.folds, (server.user, server.host), expected)
        if expected.creates and found.stamp is None and not holds_tables(found.tables):
            return None
        mysql_rights.refuse_no_write(standing, server.database, (server.user, server.host), found.ours, expected)
        empty, rest = _empty(connection, found.ours, expected)
        return ServerIdentity(
            kind="mysql",
            spot=expected.url.shown,
            database=printable(server.database),
            physical={"host": server.name, "port": server.port, "database": server.database},
            version=printable(server.version),
            schema=None,
            replica=standing.replica,
            read_only=standing.read_only,
            high_water=None,
            settled=None,
            tables=tuple(map(printable, found.tables)),
            stamp=found.stamp,
            revision=found.revision,
            empty=empty,
            notes=notes + found.notes + rest,
            address=address(connection),
        )


def address(connection: "Connection") -> str:
    """The numeric address that the connection has led to, "" for a socket."""
    end = getattr(connection.connection.dbapi_connection, "_sock", None)
    try:
        name = end.getpeername() if end else ""
    except OSError:  # the server has closed it meanwhile, which the next question tells
        return ""
    return name[0] if isinstance(name, tuple) else ""


def bears(database: str, db_id: str, expected: Expectation) -> bool:
    """Whether the server has a database of that name with that db_id in its stamp; False where that cannot be seen."""
    from sqlalchemy.exc import DBAPIError

    with connected(expected) as (connection, _):
        limit(connection, ROW_SECONDS)
        sql = f"SELECT 1 FROM {quoted(database)}.{STAMP_TABLE} WHERE `key` = 'db_id' AND `value` = %s"
        try:
            return run(connection, sql, db_id).fetchone() is not None
        except DBAPIError:  # not there, or not this user's to read
            return False


def _server(connection: "Connection") -> Server:
    database, name, port, version, account = run(
        connection, "SELECT DATABASE(), @@hostname, @@port, VERSION(), CURRENT_USER()"
    ).one()
    rows = run(
        connection,
        "SHOW VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'innodb_read_only',"
        " 'transaction_read_only', 'tx_read_only', 'lower_case_table_names')",
    )
    user, _, host = str(account).rpartition("@")
    settings = {str(key).lower(): str(value) for key, value in rows}
    return Server(str(database or ""), str(name), int(port), str(version), user, host, settings)


def _refuse_other(server: Server, connection: "Connection", expected: Expectation) -> None:
    """The server's `init_connect` may hold a USE, an option of the URL another name, and a proxy may do as it likes."""
    wanted = connection.engine.url.database or ""
    same = server.database.casefold() == wanted.casefold() if server.folds else server.database == wanted
    if not same:
        raise WrongDataError(
            "pooler-alias",
            f"{expected.spot}: the URL says {printable(wanted)}, the server says"
            f" {printable(server.database) or 'no database'}",
            "look at the server's init_connect, at a proxy on the way, and at the options behind the ?",
        )


def _empty(
    connection: "Connection", ours: dict[str, str], expected: Expectation
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of the needs_rows tables, those without a row; and notes on those that took too long to tell.

    After a mass delete the first row may lie behind millions of deleted ones that nobody has purged yet.
    """
    from sqlalchemy.exc import DBAPIError

    empty: list[str] = []
    notes: list[str] = []
    end = time.monotonic() + ROWS_SECONDS
    asked = [name for name in expected.needs_rows if name.casefold() in ours]
    if asked:
        limit(connection, ROW_SECONDS)
    for name in asked:
        try:
            if time.monotonic() < end:
                row = run(connection, f"SELECT 1 FROM {quoted(ours[name.casefold()])} LIMIT 1").fetchone()
                empty += [] if row else [name]
                continue
        except DBAPIError as error:
            if mysql_faults.number(error) not in mysql_numbers.TOO_LONG:
                raise mysql_faults.unreadable(error, name, expected) from None
        notes.append(f"whether {printable(name)} has rows could not be told in time (many deleted rows?)")
    return tuple(empty), tuple(notes)
