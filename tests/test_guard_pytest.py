"""pytest under exec: a test that sets the pinned variable cannot reach the operator's database unnoticed."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from running import run, write

PYTEST = ["-m", "pytest", "-p", "no:cacheprovider", "-q"]
APP = """
import os, sqlite3

def reset():
    path = os.environ["DATABASE_URL"][len("sqlite:///"):]
    db = sqlite3.connect(path)
    db.execute("drop table if exists items")
    db.execute("create table items (name)")
    db.commit()
    db.close()
"""
SETENV = """
import app

def test_resets_its_own_database(monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_URL", "sqlite:///" + (tmp_path / "test.db").as_posix())  # line 5
    app.reset()
    assert (tmp_path / "test.db").exists()
"""
DELENV = """
import os

def test_without_the_variable(monkeypatch):
    monkeypatch.delenv("DATABASE_URL")  # line 5
    assert "DATABASE_URL" not in os.environ
"""
PATCHED = """
import os
from unittest import mock

def test_patched():
    with mock.patch.dict(os.environ, {"DATABASE_URL": "sqlite:///test.db"}):  # line 6
        assert os.environ["DATABASE_URL"] == "sqlite:///test.db"
"""
CLEARED = """
import os
from unittest import mock
import app

def test_cleared():
    with mock.patch.dict(os.environ, {}, clear=True):
        app.reset()  # without the variable: KeyError
"""
CONFTEST = """
from dotenv import load_dotenv
load_dotenv(".env.test", override=True)  # line 3
"""
NOTHING = "def test_nothing():\n    pass\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with an operator's database of three rows, pinned by the profile `p`."""
    with closing(sqlite3.connect(tmp_path / "main.db")) as db:
        db.execute("create table items (name)")
        db.executemany("insert into items values (?)", [("a",), ("b",), ("c",)])
        db.commit()
    (tmp_path / "app.py").write_text(APP)
    write(
        tmp_path,
        f"""
        [databases.main]
        url = "sqlite:///main.db"
        tables = ["items"]
        [profiles.p]
        database = "main"
        env = {{ PYTHONDONTWRITEBYTECODE = "1" }}
        [profiles.p.tasks.test]
        run = {json.dumps([sys.executable, *PYTEST])}
        """,
    )
    adopted = run(["p", "adopt"], tmp_path)
    assert adopted.returncode == 0, adopted.stderr
    return tmp_path


def rows(project: Path) -> int:
    with closing(sqlite3.connect(project / "main.db")) as db:
        return int(db.execute("select count(*) from items").fetchone()[0])


def under_exec(project: Path, *before: str) -> "subprocess.CompletedProcess[str]":
    return run([*before, "p", "exec", sys.executable, *PYTEST], project)


@pytest.mark.parametrize(
    ("text", "line"), [(SETENV, 5), (DELENV, 5), (PATCHED, 6)], ids=["setenv", "delenv", "patch.dict"]
)
def test_a_test_that_changes_the_variable_is_told_what_to_do(project: Path, text: str, line: int) -> None:
    (project / "test_app.py").write_text(text)
    done = under_exec(project)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "1 failed" in done.stdout
    assert re.search(rf"test_app\.py(:|\", line ){line}\b", said), said
    assert "DATABASE_URL is pinned by autopack-run" in said
    assert "--pins allow" in said
    assert rows(project) == 3


@pytest.mark.posix  # the lab has no time for what is the same there
@pytest.mark.parametrize("text", [SETENV, DELENV, PATCHED], ids=["setenv", "delenv", "patch.dict"])
def test_pins_allow_lets_it(project: Path, text: str) -> None:
    (project / "test_app.py").write_text(text)
    done = under_exec(project, "--pins", "allow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert rows(project) == 3


@pytest.mark.posix
def test_a_cleared_environment_does_not_lead_to_the_operators_database(project: Path) -> None:
    (project / "test_app.py").write_text(CLEARED)
    done = under_exec(project)
    assert done.returncode == 1
    assert rows(project) == 3


def test_a_conftest_that_reads_a_dotenv_file_is_told_although_pytest_captures(project: Path) -> None:
    (project / "conftest.py").write_text(CONFTEST)
    (project / "test_app.py").write_text(NOTHING)
    other = (project / "other.db").as_posix()
    (project / ".env.test").write_text(f"DATABASE_URL=sqlite:///{other}\n")
    done = under_exec(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"autopack-run: kept DATABASE_URL: .*conftest\.py:3\b", done.stderr), done.stderr


@pytest.mark.posix
def test_a_dotenv_file_read_inside_a_test_is_told_although_pytest_captures(project: Path) -> None:
    text = CONFTEST.strip().replace("\n", "\ndef test_it():\n    ")
    (project / "test_app.py").write_text(text)
    (project / ".env.test").write_text("DATABASE_URL=sqlite:///other.db\n")
    done = under_exec(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"autopack-run: kept DATABASE_URL: .*test_app\.py:3\b", done.stderr), done.stderr


@pytest.mark.posix
def test_it_is_told_once_where_pytest_does_not_capture(project: Path) -> None:
    (project / "conftest.py").write_text(CONFTEST)
    (project / "test_app.py").write_text(NOTHING)
    (project / ".env.test").write_text("DATABASE_URL=sqlite:///other.db\n")
    done = run(["p", "exec", sys.executable, *PYTEST, "-s"], project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "conftest.py:3" in done.stderr


def test_in_a_task_the_pin_stands_and_the_report_says_so(project: Path) -> None:
    """`block`: the test runs on the operator's database, as the task says; but nobody can miss it."""
    (project / "test_app.py").write_text(SETENV)
    done = run(["p", "test"], project)
    assert re.search(r"test_app\.py:5\b", done.stderr), done.stderr
    assert done.returncode != 0
    assert not os.path.exists(project / "test.db")
