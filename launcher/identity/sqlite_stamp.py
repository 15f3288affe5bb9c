"""Writing the stamp into a SQLite file."""

from typing import TYPE_CHECKING

from launcher.errors import BUSY, PERMISSION, LauncherError, WrongDataError
from launcher.hints import command_line
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp, printable
from launcher.identity.sqlite_read import BUSY_SECONDS, connect, quoted

if TYPE_CHECKING:
    import sqlite3


def write_stamp(expected: Expectation, stamp: Stamp, renewed: bool) -> None:
    """Write the stamp into the existing database at the expected place, in one transaction; never creates a file.

    renewed: in the place of the one that it has. Raises LauncherError where somebody else stamped it meanwhile or it
    cannot be written.
    """
    import sqlite3

    rows = [("db_id", stamp.db_id), ("database", stamp.database), ("created_at", stamp.created_at)]
    try:
        connection = connect(expected.url.path, "mode=rw")
        try:
            connection.execute("BEGIN IMMEDIATE")
            if renewed:
                _refuse_triggers(connection, expected)
                connection.execute(f"DELETE FROM {STAMP_TABLE} WHERE key IN ('db_id', 'database', 'created_at')")
            else:
                connection.execute(f"CREATE TABLE {STAMP_TABLE} (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)")
            connection.executemany(f"INSERT INTO {STAMP_TABLE} (key, value) VALUES (?, ?)", rows)
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise _fault(error, expected) from None


def _refuse_triggers(connection: "sqlite3.Connection", expected: Expectation) -> None:
    """They would run when the stamp is written, and do what they like."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"
    row = connection.execute(sql, (STAMP_TABLE,)).fetchone()
    if row is not None:
        name = str(row[0])
        drop = command_line("sqlite3", expected.url.path, f"DROP TRIGGER {quoted(name)}")
        raise WrongDataError(
            "bad-stamp",
            f"{expected.url.path} could not be stamped: a trigger on {STAMP_TABLE} ({printable(name)}) would run",
            f"look what it does; {printable(drop)}, then: autopack-run {expected.profile} adopt --copy",
        )


def _fault(error: Exception, expected: Expectation) -> LauncherError:
    import sqlite3

    path, code = expected.url.path, getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LauncherError(
            "busy",
            BUSY,
            f"{path} could not be stamped: busy for {BUSY_SECONDS:.0f} s",
            f"autopack-run {expected.profile} adopt",
        )
    if code == sqlite3.SQLITE_READONLY:
        return LauncherError(
            "read-only",
            PERMISSION,
            f"{path} could not be stamped: it is read-only",
            f"make it writable, then: autopack-run {expected.profile} adopt",
        )
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        return LauncherError(
            "read-only",
            PERMISSION,
            f"{path} could not be stamped: {error}; nothing was changed",
            f"make room, and look at the rights of its folder; then: autopack-run {expected.profile} adopt",
        )
    return WrongDataError(
        "bad-stamp", f"{path} could not be stamped: {error}", f"autopack-run {expected.profile} check"
    )
