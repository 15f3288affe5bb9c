"""Databases that appear or change in the workspace: real files, written by SQLite, in every way to miss one."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from parts import need

from launcher import strays
from launcher.strays import Workspace


def database(path: Path, rows: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("create table if not exists t (a)")
    connection.executemany("insert into t values (?)", [(n,) for n in range(rows)])
    connection.commit()
    connection.close()
    return path


def settle() -> None:
    """Let the file system's clock tick, so that what was made before is older than what comes."""
    time.sleep(0.05)


def changed(workspace: Workspace, root: Path) -> list[tuple[str, bool]]:
    return [(os.path.relpath(each.path, root).replace(os.sep, "/"), each.new) for each in workspace.changes()]


def by_stealth(root: Path) -> None:
    path = database(root / "there.data")
    os.utime(path, (1_000_000_000, 1_000_000_000))


def replaced(root: Path) -> None:
    os.replace(database(root / "node_modules" / "other"), root / "there.db")


def moved_in(root: Path) -> None:
    os.replace(root / "node_modules", root / "plain")


def copied_with_its_times(root: Path) -> None:
    shutil.copy2(root / "there.db", root / "copy.bin")


# What is done after the first look, and which databases that shows (path, new).
ACTIONS: dict[str, tuple[Callable[[Path], object], list[tuple[str, bool]]]] = {
    "nothing": (lambda root: None, []),
    "a new one": (lambda root: database(root / "stray.db"), [("stray.db", True)]),
    "a new one without an ending": (lambda root: database(root / "data" / "store"), [("data/store", True)]),
    "a new one in a new folder": (
        lambda root: database(root / "new" / "deep" / "x.sqlite3"),
        [("new/deep/x.sqlite3", True)],
    ),
    "an empty one": (lambda root: (root / "autopack.db").touch(), [("autopack.db", True)]),
    "an empty file of another kind": (lambda root: (root / "done.txt").touch(), []),
    "a text named like one": (lambda root: (root / "x.db").write_text("no database"), []),
    "a row more": (lambda root: database(root / "there.db"), [("there.db", False)]),
    "a row more in one without an ending": (lambda root: database(root / "there.data"), [("there.data", False)]),
    "its time set back": (by_stealth, [("there.data", False)]),
    "replaced by another": (replaced, [("there.db", False)]),
    "copied with its times": (copied_with_its_times, [("copy.bin", True)]),
    "a folder moved in": (moved_in, [("plain/hidden.db", True)]),
    "only read": (lambda root: sqlite3.connect(root / "there.db").execute("select * from t").fetchall(), []),
    "deleted": (lambda root: (root / "there.db").unlink(), []),
    "one that is skipped": (lambda root: database(root / ".git" / "x.db"), []),
    "one in a virtual environment": (lambda root: database(root / "env" / "lib" / "x.db"), []),
    "SQLite's own scratch file": (lambda root: database(root / "etilqs_1234"), []),
    "two at once": (lambda root: (database(root / "b.db"), database(root / "a.db")), [("a.db", True), ("b.db", True)]),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_what_appeared_or_changed(name: str, tmp_path: Path) -> None:
    action, expected = ACTIONS[name]
    for place in ("there.db", "there.data", "node_modules/hidden.db"):
        database(tmp_path / place)
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    settle()
    workspace = Workspace([str(tmp_path)])
    if sys.platform == "win32" and name == "its time set back":
        pytest.skip("Windows has no time of change that nobody can set")
    action(tmp_path)
    assert changed(workspace, tmp_path) == expected
    assert workspace.complete


@pytest.mark.parametrize("mode", ["wal", "delete", "truncate"])
def test_a_journal_that_changed_counts_as_its_database(mode: str, tmp_path: Path) -> None:
    path = database(tmp_path / "store")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"pragma journal_mode = {mode}")
    connection.execute("select * from t").fetchall()
    settle()
    workspace = Workspace([str(tmp_path)])
    try:
        connection.execute("begin immediate")
        connection.execute("insert into t values (7)")
        if mode == "wal":
            connection.execute("commit")  # in the -wal only, until the next checkpoint
        assert changed(workspace, tmp_path) == [("store", False)]
    finally:
        connection.close()


def test_a_reader_of_a_wal_database_changes_nothing(tmp_path: Path) -> None:
    path = database(tmp_path / "x.db")
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode = wal")
    connection.close()
    settle()
    workspace = Workspace([str(tmp_path)])
    reader = sqlite3.connect(path)
    reader.execute("select * from t").fetchall()
    assert (tmp_path / "x.db-wal").exists()
    assert changed(workspace, tmp_path) == []
    reader.close()
    assert changed(workspace, tmp_path) == []


