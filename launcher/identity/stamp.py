"""Writing the stamp: the one place where the launcher writes into a database."""

from launcher.errors import BUSY, PERMISSION, LauncherError, WrongDataError
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp
from launcher.identity.sqlite_read import BUSY_SECONDS, connect


def write_stamp(expected: Expectation) -> Stamp:
    """Stamp the existing database at the expected place with its name, in one transaction; return the stamp.

    Never creates a file. Raises LauncherError where somebody else stamped it meanwhile or it cannot be written.
    """
    import sqlite3

    stamp = _new_stamp(expected)
    try:
        connection = connect(expected.url.path, "mode=rw")
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"CREATE TABLE {STAMP_TABLE} (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)")
            connection.executemany(
                f"INSERT INTO {STAMP_TABLE} (key, value) VALUES (?, ?)",
                [("db_id", stamp.db_id), ("database", stamp.database), ("created_at", stamp.created_at)],
            )
            connection.execute("COMMIT")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise _fault(error, expected) from None
    return stamp


def _new_stamp(expected: Expectation) -> Stamp:
    import uuid
    from datetime import UTC, datetime

    db_id = expected.db_id or str(uuid.uuid4())
    return Stamp(db_id, expected.name, datetime.now(UTC).isoformat(timespec="seconds"))


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
    return WrongDataError(
        "bad-stamp", f"{path} could not be stamped: {error}", f"autopack-run {expected.profile} check"
    )
