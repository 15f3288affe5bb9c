"""What the workspace has accepted: each verdict from the pair of logical and physical identity, with real files."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from parts import system
from running import LAUNCHER, clean_env, last_line, run, snapshot, write
from sqlite_states import DB_ID, TABLES, build

from launcher.acceptance import adopt
from launcher.errors import LauncherError
from launcher.identity.expectation import Expectation, Identity
from launcher.identity.ledger import record
from launcher.identity.ledger_file import read
from launcher.identity.url import parse_database_url
from launcher.identity.verdict import inspect_database, verify_identity
from launcher.own_folder import try_lock
from launcher.schema import schema_text

OTHER_ID = "11111111-0000-4000-8000-000000000001"
POSIX = pytest.mark.posix
# In the lab a start takes a second: what is left away there runs the same code as the rest.
ACTIONS = ("drain",) if system() == "wine" else ("check", "drain")


def profile(entry: str = "", url: str = "sqlite:///x.db", more: str = "") -> str:
    return f"""
[defaults]
python = {json.dumps(sys.executable)}
[databases.telemetry]
url = "{url}"
tables = {json.dumps(TABLES)}
{entry}
{more}
[profiles.telemetry]
database = "telemetry"
[profiles.telemetry.tasks.drain]
run = ["python", "-c", "print('child ran')"]
[profiles.telemetry.tasks.serve]
run = ["python", "-c", "print('child ran')"]
writes = false
"""


def ledger(folder: Path) -> str:
    return (folder / ".autopack-run" / "ledger.toml").read_text("utf-8")


def change(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def db_id(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT value FROM autopack_identity WHERE key = 'db_id'").fetchone()[0])


def expected(folder: Path, name: str = "x.db") -> Expectation:
    url = parse_database_url(f"sqlite:///{name}", "a test", str(folder))
    return Expectation("telemetry", url, "a test", "telemetry", tables=TABLES, root=str(folder))


def found(folder: Path) -> Identity:
    identity = inspect_database(expected(folder))
    assert identity is not None
    return identity


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A workspace that has adopted x.db, without the launch that test_adopted_by_a_launch has."""
    build(tmp_path / "x.db")
    write(tmp_path, profile())
    record(str(tmp_path), "telemetry", found(tmp_path), "adopted")
    return tmp_path


def test_adopted_by_a_launch(project: Path) -> None:
    """It says what the fixture writes, which all tests here begin with."""
    written = read(str(project))["telemetry"]
    lost(project)
    done = run(["telemetry", "adopt"], project)
    assert done.returncode == 0, done.stderr
    launched = read(str(project))["telemetry"]
    assert launched._replace(since="", seen="") == written._replace(since="", seen="")


def copied(folder: Path) -> None:
    shutil.copyfile(folder / "x.db", folder / "copy.db")
    os.replace(folder / "copy.db", folder / "x.db")


def moved(folder: Path) -> None:
    os.rename(folder / "x.db", folder / "y.db")
    write(folder, profile(url="sqlite:///y.db"))


def copied_beside(folder: Path) -> None:
    shutil.copyfile(folder / "x.db", folder / "y.db")
    write(folder, profile(url="sqlite:///y.db"))


def relinked(folder: Path) -> None:
    os.rename(folder / "x.db", folder / "first.db")
    shutil.copyfile(folder / "first.db", folder / "second.db")
    os.symlink("second.db", folder / "x.db")


def replaced(folder: Path) -> None:
    change(folder / "x.db", f"UPDATE autopack_identity SET value = '{OTHER_ID}' WHERE key = 'db_id'")


def another(folder: Path) -> None:
    build(folder / "y.db", f"UPDATE autopack_identity SET value = '{OTHER_ID}' WHERE key = 'db_id'")
    write(folder, profile(url="sqlite:///y.db"))


def rolled_back(folder: Path) -> None:
    shutil.copyfile(folder / "x.db", folder / "backup")
    change(folder / "x.db", *["INSERT INTO runs (body) VALUES ('later')"] * 5)
    assert run(["telemetry", "drain"], folder).returncode == 0
    shutil.copyfile(folder / "backup", folder / "x.db")  # into the same file, as `cp` does


def lost(folder: Path) -> None:
    os.unlink(folder / ".autopack-run" / "ledger.toml")


