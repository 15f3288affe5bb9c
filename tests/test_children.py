"""Children that end with their launcher: killed at any moment, whole trees, servers, and nothing left of any of it."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import LAUNCHER, clean_env

if sys.platform == "win32":
    pytest.skip("test_windows_children.py has Windows' own", allow_module_level=True)

pytestmark = pytest.mark.posix
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc: not to be had here")
# Drives launcher.child without a profile: `how` is run, whole, start, or threaded (run beside another thread).
DRIVE = """
import os, sys, threading, time
sys.path.insert(0, sys.argv[1])
from launcher import child
how, seconds, *words = sys.argv[2:]
command = child.Command(words[0], words, dict(os.environ, AUTOPACK_RUN_RUN=os.getcwd()), os.getcwd())
print("driving", flush=True)
if how == "start":
    server = child.start(command, "out")
    time.sleep(float(seconds))
    print("code", server.stop(3), server.stop(3), server.poll(), flush=True)
else:
    if how == "threaded":
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    stop = lambda running: threading.Timer(float(seconds), running.stop, [1]).start() if float(seconds) else None
    print("code", child.run(command, False, how == "whole", stop), flush=True)
"""
SLEEPS = "import time; open('up-main', 'w'); time.sleep(60)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); open('up-main', 'w'); time.sleep(60)"
LEAVES = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-ISc", sys.argv[1]])
while not os.path.exists("up-main"):
    time.sleep(0.02)
"""
# A worker by multiprocessing, one in a session of its own, and one whose parent has gone.
TREE = """
import multiprocessing, os, subprocess, sys, time
SLEEP = "import sys, time; open('up-' + sys.argv[1], 'w'); time.sleep(60)"
def work():
    open("up-worker", "w")
    time.sleep(60)
if __name__ == "__main__":
    multiprocessing.get_context(sys.argv[1]).Process(target=work).start()
    subprocess.Popen([sys.executable, "-ISc", SLEEP, "session"], start_new_session=True)
    middle = "import subprocess, sys; subprocess.Popen([sys.executable, '-ISc', sys.argv[1], 'orphan'], start_new_session=True)"
    subprocess.run([sys.executable, "-ISc", middle, SLEEP])
    while not all(os.path.exists("up-" + name) for name in ("orphan", "session", "worker")):
        time.sleep(0.02)  # its own end is theirs
    open("up-main", "w")
    %s
"""
TREE_UP = ["main", "orphan", "session", "worker"]
Drive = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """Starts the driver; whatever a test finds, nothing of it is left running afterwards."""
    started: list[subprocess.Popen[str]] = []
    (tmp_path / "drive.py").write_text(DRIVE)

    def begin(how: str, seconds: float, *words: str, **options: object) -> "subprocess.Popen[str]":
        source = os.path.dirname(LAUNCHER[-1])
        command = [sys.executable, str(tmp_path / "drive.py"), source, how, str(seconds), *words]
        settings: dict[str, object] = {"cwd": tmp_path, "env": clean_env(), "stdout": subprocess.PIPE, "text": True}
        process: subprocess.Popen[str] = subprocess.Popen(command, **(settings | options))  # type: ignore[call-overload]
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
    for pid in marked(tmp_path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for process in started:
        process.communicate()


def marked(folder: Path) -> list[int]:
    """Who has the run's mark in its environment and runs."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            mark = b"AUTOPACK_RUN_RUN=" + os.fsencode(folder) + b"\0"
            zombie = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
            if not zombie and mark in Path(f"/proc/{name}/environ").read_bytes():
                found.append(int(name))
    return found


def children(pid: int) -> list[int]:
    """Every child of the process, zombies included."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(what: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def wait_up(folder: Path, names: list[str]) -> None:
    wait_until(lambda: all((folder / f"up-{name}").exists() for name in names), 30)


@linux
@pytest.mark.parametrize("how", ["run", "whole", "start", "threaded"])
def test_a_launcher_killed_at_any_moment_leaves_nothing(tmp_path: Path, drive: Drive, how: str) -> None:
    chosen = random.Random(how)
    for _ in range(20):
        process = drive(how, 60 if how == "start" else 0, sys.executable, "-ISc", SLEEPS)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chosen.uniform(0, 0.06))
        process.kill()
        process.wait()
        time.sleep(0.05)
        wait_until(lambda: not marked(tmp_path), 6)
        time.sleep(0.1)
        assert not marked(tmp_path)


@linux
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("how", ["whole", "start"])
def test_the_whole_tree_ends_with_a_killed_launcher(tmp_path: Path, drive: Drive, how: str, method: str) -> None:
    (tmp_path / "tree.py").write_text(TREE % "time.sleep(60)")
    process = drive(how, 60 if how == "start" else 0, sys.executable, "tree.py", method)
    wait_up(tmp_path, TREE_UP)
    assert len(marked(tmp_path)) >= 4
    process.kill()
    wait_until(lambda: not marked(tmp_path), 6)


@linux
@pytest.mark.parametrize("end", ["time.sleep(60)", "os._exit(3)"], ids=["stopped", "by itself"])
@pytest.mark.parametrize("how", ["whole", "start"])
def test_the_rest_of_a_whole_tree_ends_with_its_main_program(tmp_path: Path, drive: Drive, how: str, end: str) -> None:
    (tmp_path / "tree.py").write_text(TREE % end)
    process = drive(how, 3 if how == "start" or "sleep" in end else 0, sys.executable, "tree.py", "fork")
    wait_up(tmp_path, TREE_UP)
    said = process.communicate(timeout=60)[0].split("\n")
    code = 3 if "exit" in end else 143
    assert said[1] == (f"code {code} {code} {code}" if how == "start" else f"code {code}")
    assert not marked(tmp_path)


