"""The verdict beyond the file's own faults: content, stamps, swaps, changes meanwhile, fuzzing, what it costs."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from running import last_line, run, write
from sqlite_states import DB_ID, TABLES, WAL, build, process, untouched

from launcher.errors import LauncherError, WrongDataError
from launcher.identity import sqlite, sqlite_file, sqlite_read
from launcher.identity.expectation import Expectation, Identity
from launcher.identity.url import DatabaseURL
from launcher.identity.verdict import refuse_swapped, verify_identity


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
{entry}
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
        refuse_swapped(identity)
    assert caught.value.slug == "swapped"
    assert caught.value.hint


def test_a_writer_in_between_is_no_swap(tmp_path: Path) -> None:
    identity = proven(build(tmp_path / "x.db"))
    with process(tmp_path / "x.db", "INSERT INTO runs (body) SELECT hex(randomblob(9000)) FROM runs"):
        refuse_swapped(identity)


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
