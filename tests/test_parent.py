"""`--end-with-parent`: a killed script leaves nothing running; `--if-missing`: nothing is created over what is there."""

import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from parts import system
from running import LAUNCHER, clean_env, last_line, run, snapshot, wait_until, write
from runs import Project
from windows import Windows

BEATS = """
import os, time
name = "beats.new"
while True:
    with open(name, "w") as file:
        file.write(str(os.getpid()))
    os.replace(name, "beats.txt")
    time.sleep(0.1)
"""


def beating(folder: Path) -> int:
    """The pid of the task's program, once it writes."""
    beats = folder / "beats.txt"
    wait_until(beats.exists, told=lambda: [path.name for path in folder.iterdir()])
    return int(beats.read_text())


def ended(pid: int) -> bool:
    """Whether no such process runs; one whose parent does not fetch its code has ended, too."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.posix
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("action", ["task", "exec", "exec --"])
def test_the_program_ends_with_the_script(tmp_path: Path, how: str, action: str) -> None:
    project = Project(tmp_path)
    project.task("task", BEATS)
    words = action if action == "task" else f"{action} {shlex.quote(sys.executable)} task.py"
    # A second command keeps the shell from replacing itself by the first.
    script = f"{shlex.join(LAUNCHER)} --end-with-parent p {words}; echo went on"
    shell = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=clean_env(), stdout=subprocess.PIPE)
    pid = beating(tmp_path)
    launcher = psutil.Process(shell.pid).children()[0]
    shell.send_signal(getattr(signal, how))
    output, _ = shell.communicate(timeout=60)
    assert b"went on" not in output
    wait_until(lambda: ended(pid) and ended(launcher.pid), 60)


def test_without_it_the_program_goes_on(tmp_path: Path) -> None:
    """Else the tests above would prove nothing."""
    if system() != "linux":
        pytest.skip("how a script is killed is the matter of each system; one is enough here")
    project = Project(tmp_path)
    project.task("task", BEATS)
    script = f"{shlex.join(LAUNCHER)} p task; echo went on"
    shell = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=clean_env(), stderr=subprocess.DEVNULL)
    pid = beating(tmp_path)
    launcher = psutil.Process(shell.pid).children()[0]
    shell.kill()
    shell.wait()
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(pid).wait(1.5)
    launcher.terminate()
    wait_until(lambda: ended(pid), 60)


DRIVER = """
import os, subprocess, sys, time
# PowerShell says nothing under Wine without a console of its own.
hidden = subprocess.CREATE_NO_WINDOW if "pwsh" in sys.argv[1] else 0
script = subprocess.Popen(sys.argv[1:], creationflags=hidden)
until = time.monotonic() + 40
while not os.path.exists("beats.txt") and time.monotonic() < until:
    time.sleep(0.05)
script.kill()
script.wait()
age = lambda: time.time() - os.stat("beats.txt").st_mtime
while age() < 2 and time.monotonic() < until:
    time.sleep(0.1)
