"""Each way to change or bypass a pin, as a real child: without the guard it works, with it nothing is silent."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from guard_ways import (
    BLOCKED,
    DOTENV,
    KEPT,
    OPEN_WAYS,
    RAISED,
    REMOVED,
    REPORTED,
    RESTORED,
    UNSEEN,
    WAYS,
    Way,
    marked,
    page,
    program,
)
from package_folders import installed
from parts import need, system
from running import clean_env, run, write

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "guard.md"
KEEP = ("main.db", "autopack-run.toml", ".autopack-run")
# Each start of a process takes half a second in the lab: `exec` there with one way of a kind.
LAB_EXEC = ("os.environ[...]-=", "os.putenv,-then-a-child", "subprocess.run(env=...)", "another-spelling,-Database_Url")
MAKE = """
import os, sqlite3
db = sqlite3.connect(os.environ["DATABASE_URL"][len("sqlite:///"):])
db.execute("create table items (name)")
db.commit()
"""


class Played(NamedTuple):
    """What came of a run: the child's or the launcher's code, the texts, and the rows in the two files."""

    code: int
    out: str
    err: str
    main: int
    other: int


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose pinned database has been made and stamped by its `make` task."""
    folder = tmp_path_factory.mktemp("ways") / "project"
    folder.mkdir()
    profile(folder, ["-c", "pass"], [])
    made = run(["p", "make"], folder)
    assert made.returncode == 0, made.stderr
    return folder


def profile(folder: Path, words: list[str], paths: list[Path]) -> None:
    """The profile file whose task `way` runs Python with the words; paths: what PYTHONPATH gets."""
    env = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    write(
        folder,
        f"""
        [databases.main]
        url = "sqlite:///main.db"
        tables = ["items"]
        [profiles.p]
        database = "main"
        env = {{ {", ".join(f"{name} = {json.dumps(text)}" for name, text in env.items())} }}
        [profiles.p.tasks.make]
        run = {json.dumps([sys.executable, "-c", MAKE])}
        creates = true
        [profiles.p.tasks.way]
        run = {json.dumps([sys.executable, *words])}
        """,
    )


def lay(folder: Path, way: Way, paths: list[Path]) -> Path:
    """Lay the way's files; both databases are without rows then. Returns the other database."""
    for path in folder.iterdir():
        if path.name not in KEEP:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    other = Path(os.path.normpath(folder / way.other))
    other.parent.mkdir(exist_ok=True)
    other.unlink(missing_ok=True)
    with closing(sqlite3.connect(other)) as db:
        db.execute("create table items (name)")
    with closing(sqlite3.connect(folder / "main.db")) as db:
        db.execute("delete from items")
        db.commit()
    filled = {"@OTHER@": url(other), "@FILE@": other.as_posix()}
    for name, text in program(way).items():
        (folder / name).parent.mkdir(exist_ok=True)
        whole = re.sub("@(OTHER|FILE)@", lambda found: filled[found[0]], text)
        (folder / name).write_text(whole, encoding="utf-8")
    profile(folder, list(way.command), paths)
    return other


def url(path: Path) -> str:
    return "sqlite:///" + path.as_posix()


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("select count(*) from items").fetchone()[0])