class Row(NamedTuple):
    """A state, what `drain` must say of it, and the arguments that accept it."""

    made: Callable[[Path], None]
    slug: str
    says: tuple[str, ...]
    accepts: tuple[str, ...]


ROWS = {
    "copied over it": Row(copied, "copied-or-moved", ("copied or moved", "the ledger says path x.db", "adopt --copy"), ("adopt", "--restored")),
    "moved": Row(moved, "copied-or-moved", ("path x.db", "found path y.db", "adopt --moved"), ("adopt", "--moved")),
    "a copy beside it": Row(copied_beside, "copied-or-moved", ("the original is still at", "x.db"), ("adopt", "--copy")),
    "replaced in place": Row(replaced, "replaced", (f"the ledger says db_id {DB_ID}", f"found db_id {OTHER_ID}"), ("--accept", f"db_id={OTHER_ID}", "adopt")),
    "another of the name": Row(another, "wrong-database", (f"db_id {DB_ID} at path x.db", f"db_id {OTHER_ID} at path y.db"), ("--accept", f"db_id={OTHER_ID}", "adopt")),
    "rolled back": Row(rolled_back, "rolled-back", ("was rolled back", "change counter"), ("adopt", "--restored")),
    "never adopted": Row(lost, "not-adopted", ("neither created nor adopted", f'id = "{DB_ID}"'), ("adopt",)),
    "the link leads elsewhere": Row(relinked, "copied-or-moved", ("is a link", "found path second.db"), ("adopt", "--restored")),
}  # fmt: skip


ON_WINDOWS = ("copied over it", "moved", "replaced in place", "rolled back")


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=name, marks=() if name in ON_WINDOWS else POSIX) for name, row in ROWS.items()]
)
def test_each_verdict_and_the_command_that_accepts_it(project: Path, row: Row) -> None:
    row.made(project)
    before = snapshot(project)
    for action in ACTIONS:
        done = run(["telemetry", action], project)
        assert done.returncode == 65, done.stderr
        assert last_line(done).startswith(f"autopack-run: {row.slug}: "), done.stderr
        assert all(said in done.stderr for said in row.says), done.stderr
        assert "child ran" not in done.stdout
    assert snapshot(project) == before
    options = [word for word in row.accepts if word.startswith(("--accept", "db_id"))]
    flags = [word for word in row.accepts if word not in options]
    assert " ".join(row.accepts[:1]) in done.stderr
    accepted = run([*options, "telemetry", *flags], project)
    assert accepted.returncode == 0, accepted.stderr
    again = run(["telemetry", "drain"], project)
    assert (again.returncode, again.stdout) == (0, "child ran\n"), again.stderr


@POSIX
def test_serve_is_warned_of_a_rollback(project: Path) -> None:
    rolled_back(project)
    done = run(["telemetry", "serve"], project)
    assert (done.returncode, done.stdout) == (0, "child ran\n")
    assert "was rolled back: its change counter is" in done.stderr
    # and what serve has seen is no excuse for a drain afterwards
    assert run(["telemetry", "drain"], project).returncode == 65


def test_accept_is_for_once_and_echoed(project: Path) -> None:
    copied_beside(project)
    before = ledger(project)
    done = run(["--accept", f"db_id={DB_ID}", "telemetry", "drain"], project)
    assert done.returncode == 0, done.stderr
    assert f"accepted for this once (--accept db_id={DB_ID})" in done.stderr
    assert ledger(project) == before
    assert run(["telemetry", "drain"], project).returncode == 65


@POSIX
def test_accept_accepts_no_other_db_id(project: Path) -> None:
    copied_beside(project)
    done = run(["--accept", f"db_id={OTHER_ID}", "telemetry", "drain"], project)
    assert done.returncode == 65, done.stderr
    assert f"has db_id {DB_ID}" in done.stderr


@POSIX
@pytest.mark.parametrize(
    ("accept", "words", "says"),
    [
        ("everything", ["drain"], "db_id=ID"),
        ("db_id=", ["drain"], "db_id=ID"),
        (f"db_id={DB_ID}", ["env"], "--accept"),
        (f"db_id={DB_ID}", ["exec", "true"], "--verify"),
    ],
    ids=["no db_id", "empty", "env", "exec"],
)
def test_accept_accepts_nothing_else(tmp_path: Path, accept: str, words: list[str], says: str) -> None:
    write(tmp_path, profile())
    done = run(["--accept", accept, "telemetry", *words], tmp_path)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr


