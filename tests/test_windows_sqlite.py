"""Windows' many names for one file, its locks and its attributes: by the real system, in the lab by Wine's."""

import contextlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import last_line, run, snapshot, write
from sqlite_states import TABLES, build, process

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="Windows' own rules")


def profile(url: str, more: str = "") -> str:
    return f"""
[defaults]
python = {json.dumps(sys.executable)}
[databases.telemetry]
url = {json.dumps(url)}
tables = {json.dumps(TABLES)}
[profiles.telemetry]
database = "telemetry"
[profiles.telemetry.tasks.drain]
run = ["python", "-c", "print('child ran')"]
{more}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A workspace that has adopted `long database name.db`."""
    build(tmp_path / "long database name.db")
    write(tmp_path, profile("sqlite:///long database name.db"))
    done = run(["telemetry", "adopt"], tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def short(path: Path) -> str:
    import ctypes

    assert sys.platform == "win32"
    buffer = ctypes.create_unicode_buffer(1000)
    ctypes.windll.kernel32.GetShortPathNameW(str(path), buffer, len(buffer))
    return buffer.value


def test_all_its_names_are_one_database(project: Path) -> None:
    path = project / "long database name.db"
    names = {
        "other case": "LONG Database NAME.db",
        "absolute": path.as_posix(),
        "drive in the other case": path.as_posix()[0].swapcase() + path.as_posix()[1:],
        "backslashes": str(path),
        "8.3": short(path).replace("\\", "/"),
        "dots": "./sub/../long database name.db",
    }
    for what, name in names.items():
        write(project, profile(f"sqlite:///{name}"))
        done = run(["telemetry", "check"], project)
        assert done.returncode == 0, f"{what}: {name}: {done.stderr}"


@pytest.mark.parametrize("other", ["LONG DATABASE NAME.DB", "8.3"])
def test_two_entries_for_one_file(project: Path, other: str) -> None:
    if other == "8.3":
        other = short(project / "long database name.db").replace("\\", "/")
    more = f'[databases.dev]\nurl = {json.dumps(f"sqlite:///{other}")}\n[profiles.dev]\ndatabase = "dev"\n'
    write(project, profile("sqlite:///long database name.db", more))
    done = run(["dev", "check"], project)
    assert done.returncode == 65, done.stderr
    assert last_line(done).startswith("autopack-run: two-names: ")


def test_a_share_is_refused_in_time_and_not_contacted(tmp_path: Path) -> None:
    write(tmp_path, profile("sqlite://///192.0.2.1/share/x.db"))  # TEST-NET-1: nobody answers there
    began = time.monotonic()
    done = run(["telemetry", "check"], tmp_path)
    assert done.returncode == 78, done.stderr
    assert "network-share" in last_line(done)
    assert time.monotonic() - began < 15


HOLD = """
import ctypes, sys
handle = ctypes.windll.kernel32.CreateFileW(sys.argv[1], 0xC0000000, 0, None, 3, 0, None)
assert handle not in (-1, 0xFFFFFFFF), ctypes.GetLastError()
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_file_that_somebody_shares_with_nobody(project: Path) -> None:
    """As a virus scanner or a backup program opens it."""
    before = snapshot(project)
    words = [sys.executable, "-c", HOLD, str(project / "long database name.db")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        done = run(["telemetry", "check"], project)
        holder.kill()
    assert done.returncode in (75, 77), done.stderr
    assert "long database name.db" in done.stderr
    assert snapshot(project) == before


def test_a_lock_of_sqlite_is_busy(project: Path) -> None:
    with process(project / "long database name.db", "BEGIN EXCLUSIVE"):
        done = run(["telemetry", "check"], project)
    assert done.returncode == 75, done.stderr
    assert last_line(done).startswith("autopack-run: busy: ")


def test_the_read_only_attribute(project: Path) -> None:
    path = project / "long database name.db"
    path.chmod(stat.S_IREAD)
    try:
        assert run(["telemetry", "check"], project).returncode == 0
        done = run(["telemetry", "drain"], project)
        assert done.returncode == 77, done.stderr
    finally:
        path.chmod(stat.S_IWRITE)


def test_the_ledger_is_written_although_somebody_reads_it(project: Path) -> None:
    ledger = project / ".autopack-run" / "ledger.toml"
    before = ledger.read_text("utf-8")
    hold = "import sys, time\nwith open(sys.argv[1]) as file:\n    print(1, flush=True)\n    time.sleep(2)\n"
    with subprocess.Popen([sys.executable, "-c", hold, os.fspath(ledger)], stdout=subprocess.PIPE) as reader:
        assert reader.stdout
        assert reader.stdout.readline()
        with contextlib.closing(sqlite3.connect(project / "long database name.db")) as database:
            database.execute("INSERT INTO runs (body) VALUES ('x')")
            database.commit()
        done = run(["telemetry", "drain"], project)
    assert done.returncode == 0, done.stderr
    assert ledger.read_text("utf-8") != before