def bare(folder: Path, way: Way, paths: list[Path]) -> Played:
    """The same program without autopack-run, with DATABASE_URL set in the environment."""
    other = lay(folder, way, paths)
    env = {"DATABASE_URL": url(folder / "main.db"), "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, *way.command],
        cwd=folder,
        env=clean_env(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return Played(done.returncode, done.stdout, done.stderr, rows(folder / "main.db"), rows(other))


def guarded(folder: Path, way: Way, paths: list[Path], mode: str) -> Played:
    """The program as a task of the profile, or under `exec`; there with --verify where only a verdict can tell."""
    other = lay(folder, way, paths)
    verify = ["--verify"] if way.exec in (REPORTED, REMOVED, UNSEEN) else []
    words = ["p", "way"] if mode == "task" else [*verify, "p", "exec", sys.executable, *way.command]
    done = run(words, folder)
    return Played(done.returncode, done.stdout, done.stderr, rows(folder / "main.db"), rows(other))


def cases(mode: str) -> list[object]:
    """A row for each way that runs here, and for each version of python-dotenv."""
    found = []
    for way in WAYS:
        if way.on not in ("any", sys.platform) and not (way.on == "posix" and sys.platform != "win32"):
            continue
        if system() == "wine" and not (way.lab and (mode == "task" or way.id in LAB_EXEC)):
            continue
        several = way.dotenv and system() != "wine"  # the lab has the one version of its virtual environment
        for version in DOTENV if several else [""]:
            found.append(pytest.param(way, version, id=f"{way.id}-{version}".rstrip("-")))
    return found


def paths_for(way: Way, version: str) -> list[Path]:
    for part in way.parts:
        need(part)
    paths = [installed(f"python-dotenv=={version}")] if version else []
    return paths + ([installed(*way.needs)] if way.needs else [])


def place(way: Way) -> str:
    """A pattern for the line of the attempt, as the launcher writes it or as a traceback does."""
    if way.where:
        return way.where
    at = marked(way)
    assert at, f"{way.title}: no line is marked"
    return re.escape(os.path.basename(at[0])) + f'(:|", line ){at[1]}' + r"\b"


def expect(way: Way, outcome: str, played: Played, other: str) -> None:
    """Hold what came of it to the row of the table."""
    if outcome in (BLOCKED, RESTORED, KEPT):
        assert (played.code, played.main, played.other) == (0, 1, 0), played.err
    if outcome == RAISED:
        assert played.other == 0, played.err
        assert played.code not in (0, 65, 70, 78), played.err
        assert "DATABASE_URL" in played.err
        assert "--pins allow" in played.err
    if outcome in (BLOCKED, RAISED):
        assert re.search(place(way), played.err), played.err
    if outcome == RESTORED:
        assert "autopack-run: " in played.err
        assert "DATABASE_URL" in played.err
    if outcome in (REPORTED, REMOVED):
        assert (played.code, played.main, played.other) == (65, 0, 1), played.err
        assert other in played.err
        if way in OPEN_WAYS and marked(way):
            assert re.search(place(way), played.err), played.err
    if outcome == UNSEEN:
        assert (played.main, played.other) == (0, 1)
        assert played.code in (0, 65), played.err


@pytest.mark.posix  # a control; once is enough
@pytest.mark.parametrize(("way", "version"), cases("task"))
def test_without_the_guard_the_way_works(folder: Path, way: Way, version: str) -> None:
    played = bare(folder, way, paths_for(way, version))
    expected = (0, 1, 0) if way.task == KEPT else (0, 0, 1)
    assert (played.code, played.main, played.other) == expected, played.err


@pytest.mark.parametrize(("way", "version"), cases("task"))
def test_in_a_task(folder: Path, way: Way, version: str) -> None:
    played = guarded(folder, way, paths_for(way, version), "task")
    expect(way, way.task, played, os.path.basename(way.other))


@pytest.mark.parametrize(("way", "version"), cases("exec"))
def test_under_exec(folder: Path, way: Way, version: str) -> None:
    played = guarded(folder, way, paths_for(way, version), "exec")
    expect(way, way.exec, played, os.path.basename(way.other))


def test_the_table_is_large_and_without_doubles() -> None:
    assert len(WAYS) >= 50
    assert len({way.id for way in WAYS}) == len(WAYS)


@pytest.mark.skipif(not GUIDE.is_file(), reason="the docs are not beside the tests")
def test_the_docs_have_the_table() -> None:
    """Rewrites the page where it differs: what is committed is then what the tests hold true."""
    text = GUIDE.read_text(encoding="utf-8")
    start, end = "<!-- ways -->\n", "<!-- /ways -->"
    before, rest = text.split(start)
    after = rest.split(end)[1]
    wanted = f"{before}{start}\n{page()}\n\n{end}{after}"
    if text != wanted:
        GUIDE.write_text(wanted, encoding="utf-8", newline="\n")
        pytest.fail("docs/guard.md: the table was out of date and has been rewritten; commit it", pytrace=False)
