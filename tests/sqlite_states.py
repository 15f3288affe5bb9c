"""SQLite databases in every state that tests need, made by SQLite itself: written, held, killed, damaged."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TABLES = ("runs", "phases", "llm_usage_events")
DB_ID = "8b0b7c1e-0000-4000-8000-000000000001"


def stamp(connection: sqlite3.Connection, name: str = "telemetry", db_id: str = DB_ID) -> None:
    """The stamp as the contract describes it, written without the launcher."""
    connection.execute("CREATE TABLE autopack_identity (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)")
    rows = [("db_id", db_id), ("database", name), ("created_at", "2026-01-02T03:04:05+00:00")]
    connection.executemany("INSERT INTO autopack_identity VALUES (?, ?)", rows)


def build(
    path: Path, *more: str, name: str | None = "telemetry", tables: tuple[str, ...] = TABLES, rows: int = 3
) -> Path:
    """A database with the tables, some rows and, where `name` is given, the stamp; then the statements in `more`."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in tables:
            connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, body TEXT)")
            connection.executemany(f"INSERT INTO {table} (body) VALUES (?)", [("x" * 50,)] * rows)
        if name is not None:
            stamp(connection, name)
        for statement in more:
            connection.execute(statement).fetchall()
    return path


WAL = "PRAGMA journal_mode=WAL"
# A transaction that is larger than the cache, so that half of it stands in the file when its writer is killed.
SPILL = (
    "PRAGMA cache_size=2",
    "BEGIN IMMEDIATE",
    "INSERT INTO runs (body) WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
    " SELECT hex(randomblob(1000)) FROM n",
)

_WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement).fetchall()
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def process(path: Path, *statements: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has run the statements and holds its connection open; it is killed at the end."""
    child = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), *statements],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin
    assert child.stdout
    try:
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def killed(path: Path, *statements: str) -> None:
    """What a writer leaves that ran the statements and was killed."""
    with process(path, *statements):
        pass


def patch(path: Path, offset: int, data: bytes) -> None:
    """Write the bytes into the file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def root_page(path: Path, table: str) -> int:
    """The offset of the first page of the table."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
        ((size,),) = connection.execute("PRAGMA page_size")
    return int((page - 1) * size)


OURS = ".autopack-run"


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below the folder and the folder itself: size, mtime in nanoseconds, bytes; links and FIFOs by name.

    A folder's mtime moves when a file is created in it and taken away again.
    """
    found = {".": (0, os.stat(folder).st_mtime_ns, b"")}
    for path in sorted(folder.rglob("*")):
        if OURS in path.relative_to(folder).parts:
            continue
        state = path.lstat()
        data = b""
        if path.is_file() and not path.is_symlink():
            try:
                data = path.read_bytes()
            except PermissionError:  # Windows: bytes that another process has locked cannot be read
                data = b"(locked)"
        found[str(path.relative_to(folder))] = (state.st_size, state.st_mtime_ns, data)
    return found


@contextlib.contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Nothing in the folder is created, removed or changed meanwhile, not even for a moment; our own folder aside."""
    (folder / OURS).mkdir(exist_ok=True)  # a task that starts makes it, which moves the folder's own mtime
    before = snapshot(folder)
    yield
    after = snapshot(folder)
    assert sorted(after) == sorted(before)
    assert {name: state[:2] for name, state in after.items()} == {name: state[:2] for name, state in before.items()}
    assert after == before
