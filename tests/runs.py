"""A scratch project whose tasks really use databases: for the tests of guard, verdict and servers."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from running import run, write

TABLES = ("runs", "phases")
PROFILE = """
[defaults]
python = {python}
[databases.main]
url = "sqlite:///main.db"
tables = ["runs", "phases"]
[profiles.p]
database = "main"
[profiles.p.tasks.create]
run = ["python", "create.py"]
creates = true
"""
CREATE = """
import os, sqlite3
database = sqlite3.connect(os.environ["DATABASE_URL"].split("///", 1)[1])
for table in ("runs", "phases"):
    database.execute(f"create table {table} (who)")
database.commit()
database.close()
"""
# What a client does with the database it believes to be on.
WORK = """
def work(url=None):
    import os, sqlite3
    path = (url or os.environ["DATABASE_URL"]).split("///", 1)[1]
    database = sqlite3.connect(path)
    database.execute("insert into runs values ('work')")
    database.commit()
    database.close()
"""


class Project:
    """The scratch project: programs as files, tasks as tables of the profile file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = PROFILE.format(python=json.dumps(sys.executable))
        write(folder, self.text)
        self.program("create.py", CREATE)
        self.program("client.py", WORK)
        done = self.run("-q", "p", "create")
        assert done.returncode == 0, done.stderr

    def program(self, name: str, text: str) -> Path:
        """Write a program of the project."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8", newline="\n")
        return path

    def task(self, name: str, run: Sequence[str] | str, **keys: Any) -> None:
        """Add a task; a text is a Python program of its own."""
        if isinstance(run, str):
            self.program(f"{name}.py", run)
            run = ["python", f"{name}.py"]
        lines = [f"{key} = {json.dumps(value)}" for key, value in {"run": list(run), **keys}.items()]
        self.text += "\n".join([f"[profiles.p.tasks.{name}]", *lines, ""])
        write(self.folder, self.text)

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        """Run the launcher in the project."""
        return run(words, self.folder, env, timeout=timeout)

    def database(self, name: str, tables: Sequence[str] = TABLES) -> Path:
        """Make another database of the same kind."""
        path = self.folder / name
        with closing(sqlite3.connect(path)) as database:
            for table in tables:
                database.execute(f"create table {table} (who)")
            database.commit()
        return path

    def rows(self, name: str = "main.db") -> int:
        """How many rows a client has written there."""
        with closing(sqlite3.connect(self.folder / name)) as database:
            return int(database.execute("select count(*) from runs").fetchone()[0])

    def reports(self) -> list[dict[str, Any]]:
        """The reports of the runs so far, the oldest first."""
        paths = sorted((self.folder / ".autopack-run" / "runs").glob("*/report.json"))
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]

    def report(self) -> dict[str, Any]:
        """The newest report."""
        return self.reports()[-1]


def some_on_windows(cases: Iterable[str], windows: Container[str]) -> list[object]:
    """The cases as parameters; those that are not among `windows` are left to POSIX."""
    return [pytest.param(case, marks=() if case in windows else pytest.mark.posix) for case in cases]
