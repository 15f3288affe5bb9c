"""Ctrl-C, SIGTERM and their like: the child ends once, the shell sees the right code, nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import LAUNCHER, clean_env, write

if sys.platform == "win32":
    pytest.skip("signals: test_windows_children.py has Windows' own", allow_module_level=True)

import pexpect

pytestmark = pytest.mark.posix

# Notes every signal that it gets, with its name; `quit` ends it, or the second Ctrl-C, as uvicorn does.
CHILD = """
import os, signal, sys, time
log = open("log", "a", buffering=1)
print("pid", os.getpid(), file=log)
def note(number, frame):
    print(signal.Signals(number).name, file=log)
    if number in (signal.SIGINT, signal.SIGTERM):
        time.sleep(0.3)
        print("ended", file=log)
        os._exit({code})
for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2"):
    number = getattr(signal, "SIG" + name)
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, note)
print("ready", flush=True)
while True:
    time.sleep(0.05)
"""
# As Python ends by Ctrl-C: a KeyboardInterrupt, some tidying up, death by SIGINT.
# In short pieces: a signal that comes just before a sleep would be heard at its end.
DRAIN = """
import time
log = open("log", "a", buffering=1)
import os; print("pid", os.getpid(), file=log)
try:
    print("ready", flush=True)
    for _ in range(1200):
        time.sleep(0.05)
finally:
    print("ended", file=log)
"""
DEFAULT = """
import os, signal, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)
print("pid", os.getpid(), file=open("log", "w"), flush=True)
print("ready", flush=True)
time.sleep(60)
"""


# A task is waited for, as its verdict follows; a plain `exec` takes the launcher's place.
ACTIONS = {"waited": ["waited"], "replaced": ["exec", sys.executable, "-sPu", "child.py"]}


def profile(folder: Path, child: str) -> None:
    (folder / "child.py").write_text(child)
    run = json.dumps([sys.executable, "-sPu", "child.py"])
    write(
        folder,
        f"""
        [databases.d]
        url = "sqlite:///d.db"
        tables = ["t"]
        [profiles.p]
        database = "d"
        [profiles.p.tasks.waited]
        run = {run}
        creates = true
        """,
    )


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().split("\n")[:-1]


def wait_for(folder: Path, line: str) -> None:
    until = time.monotonic() + 60
    while line not in log(folder):
        assert time.monotonic() < until, log(folder)
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    """Launchers to end, whatever the test has found."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
    for line in log(tmp_path) if (tmp_path / "log").exists() else ():
        if line.startswith("pid ") and is_alive(int(line[4:])):
            os.kill(int(line[4:]), signal.SIGKILL)


def start(
    folder: Path, task: str, launched: list["subprocess.Popen[str]"], **options: object
) -> "subprocess.Popen[str]":
    process: subprocess.Popen[str] = subprocess.Popen(
        [*LAUNCHER, "p", *ACTIONS[task]],
        cwd=folder,
        env=clean_env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    launched.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def child_pid(folder: Path) -> int:
    return int(log(folder)[0].split()[1])


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1", "SIGUSR2"])
@pytest.mark.parametrize("task", ["waited", "replaced"])
def test_signal_to_the_launcher_reaches_the_child(
    tmp_path: Path, launched: list["subprocess.Popen[str]"], task: str, name: str
) -> None:
    profile(tmp_path, CHILD.format(code=0))
    process = start(tmp_path, task, launched, start_new_session=True)
    process.send_signal(getattr(signal, name))
    wait_for(tmp_path, name)
    assert process.poll() is None
    assert (child_pid(tmp_path) == process.pid) == (task == "replaced")


@pytest.mark.parametrize("code", [0, 5])
def test_sigterm_reaches_a_waited_child_once_and_its_code_counts(
    tmp_path: Path, launched: list["subprocess.Popen[str]"], code: int
) -> None:
    profile(tmp_path, CHILD.format(code=code))
    process = start(tmp_path, "waited", launched)
    process.terminate()
    _, told = process.communicate(timeout=60)
    assert log(tmp_path)[1:] == ["SIGTERM", "ended"]
    # A child that says 0 has to have made the tables, signal or not.
    assert process.returncode == (code or 65), told


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGKILL", "SIGSEGV", "SIGINT"])
def test_death_by_signal_of_a_waited_child_is_128_and_more(
    tmp_path: Path, launched: list["subprocess.Popen[str]"], name: str
) -> None:
    profile(tmp_path, DEFAULT)
    process = start(tmp_path, "waited", launched)
    os.kill(child_pid(tmp_path), getattr(signal, name))
    process.communicate(timeout=60)
    assert process.returncode == 128 + getattr(signal, name)


def test_ctrl_c_without_a_terminal_is_passed_on_at_once(
    tmp_path: Path, launched: list["subprocess.Popen[str]"]
) -> None:
    profile(tmp_path, CHILD.format(code=5))
    process = start(tmp_path, "waited", launched, start_new_session=True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert log(tmp_path)[1:] == ["SIGINT", "ended"]
    assert process.returncode == 130


@pytest.mark.parametrize("name", ["HUP", "TERM", "INT", "QUIT"])
@pytest.mark.parametrize("task", ["waited", "replaced"])
def test_what_the_shell_ignores_stays_ignored(
    tmp_path: Path, launched: list["subprocess.Popen[str]"], task: str, name: str
) -> None:
    """So it is under nohup, and with SIGINT and SIGQUIT in a background job of a script."""
    profile(tmp_path, CHILD.format(code=5))
    shell = ["sh", "-c", f"trap '' {name}; exec \"$@\"", "-", *LAUNCHER, "p", *ACTIONS[task]]
    process = subprocess.Popen(shell, cwd=tmp_path, env=clean_env(), stdout=subprocess.PIPE, text=True)
    launched.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, f"SIG{name}"))
    os.kill(child_pid(tmp_path), getattr(signal, f"SIG{name}"))
    time.sleep(0.3)
    assert process.poll() is None
    assert len(log(tmp_path)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="/proc: not to be had here")