print("ended" if age() >= 2 else "beats", os.path.exists("after.txt"))
"""


@pytest.mark.lab
@pytest.mark.parametrize("shell", ["cmd", "pwsh"])
def test_the_program_ends_with_the_script_on_windows(tmp_path: Path, windows: Windows, shell: str) -> None:
    (tmp_path / "task.py").write_text(BEATS)
    (tmp_path / "driver.py").write_text(DRIVER)
    python = r"C:\autopack-venv\Scripts\python.exe"
    write(tmp_path, f"[defaults]\npython = '{python}'\n[profiles.p.tasks.task]\nrun = ['python', 'task.py']\n")
    program = r"C:\autopack-venv\Scripts\autopack-run.exe"
    (tmp_path / "go.cmd").write_bytes(f"@call {program} --end-with-parent p task\r\n@echo x>after.txt\r\n".encode())
    (tmp_path / "go.ps1").write_bytes(f"& {program} --end-with-parent p task\r\nni after.txt\r\n".encode())
    started = {
        "cmd": ["cmd", "/d", "/c", "go.cmd"],
        "pwsh": [r"Z:\opt\powershell\pwsh\pwsh.exe", "-NoProfile", "-ExecutionPolicy", "Bypass", "-File", "go.ps1"],
    }
    done = windows.run(["python", "driver.py", *started[shell]], tmp_path)
    assert done.stdout.split() == ["ended", "False"], done.stdout + done.stderr


@pytest.mark.posix
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3])
def test_a_script_that_is_killed_while_its_program_comes_up(tmp_path: Path, delay: float) -> None:
    project = Project(tmp_path)
    project.task("task", BEATS)
    script = f'{shlex.join(LAUNCHER)} --end-with "$$" p task; echo went on'
    shell = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=clean_env(), stderr=subprocess.DEVNULL)
    wait_until(lambda: psutil.Process(shell.pid).children())
    launcher = psutil.Process(shell.pid).children()[0]
    time.sleep(delay)
    shell.kill()
    shell.wait()
    wait_until(lambda: ended(launcher.pid), 60)
    beats = tmp_path / "beats.txt"
    wait_until(lambda: not beats.exists() or ended(int(beats.read_text())), 60)


@pytest.mark.posix
def test_a_shim_that_outlives_the_script_does_not_hide_its_end(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.task("task", BEATS)
    (tmp_path / "shim").write_text(f'#!/bin/sh\n{shlex.join(LAUNCHER)} "$@"\necho "shim went on"\n')
    script = 'sh ./shim --end-with "$$" p task; echo went on'
    shell = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=clean_env(), stderr=subprocess.DEVNULL)
    pid = beating(tmp_path)
    shell.kill()
    shell.wait()
    wait_until(lambda: ended(pid), 60)


def test_a_process_that_is_gone_and_one_that_is_not_above(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.task("task", BEATS)
    gone = project.run("--end-with", str(2**22 + 1), "p", "task")
    assert (gone.returncode, gone.stdout) == (143, "")
    assert not (tmp_path / "beats.txt").exists()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    words = [*LAUNCHER, "--end-with", str(other.pid), "p", "task"]
    launcher = subprocess.Popen(words, cwd=tmp_path, env=clean_env(), stderr=subprocess.DEVNULL)
    pid = beating(tmp_path)
    other.communicate(b"\n")
    assert launcher.wait(20) == 143
    wait_until(lambda: ended(pid), 60)
    here = project.run("--end-with", str(os.getpid()), "p", "check")
    assert here.returncode == 0, here.stderr


def test_a_task_that_creates_runs_only_where_the_database_is_missing(tmp_path: Path) -> None:
    project = Project(tmp_path)  # its task `create` has run
    before = snapshot(tmp_path)
    again = project.run("--if-missing", "p", "create")
    assert (again.returncode, again.stdout) == (0, "")
    assert f"'main' is there already, nothing to create: {tmp_path / 'main.db'}" in again.stderr
    assert snapshot(tmp_path) == before
    assert project.run("-q", "--if-missing", "p", "create").stderr == ""
    (tmp_path / "main.db").unlink()
    made = project.run("--if-missing", "p", "create")
    assert made.returncode == 0, made.stderr
    assert project.run("p", "check").returncode == 0


def test_a_partial_database_is_refused_and_nothing_is_created(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "main.db").unlink()
    project.database("main.db", ["runs"])
    before = snapshot(tmp_path)
    refused = project.run("--if-missing", "p", "create")
    assert refused.returncode == 65
    assert last_line(refused).startswith("autopack-run: partial-schema:")
    assert snapshot(tmp_path) == before


def test_an_unstamped_database_is_not_taken_for_the_one(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with closing(sqlite3.connect(tmp_path / "main.db")) as database:
        database.execute("drop table autopack_identity")
        database.commit()
    refused = project.run("--if-missing", "p", "create")
    assert (refused.returncode, last_line(refused).split()[1]) == (65, "unstamped:")


@pytest.mark.parametrize("words", [["p", "work"], ["p", "exec", "--", "x"], ["p", "check"]])
def test_if_missing_is_for_tasks_that_create(tmp_path: Path, words: list[str]) -> None:
    project = Project(tmp_path)
    project.task("work", "from client import work; work()")
    refused = run(["--if-missing", *words], tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--if-missing" in refused.stderr
    assert project.rows() == 0


@pytest.mark.posix
def test_a_starter_in_between_is_no_script(tmp_path: Path) -> None:
    """uv, pipx and a venv's redirector stand between the script and the launcher, and outlive the script."""
    project = Project(tmp_path)
    project.task("task", BEATS)
    between = f"import subprocess; subprocess.call({[*LAUNCHER, '--end-with-parent', 'p', 'task']!r})"
    script = f"{shlex.quote(sys.executable)} -c {shlex.quote(between)}; echo went on"
    shell = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=clean_env(), stderr=subprocess.DEVNULL)
    pid = beating(tmp_path)
    shell.kill()
    shell.wait()
    wait_until(lambda: ended(pid), 60)