def test_it_is_the_file_that_is_told(tmp_path: Path) -> None:
    workspace = Workspace([str(tmp_path)])
    found = os.stat(database(tmp_path / "x.db"))
    (change,) = workspace.changes()
    assert change == (str((tmp_path / "x.db").resolve()), True, found.st_dev, found.st_ino, found.st_size)


def test_a_folder_inside_another_is_walked_once_and_one_that_is_skipped_on_demand(tmp_path: Path) -> None:
    inner, hidden = tmp_path / "a" / "b", tmp_path / "node_modules" / "app"
    inner.mkdir(parents=True)
    hidden.mkdir(parents=True)
    workspace = Workspace([str(inner), str(tmp_path), str(hidden), str(inner)])
    database(inner / "x.db")
    database(hidden / "y.db")
    assert changed(workspace, tmp_path) == [("a/b/x.db", True), ("node_modules/app/y.db", True)]


def test_a_time_of_the_file_system_leaves_out_what_came_just_before(tmp_path: Path) -> None:
    database(tmp_path / "store")
    settle()
    touched = tmp_path / "touched"
    touched.touch()
    workspace = Workspace([str(tmp_path)], touched.stat().st_mtime_ns)
    assert changed(workspace, tmp_path) == []
    database(tmp_path / "store")
    assert changed(workspace, tmp_path) == [("store", False)]


def test_a_database_that_was_written_just_before_is_old(tmp_path: Path) -> None:
    database(tmp_path / "x.db")
    assert changed(Workspace([str(tmp_path)]), tmp_path) == []


@pytest.mark.posix
def test_links_and_pipes(tmp_path: Path) -> None:
    """A link to a folder is not followed, one to a file is; a pipe is not waited for; nor is a loop."""
    outside, root = tmp_path / "outside", tmp_path / "root"
    root.mkdir()
    database(outside / "far.db")
    (root / "linked").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "link").symlink_to(outside / "far.db")
    settle()
    workspace = Workspace([str(root)])
    os.mkfifo(root / "pipe.db")
    database(outside / "far.db")
    database(outside / "near.db")
    (root / "gone.db").symlink_to("nowhere")
    assert changed(workspace, root) == [("link", False)]


@pytest.mark.posix
def test_a_folder_that_may_not_be_read_is_passed_over(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    try:
        workspace = Workspace([str(tmp_path), str(tmp_path / "none")])
        database(tmp_path / "x.db")
        assert changed(workspace, tmp_path) == [("x.db", True)]
    finally:
        closed.chmod(0o700)


@pytest.mark.posix
def test_the_sqlite3_program_is_found_out(tmp_path: Path) -> None:
    program = need("sqlite3")
    workspace = Workspace([str(tmp_path)])
    subprocess.run([program, "attached", "create table t (a)"], cwd=tmp_path, check=True)
    assert changed(workspace, tmp_path) == [("attached", True)]


@pytest.mark.parametrize("limits", [{"ENTRIES": 5}, {"SECONDS": 0.0, "FEW": 5}], ids=["ENTRIES", "SECONDS"])
def test_an_ended_walk_says_so(limits: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcdefgh":
        database(tmp_path / name / "x.db")
    for limit, value in limits.items():
        monkeypatch.setattr(strays, limit, value)
    workspace = Workspace([str(tmp_path)])
    assert not workspace.complete
    monkeypatch.undo()
    # What the first walk never reached is not called new.
    assert not [each for each in workspace.changes() if each.new]


def test_a_small_project_is_walked_however_long_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strays, "SECONDS", 0.0)
    workspace = Workspace([str(tmp_path)])
    database(tmp_path / "below" / "x.db")
    assert changed(workspace, tmp_path) == [("below/x.db", True)]
    assert workspace.complete


@pytest.mark.slow
@pytest.mark.posix
def test_fifty_thousand_files_take_less_than_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this process's own time (0.2 s measured), which a busy machine does not change much."""
    for folder in range(500):
        (tmp_path / str(folder)).mkdir()
        for name in range(100):
            os.close(os.open(tmp_path / str(folder) / f"{name}.txt", os.O_CREAT))
    settle()
    monkeypatch.setattr(strays, "SECONDS", 60.0)
    began = time.process_time()
    workspace = Workspace([str(tmp_path)])
    middle = time.process_time()
    assert workspace.changes() == []
    end = time.process_time()
    print(f"first look {middle - began:.3f} s, second {end - middle:.3f} s")
    assert workspace.complete
    assert end - began < 1
