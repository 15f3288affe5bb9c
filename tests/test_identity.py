"""The verdict beyond the file's own faults: content, stamps, swaps, changes meanwhile, fuzzing, what it costs."""

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from running import last_line, run, write
from sqlite_states import DB_ID, SPILL, TABLES, WAL, build, killed, patch, process, untouched

from launcher.errors import LauncherError, WrongDataError
from launcher.identity import sqlite, sqlite_file, sqlite_read
from launcher.identity.expectation import Expectation, Identity
from launcher.identity.stamp import write_stamp
from launcher.identity.swapped import refuse_swapped
from launcher.identity.url import DatabaseURL
from launcher.identity.verdict import verify_identity


def expect(path: Path, **more: object) -> Expectation:
    url = DatabaseURL("sqlite", f"sqlite:///{path}", f"sqlite:///{path}", str(path))
    wanted = Expectation("telemetry", url, "autopack-run.toml:5", "telemetry", tables=TABLES)
    return wanted._replace(**more)  # type: ignore[arg-type]


def proven(path: Path, **more: object) -> Identity:
    identity = verify_identity(expect(path, **more))
    assert identity is not None
    return identity


def profile(entry: str = "", task: str = "") -> str:
    return f"""
[defaults]
python = {json.dumps(sys.executable)}
[databases.telemetry]
url = "sqlite:///x.db"
tables = {json.dumps(TABLES)}
{entry if "id = " in entry else f'id = "{DB_ID}"' + chr(10) + entry}
[profiles.telemetry]
database = "telemetry"
[profiles.telemetry.tasks.drain]
run = ["python", "-c", "print('child ran')"]
{task}
[profiles.seed]
database = "telemetry"
[profiles.seed.tasks.create]
run = ["python", "-c", "print('child ran')"]
creates = true
[profiles.bare.tasks.drain]
run = ["python", "-c", "print('child ran')"]
verify = true
"""


ALEMBIC = ("CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('a1'), ('b2')")
CONTENT = [
    ("wrong id", (), 'id = "11111111-0000-4000-8000-000000000001"', "", 65, "wrong-database", f"with db_id {DB_ID}; the profile file says id 1111"),
    ("right id, capitals", (), f'id = "{DB_ID.upper()}"', "", 0, "", ""),
    ("no revision", (), 'revision = "a1"', "", 65, "wrong-revision", "at Alembic revision (none), the profile file says a1"),
    ("one of two heads", ALEMBIC, 'revision = "a1"', "", 65, "wrong-revision", "at Alembic revision a1, b2, the profile file says a1"),
    ("other revision", (*ALEMBIC, "DELETE FROM alembic_version WHERE version_num = 'a1'"), 'revision = "a1"', "", 65, "wrong-revision", "at Alembic revision b2"),
    ("right revision", (*ALEMBIC, "DELETE FROM alembic_version WHERE version_num = 'b2'"), 'revision = "a1"', "", 0, "", ""),
    ("nothing to drain", ("DELETE FROM phases",), "", 'needs_rows = ["runs", "phases"]', 65, "nothing-to-do", "no rows in phases, which this task needs"),
    ("names in other case", ("ALTER TABLE phases RENAME TO PHASES2", "ALTER TABLE PHASES2 RENAME TO Phases"), "", 'needs_rows = ["PHASES"]', 0, "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sql", "entry", "task", "code", "slug", "says"), CONTENT, ids=[c[0] for c in CONTENT])
def test_content(
    name: str, sql: tuple[str, ...], entry: str, task: str, code: int, slug: str, says: str, tmp_path: Path
) -> None:
    build(tmp_path / "x.db", *sql)
    write(tmp_path, profile(entry, task))
    with untouched(tmp_path):
        result = run(["telemetry", "drain"], tmp_path)
    assert result.returncode == code, result.stderr
    assert ("child ran" in result.stdout) == (code == 0)
    assert says in result.stderr
    if code:
        assert last_line(result).startswith(f"autopack-run: {slug}: ")
        assert "\nhint: " in result.stderr


def test_allow_empty_starts_it_for_once(tmp_path: Path) -> None:
    build(tmp_path / "x.db", "DELETE FROM phases")
    write(tmp_path, profile(task='needs_rows = ["phases"]'))
    with untouched(tmp_path):
        refused = run(["telemetry", "drain"], tmp_path)
        allowed = run(["--allow-empty", "telemetry", "drain"], tmp_path)
    assert "seed it: autopack-run seed create; or go on for once: --allow-empty" in refused.stderr
    assert (allowed.returncode, allowed.stdout) == (0, "child ran\n")