@POSIX
def test_no_override_for_another_name(project: Path) -> None:
    change(project / "x.db", "UPDATE autopack_identity SET value = 'dev' WHERE key = 'database'")
    for words in (["telemetry", "check"], ["telemetry", "adopt"], ["telemetry", "adopt", "--moved"]):
        done = run(["--accept", f"db_id={DB_ID}", *words], project)
        assert done.returncode == 65, done.stderr
        assert "this is 'dev'" in done.stderr


def test_the_id_of_the_profile_file_needs_no_ledger_and_tells_a_copy(project: Path) -> None:
    write(project, profile(f'id = "{DB_ID}"'))
    lost(project)
    assert run(["telemetry", "drain"], project).returncode == 0
    assert 'how = "id"' in ledger(project)
    copied(project)
    done = run(["telemetry", "check"], project)
    assert done.returncode == 0, done.stderr
    assert "was copied or moved" in done.stdout
    assert "the id in the profile file accepts it" in done.stdout


def test_a_renamed_workspace_is_the_same_one_and_a_copied_one_is_not(project: Path) -> None:
    renamed = project.rename(project.with_name("renamed"))
    assert run(["telemetry", "check"], renamed).returncode == 0
    twin = project.with_name("twin")
    shutil.copytree(renamed, twin)
    done = run(["telemetry", "check"], twin)
    assert done.returncode == 65
    assert "copied-or-moved" in last_line(done)


@POSIX
def test_moved_is_refused_while_the_original_is_there(project: Path) -> None:
    copied_beside(project)
    done = run(["telemetry", "adopt", "--moved"], project)
    assert done.returncode == 65
    assert f"the original is still there ({project / 'x.db'})" in done.stderr


@POSIX
def test_a_copy_gets_a_db_id_of_its_own_and_the_original_keeps_its(project: Path) -> None:
    copied_beside(project)
    assert run(["telemetry", "adopt", "--copy"], project).returncode == 0
    assert db_id(project / "x.db") == DB_ID
    assert db_id(project / "y.db") != DB_ID
    refused = run(["telemetry", "adopt", "--copy"], project)
    assert refused.returncode == 65
    assert "not a copy" in refused.stderr


@POSIX
def test_a_plain_adopt_does_not_accept_what_the_ledger_contradicts(project: Path) -> None:
    replaced(project)
    done = run(["telemetry", "adopt"], project)
    assert done.returncode == 65
    assert f"--accept db_id={OTHER_ID} telemetry adopt" in done.stderr


TWO = """
[databases.dev]
url = "sqlite:///dev.db"
[profiles.dev]
database = "dev"
"""


@POSIX
def test_two_names_without_stamps(tmp_path: Path) -> None:
    """`stamp = false`: the ledger alone knows which file is which, through a link too."""
    build(tmp_path / "dev.db", name=None)
    entry, more = "stamp = false", TWO.replace('dev.db"', 'dev.db"\nstamp = false')
    write(tmp_path, profile(entry, "sqlite:///dev.db", more.replace("dev.db", "gone.db")))
    before = (tmp_path / "dev.db").read_bytes()
    assert run(["telemetry", "adopt"], tmp_path).returncode == 0
    assert (tmp_path / "dev.db").read_bytes() == before
    assert run(["telemetry", "drain"], tmp_path).returncode == 0
    write(tmp_path, profile(entry, "sqlite:///gone.db", more))
    done = run(["dev", "adopt"], tmp_path)
    assert done.returncode == 65
    assert "two-names" in last_line(done)
    assert all(f"'{name}'" in done.stderr for name in ("dev", "telemetry"))