@linux
@pytest.mark.parametrize("how", ["run", "killed"])
def test_what_a_task_leaves_running_is_not_ended(tmp_path: Path, drive: Drive, how: str) -> None:
    (tmp_path / "tree.py").write_text(TREE % ("os._exit(0)" if how == "run" else "time.sleep(60)"))
    process = drive("run", 0, sys.executable, "tree.py", "fork", stdout=subprocess.DEVNULL)
    wait_up(tmp_path, TREE_UP)
    main = children(process.pid)
    process.kill() if how == "killed" else process.wait(10)
    time.sleep(1)
    left = marked(tmp_path)
    assert len(left) == 3
    assert not set(left) & set(main)


@linux
@pytest.mark.parametrize("how", ["whole", "start"])
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_uvicorn_with_workers_ends(tmp_path: Path, drive: Drive, how: str, end: str) -> None:
    pytest.importorskip("uvicorn")
    (tmp_path / "app.py").write_text("import os\nopen(f'up-{os.getpid()}', 'w')\nasync def app(*_): pass\n")
    words = [sys.executable, "-m", "uvicorn", "app:app", "--port", "0", "--workers", "2", "--lifespan", "off"]
    process = drive(how, 5 if end == "stop" else 60, *words)
    wait_until(lambda: len(list(tmp_path.glob("up-*"))) >= 2, 30)
    if end == "kill":
        process.kill()
        wait_until(lambda: not marked(tmp_path), 6)
    else:
        assert "code" in process.communicate(timeout=60)[0]
        assert not marked(tmp_path)


@linux
def test_what_ignores_sigterm_or_is_stopped_ends_too(tmp_path: Path, drive: Drive) -> None:
    process = drive("run", 2, sys.executable, "-ISc", DEAF)
    wait_up(tmp_path, ["main"])
    os.kill(marked(tmp_path)[0], signal.SIGSTOP)
    assert process.communicate(timeout=60)[0].split("\n")[1] == "code 137"


# Signals that come when the program has ended and something of it, deaf to SIGTERM, is still there.
LATE = {
    "SIGTERM": (["SIGTERM"], 143),
    "SIGHUP": (["SIGHUP"], 129),
    "Ctrl-C": (["SIGINT"], 130),
    "one for the program": (["SIGUSR1", "SIGTERM"], 143),
    "two": (["SIGTERM", "SIGHUP"], 143),
}


@linux
@pytest.mark.parametrize(("names", "code"), LATE.values(), ids=LATE)
def test_a_signal_after_the_programs_end_is_the_launchers_own(
    tmp_path: Path, drive: Drive, names: list[str], code: int
) -> None:
    process = drive("whole", 0, sys.executable, "-ISc", LEAVES, DEAF)
    wait_up(tmp_path, ["main"])
    wait_until(lambda: len(marked(tmp_path)) == 1)
    time.sleep(0.2)
    began = time.monotonic()
    for name in names:
        process.send_signal(getattr(signal, name))
        time.sleep(0.02)
    said = process.communicate(timeout=60)[0].split("\n")
    assert said[1] == f"code {code}"
    assert time.monotonic() - began < 2
    assert not marked(tmp_path)


@linux
def test_an_idle_keeper_holds_nothing_and_is_no_zombie(tmp_path: Path, drive: Drive) -> None:
    process = drive("run", 0, sys.executable, "-ISc", SLEEPS)
    wait_up(tmp_path, ["main"])
    (keeper,) = set(children(process.pid)) - set(marked(tmp_path))
    held = sorted(os.readlink(f"/proc/{keeper}/fd/{name}") for name in os.listdir(f"/proc/{keeper}/fd"))
    assert [path.partition(":")[0] for path in held] == ["/dev/null", "/dev/null", "pipe"]
    assert os.getsid(keeper) == keeper
    assert (
        int(
            next(
                x for x in Path(f"/proc/{keeper}/smaps_rollup").read_text().split("\n") if "Private_Dirty" in x
            ).split()[1]
        )
        < 8000
    )
    (main,) = marked(tmp_path)
    pipe = next(path for path in held if path.startswith("pipe"))
    assert pipe not in [os.readlink(f"/proc/{main}/fd/{name}") for name in os.listdir(f"/proc/{main}/fd")]
    os.kill(main, signal.SIGTERM)
    assert process.communicate(timeout=60)[0].split("\n")[1] == "code 143"
    assert not os.path.exists(f"/proc/{keeper}")


@linux
def test_a_killed_keeper_does_not_stop_anything_and_the_child_still_ends(tmp_path: Path, drive: Drive) -> None:
    process = drive("run", 0, sys.executable, "-ISc", SLEEPS)
    wait_up(tmp_path, ["main"])
    (keeper,) = set(children(process.pid)) - set(marked(tmp_path))
    os.kill(keeper, signal.SIGKILL)
    time.sleep(0.2)
    assert process.poll() is None
    process.kill()
    wait_until(lambda: not marked(tmp_path), 3)


def test_a_server_is_apart_from_the_terminal(tmp_path: Path, drive: Drive) -> None:
    show = "import os, sys; print(os.getsid(0) == os.getpid(), repr(sys.stdin.read()), flush=True); print('e', file=sys.stderr)"
    (tmp_path / "out").write_text("before\n")
    process = drive("start", 1, sys.executable, "-ISc", show)
    assert process.communicate(timeout=60)[0].split("\n")[1] == "code 0 0 0"
    assert (tmp_path / "out").read_text() == "before\nTrue ''\ne\n"