def test_allow_empty_is_not_allow_missing(tmp_path: Path) -> None:
    build(tmp_path / "x.db")
    write(tmp_path, profile(task='needs_rows = ["jobs"]'))
    done = run(["--allow-empty", "telemetry", "drain"], tmp_path)
    assert (done.returncode, "Missing: jobs" in done.stderr) == (65, True), done.stderr


def test_no_profile_file(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with untouched(tmp_path):
        result = run(["telemetry", "check"], tmp_path)
    assert result.returncode == 78
    assert "autopack-run init" in result.stderr
    assert last_line(result).startswith("autopack-run: no-profile-file: ")


def test_no_database_url(tmp_path: Path) -> None:
    write(tmp_path, profile())
    with untouched(tmp_path):
        result = run(["bare", "drain"], tmp_path)
    assert (result.returncode, result.stdout) == (78, "")
    assert "DATABASE_URL is not set anywhere" in result.stderr
    assert "DATABASE_URL" in result.stderr.split("\nhint: ")[1]
    assert last_line(result).startswith("autopack-run: no-database-url: ")


def test_the_report_says_the_fault_too(tmp_path: Path) -> None:
    build(tmp_path / "x.db", name="dev")
    write(tmp_path, profile())
    with untouched(tmp_path):
        result = run(["telemetry", "check", "--json"], tmp_path)
    report = json.loads(result.stdout)
    assert (result.returncode, report["verdict"], report["error"]["code"]) == (65, "not proven", 65)
    assert report["error"]["slug"] == "wrong-database"


def test_a_stamp_table_in_the_way_is_told_with_commands_that_help(tmp_path: Path) -> None:
    """The hint of bad-stamp, followed word by word, ends in a proven database."""
    if shutil.which("sqlite3") is None:
        pytest.skip("sqlite3: not installed")
    build(tmp_path / "x.db", "DELETE FROM autopack_identity")
    write(tmp_path, profile())
    hint = run(["telemetry", "check"], tmp_path).stderr.split("\nhint: ")[1].splitlines()[0]
    command = hint.split(": ", 1)[1].split(", then: ")[0]
    assert subprocess.run(command, shell=True, check=False).returncode == 0
    assert run(["telemetry", "adopt"], tmp_path).returncode == 0
    assert run(["telemetry", "check"], tmp_path).returncode == 0


# What a table's name can hide: rows that need no process of their own.

VIEW = ("ALTER TABLE phases RENAME TO old", "CREATE VIEW phases AS SELECT * FROM old")
LONG = "UPDATE autopack_identity SET value = printf('%.*c', {}, 'x') WHERE key = 'db_id'"
NAMES: list[tuple[str, tuple[str, ...], dict[str, object], str, str, str]] = [
    ("needed and missing", (), {"needs_rows": ("jobs",)}, "partial-schema", "Missing: jobs. Present: runs", "create all"),
    ("needed and missing, none required", (), {"tables": (), "needs_rows": ("jobs",)}, "partial-schema", "Missing: jobs. Present: llm", ""),
    ("needed by what makes it", (), {"needs_rows": ("jobs",), "creates": True}, "", "", ""),
    ("other capitals, ASCII", (), {"tables": ("RUNS",), "needs_rows": ("Phases",)}, "", "", ""),
    ("other capitals beyond ASCII", ("CREATE TABLE ÄRZTE (a)",), {"tables": ("runs", "ärzte")}, "partial-schema", "Missing: ärzte", ""),
    ("ß is not ss", ("CREATE TABLE strasse (a)",), {"needs_rows": ("straße",)}, "partial-schema", "Missing: straße", ""),
    ("K of Kelvin", ('CREATE TABLE "autopac\u212a_identity" (a)',), {}, "", "", ""),
    ("required, a view", VIEW, {}, "partial-schema", "phases is a view, and a table is required", "make it a table"),
    ("needed, a view", VIEW, {"tables": ("runs",), "needs_rows": ("phases",)}, "partial-schema", "phases is a view", "needs_rows of the task"),
    ("a view, and another's name", (*VIEW, "UPDATE autopack_identity SET value = 'dev' WHERE key = 'database'"), {}, "wrong-database", "this is 'dev'", ""),
    ("stamp, a view", ("DROP TABLE autopack_identity", "CREATE VIEW Autopack_Identity AS SELECT * FROM runs"), {}, "bad-stamp", "a view autopack_identity that is not", "DROP VIEW autopack_identity"),
    ("stamp, an index", ("DROP TABLE autopack_identity", "CREATE INDEX autopack_identity ON runs (body)"), {}, "bad-stamp", "an index autopack_identity that is not", "DROP INDEX autopack_identity"),
    ("db_id too long to compare", (LONG.format(201),), {}, "bad-stamp", "more than 200 characters", "RENAME TO"),
    ("db_id just short enough", (LONG.format(200),), {}, "", "", ""),
    ("db_id too long to read", (LONG.format(200_000),), {}, "bad-stamp", "too big", "RENAME TO"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sql", "more", "slug", "says", "hint"), NAMES, ids=[row[0] for row in NAMES])
def test_names_of_tables(
    name: str, sql: tuple[str, ...], more: dict[str, object], slug: str, says: str, hint: str, tmp_path: Path
) -> None:
    path = build(tmp_path / "x.db", *sql)
    with untouched(tmp_path):
        told, words, help_ = _told(path, **more)
    assert told == (slug or "ok")
    assert says in words
    assert hint in help_


def _told(path: Path, **more: object) -> tuple[str, str, str]:
    """Slug, words and hint; `ok`, the notes and "" where it is proven."""
    try:
        return "ok", "; ".join(proven(path, **more).notes), ""
    except LauncherError as error:
        return error.slug, error.message, error.hint


# What stands beside it, what it stands on, what may be done with it.


def test_a_hot_journal_whose_database_was_moved_away(tmp_path: Path) -> None:
    path = build(tmp_path / "x.db")
    killed(path, *SPILL)
    path.rename(tmp_path / "moved.db")
    for creates in (False, True):
        with untouched(tmp_path):
            slug, words, hint = _told(path, creates=creates)
        assert slug == "orphan-wal"
        assert f"{path}-journal is a hot journal, and its database {path}" in words
        assert "move the -journal away" in hint
    path.touch()  # SQLite takes the journal for that of a first transaction
    assert _told(path)[0] == "empty-file"


@pytest.mark.parametrize("more", [(), (WAL,)], ids=["rollback", "WAL"])
@pytest.mark.parametrize("shm", [False, True], ids=["alone", "with -shm"])
def test_a_log_that_is_none_of_sqlites_holds_nothing(shm: bool, more: tuple[str, ...], tmp_path: Path) -> None:
    path = build(tmp_path / "x.db", *more)
    (tmp_path / "x.db-wal").write_bytes(b"garbage!" * 700)
    if shm:
        (tmp_path / "x.db-shm").write_bytes(bytes(32768))
    began = time.monotonic()
    with untouched(tmp_path):
        identity = proven(path)
    assert time.monotonic() - began < 2
    assert f"{path}-wal is none of SQLite's" in identity.notes[0]
    with contextlib.closing(sqlite3.connect(path)) as connection:  # which is what SQLite says too
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (3,)


def test_a_log_that_somebody_has_open_is_what_he_says(tmp_path: Path) -> None:
    path = build(tmp_path / "x.db", WAL)
    with process(path, "DELETE FROM phases"):
        patch(tmp_path / "x.db-wal", 0, b"what")
        assert proven(path, needs_rows=("runs",)).notes == ()
        assert _told(path, needs_rows=("phases",))[0] == "nothing-to-do"


# Windows changes no attribute of a file that somebody has mapped.
@pytest.mark.parametrize("ending", ["-journal", "-wal", pytest.param("-shm", marks=pytest.mark.posix)])
def test_what_stands_beside_and_cannot_be_written(ending: str, tmp_path: Path) -> None:
    path = build(tmp_path / "x.db", "PRAGMA journal_mode=PERSIST", "DELETE FROM phases WHERE id = 1")
    with process(path, *(() if ending == "-journal" else (WAL, "DELETE FROM phases WHERE id = 1"))):
        beside = Path(f"{path}{ending}")
        beside.chmod(0o444)
        with untouched(tmp_path):
            reads, writes = _told(path, writes=False), _told(path)
        beside.chmod(0o644)
    assert reads[0] == "ok"
    assert f"{beside} is read-only" in reads[1]
    assert writes[0] == "read-only"
    assert f"{beside} is read-only, and this task writes" in writes[1]


@pytest.mark.posix
def test_a_journal_that_cannot_be_read() -> None:
    """Nobody knows whether it is hot: neither a killed writer's nor none."""
    with tempfile.TemporaryDirectory() as folder:  # another user cannot enter pytest's own
        os.chmod(folder, 0o755)
        path = build(Path(folder).resolve() / "x.db")
        killed(path, *SPILL)
        journal = Path(f"{path}-journal")
        journal.chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            slug, words, _ = _told(path)
        finally:
            os.seteuid(user)
    assert slug == "unreadable"
    assert f"{journal} cannot be read" in words


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/mountinfo")
def test_a_file_that_is_a_mount_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    path, real = tmp_path / "my x.db", build(tmp_path / "host" / "x.db", WAL)
    path.touch()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mount: root's alone")
    if subprocess.run(["mount", "--bind", real, path], capture_output=True, check=False).returncode:
        pytest.skip("mount: not here")
    try:
        with process(real, "DROP TABLE phases"):
            slug, words, hint = _told(path)
        assert _told(real)[0] == "partial-schema"
    finally:
        subprocess.run(["umount", path], check=True)
    assert slug == "hard-link"
    assert f"{path} (autopack-run.toml:5) is a mount of its own" in words
    assert hint == "mount the folder instead"


def test_a_database_of_a_later_version_is_read_alone(tmp_path: Path) -> None:
    path = build(tmp_path / "x.db")
    patch(path, 18, b"\3")
    assert "write version 3" in _told(path, writes=False)[1]
    assert _told(path)[0] == "read-only"


@pytest.mark.posix
def test_a_path_that_is_too_long_for_sqlite(tmp_path: Path) -> None:
    """504 bytes are the most: the -journal has eight more."""
    folder = Path(os.path.realpath(tmp_path))
    while len(os.fsencode(folder)) < 400:
        folder /= "d" * min(100, 400 - len(os.fsencode(folder)))
    folder.mkdir(parents=True)
    fits = folder / ("x" * (503 - len(os.fsencode(folder))))
    assert _told(build(fits))[0] == "ok"
    long = fits.rename(f"{fits}x")
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        sqlite3.connect(long)
    for creates in (False, True):
        slug, words, _ = _told(long, creates=creates)
        assert slug == "not-a-file"
        assert "longer than SQLite can open: 513 bytes" in words


# Writing the stamp.


def test_a_trigger_on_the_stamp_is_not_run(tmp_path: Path) -> None:
    trigger = 'CREATE TRIGGER "t 1" AFTER INSERT ON autopack_identity BEGIN DELETE FROM runs; END'
    path = build(tmp_path / "x.db", trigger)
    with untouched(tmp_path), pytest.raises(WrongDataError, match="a trigger on autopack_identity") as caught:
        write_stamp(expect(path), renewed=True)
    assert caught.value.slug == "bad-stamp"
    assert 'DROP TRIGGER "t 1"' in caught.value.hint.replace('\\"', '"')


@pytest.mark.posix
def test_a_stamp_that_has_no_room(tmp_path: Path) -> None:
    import resource
    import signal

    path = build(tmp_path / "x.db", name=None)
    before, known = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
    try:
        with pytest.raises(LauncherError, match="could not be stamped: disk I/O error") as caught:
            write_stamp(expect(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, known)
    assert (caught.value.code, caught.value.slug) == (77, "read-only")
    assert "make room" in caught.value.hint


# Between the check and the start.


def replaced(path: Path) -> None:
    build(path.with_name("other.db"), name="telemetry")
    os.replace(path.with_name("other.db"), path)


def recreated(path: Path) -> None:
    path.unlink()
    build(path, name="dev", rows=200)


SWAPS = [(replaced, "is another file now"), (recreated, "is another file now"), (Path.unlink, "is gone now")]


@pytest.mark.parametrize(("swap", "says"), SWAPS, ids=["another moved there", "made anew, same inode", "gone"])
def test_swapped_after_the_proof(swap: object, says: str, tmp_path: Path) -> None:
    identity = proven(build(tmp_path / "x.db"))
    swap(tmp_path / "x.db")  # type: ignore[operator]
    with pytest.raises(WrongDataError, match=says) as caught:
        refuse_swapped(identity, expect(tmp_path / "x.db"))
    assert caught.value.slug == "swapped"
    assert caught.value.hint


def test_a_writer_in_between_is_no_swap(tmp_path: Path) -> None:
    identity = proven(build(tmp_path / "x.db"))
    with process(tmp_path / "x.db", "INSERT INTO runs (body) SELECT hex(randomblob(9000)) FROM runs"):
        refuse_swapped(identity, expect(tmp_path / "x.db"))


def _writing_during(monkeypatch: pytest.MonkeyPatch, path: Path, times: int) -> list[int]:
    """Another process commits and checkpoints while the immutable read is under way, `times` times."""
    real, looks = sqlite_read.query, []

    def query(immutable: bool, expected: Expectation) -> sqlite_read.Found:
        looks.append(int(immutable))
        found = real(immutable, expected)
        if len(looks) <= times:
            subprocess.run(
                [sys.executable, "-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
                 "c.execute('INSERT INTO runs (body) VALUES (1)'); c.commit(); c.close()", str(path)],
                check=True,
            )  # fmt: skip
        return found

    monkeypatch.setattr(sqlite_read, "query", query)
    return looks


def test_a_database_that_changes_during_the_immutable_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build(tmp_path / "x.db", WAL)
    looks = _writing_during(monkeypatch, path, 1)
    assert proven(path).stamp
    assert looks == [1, 1]


def test_a_database_that_never_stops_changing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build(tmp_path / "x.db", WAL)
    _writing_during(monkeypatch, path, 99)
    with pytest.raises(LauncherError, match="changed during each of 25 looks") as caught:
        sqlite.inspect(expect(path))
    assert caught.value.code == 75


def test_damage_that_was_only_a_writer_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An immutable read in the middle of a checkpoint may see pages that do not fit: it must look again."""
    path = build(tmp_path / "x.db", WAL)
    looks = _writing_during(monkeypatch, path, 1)
    real = sqlite_read.query

    def torn(immutable: bool, expected: Expectation) -> sqlite_read.Found:
        found = real(immutable, expected)
        if len(looks) == 1:
            raise WrongDataError("corrupt", "database disk image is malformed")
        return found

    monkeypatch.setattr(sqlite_read, "query", torn)
    assert proven(path).stamp


def test_gone_between_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build(tmp_path / "x.db")
    monkeypatch.setattr(sqlite_file, "missing", lambda _expected: False)
    path.unlink()
    with pytest.raises(LauncherError, match="went away while it was looked at"):
        sqlite.inspect(expect(path))


@pytest.mark.posix
def test_a_fifo_put_there_between_two_steps_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.db")
    assert sqlite_file.read_state(str(tmp_path / "x.db")).size == 0


# A writer that never rests: the file, what stands beside it and the locks are never of one moment.
BUSY_WRITER = """
import sqlite3, sys
connection = None
print("ready", flush=True)
while True:
    try:
        if connection is None:
            connection = sqlite3.connect(sys.argv[1], isolation_level=None)
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = " + sys.argv[2]).fetchall()
        connection.execute("INSERT INTO runs (body) VALUES (hex(randomblob(9000)))")
        connection.execute("DELETE FROM runs WHERE id % 3 = 0")
        if sys.argv[3] == "reopens":
            connection.close()
            connection = None
    except sqlite3.OperationalError:
        pass
"""


@pytest.mark.parametrize("how", ["stays", "reopens"])
@pytest.mark.parametrize("mode", ["DELETE", "PERSIST", "WAL"])
def test_no_false_alarm_beside_a_writer_that_never_rests(mode: str, how: str, tmp_path: Path) -> None:
    path = build(tmp_path / "x.db")
    words = [sys.executable, "-c", BUSY_WRITER, str(path), mode, how]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        try:
            said = [_slug(path) for _ in range(200)]
        finally:
            writer.kill()
    assert set(said) <= {"ok", "busy"}  # busy: it changed during each of three looks
    assert said.count("ok") > 20


def _slug(path: Path) -> str:
    try:
        return "ok" if proven(path) else "nothing"
    except LauncherError as error:
        return error.slug


# Fuzzing: whatever is in the file, it ends in words.

FUZZED = int(os.environ.get("AUTOPACK_FUZZ", "400"))


def _mutated(pick: random.Random, data: bytes) -> bytes:
    """A few bytes changed, mostly where SQLite keeps its structure; sometimes cut, doubled or zeroed."""
    raw = bytearray(data)
    for _ in range(pick.randint(1, 12)):
        at = pick.choice([pick.randrange(16, 108), pick.randrange(len(raw)), pick.randrange(100, 4096)]) % len(raw)
        raw[at] = pick.choice([0, 1, 2, 255, 127, pick.randrange(256)])
    if pick.random() < 0.15:
        start = pick.randrange(len(raw))
        raw[start : start + pick.randint(1, 5000)] = bytes(pick.randint(0, 5000))
    return bytes(raw[: pick.randrange(len(raw))] if pick.random() < 0.1 else raw)


def _sources(folder: Path) -> list[bytes]:
    made = [build(folder / "a.db"), build(folder / "b.db", WAL), build(folder / "c.db", *ALEMBIC, rows=300)]
    return [path.read_bytes() for path in made]


def test_fuzzed_databases_end_in_an_identity_or_in_words(tmp_path: Path) -> None:
    """AUTOPACK_FUZZ=100000 makes a long run of it. No exception but ours, no hang, no file, no false OK."""
    pick, sources = random.Random(20260702), _sources(tmp_path)
    place = tmp_path / "fuzz"
    place.mkdir()
    verdicts: dict[str, int] = {}
    for number in range(FUZZED):
        path = place / f"{number}.db"
        path.write_bytes(_mutated(pick, pick.choice(sources)))
        began = time.monotonic()
        with untouched(place):
            slug = _verdict(path)
        assert time.monotonic() - began < 10, path
        verdicts[slug] = verdicts.get(slug, 0) + 1
        path.unlink()
    assert {"ok", "corrupt"} <= set(verdicts), verdicts


def _verdict(path: Path) -> str:
    found, fault = None, None
    try:
        found = proven(path)
    except LauncherError as error:
        fault = error
    if fault:
        assert fault.code in (65, 75, 77, 78), fault.slug
        assert fault.message.isprintable(), fault.message
        assert fault.hint
        return fault.slug
    assert found
    assert found.stamp
    assert found.stamp.database == "telemetry"
    assert set(TABLES) <= {name.casefold() for name in found.tables}
    return "ok"


def test_a_schema_that_is_not_text(tmp_path: Path) -> None:
    """sqlite3 raises UnicodeDecodeError, not its own error, when SQLite's words quote bytes that are not UTF-8."""
    broken = "UPDATE sqlite_master SET sql = CAST(x'43524541544520fffe' AS TEXT) WHERE name = 'phases'"
    path = build(tmp_path / "x.db", "PRAGMA writable_schema = 1", broken)
    write(tmp_path, profile())
    with untouched(tmp_path):
        result = run(["telemetry", "check"], tmp_path)
    assert result.returncode == 65, result.stderr
    assert f"{path}" in result.stderr
    assert last_line(result).startswith("autopack-run: corrupt: ")


def test_fuzzed_databases_through_the_command_line(tmp_path: Path) -> None:
    """A smaller number, for what only the real process shows: exit 70, a crash of the interpreter."""
    pick, sources = random.Random(20260703), _sources(tmp_path)
    folders = [tmp_path / str(number) for number in range(24)]
    for folder in folders:
        folder.mkdir()
        write(folder, profile())
        (folder / "x.db").write_bytes(_mutated(pick, pick.choice(sources)))
        (folder / ".autopack-run").mkdir()
    with untouched(tmp_path), ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda folder: run(["telemetry", "drain"], folder), folders))
    for result in results:
        assert result.returncode in (0, 65, 75), result.stderr
        assert ("child ran" in result.stdout) == (result.returncode == 0)


# What it costs.


def test_the_proof_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Generous bounds: the point is that a thousand times the rows is not a thousand times the cost."""
    fill = "INSERT INTO runs (body) WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"
    costs = []
    for rows in (100, 100_000):
        path = build(tmp_path / f"{rows}.db", fill.format(rows))
        proven(path)
        began = time.perf_counter()
        for _ in range(50):
            proven(path, needs_rows=("runs",))
        costs.append((time.perf_counter() - began) / 50)
    assert costs[1] < costs[0] * 5 + 0.005, costs
