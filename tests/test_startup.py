"""What the launcher loads before it starts a program: the cost of every start."""

import subprocess
import sys
from pathlib import Path

import pytest
from running import clean_env, run, write

PROFILE = """
[databases.main]
url = "sqlite:///main.db"
tables = ["runs"]
[profiles.dev]
database = "main"
[profiles.dev.tasks.work]
run = ["{python}", "-c", "pass"]
[profiles.dev.tasks.create]
run = ["{python}", "-c", "import sqlite3; c = sqlite3.connect('main.db'); c.execute('create table runs (id)'); c.close()"]
creates = true
"""
NEVER = (
    "sqlalchemy",
    "jinja2",
    "psutil",
    "starlette",
    "uvicorn",
    "pydantic",
    "psycopg",
    "pymysql",
    "shellingham",
    "dotenv",
    "asyncio",
)
# Runs the launcher until the moment it would start the program, then says what it has loaded.
PROBE = """
import os, subprocess, sys
bare = set(sys.modules)
def stop(*_words, **_named):
    print("\\n".join(sorted(set(sys.modules) - bare)), flush=True)
    os._exit(0)
os.execve = os.posix_spawn = subprocess.Popen = stop
import autopack_run
sys.argv[0] = "autopack-run"
autopack_run.main()
"""
# What was counted, and one more: a new library on the path is seen.
LIMITS = {"exec": 112, "verified": 148} if sys.platform != "win32" else {"exec": 119, "verified": 153}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    write(tmp_path, PROFILE)
    made = run(["--set", "X=1", "dev", "create"], tmp_path)
    assert made.returncode == 0, made.stderr
    return tmp_path


def loaded(words: list[str], folder: Path) -> list[str]:
    found = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        cwd=folder,
        env=clean_env(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return found.stdout.split()


@pytest.mark.parametrize(
    ("kind", "words"),
    [("exec", ["dev", "exec", sys.executable, "-c", "pass"]), ("verified", ["dev", "work"])],
    ids=["exec", "verified"],
)
def test_the_path_to_a_start_loads_nothing_heavy(
    kind: str, words: list[str], workspace: Path, record_property: pytest.FixtureRequest
) -> None:
    modules = loaded(words, workspace)
    tops = {name.split(".")[0] for name in modules}
    assert not tops & set(NEVER)
    print(f"{kind}: {len(modules)} modules beyond python -c pass: {' '.join(modules)}")
    assert len(modules) <= LIMITS[kind], f"{kind} loads {len(modules)} modules: {modules}"
    assert ("sqlite3" in tops) == (kind == "verified")