def test_signals_that_python_ignores_are_restored_in_a_waited_child(tmp_path: Path) -> None:
    profile(tmp_path, "")
    text = (tmp_path / "autopack-run.toml").read_text()
    shown = json.dumps(["sh", "-c", "grep '^Sig[IB]' /proc/self/status; exit 3"])
    write(tmp_path, text.replace(json.dumps([sys.executable, "-sPu", "child.py"]), shown))
    done = subprocess.run([*LAUNCHER, "p", "waited"], cwd=tmp_path, env=clean_env(), capture_output=True, check=False)
    blocked, ignored = (int(line.split()[1], 16) for line in done.stdout.splitlines())
    # glibc's posix_spawn ignores the two signals that it keeps for itself, 32 and 33.
    assert (blocked, ignored & ~(0b11 << 31)) == (0, 0)
    assert done.returncode == 3


def test_a_parent_that_ignores_the_end_of_its_children_loses_no_code(tmp_path: Path) -> None:
    profile(tmp_path, "raise SystemExit(3)")
    # Python, as bash and dash refuse to ignore it.
    shell = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-ISc", shell, *LAUNCHER, "p", "waited"]
    done = subprocess.run(command, cwd=tmp_path, env=clean_env(), capture_output=True, check=False)
    assert done.returncode == 3, done.stderr


TERMINAL = {
    "drain, replaced": ("replaced", DRAIN, ["ended"]),
    "drain, waited": ("waited", DRAIN, ["ended"]),
    "server, replaced": ("replaced", CHILD.format(code=0), ["SIGINT", "ended"]),
    "server, waited": ("waited", CHILD.format(code=0), ["SIGINT", "ended"]),
}


@pytest.mark.parametrize(("task", "child", "lines"), TERMINAL.values(), ids=TERMINAL)
def test_ctrl_c_in_a_terminal_ends_the_child_once(tmp_path: Path, task: str, child: str, lines: list[str]) -> None:
    profile(tmp_path, child)
    # Not `trap`: the shell itself gets Ctrl-C as well and must only live on to tell the code.
    script = 'trap : INT; "$@"; echo "code=$?"'
    terminal = pexpect.spawn(
        "bash",
        ["-c", script, "-", *LAUNCHER, "p", *ACTIONS[task]],
        cwd=str(tmp_path),
        env=clean_env(),
        encoding="utf-8",
        timeout=60,
    )
    terminal.expect_exact("ready")
    terminal.sendintr()
    terminal.expect(r"code=(\d+)")
    # A server that says 0 after Ctrl-C says so to the shell, where it took the launcher's place.
    expected = "0" if (task, lines[0]) == ("replaced", "SIGINT") else "130"
    assert terminal.match[1] == expected
    terminal.expect(pexpect.EOF)
    assert log(tmp_path)[1:] == lines
    assert not is_alive(child_pid(tmp_path))
    assert not (tmp_path / "d.db").exists()


def test_second_ctrl_c_is_passed_on_as_well(tmp_path: Path) -> None:
    stubborn = CHILD.replace("in (signal.SIGINT, signal.SIGTERM)", "== signal.SIGTERM").format(code=5)
    profile(tmp_path, stubborn)
    terminal = pexpect.spawn(
        LAUNCHER[0], [*LAUNCHER[1:], "p", "waited"], cwd=str(tmp_path), env=clean_env(), encoding="utf-8", timeout=60
    )
    terminal.expect_exact("ready")
    terminal.sendintr()
    wait_for(tmp_path, "SIGINT")
    time.sleep(0.3)
    assert log(tmp_path)[1:] == ["SIGINT"]
    terminal.sendintr()
    time.sleep(0.5)
    # From the terminal and from the launcher; two that come together may be one.
    assert log(tmp_path)[1:] in (["SIGINT"] * 2, ["SIGINT"] * 3)
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert not is_alive(child_pid(tmp_path))


def test_quit_key_does_not_leave_a_child_behind_that_handles_it(tmp_path: Path) -> None:
    profile(tmp_path, CHILD.format(code=5))
    terminal = pexpect.spawn(
        LAUNCHER[0], [*LAUNCHER[1:], "p", "waited"], cwd=str(tmp_path), env=clean_env(), encoding="utf-8", timeout=60
    )
    terminal.expect_exact("ready")
    terminal.sendcontrol("\\")
    wait_for(tmp_path, "SIGQUIT")
    time.sleep(0.2)
    assert log(tmp_path)[1:] == ["SIGQUIT"]
    assert terminal.isalive()
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 5


def test_ctrl_z_and_fg_stop_and_continue_both(tmp_path: Path) -> None:
    profile(tmp_path, CHILD.format(code=5))
    shell = pexpect.spawn(
        "bash",
        ["--norc", "--noprofile", "-i"],
        cwd=str(tmp_path),
        env=clean_env({"PS1": "$ "}),
        encoding="utf-8",
        timeout=60,
    )
    shell.sendline(" ".join(LAUNCHER) + " p waited")
    shell.expect_exact("ready")
    shell.sendcontrol("z")
    shell.expect_exact("Stopped")
    shell.sendline("fg")
    time.sleep(0.5)
    shell.sendintr()
    wait_for(tmp_path, "ended")
    shell.sendline("echo code=$?")
    shell.expect(r"code=(\d+)\r")
    assert shell.match[1] == "130"
    assert log(tmp_path)[1:] == ["SIGINT", "ended"]
    shell.sendline("exit")
    shell.expect(pexpect.EOF)
