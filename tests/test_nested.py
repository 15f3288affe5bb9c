"""A launch inside a launch: the same pins are fine, others are refused, and the outer verdict sees what happens inside."""

from pathlib import Path

import pytest
from running import LAUNCHER
from runs import Project, some_on_windows

SECOND = """
[databases.second]
url = "sqlite:///second.db"
tables = ["runs", "phases"]
[profiles.q]
database = "second"
[profiles.q.tasks.create]
run = ["python", "create.py"]
creates = true
[profiles.q.tasks.drain]
run = ["python", "drain.py"]
[profiles.bare.tasks.drain]
run = ["python", "drain.py"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.text += SECOND
    project.task("drain", "from client import work\nwork()\n")
    assert project.run("-q", "q", "create").returncode == 0
    return project


FINE = {
    "a task": ["p", "drain"],
    "exec": ["p", "exec", "python", "drain.py"],
    "exec, verified": ["--verify", "p", "exec", "python", "drain.py"],
    "a profile without a database": ["bare", "drain"],
    "the same by another text": ["--set", "DATABASE_URL=sqlite:///{root}/./main.db", "p", "drain"],
    "a check": ["p", "check"],
}
REFUSED = {
    "another profile's task": ["q", "drain"],
    "another profile's exec": ["q", "exec", "python", "drain.py"],
    "decided by --database": ["--database", "profile", "q", "drain"],
    "another value by --set": ["--set", "DATABASE_URL=sqlite:///{root}/second.db", "p", "drain"],
    "other pins allowed": ["--pins", "allow", "q", "drain"],
}


def nested(project: Project, words: list[str]) -> list[str]:
    root = str(project.folder).replace("\\", "/")
    return [*LAUNCHER, *(word.replace("{root}", root) for word in words)]


@pytest.mark.parametrize("case", some_on_windows(FINE, ["a task", "exec"]))
def test_the_same_pins_are_fine(project: Project, case: str) -> None:
    project.task("outer", nested(project, FINE[case]))
    done = project.run("p", "outer")
    assert done.returncode == 0, done.stderr
    assert project.rows() == (0 if case == "a check" else 1)
    report = next(report for report in project.reports() if report["task"] == "outer")
    if case not in ("a check",):
        assert f"{project.folder / 'client.py'}:5" in [used["where"] for used in report["databases"]]


@pytest.mark.parametrize("case", some_on_windows(REFUSED, ["another profile's task"]))
@pytest.mark.parametrize("outer", some_on_windows(["task", "exec"], ["task"]))
def test_others_are_refused_before_anything_starts(project: Project, case: str, outer: str) -> None:
    words = nested(project, REFUSED[case])
    project.task("outer", words)
    done = project.run("p", "outer") if outer == "task" else project.run("p", "exec", "--", *words)
    assert done.returncode == 65, done.stderr
    assert "autopack-run: nested: exit 65" in done.stderr
    assert project.rows() == project.rows("second.db") == 0


@pytest.mark.posix
def test_another_pin_is_held_too(project: Project) -> None:
    project.text = project.text.replace("[profiles.p]", '[profiles.p]\npin = ["API_KEY"]\nenv = { API_KEY = "one" }', 1)
    project.task("same", nested(project, ["p", "drain"]))
    project.task("other", nested(project, ["--set", "API_KEY=two", "p", "drain"]))
    assert project.run("p", "same").returncode == 0
    refused = project.run("p", "other")
    assert refused.returncode == 65
    assert "has pinned API_KEY" in refused.stderr
    assert "two" not in refused.stderr


def test_drift_inside_is_the_outers_too(project: Project) -> None:
    project.program("stray.py", "from client import work\nwork()\nwork('sqlite:///second.db')\n")
    project.task("outer", nested(project, ["p", "exec", "python", "stray.py"]))
    done = project.run("p", "outer")
    assert done.returncode == 65, done.stderr
    assert f"{project.folder / 'second.db'}: opened by" in done.stderr
