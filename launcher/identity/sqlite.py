"""The SQLite ladder: which database a file is, with nothing created, locked for writing or changed (IDENTITY.md)."""

import os
import time
from typing import TYPE_CHECKING, Any

from launcher.errors import BUSY, PERMISSION, LauncherError, WrongDataError
from launcher.identity import locks, sqlite_file
from launcher.identity.expectation import STAMP_TABLE, Expectation, Identity, Stamp
from launcher.identity.sqlite_file import FileState

if TYPE_CHECKING:
    import sqlite3

BUSY_SECONDS = 2.0
DEADLINE_SECONDS = 5.0
RETRIES = 3
RETRY_SECONDS = 0.02


def inspect(expected: Expectation) -> Identity | None:
    """What stands at the expected place; None where nothing does, or an empty file, and the task creates it.

    Raises LauncherError for every fault of the file itself. Whether it is the right database is the verdict's matter.
    """
    if sqlite_file.missing(expected):
        return None
    sqlite_file.check_place(expected)
    for _ in range(RETRIES):
        before = sqlite_file.read_state(expected.url.path)
        if before.size == 0 and expected.creates:
            return None
        identity, cleanly_closed = _read(before, expected)
        # immutable=1 reads without locks, so what it read counts only if nobody wrote meanwhile.
        if not cleanly_closed or sqlite_file.read_state(expected.url.path) == before:
            return identity
        time.sleep(RETRY_SECONDS)
    raise LauncherError("busy", BUSY, f"{expected.url.path} changed during each of {RETRIES} looks", "try again")


def _read(state: FileState, expected: Expectation) -> tuple[Identity, bool]:
    path = expected.url.path
    header = sqlite_file.parse_header(state, path, expected)
    closed, notes = sqlite_file.sidecars(expected, header.wal)
    notes += sqlite_file.check_writable(expected, header.wal)
    immutable = header.wal and closed
    tables, stamp, revision, empty = _query(path, immutable, expected)
    if not notes and not immutable and (writer := _writer(path)):
        notes += (f"{writer} has a write lock right now",)
    journal = "wal" if header.wal else "rollback"
    identity = Identity(
        path,
        state.device,
        state.inode,
        state.size,
        journal,
        header.change_counter,
        tables,
        stamp,
        revision,
        empty,
        notes,
    )
    return identity, immutable


def _writer(path: str) -> str | None:
    return locks.holder(path, locks.RESERVED) if os.path.exists(path + "-journal") else None


Found = tuple[tuple[str, ...], Stamp | None, str | None, tuple[str, ...]]


def _query(path: str, immutable: bool, expected: Expectation) -> Found:
    import sqlite3

    # readonly_shm: without it even mode=ro writes read marks into the -shm of a WAL database (measured).
    options = "mode=ro&immutable=1" if immutable else "mode=ro&readonly_shm=1"
    try:
        return _query_with(path, options, expected)
    except sqlite3.Error as error:
        if _primary(error) != sqlite3.SQLITE_READONLY or _extended(error) == sqlite3.SQLITE_READONLY_ROLLBACK:
            raise _fault(error, expected) from None
    try:  # a live writer left no read mark that fits; then its -shm is in use anyway
        return _query_with(path, "mode=ro", expected)
    except sqlite3.Error as error:
        raise _fault(error, expected) from None


def _query_with(path: str, options: str, expected: Expectation) -> Found:
    import sqlite3

    connection = sqlite3.connect(f"{file_uri(path)}?{options}", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        deadline = time.monotonic() + DEADLINE_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        return _found(connection, expected)
    finally:
        connection.close()


def _found(connection: "sqlite3.Connection", expected: Expectation) -> Found:
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    tables = tuple(sorted(name for (name,) in rows))
    present = {table.casefold(): table for table in tables}
    stamp = _stamp(connection) if STAMP_TABLE in present else None
    revision = _first(connection, "SELECT version_num FROM alembic_version") if "alembic_version" in present else None
    asked = [
        present[name.casefold()] for name in (*expected.tables, *expected.needs_rows) if name.casefold() in present
    ]
    # One row of each required table: a damaged root page shows itself here, at a cost that no number of rows changes.
    empty = {name.casefold() for name in asked if _first(connection, f"SELECT 1 FROM {_quoted(name)}") is None}
    return tables, stamp, revision, tuple(name for name in expected.needs_rows if name.casefold() in empty)


def _first(connection: "sqlite3.Connection", query: str) -> Any:
    row = connection.execute(query + " LIMIT 1").fetchone()
    return row[0] if row else None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _stamp(connection: "sqlite3.Connection") -> Stamp | None:
    """The stamp; None where the table has no row of ours. A table of another shape raises sqlite3.OperationalError."""
    fields = dict(
        connection.execute(f"SELECT key, value FROM {STAMP_TABLE} WHERE key IN ('db_id', 'database', 'created_at')")
    )
    if "db_id" not in fields or "database" not in fields:
        return None
    return Stamp(str(fields["db_id"]), str(fields["database"]), str(fields.get("created_at", "")))


def file_uri(path: str) -> str:
    """The `file:` URI of an absolute path (https://www.sqlite.org/uri.html)."""
    slashed = path.replace("\\", "/") if os.name == "nt" else path
    kept = b"/:-_.~" + bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123))
    encoded = "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in os.fsencode(slashed))
    return f"file://{'' if encoded.startswith('/') else '/'}{encoded}"


def _extended(error: "sqlite3.Error") -> int:
    return getattr(error, "sqlite_errorcode", -1)


def _primary(error: "sqlite3.Error") -> int:
    return _extended(error) & 0xFF


def _fault(error: "sqlite3.Error", expected: Expectation) -> LauncherError:
    import sqlite3

    path, code = expected.url.path, _primary(error)
    if _extended(error) == sqlite3.SQLITE_READONLY_ROLLBACK:
        return sqlite_file.hot_journal(expected)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        who = locks.holder(path, locks.SHARED) or "another process"
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
    if code == sqlite3.SQLITE_ERROR and STAMP_TABLE in str(error):
        return WrongDataError(
            "bad-stamp",
            f"{path} has a table {STAMP_TABLE} that is not a stamp: {error}",
            "rename that table",
        )
    return WrongDataError(
        "corrupt",
        f"{path} is damaged: {error}. Do not run anything on it",
        f'copy it aside, then restore a backup, or: sqlite3 "{path}" .recover | sqlite3 recovered.db',
    )
