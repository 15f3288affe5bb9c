"""A URL that SQLAlchemy 2.0 and 2.1 read differently: the profile's own interpreter says which file it would open."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import last_line, run, wait_until, write

from launcher import which_file
from launcher.identity.server import DEADLINE_SECONDS
from launcher.which_file import reader_of

SQLALCHEMY = """
__version__ = "{version}"
"""
URL = """
class Dialect:
    def create_connect_args(self, url):
        return [url if {keeps} else url.replace("%20", " ")], {{}}
class Url(str):
    def get_dialect(self):
        return Dialect
    def replace(self, *words):
        return str.replace(self, *words)
def make_url(text):
    return Url(text)
"""


def profile(folder: Path, url: str = "sqlite:///my%20db.db") -> None:
    write(
        folder,
        f"[defaults]\npython = {json.dumps(sys.executable)}\n[databases.x]\nurl = {json.dumps(url)}\n"
        '[profiles.p]\ndatabase = "x"\n[profiles.p.tasks.t]\nrun = ["python", "-c", "print(1)"]\n',
    )


def pretend(folder: Path, version: str, keeps: bool) -> dict[str, str]:
    """Another SQLAlchemy in the interpreter's way; the real one of this environment is the other test's."""
    package = folder / f"site-{version}" / "sqlalchemy"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(SQLALCHEMY.format(version=version))
    (package / "engine.py").write_text(URL.format(keeps=keeps))
    return {"PYTHONPATH": str(package.parent)}


def test_the_installed_one_is_asked_and_the_answer_kept(tmp_path: Path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    profile(tmp_path)
    decodes = tuple(map(int, sqlalchemy.__version__.split(".")[:2])) >= (2, 1)
    opened = "'my db.db'" if decodes else "'my%20db.db'"
    (tmp_path / ".autopack-run").mkdir()
    for action in (["check"], ["t"]):
        done = run(["p", *action], tmp_path)
        assert done.returncode == 78
        assert last_line(done).startswith("autopack-run: ambiguous-url: ")
        assert f"{sys.executable} has SQLAlchemy {sqlalchemy.__version__} and would open {opened}" in done.stderr
    assert list(json.loads((tmp_path / ".autopack-run" / "sqlalchemy.json").read_text())) == [sys.executable]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".autopack-run", "autopack-run.toml"]


@pytest.mark.parametrize(
    ("version", "keeps", "opened"), [("2.0.58", True, "'my%20db.db'"), ("2.1.9", False, "'my db.db'")]
)
def test_both_versions(tmp_path: Path, version: str, keeps: bool, opened: str) -> None:
    profile(tmp_path)
    done = run(["p", "check"], tmp_path, pretend(tmp_path, version, keeps))
    assert f"has SQLAlchemy {version} and would open {opened}" in done.stderr
    assert not (tmp_path / ".autopack-run").exists()  # a check creates nothing


def test_a_changed_sqlalchemy_is_asked_again(tmp_path: Path) -> None:
    profile(tmp_path)
    env = pretend(tmp_path, "2.0.58", keeps=True)
    (tmp_path / ".autopack-run").mkdir()
    assert "would open 'my%20db.db'" in run(["p", "check"], tmp_path, env).stderr
    kept = tmp_path / ".autopack-run" / "sqlalchemy.json"
    (tmp_path / "site-2.0.58" / "sqlalchemy" / "engine.py").write_text("raise SystemExit('not asked again')")
    assert "would open 'my%20db.db'" in run(["p", "check"], tmp_path, env).stderr  # the answer that was kept
    pretend(tmp_path, "2.0.58", keeps=False)
    (tmp_path / "site-2.0.58" / "sqlalchemy" / "__init__.py").write_text('__version__ = "2.1.0"\n\n')
    assert "SQLAlchemy 2.1.0 and would open 'my db.db'" in run(["p", "check"], tmp_path, env).stderr
    kept.write_text("[]")
    assert "would open 'my db.db'" in run(["p", "check"], tmp_path, env).stderr


ANSWER = {"version": "2.1.0", "sqlalchemy": "no such file", "decodes": True, "stamps": []}
NO_ANSWERS = {
    "no decodes": json.dumps({key: value for key, value in ANSWER.items() if key != "decodes"}),
    "decodes is text": json.dumps(ANSWER | {"decodes": "no"}),
    "a list for a path": json.dumps(ANSWER | {"sqlalchemy": ["x"]}),
    "NUL in a path": json.dumps(ANSWER | {"sqlalchemy": "a\0b", "stamps": [[1, 1]]}),
    "half a character": json.dumps(ANSWER | {"sqlalchemy": "\ud800", "stamps": [[1, 1]]}),
    "a number": "3",
    "deep": "[" * 100_000,
    "large": json.dumps(ANSWER) + " " * 1_100_000,
    "a pipe": None,
}


@pytest.mark.parametrize(
    "entry",
    [pytest.param(entry, id=name, marks=() if entry else pytest.mark.posix) for name, entry in NO_ANSWERS.items()],
)
def test_what_is_kept_and_is_no_answer_does_not_count(tmp_path: Path, entry: str | None) -> None:
    """No interpreter is there, so that None says that it would have been asked."""
    kept = tmp_path / ".autopack-run" / "sqlalchemy.json"
    kept.parent.mkdir()
    kept.write_text(json.dumps({"python": ANSWER}))
    assert reader_of("python", {"PYTHONPATH": ""}, str(tmp_path)) == ("2.1.0", True)
    kept.unlink()
    if entry is None:
        os.mkfifo(kept)
    else:
        kept.write_text(f'{{"python": {entry}}}')
    assert reader_of("python", {"PATH": ""}, str(tmp_path)) is None


@pytest.mark.posix
def test_a_script_that_starts_an_interpreter_is_asked_each_time(tmp_path: Path) -> None:
    """As pyenv's shims: nothing of them changes when they start another one."""
    (tmp_path / ".autopack-run").mkdir()
    shim = tmp_path / "python"
    shim.write_text('#!/bin/sh\ncat "$ANSWER"\n')
    shim.chmod(0o755)
    answer = tmp_path / "answer"
    for version, decodes in (("2.0.58", False), ("2.1.9", True)):
        answer.write_text(json.dumps([version, str(shim), decodes]))
        variables = {"ANSWER": str(answer), "PATH": os.environ["PATH"]}
        assert reader_of(str(shim), variables, str(tmp_path)) == (version, decodes)
    assert os.listdir(tmp_path / ".autopack-run") == []


