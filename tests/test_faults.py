"""Every fault of a SQLite database that the contract names: the real file, the real command line, nothing touched."""

import contextlib
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from parts import system
from running import last_line, run, write
from sqlite_states import DB_ID, SPILL, TABLES, WAL, build, killed, patch, process, root_page, untouched

POSIX = pytest.mark.posix
SEED = "autopack-run seed create"
RECOVER = "autopack-run {profile} recover"
CHILD = ["python", "-c", "print('child ran')"]
ACTIONS: dict[str, list[str]] = {
    "check": ["telemetry", "check"],
    "drain": ["telemetry", "drain"],
    "serve": ["telemetry", "serve"],
    "exec": ["--verify", "telemetry", "exec", "--", *CHILD],
    "create": ["seed", "create"],
}
if system() == "wine":  # where a start takes a second; what is left away there runs the same code as the rest
    del ACTIONS["serve"], ACTIONS["exec"]


def profile(url: str = "sqlite:///x.db", extra: str = "", tables: tuple[str, ...] = TABLES) -> str:
    """A profile file with a task of each kind."""
    text = json.dumps
    return f"""
[defaults]
python = {text(sys.executable)}
[databases.telemetry]
url = {text(url)}
tables = {text(tables)}
id = {text(DB_ID)}
{extra}
[profiles.seed]
database = "telemetry"
[profiles.seed.tasks.create]
run = {text(CHILD)}
creates = true
[profiles.telemetry]
database = "telemetry"
[profiles.telemetry.tasks.drain]
run = {text(CHILD)}
[profiles.telemetry.tasks.serve]
run = {text(CHILD)}
writes = false
"""


class Case(NamedTuple):
    """A state and what the launcher must say of it.

    make: puts it into the folder, as x.db; a generator holds it while the launcher looks. code, slug: of all actions
    but those in `but`. ran: actions whose child runs before the fault shows. says: texts of the message, {x} being the path of x.db. hint: a text of the hint.
    """

    name: str
    make: Callable[[Path], Any]
    code: int
    slug: str
    says: tuple[str, ...] = ()
    hint: str = ""
    but: dict[str, tuple[int, str]] = {}  # noqa: RUF012 (never changed)
    url: str = "sqlite:///x.db"
    ran: tuple[str, ...] = ()
    marks: tuple[pytest.MarkDecorator, ...] = ()


def x(folder: Path) -> Path:
    return folder / "x.db"


def good(folder: Path) -> Path:
    return build(x(folder))


def content(data: bytes) -> Callable[[Path], Any]:
    return lambda folder: x(folder).write_bytes(data)


def holding(*statements: str) -> Callable[[Path], Any]:
    """Another process has run the statements on the good database and stays."""

    def make(folder: Path) -> Iterator[None]:
        with process(good(folder), *statements):
            yield

    return make


def dying(*statements: str, gone: tuple[str, ...] = ()) -> Callable[[Path], Any]:
    """Another process was killed after the statements; then the files with the endings in `gone` got lost."""

    def make(folder: Path) -> None:
        killed(good(folder), *statements)
        for ending in gone:
            Path(f"{x(folder)}{ending}").unlink()

    return make


def truncated(folder: Path) -> None:
    os.truncate(build(x(folder), rows=500), 8192)


def damaged_schema(folder: Path) -> None:
    patch(good(folder), 100, b"\xff" * 3000)


def damaged_root(folder: Path) -> None:
    offset = root_page(good(folder), "phases")
    patch(x(folder), offset, b"\xff" * 64)


