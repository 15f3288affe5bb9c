"""Reading a SQLite database's identity through SQLite, in the way that touches nothing (IDENTITY.md)."""

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.errors import BUSY, PERMISSION, ConfigurationError, LauncherError, WrongDataError
from launcher.identity import locks, sqlite_path, sqlite_sidecars
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp, printable

if TYPE_CHECKING:
    import sqlite3

BUSY_SECONDS = 2.0
DEADLINE_SECONDS = 5.0
_ALEMBIC = "alembic_version"


class Found(NamedTuple):
    """The part of an Identity that SQLite tells."""

    tables: tuple[str, ...]
    stamp: Stamp | None
    revision: str | None
    empty: tuple[str, ...]


def query(immutable: bool, expected: Expectation) -> Found:
    """What the database at the expected place contains; raises LauncherError for what SQLite cannot read."""
    import sqlite3

    # readonly_shm: without it even mode=ro writes read marks into the -shm of a WAL database (measured; on Windows
    # too). It is an option of the VFS that https://www.sqlite.org/c3ref/open.html does not list; os_unix.c has it.
    options = "mode=ro&immutable=1" if immutable else "mode=ro&readonly_shm=1"
    try:
        return _query_with(options, expected)
    except sqlite3.Error as error:
        if _primary(error) != sqlite3.SQLITE_READONLY or _extended(error) == sqlite3.SQLITE_READONLY_ROLLBACK:
            raise fault(error, expected) from None
    except UnicodeDecodeError:  # sqlite3 decodes SQLite's words strictly, and they quote the damaged schema
        raise _corrupt("the schema is not text", expected) from None
    try:  # a live writer left no read mark that fits; then its -shm is in use anyway
        return _query_with("mode=ro", expected)
    except sqlite3.Error as error:
        raise fault(error, expected) from None


def _query_with(options: str, expected: Expectation) -> Found:
    connection = connect(expected.url.path, options)
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        return _found(connection, expected)
    finally:
        connection.close()


def connect(path: str, options: str) -> "sqlite3.Connection":
    """A connection by URI that never creates the file; text comes out as it can, never as an exception."""
    import sqlite3

    connection = sqlite3.connect(
        f"{sqlite_path.file_uri(path)}?{options}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def table_names(connection: "sqlite3.Connection") -> list[str]:
    """The names of all tables but SQLite's own."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    return sorted(str(name) for (name,) in rows)


def _found(connection: "sqlite3.Connection", expected: Expectation) -> Found:
    names = table_names(connection)
    present = {name.casefold(): name for name in names}
    stamp = _stamp(connection, expected) if STAMP_TABLE in present else None
    revision = _revision(connection) if _ALEMBIC in present else None
    asked = [
        present[name.casefold()] for name in (*expected.tables, *expected.needs_rows) if name.casefold() in present
    ]
    # One row of each required table: a damaged root page shows itself here, at a cost that no number of rows changes.
    empty = {name.casefold() for name in asked if not _has_row(connection, name, expected)}
    tables = tuple(map(printable, names))
    return Found(tables, stamp, revision, tuple(name for name in expected.needs_rows if name.casefold() in empty))


def _has_row(connection: "sqlite3.Connection", name: str, expected: Expectation) -> bool:
    import sqlite3

    try:
        return connection.execute(f"SELECT 1 FROM {quoted(name)} LIMIT 1").fetchone() is not None
    except sqlite3.OperationalError as error:
        if _primary(error) != sqlite3.SQLITE_ERROR:
            raise
        # a virtual table whose module this SQLite lacks is no damage
        raise ConfigurationError(
            "unreadable-table",
            f"table {printable(name)} of {expected.url.path} cannot be read: {printable(str(error))}",
            f"leave it out of tables and needs_rows of [databases.{expected.name}]",
        ) from None


def quoted(name: str) -> str:
    """The name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def _revision(connection: "sqlite3.Connection") -> str | None:
    """Alembic's revision, several heads joined; None where another program's table of that name has another shape."""
    import sqlite3

    try:
        rows = connection.execute(f"SELECT version_num FROM {_ALEMBIC} ORDER BY 1 LIMIT 10").fetchall()
    except sqlite3.OperationalError as error:
        if _primary(error) != sqlite3.SQLITE_ERROR:
            raise
        return None
    return ", ".join(printable(str(row[0])) for row in rows) or None


def _stamp(connection: "sqlite3.Connection", expected: Expectation) -> Stamp:
    """The stamp; a table of that name which holds none raises WrongDataError, since adopt could not write one."""
    import sqlite3

    try:
        rows = connection.execute(
            f"SELECT key, value FROM {STAMP_TABLE} WHERE key IN ('db_id', 'database', 'created_at') LIMIT 4"
        )
        found = rows.fetchall()
    except sqlite3.OperationalError as error:
        if _primary(error) != sqlite3.SQLITE_ERROR:
            raise
        raise _bad_stamp(printable(str(error)), expected) from None
    fields: dict[Any, Any] = dict(found)
    if len(fields) != len(found):
        raise _bad_stamp("it says one thing twice", expected)
    texts = [fields.get(key) for key in ("db_id", "database", "created_at")]
    if not all(isinstance(text, str) and text for text in texts):
        raise _bad_stamp("it does not say db_id, database and created_at", expected)
    return Stamp(*(printable(str(text)) for text in texts))


def _bad_stamp(why: str, expected: Expectation) -> WrongDataError:
    rename = f'sqlite3 "{expected.url.path}" "ALTER TABLE {STAMP_TABLE} RENAME TO {STAMP_TABLE}_old"'
    return WrongDataError(
        "bad-stamp",
        f"{expected.url.path} ({expected.place}) has a table {STAMP_TABLE} that is not a stamp: {why}",
        f"if it is '{expected.name}': {rename}, then: autopack-run {expected.profile} adopt",
    )


def _extended(error: "sqlite3.Error") -> int:
    return getattr(error, "sqlite_errorcode", -1)


def _primary(error: "sqlite3.Error") -> int:
    return _extended(error) & 0xFF


def fault(error: "sqlite3.Error", expected: Expectation) -> LauncherError:
    """What SQLite's error means for the operator."""
    import sqlite3

    path, code = expected.url.path, _primary(error)
    if _extended(error) == sqlite3.SQLITE_READONLY_ROLLBACK:
        return sqlite_sidecars.hot_journal(expected)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        who = locks.holder(path, locks.SHARED)
        if who is None and sqlite_sidecars.look(expected).log:
            return sqlite_sidecars.unreadable_log(expected)
        who = who or "another process"
        return LauncherError(
            "busy",
            BUSY,
            f"{path} was busy for {BUSY_SECONDS:.0f} s: {who} holds it",
            "wait for it, or stop it; then try again",
        )
    if code == sqlite3.SQLITE_INTERRUPT:
        return LauncherError("busy", BUSY, f"{path} did not answer within {DEADLINE_SECONDS:.0f} s", "try again")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH):
        return LauncherError(
            "unreadable",
            PERMISSION,
            f"SQLite cannot open {path}: {error}",
            "look at the rights of the file and its folder",
        )
    return _corrupt(printable(str(error)), expected)


def _corrupt(why: str, expected: Expectation) -> WrongDataError:
    path = expected.url.path
    return WrongDataError(
        "corrupt",
        f"{path} ({expected.place}) is damaged: {why}. Do not run anything on it",
        f'copy it aside, then restore a backup, or: sqlite3 "{path}" .recover | sqlite3 recovered.db',
    )