@pytest.mark.posix
def test_an_interpreter_that_hangs_is_ended_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert which_file._SECONDS < DEADLINE_SECONDS
    monkeypatch.setattr(which_file, "_SECONDS", 1.0)
    shim, pids = tmp_path / "python", tmp_path / "pids"
    shim.write_text(f"#!/bin/sh\nsleep 600 &\necho $$ $! > {pids}.part\nmv {pids}.part {pids}\nwait\n")
    shim.chmod(0o755)
    while not pids.exists():  # a slow machine has not begun yet when the time is up
        assert reader_of(str(shim), dict(os.environ), str(tmp_path)) is None
    wait_until(lambda: not any(map(runs, map(int, pids.read_text().split()))))


def runs(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    except subprocess.CalledProcessError:
        return False
    return not state.lstrip().startswith("Z")


def test_an_interpreter_that_cannot_say_changes_nothing_else(tmp_path: Path) -> None:
    profile(tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sqlalchemy.py").write_text("raise ImportError")
    done = run(["p", "check"], tmp_path, {"PYTHONPATH": os.fspath(tmp_path / "site")})
    assert done.returncode == 78
    assert "SQLAlchemy 2.0 opens 'my%20db.db', SQLAlchemy 2.1 opens 'my db.db'" in done.stderr
    assert "would open" not in done.stderr
