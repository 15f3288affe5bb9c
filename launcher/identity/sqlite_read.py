"""Reading a SQLite database's identity through SQLite, in the way that touches nothing (IDENTITY.md)."""

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from launcher.errors import BUSY, PERMISSION, ConfigurationError, LauncherError, WrongDataError
from launcher.hints import command_line
from launcher.identity import locks, sqlite_header, sqlite_path, sqlite_sidecars, stamp_table
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp, printable
from launcher.identity.sqlite_header import fold

if TYPE_CHECKING:
    import sqlite3

BUSY_SECONDS = 2.0
DEADLINE_SECONDS = 5.0
_ALEMBIC = "alembic_version"
_STAMP_BYTES = 100_000


class Found(NamedTuple):
    """The part of an Identity that SQLite tells."""

    tables: tuple[str, ...]
    stamp: Stamp | None
    revision: str | None
    empty: tuple[str, ...]
    change_counter: int


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
    connection, handle = connect(expected.url.path, options), -1
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        # One transaction: the counter is read under SQLite's lock, when no writer can have half a commit in the file.
        connection.execute("BEGIN")
        found = _found(connection, expected)
        handle = os.open(expected.url.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        os.lseek(handle, sqlite_header.CHANGE_COUNTER, os.SEEK_SET)
        return found._replace(change_counter=int.from_bytes(os.read(handle, 4), "big"))
    finally:
        connection.close()
        if handle != -1:
            os.close(handle)  # only now: closing any handle of the file drops the locks that this process has on it


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
    present = {fold(name): name for name in names}
    if fold(STAMP_TABLE) not in present:
        _refuse_in_its_place(connection, expected)
    stamp = _stamp(connection, expected) if fold(STAMP_TABLE) in present else None
    revision = _revision(connection) if fold(_ALEMBIC) in present else None
    required = dict.fromkeys((*expected.tables, *expected.needs_rows))
    if not expected.creates and (stamp is None or stamp.database == expected.name):  # another one's name comes first
        _refuse_views(connection, [name for name in required if fold(name) not in present], expected)
    asked = [present[fold(name)] for name in required if fold(name) in present]
    # One row of each required table: a damaged root page shows itself here, at a cost that no number of rows changes.
    empty = {fold(name) for name in asked if not _has_row(connection, name, expected)}
    tables = tuple(map(printable, names))
    return Found(tables, stamp, revision, tuple(name for name in expected.needs_rows if fold(name) in empty), 0)


def _kind(connection: "sqlite3.Connection", name: str) -> str:
    """`view` or `index`, whichever has the name, which a new table could not have then; else ""."""
    sql = "SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('view', 'index')"
    row = connection.execute(sql, (name,)).fetchone()
    return str(row[0]) if row else ""


def _refuse_in_its_place(connection: "sqlite3.Connection", expected: Expectation) -> None:
    """Raise WrongDataError where adopt could not make the stamp's table, since something else has its name."""
    kind = _kind(connection, STAMP_TABLE)
    if kind:
        drop = command_line("sqlite3", expected.url.path, f"DROP {kind.upper()} {STAMP_TABLE}")
        spot, words = f"{expected.url.path} ({expected.place})", {"view": "a view", "index": "an index"}[kind]
        raise stamp_table.bad_stamp(spot, "that is a table with this name", f"{drop},", expected, words)


def _refuse_views(connection: "sqlite3.Connection", names: list[str], expected: Expectation) -> None:
    view = next((name for name in names if _kind(connection, name) == "view"), None)
    if view is not None:
        raise WrongDataError(
            "partial-schema",
            f"{expected.url.path} ({expected.place}): {view} is a view, and a table is required",
            f"make it a table; or leave it out of tables of [databases.{expected.name}] and needs_rows of the task",
        )


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

    known = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _STAMP_BYTES)  # what is longer is not even read
    try:
        rows = connection.execute(
            f"SELECT key, value FROM {STAMP_TABLE} WHERE key IN ('db_id', 'database', 'created_at') LIMIT 4"
        )
        found = rows.fetchall()
    except (sqlite3.OperationalError, sqlite3.DataError) as error:
        if _primary(error) not in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG):
            raise
        raise _bad_stamp(printable(str(error)), expected) from None
    finally:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, known)
    return stamp_table.parse(found, lambda why: _bad_stamp(why, expected))


def _bad_stamp(why: str, expected: Expectation) -> WrongDataError:
    rename = command_line("sqlite3", expected.url.path, f"ALTER TABLE {STAMP_TABLE} RENAME TO {STAMP_TABLE}_old")
    return stamp_table.bad_stamp(f"{expected.url.path} ({expected.place})", why, f"{rename},", expected)


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