@POSIX
def test_without_a_stamp_a_copy_is_not_the_accepted_file(tmp_path: Path) -> None:
    build(tmp_path / "x.db", name=None)
    write(tmp_path, profile("stamp = false"))
    done = run(["telemetry", "check"], tmp_path)
    assert "not-adopted" in last_line(done)
    assert run(["telemetry", "adopt"], tmp_path).returncode == 0
    copied(tmp_path)
    assert "copied-or-moved" in last_line(run(["telemetry", "check"], tmp_path))
    assert run(["telemetry", "adopt", "--restored"], tmp_path).returncode == 0
    assert run(["telemetry", "check"], tmp_path).returncode == 0


@POSIX
def test_the_other_name_is_named_with_its_place(project: Path) -> None:
    change(project / "x.db", "UPDATE autopack_identity SET value = 'dev' WHERE key = 'database'")
    write(project, profile(more=TWO))
    done = run(["telemetry", "check"], project)
    assert re.search(r"this is 'dev' \(.*autopack-run\.toml:\d+ \(databases\.dev\.url\)\)", done.stderr), done.stderr


@POSIX
def test_a_database_made_anew_by_its_task_takes_the_old_ones_place(tmp_path: Path) -> None:
    seed = """
[profiles.seed]
database = "telemetry"
[profiles.seed.tasks.create]
run = ["python", "seed.py"]
creates = true
"""
    (tmp_path / "seed.py").write_text(
        "import sqlite3\nc = sqlite3.connect('x.db')\n"
        + "".join(f"c.execute('CREATE TABLE {t} (a)')\n" for t in TABLES)
    )
    write(tmp_path, profile() + seed)
    ids = set()
    for _ in range(2):
        assert run(["seed", "create"], tmp_path).returncode == 0
        ids.add(db_id(tmp_path / "x.db"))
        assert run(["telemetry", "check"], tmp_path).returncode == 0
        os.unlink(tmp_path / "x.db")
    assert len(ids) == 2


@POSIX
@pytest.mark.parametrize(
    "text", ["", "[databases.telemetry]\n", "not TOML", 'databases = 3', "[databases.telemetry]\ndb_id = 1\n", "\0", "[" * 5000],
    ids=["empty", "no fields", "text", "number", "wrong type", "NUL", "deep"],
)  # fmt: skip
def test_a_damaged_ledger_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".autopack-run" / "ledger.toml"
    path.parent.mkdir()
    path.write_text(text)
    if not text:
        assert read(str(tmp_path)) == {}
        return
    with pytest.raises(LauncherError) as caught:
        read(str(tmp_path))
    assert (caught.value.slug, caught.value.code) == ("ledger", 78)
    assert path.read_text() == text


@POSIX
def test_nothing_starts_on_a_damaged_ledger(project: Path) -> None:
    (project / ".autopack-run" / "ledger.toml").write_text("not TOML")
    before = snapshot(project)
    done = run(["telemetry", "drain"], project)
    assert (done.returncode, done.stdout) == (78, ""), done.stderr
    assert last_line(done).startswith("autopack-run: ledger: ")
    assert snapshot(project) == before


@POSIX
def test_the_ledger_is_its_owners_alone_and_kept_out_of_git(project: Path) -> None:
    assert stat.S_IMODE((project / ".autopack-run" / "ledger.toml").stat().st_mode) == 0o600
    assert (project / ".autopack-run" / ".gitignore").read_text() == "*\n"


@POSIX
def test_a_hostile_path_outside_of_the_workspace(tmp_path: Path) -> None:
    folder, home = tmp_path / ("O'B & Söhne" if os.name == "nt" else "O'B \"& Söhne\t\x7f]="), tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    build(folder / "x.db")
    os.symlink(folder / "x.db", home / "x.db")
    write(home, profile())
    assert run(["telemetry", "adopt"], home).returncode == 0
    done = run(["telemetry", "check"], home)
    assert done.returncode == 0, done.stderr
    assert "x.db" in ledger(home)


def test_launches_side_by_side_lose_nothing(tmp_path: Path) -> None:
    """Many adopt at once, each its own database: all are in the ledger, which is whole at any moment."""
    names = [f"d{number}" for number in range(4 if system() == "wine" else 12)]
    text = ""
    for name in names:
        build(tmp_path / f"{name}.db", name=None)
        text += f'[databases.{name}]\nurl = "sqlite:///{name}.db"\n[profiles.p{name}]\ndatabase = "{name}"\n'
    write(tmp_path, text)
    children = [
        subprocess.Popen([*LAUNCHER, f"p{name}", "adopt"], cwd=tmp_path, env=clean_env(), stdout=subprocess.DEVNULL)
        for name in names
    ]
    assert [child.wait(60) for child in children] == [0] * len(names)
    assert all(f'[databases."{name}"]' in ledger(tmp_path) for name in names)
    assert run(["pd3", "check"], tmp_path).returncode == 0


