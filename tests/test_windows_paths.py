"""Paths and names that only Windows has, in runs: devices, the \\\\?\\ form, too long folders, capitals of variables."""

import os
import sys
from pathlib import Path

import pytest
from runs import Project

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="Windows' own rules")
GOOD = "from client import work\nwork()\n"


def test_a_profile_file_in_the_long_form(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.task("drain", GOOD)
    done = project.run("-f", rf"\\?\{tmp_path}\autopack-run.toml", "p", "drain")
    assert done.returncode == 0, done.stderr
    assert project.rows() == 1


@pytest.mark.parametrize("name", ["con", "aux.json", r"\\.\pipe\zz", r"gone\r.json"])
def test_a_report_where_none_can_be(name: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.task("drain", GOOD)
    done = project.run("--report", name, "p", "drain")
    assert done.returncode in (0, 78), done.stderr
    assert "Traceback" not in done.stderr
    assert (project.rows() == 0) == (done.returncode == 78)


def test_a_device_as_a_database_is_no_stumble(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.task("drain", GOOD + "import sqlite3\ntry: sqlite3.connect('NUL')\nexcept sqlite3.Error: pass\n")
    assert "stumbled" not in project.run("p", "drain").stderr


def test_a_folder_that_is_too_long_for_a_report_is_told(tmp_path: Path) -> None:
    """The run folder's files would have paths beyond MAX_PATH; the verdict stands, and the report is in --report."""
    longest = tmp_path / ("d" * max(1, 200 - len(str(tmp_path))))
    longest.mkdir()
    project = Project(longest)
    project.task("drain", GOOD)
    done = project.run("--report", str(tmp_path / "r.json"), "p", "drain")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.json").exists()
    assert project.reports() or "no run folder in" in done.stderr


@pytest.mark.parametrize("first", [True, False])
def test_a_pin_in_two_spellings_is_kept_in_both(first: bool, tmp_path: Path) -> None:
    project = Project(tmp_path)
    other = {"database_url": "sqlite:///other.db"}
    words = f"{{**{other}, **os.environ}}" if first else f"{{**os.environ, **{other}}}"
    code = f"import os, subprocess, sys\nsubprocess.run([sys.executable, '-IS', 'show.py'], env={words}, check=True)\n"
    project.program("show.py", "import os\nprint(os.environ['DATABASE_URL'])\n")
    project.task("drain", GOOD + code)
    done = project.run("p", "drain")
    assert done.stdout.strip().endswith("main.db"), done.stderr
    assert os.path.join(str(tmp_path), "drain.py") + ":4" in done.stderr