def half_checkpointed(folder: Path) -> None:
    """A checkpoint was killed after page 1: the header is the new one, the pages are still in the -wal alone."""
    killed(build(x(folder), WAL), "INSERT INTO runs (body) SELECT hex(randomblob(2000)) FROM runs, phases, runs r2")
    whole = folder / "whole"
    whole.mkdir()
    for ending in ("", "-wal"):
        (whole / f"x.db{ending}").write_bytes(Path(f"{x(folder)}{ending}").read_bytes())
    with contextlib.closing(sqlite3.connect(whole / "x.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    patch(x(folder), 0, (whole / "x.db").read_bytes()[:4096])


def half_committed(folder: Path) -> None:
    """A commit was killed after page 1: more pages in the header than in the file, and a hot journal."""
    killed(good(folder), *SPILL)
    data = x(folder).read_bytes()
    patch(x(folder), 28, (len(data) // 4096 + 50).to_bytes(4, "big"))
    patch(x(folder), 92, data[24:28])


def first_transaction(folder: Path) -> None:
    """A first transaction was killed before page 1 was written: no magic yet, and a hot journal."""
    killed(
        x(folder), "PRAGMA cache_size=2", "BEGIN IMMEDIATE", "CREATE TABLE runs (body)", SPILL[-1].replace("300", "99")
    )
    assert Path(f"{x(folder)}-journal").exists()
    patch(x(folder), 0, bytes(100))


def switched(folder: Path) -> None:
    """A -wal beside a database whose header says rollback: SQLite reads it all the same."""
    killed(build(folder / "other.db", WAL), "CREATE TABLE zz (a)")
    good(folder)
    (folder / "other.db-wal").rename(folder / "x.db-wal")


def only_mode(mode: int, wal: bool = False, folder_mode: int = 0) -> Callable[[Path], Any]:
    def make(folder: Path) -> Iterator[None]:
        place = folder / "data"
        place.mkdir()
        build(place / "x.db", *([WAL] if wal else []))
        (place / "x.db").chmod(mode)
        if folder_mode:
            place.chmod(folder_mode)
        yield
        place.chmod(0o755)
        (place / "x.db").chmod(0o644)

    return make


def fifo(name: str) -> Callable[[Path], Any]:
    return lambda folder: os.mkfifo(folder / name)


def link(target: str) -> Callable[[Path], Any]:
    return lambda folder: x(folder).symlink_to(target)


def both(*makes: Callable[[Path], Any]) -> Callable[[Path], Any]:
    return lambda folder: [make(folder) for make in makes]


def linked_killed(folder: Path, *statements: str, gone: str = "") -> None:
    """The database stands elsewhere; SQLite keeps its journal there, not beside the link."""
    place = folder / "data"
    place.mkdir()
    killed(build(place / "real.db"), *statements)
    if gone:
        (place / f"real.db{gone}").unlink()
    x(folder).symlink_to(place / "real.db")


def held_link(folder: Path) -> Iterator[None]:
    place = folder / "data"
    place.mkdir()
    x(folder).symlink_to(place / "real.db")
    # the stamp stands in the -wal alone: who looks beside the link does not find it
    with process(build(place / "real.db", WAL, name=None), *_stamp_statements()):
        yield


def _stamp_statements() -> list[str]:
    values = f"('db_id', '{DB_ID}'), ('database', 'telemetry'), ('created_at', '2026')"
    return ["CREATE TABLE autopack_identity (key, value)", f"INSERT INTO autopack_identity VALUES {values}"]


def utf16(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(x(folder), isolation_level=None)) as connection:
        connection.execute("PRAGMA encoding = 'UTF-16be'")
        for statement in [*(f"CREATE TABLE {table} (id)" for table in TABLES), *_stamp_statements()]:
            connection.execute(statement)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
KEEPS = ("Do not delete",)

MADE_NOTHING = {"create": (65, "no-tables")}  # its child ran first

# On Windows asking who writes would take the lock for a moment: no note there, rather than that.
WRITING = () if os.name == "nt" else ("is writing right now",)

CASES = [
    Case("missing file", lambda folder: None, 78, "no-database-file", ("no database file at {x}", "autopack-run.toml:5", "Nothing was created"), SEED, MADE_NOTHING, ran=("create",)),
    Case("missing parent", lambda folder: None, 78, "no-database-file", ("no folder ", "sub", "Nothing was created"), "fix the path", MADE_NOTHING, url="sqlite:///sub/x.db", ran=("create",)),
    Case("parent is a file", lambda folder: (folder / "sub").write_text("x"), 78, "no-database-file" if os.name == "nt" else "not-a-file", ("sub",), "fix the path", MADE_NOTHING if os.name == "nt" else {}, url="sqlite:///sub/x.db", ran=("create",) if os.name == "nt" else ()),
    Case("dangling link", link("nowhere.db"), 78, "not-a-file", ("{x}", "a link to nowhere.db, which is not there"), "fix the link", marks=(POSIX,)),
    Case("link loop", link("x.db"), 78, "not-a-file", ("{x}", "symbolic links"), "fix the path", marks=(POSIX,)),
    Case("link to a file in another folder", linked_killed, 0, "", marks=(POSIX,)),
    Case("folder", lambda folder: x(folder).mkdir(), 78, "not-a-file", ("{x}", "is a folder"), "name the file"),
    Case("FIFO", fifo("x.db"), 78, "not-a-file", ("{x}", "not a regular file; it was not opened"), marks=(POSIX,)),
    Case("device", lambda folder: None, 78, "not-a-file", ("/dev/null", "not a regular file"), url="sqlite:////dev/null", marks=(POSIX,)),
    Case("zero bytes", lambda folder: (content(b"")(folder), os.utime(x(folder), (1.7e9, 1.7e9))), 65, "empty-file", ("{x}", "0 bytes", "by accident at 2023-11-1"), f"delete it, then: {SEED}", MADE_NOTHING, ran=("create",)),
    Case("LFS pointer", content(LFS), 65, "not-sqlite", ("not SQLite: it starts with 'version https://git-lfs'",), "git lfs pull"),
    Case("text", content(b"PASSWORD=s3cret\nDATABASE_URL=x\n" * 9), 65, "not-sqlite", ("it starts with 'PASSWORD…'",), "fix the path"),
    Case("text with a character across the 100th byte", content(b"a" + "é".encode() * 90), 65, "not-sqlite", ("it starts with 'aéé",)),
    Case("text by PowerShell's >", content(("hello world" * 20).encode("utf-16")), 65, "not-sqlite", ("it starts with 'hello…'",)),
    Case("random bytes", content(bytes(range(128, 256)) * 64), 65, "not-sqlite", ("not SQLite, or encrypted", "80 81 82 83")),
    Case("under 100 bytes", content(b"SQLite format 3\0" + bytes(34)), 65, "not-sqlite", ("it has 50 bytes",)),
    Case("truncated", truncated, 65, "truncated", ("{x}", "pages of 4096 bytes", "the file has 8192 bytes"), "restore a backup"),
    Case("damaged schema page", damaged_schema, 65, "corrupt", ("{x}", "is damaged: ", "Do not run anything on it"), '.recover'),
    Case("damaged root page of a required table", damaged_root, 65, "corrupt", ("{x}", "malformed"), '.recover'),
    Case("page size 3", lambda folder: patch(good(folder), 16, b"\0\3"), 65, "corrupt", ("{x}",)),
    Case("hot journal", dying(*SPILL), 75, "writer-died", ("{x}-journal is a hot journal", *KEEPS), RECOVER),
    Case("hot journal, commit half done", half_committed, 75, "writer-died", ("{x}-journal", *KEEPS), RECOVER),
    Case("hot journal, first transaction", first_transaction, 75, "writer-died", ("{x}-journal", *KEEPS), RECOVER),
    Case("hot journal behind a link", lambda folder: linked_killed(folder, *SPILL), 75, "writer-died", ("real.db-journal is a hot journal",), RECOVER, marks=(POSIX,)),
    Case("finished journal, zeroed", both(good, lambda folder: (folder / "x.db-journal").write_bytes(bytes(512))), 0, ""),
    Case("finished journal, persistent", lambda folder: build(x(folder), "PRAGMA journal_mode=PERSIST", "DELETE FROM phases WHERE id = 1"), 0, ""),
    Case("closed WAL with a zeroed journal", lambda folder: (build(x(folder), WAL), (folder / "x.db-journal").write_bytes(bytes(512))), 0, ""),
    Case("-wal without -shm", dying(WAL, "DELETE FROM phases WHERE id = 1", gone=("-shm",)), 75, "writer-died", ("{x}-wal stands without its -shm", *KEEPS, "committed data"), RECOVER),
    Case("-wal without -shm behind a link", lambda folder: linked_killed(folder, WAL, "DELETE FROM phases", gone="-shm"), 75, "writer-died", ("real.db-wal stands without",), RECOVER, marks=(POSIX,)),
    Case("-wal without -shm, header says rollback", switched, 75, "writer-died", ("{x}-wal", *KEEPS), RECOVER),
    Case("-wal, checkpoint half done", half_checkpointed, 0, ""),
    Case("-wal and -shm of a killed writer", dying(WAL, "DELETE FROM phases WHERE id = 1"), 0, ""),
    Case("closed WAL", lambda folder: build(x(folder), WAL), 0, ""),
    Case("-wal without its database", lambda folder: (dying(WAL, "DELETE FROM phases WHERE id = 1")(folder), x(folder).unlink()), 65, "orphan-wal", ("x.db-wal has", "committed data", "gone or empty"), "bring the two together"),
    Case("-wal beside an empty file", lambda folder: (dying(WAL, "DELETE FROM phases WHERE id = 1")(folder), os.truncate(x(folder), 0)), 65, "orphan-wal", ("x.db-wal has", "committed data")),
    Case("FIFO as -journal", both(good, fifo("x.db-journal")), 78, "not-a-file", ("{x}-journal is not a regular file",), marks=(POSIX,)),
    Case("folder as -wal", both(good, lambda folder: (folder / "x.db-wal").mkdir()), 78, "not-a-file", ("{x}-wal is not a regular file",)),
    Case("EXCLUSIVE lock", holding("BEGIN EXCLUSIVE"), 75, "busy", ("{x} was busy for 2 s",), "wait for it"),
    Case("locking_mode=EXCLUSIVE", holding("PRAGMA locking_mode=EXCLUSIVE", "DELETE FROM phases WHERE id = 1"), 75, "busy", ("{x} was busy for 2 s",)),
    Case("locking_mode=EXCLUSIVE, WAL", holding("PRAGMA locking_mode=EXCLUSIVE", WAL, "DELETE FROM phases WHERE id = 1"), 75, "busy", ("{x} is held by", "alone"), "stop it"),
    Case("RESERVED lock", holding("BEGIN IMMEDIATE"), 0, "", WRITING),
    Case("RESERVED lock with a journal", holding("BEGIN IMMEDIATE", "DELETE FROM phases"), 0, "", WRITING),
    Case("reader", holding("BEGIN", "SELECT * FROM phases"), 0, ""),
    Case("WAL writer, idle", holding(WAL, "DELETE FROM phases WHERE id = 1"), 0, ""),
    Case("WAL writer in a transaction", holding(WAL, "BEGIN IMMEDIATE", "DELETE FROM phases WHERE id = 1"), 0, "", ("is writing right now",)),
    Case("WAL writer behind a link", held_link, 0, "", marks=(POSIX,)),
    Case("read-only file", only_mode(0o444), 0, "", ("is read-only",), but={"drain": (77, "read-only"), "create": (77, "read-only")}, url="sqlite:///data/x.db"),
    Case("read-only folder", only_mode(0o644, folder_mode=0o555), 0, "", ("is read-only",), but={"drain": (77, "read-only"), "create": (77, "read-only")}, url="sqlite:///data/x.db", marks=(POSIX,)),
    Case("read-only folder with WAL", only_mode(0o644, wal=True, folder_mode=0o555), 77, "read-only", ("data is read-only, and SQLite must create x.db-shm there",), "chmod u+w /", url="sqlite:///data/x.db", marks=(POSIX,)),
    Case("hard link", lambda folder: os.link(good(folder), folder / "y.db"), 65, "hard-link", ("{x} has 2 names",), "copy it"),
    Case("no tables", lambda folder: build(x(folder), "VACUUM", name=None, tables=()), 65, "no-tables", ("{x}", "has no tables. Missing: runs, phases, llm_usage_events"), SEED, ran=("create",)),
    Case("partial schema", lambda folder: build(x(folder), name=None, tables=("llm_usage_events",)), 65, "partial-schema", ("Missing: runs, phases. Present: llm_usage_events", "create_all before importing the models"), SEED),
    Case("another program's database", lambda folder: build(x(folder), name=None, tables=("wp_posts", "wp_users")), 65, "other-program", ("none of our tables; found wp_posts, wp_users",), "fix the url of [databases.telemetry]"),
    Case("another program's, hostile names", lambda folder: build(x(folder), 'CREATE TABLE "a\x1b[2J\nautopack-run: ok" (a)', name=None, tables=()), 65, "other-program", (r"found a\x1b[2J\x0aautopack-run: ok",)),
    Case("right schema under another name", lambda folder: build(x(folder), name="dev"), 65, "wrong-database", ("this is 'dev' (db_id 8b0b", "the profile asks for 'telemetry'", "{x}"), "fix the url of [databases.telemetry]"),
    Case("unstamped", lambda folder: build(x(folder), name=None), 65, "unstamped", ("{x}", "no stamp"), "autopack-run {profile} adopt"),
    Case("stamp table of another shape", lambda folder: build(x(folder), "CREATE TABLE autopack_identity (a)", name=None), 65, "bad-stamp", ("autopack_identity that is not a stamp",), "RENAME TO"),
    Case("stamp table without rows", lambda folder: build(x(folder), "DELETE FROM autopack_identity"), 65, "bad-stamp", ("does not say db_id",), "adopt"),
    Case("stamp with a blob", lambda folder: build(x(folder), "UPDATE autopack_identity SET value = x'00ff' WHERE key = 'db_id'"), 65, "bad-stamp", ("does not say db_id",)),
    Case("alembic_version of another shape", lambda folder: build(x(folder), "CREATE TABLE alembic_version (a)"), 0, ""),
    Case("UTF-16 database", utf16, 0, ""),
]  # fmt: skip


@contextlib.contextmanager
def made(case: Case, folder: Path) -> Iterator[None]:
    """The state stands while the launcher looks."""
    result = case.make(folder)
    if not hasattr(result, "__next__"):
        yield
        return
    next(result)
    try:
        yield
    finally:
        with contextlib.suppress(StopIteration):
            next(result)


def hint_of(stderr: str) -> str:
    return "\n".join(line for line in stderr.splitlines() if line.startswith("hint: "))


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name, marks=case.marks) for case in CASES])
def test_the_fault_is_named_and_nothing_is_touched(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    write(folder, profile(case.url))
    with made(case, folder), untouched(folder), ThreadPoolExecutor() as pool:
        started = {action: pool.submit(run, words, folder) for action, words in ACTIONS.items()}
        results = {action: future.result() for action, future in started.items()}
    told = [text.replace("{x}", str(x(folder))) for text in case.says]
    for action, result in results.items():
        code, slug = case.but.get(action, (case.code, case.slug))
        both_streams = result.stdout + result.stderr
        assert result.returncode == code, (action, both_streams)
        assert "s3cret" not in both_streams
        if code == 0:
            assert ("child ran" in result.stdout) == (action != "check"), action
        else:
            assert ("child ran" in result.stdout) == (action in case.ran), action
            assert re.match(rf"autopack-run: {slug}: ", last_line(result)), (action, result.stderr)
            assert result.stderr.count("\nautopack-run: ") <= 8
        if (code, slug) == (case.code, case.slug):
            for text in told:
                assert text in both_streams, (action, text, both_streams)
            assert case.hint.replace("{profile}", "seed" if action == "create" else "telemetry") in hint_of(
                result.stderr
            ), (action, result.stderr)