def test_a_lock_that_is_held_is_no_fault_of_the_disk(tmp_path: Path) -> None:
    """Whatever went wrong before it: Wine's msvcrt.locking left the errno of that, and adopt ended with 77."""
    path = tmp_path / "lock"
    first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    try:
        assert try_lock(first)
        with pytest.raises(FileExistsError):
            os.open(path, os.O_CREAT | os.O_EXCL)
        assert not try_lock(second)
        os.close(first)
        assert try_lock(second)
    finally:
        os.close(second)


@pytest.fixture
def mounted_twice(tmp_path: Path) -> Iterator[Path]:
    """A workspace that has adopted a/x.db; b is a, mounted once more. Skips by name without the right to mount."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mount: only root on Linux")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    build(tmp_path / "a" / "x.db")
    adopt(expected(tmp_path, "a/x.db"), None)
    done = subprocess.run(["mount", "--bind", tmp_path / "a", tmp_path / "b"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"mount: {done.stderr.decode().strip()}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", tmp_path / "b"], check=True)


def test_the_one_and_only_file_by_another_path_is_no_copy(mounted_twice: Path) -> None:
    there = expected(mounted_twice, "b/x.db")
    with pytest.raises(LauncherError, match="it is the same file by another path") as caught:
        verify_identity(there)
    assert caught.value.slug == "copied-or-moved"
    assert "adopt --moved" in caught.value.hint
    assert "--copy" not in caught.value.hint
    with pytest.raises(LauncherError, match="the same file by another path") as caught:
        adopt(there, "copy")
    assert caught.value.slug == "not-a-copy"
    assert db_id(mounted_twice / "a" / "x.db") == DB_ID
    adopt(there, "moved")
    assert verify_identity(there)


@POSIX
@pytest.mark.parametrize("kind", ["a link", "a pipe"])
def test_what_stands_in_the_new_ledgers_place_is_not_written_through(project: Path, kind: str) -> None:
    part, before = project / ".autopack-run" / "ledger.toml.part", (project / "x.db").read_bytes()
    if kind == "a link":
        part.symlink_to("../x.db")
    else:
        os.mkfifo(part)
    record(str(project), "telemetry", found(project), "restored")
    assert read(str(project))["telemetry"].how == "restored"
    assert (project / "x.db").read_bytes() == before
    assert not os.path.lexists(part)


@POSIX
@pytest.mark.parametrize("kind", ["a file", "a link to nothing", "a circle"])
def test_no_folder_in_the_place_of_the_launchers(tmp_path: Path, kind: str) -> None:
    build(tmp_path / "x.db")
    own = tmp_path / ".autopack-run"
    match kind:
        case "a file":
            own.touch()
        case "a circle":
            own.symlink_to(own.name)
        case _:
            own.symlink_to("gone")
    with pytest.raises(LauncherError, match=r"\.autopack-run is not a folder") as caught:
        adopt(expected(tmp_path), None)
    assert (caught.value.slug, caught.value.code) == ("ledger", 77)
    assert "move it away" in caught.value.hint


def test_nothing_to_adopt_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match="no database file"):
        adopt(expected(tmp_path), None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("own", ["team-db", DB_ID, OTHER_ID.upper(), f"{DB_ID}0"])
def test_an_id_is_offered_to_the_team_where_the_profile_file_takes_it(tmp_path: Path, own: str) -> None:
    build(tmp_path / "x.db", f"UPDATE autopack_identity SET value = '{own}' WHERE key = 'db_id'")
    with pytest.raises(LauncherError) as caught:
        verify_identity(expected(tmp_path))
    table = json.loads(schema_text())["properties"]["databases"]["additionalProperties"]["properties"]
    taken = re.fullmatch(table["id"]["pattern"], own) is not None
    assert (caught.value.slug, f'id = "{own}"' in caught.value.hint) == ("not-adopted", taken)
