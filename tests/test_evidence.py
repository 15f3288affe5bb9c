"""What processes really use, seen from outside: real children, real files, real sockets, on every system."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from children import child
from parts import need
from running import clean_env

from launcher import evidence, seen
from launcher.evidence import Connection, Watch
from launcher.evidence_psutil import PsutilEyes
from launcher.seen import describe

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux shows it by /proc")
OPEN = "import sqlite3\nconnection = sqlite3.connect('{}')\nconnection.execute('create table if not exists t (a)')\n"


def looked(pid: int) -> Watch:
    watch = Watch()
    watch.add(pid)
    watch.sample()
    return watch


def until(condition: Callable[[], object], seconds: float = 10) -> bool:
    """Whether the condition comes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def names(watch: Watch) -> set[tuple[str, bool]]:
    return {(os.path.basename(file.path), file.deleted) for file in watch.files.values()}


# On every system; on Linux once more in the way of the others


@pytest.fixture(params=["own", "psutil"] if sys.platform == "linux" else ["own"])
def eyes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "psutil":
        monkeypatch.setattr(evidence, "_eyes", lambda mark: PsutilEyes())


everywhere = pytest.mark.usefixtures("eyes")


@everywhere
def test_an_open_database_is_seen_with_its_process(tmp_path: Path) -> None:
    with child(OPEN.format("x.db"), tmp_path) as one:
        watch = looked(one.pid)
        assert until(lambda: watch.sample() or watch.files)  # Windows is asked for files from the first second on
        found = os.stat(tmp_path / "x.db")
        (file,) = watch.files.values()
        watch.stop()
    assert (file.pid, file.device, file.inode, file.deleted) == (one.own, found.st_dev, found.st_ino, False)
    assert os.path.samefile(file.path, tmp_path / "x.db")
    assert watch.processes[one.own].kind == "python"
    assert watch.processes[one.own].name.endswith(" child.py")


@everywhere
def test_connections_out_and_ports_within(tmp_path: Path) -> None:
    code = """
import socket
out = socket.create_connection(('127.0.0.1', {}))
listener = socket.create_server(('127.0.0.1', 0))
inside = socket.create_connection(listener.getsockname())
SAY.append(listener.getsockname()[1])
"""
    with socket.create_server(("127.0.0.1", 0)) as database:
        port = database.getsockname()[1]
        with child(code.format(port), tmp_path) as one, socket.create_connection(("127.0.0.1", int(one.said[0]))):
            watch = looked(one.pid)
            assert watch.connections == {Connection(one.own, "127.0.0.1", port)}
            assert watch.listening(int(one.said[0])) == {one.own}
            assert watch.listening(port) == set()
        assert watch.listening(int(one.said[0])) == set()


@everywhere
def test_a_grandchild_belongs_to_the_family(tmp_path: Path) -> None:
    code = "import subprocess\nother = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], stdin=subprocess.PIPE)\nSAY.append(other.pid)\n"
    with child(code, tmp_path) as one:
        watch, other = looked(one.pid), int(one.said[0])
        assert {one.pid, one.own, other} <= watch.family(other)
        assert other not in watch.family(one.own)
        assert watch.family(os.getpid()) == set()
        assert os.getpid() not in watch.processes


@everywhere
def test_it_looks_by_itself_until_it_is_stopped(tmp_path: Path) -> None:
    watch = Watch()
    watch.start()
    with child(OPEN.format("x.db"), tmp_path) as one:
        watch.add(one.pid)
        assert until(lambda: names(watch) == {("x.db", False)})
    began = time.monotonic()
    watch.stop()
    assert time.monotonic() - began < 10
    watch.add(os.getpid())
    assert os.getpid() not in watch.processes


def test_a_stop_between_two_looks_is_heard_at_any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_PACES", ((0.0, 1.5),))
    watch = Watch()
    stopping, begun = threading.Thread(target=watch.stop), threading.Event()

    class Wake(threading.Event):
        def clear(self) -> None:
            """The moment that may lose a wake-up: somebody stops the watch just before."""
            stopping.start()
            begun.set()
            while not self.is_set():
                time.sleep(0.001)
            super().clear()

    watch._wake = Wake()
    watch._wake.set()  # the first wait is none
    watch.start()
    assert begun.wait(60)
    stopping.join(1)
    assert not stopping.is_alive()


@everywhere
def test_stopping_before_starting_and_looking_at_nobody() -> None:
    watch = Watch("no such folder")
    watch.add(2**22 + 1)  # above any process's number on Linux
    watch.stop()
    assert not watch.processes
    assert not watch.files


# What is shown of a program: never a word that may be a password.
SHOWN = {
    "a script": (["/usr/bin/python3.11", "drain.py", "--password", "hunter2"], ("python3.11 drain.py", "python")),
    "a module": (["/opt/python", "-u", "-m", "uvicorn", "app:app"], ("python -m uvicorn", "python")),
    "a module in one word": (["python3", "-muvicorn"], ("python3 -m uvicorn", "python")),
    "code": (["python3", "-Ic", "password = 'hunter2'"], ("python3 -c", "python")),
    "options with a value": (
        ["python3", "-X", "dev", "-W", "error", "-OO", "x.py", "hunter2"],
        ("python3 x.py", "python"),
    ),
    "options with a value in one word": (
        ["python3", "-Xpycache_prefix=/c", "-Wimport", "x.py"],
        ("python3 x.py", "python"),
    ),
    "no script": (["python3"], ("python3", "python")),
    "standard input": (["python3", "-", "hunter2"], ("python3 -", "python")),
    "Windows": (["python.exe", "x.py"], ("python x.py", "python")),
    "pypy": (["pypy3", "x.py"], ("pypy3 x.py", "python")),
    "another program": (["/usr/bin/psql", "postgresql://u:hunter2@h/db"], ("psql", "other")),
    "nearly Python": (["/usr/bin/python-config", "--libs"], ("python-config", "other")),
    "replaced on the disk": (["/usr/bin/node (deleted)", "server.js"], ("node", "other")),
    "a title of its own": (["/usr/bin/python3", ""], ("python3", "python")),
    "a terminal's orders": (["python3", "x\x1b[2J.py"], ("python3 x\\x1b[2J.py", "python")),
    "a URL for a script": (["python3", "http://u:hunter2@h/x.py"], ("python3 http://u:***@h/x.py", "python")),
    "unknown": ([""], ("", "other")),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_of_a_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "WINDOWS", False)  # what only starts Python there depends on files
    words, expected = SHOWN[name]
    assert describe(words[0], words) == expected


def test_a_long_name_is_cut() -> None:
    assert len(describe("python3", ["python3", "x" * 5000])[0]) == seen.NAME_LIMIT


def test_windows_python_of_a_virtual_environment_runs_no_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Scripts").mkdir()
    (tmp_path / "pyvenv.cfg").touch()
    monkeypatch.setattr(seen, "WINDOWS", True)
    program = str(tmp_path / "Scripts" / "python.exe")
    assert describe(program, [program, "x.py"]) == ("python x.py", "starter")


@pytest.mark.skipif(sys.platform != "win32", reason="Windows starts two processes")
def test_of_the_two_that_windows_starts_one_runs_python(tmp_path: Path) -> None:
    with child("", tmp_path) as one:
        watch = looked(one.pid)
    assert [each.pid for each in watch.processes.values() if each.kind == "python"] == [one.own]


# Linux: the files by device and inode, whatever became of their names

# What the child does, and which databases it then has open (name, deleted).
FILES = {
    "without an ending": (OPEN.format("store"), {("store", False)}),
    "deleted": (OPEN.format("x.db") + "os.remove('x.db')", {("x.db", True)}),
    "renamed": (OPEN.format("x.db") + "os.rename('x.db', 'y')", {("y", False)}),
    "empty": (
        "import sqlite3\nconnection = sqlite3.connect('x.db')\nconnection.execute('select 1')\nfile = open('x.db')",
        {("x.db", False)},
    ),
    "empty, with a journal": ("open('store-journal', 'w')\nfile = open('store', 'w')", {("store", False)}),
    "empty, of another kind": ("file = open('log.txt', 'w')", set()),
    "text named like one": ("file = open('x.db', 'w')\nfile.write('text')\nfile.flush()", set()),
    "attached": (
        OPEN.format("x.db") + "connection.execute(\"attach 'y' as y\")\nconnection.execute('create table y.u (a)')",
        {("x.db", False), ("y", False)},
    ),
    "in WAL mode": (
        OPEN.format("x.db")
        + "connection.execute('pragma journal_mode = wal')\nconnection.execute('create table u (a)')",
        {("x.db", False)},
    ),
    "only in memory": (OPEN.format(":memory:"), set()),
    "SQLite's scratch file": (
        OPEN.format("")
        + "connection.execute('pragma cache_size = 1')\nconnection.executemany('insert into t values (?)', [('x' * 3000,)] * 200)",
        set(),
    ),
    "a pipe named like one": ("os.mkfifo('x.db')\nfile = os.open('x.db', os.O_RDWR)", set()),
    "closed again": (OPEN.format("x.db") + "connection.close()", set()),
    "a name with a blank and a line end": (OPEN.format("a b\\nc (deleted).db"), {("a b\nc (deleted).db", False)}),
}


@linux
@pytest.mark.parametrize("name", FILES)
def test_open_files(name: str, tmp_path: Path) -> None:
    code, expected = FILES[name]
    with child(code, tmp_path) as one:
        assert names(looked(one.pid)) == expected


@linux
def test_a_file_that_becomes_a_database_or_loses_its_name_later(tmp_path: Path) -> None:
    with child("file = open('store', 'w')", tmp_path) as one:
        watch = looked(one.pid)
        assert names(watch) == set()
        with contextlib.closing(sqlite3.connect(tmp_path / "store")) as connection:
            connection.execute("create table t (a)")
        watch.sample()
        assert names(watch) == {("store", False)}
        (tmp_path / "store").unlink()
        watch.sample()
        assert names(watch) == {("store", True)}


@linux
def test_the_number_of_a_deleted_file_may_be_used_again(tmp_path: Path) -> None:
    """ext4 gives the inode to the next file: the second must not pass for the first."""
    code = (
        OPEN.format("a.db")
        + "import threading, time\ndef change():\n    sys.stdin.readline()\n    global connection\n    connection.close()\n"
        + "    os.remove('a.db')\n    other = sqlite3.connect('b.db', check_same_thread=False)\n    other.execute('create table t (a)')\n"
        + "    globals()['other'] = other\nconnection.close()\nconnection = sqlite3.connect('a.db', check_same_thread=False)\nconnection.execute('select * from t')\n"
    )
    code += "sys.stdin.read = lambda: (change(), sys.stdin.readline())\n"
    with driven(code, tmp_path) as (process, watch):
        watch.sample()
        assert names(watch) == {("a.db", False)}
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
        assert until(lambda: (tmp_path / "b.db").exists() and (watch.sample(), ("b.db", False) in names(watch))[1])


@contextlib.contextmanager
def driven(code: str, cwd: Path) -> "Iterator[tuple[subprocess.Popen[str], Watch]]":
    """A child that waits for lines."""
    (cwd / "child.py").write_text(f"import os, sys\n{code}\nprint('ready', flush=True)\nsys.stdin.read()\n")
    words = [sys.executable, "child.py"]
    with subprocess.Popen(words, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        watch = Watch()
        watch.add(process.pid)
        yield process, watch


@linux
def test_a_forked_worker_has_the_file_from_its_parent(tmp_path: Path) -> None:
    code = (
        OPEN.format("x.db")
        + "read, write = os.pipe()\nworker = os.fork()\nif not worker:\n    os.close(write)\n    os.read(read, 1)\n    os._exit(0)\nSAY.append(worker)\n"
    )
    with child(code, tmp_path) as one:
        watch, worker = looked(one.pid), int(one.said[0])
        assert {file.pid for file in watch.files.values()} == {one.own, worker}
        assert watch.family(worker) == {worker, one.own}


# A daemon: two forks and a session of its own, so that its parent is the system's first process. It ends by itself.
DAEMON = """
import time
if not os.fork():
    os.setsid()
    if os.fork():
        time.sleep({})
        os._exit(0)
    for number in range(3):
        os.close(number)
    import sqlite3
    time.sleep({})
    connection = sqlite3.connect('daemon.db')
    connection.execute('create table t (a)')
    open('pid', 'w').write(str(os.getpid()))
    time.sleep(6)
    os._exit(0)
os.wait()
while {} and not os.path.exists('pid'):
    time.sleep(0.02)
"""


@linux
def test_a_daemon_that_was_never_seen_in_the_tree_is_found_by_its_mark(tmp_path: Path) -> None:
    mark = str(tmp_path / "run")
    with child(DAEMON.format(0, 0, True), tmp_path, {"AUTOPACK_RUN_RUN": mark}) as one:
        marked, plain, other = Watch(mark), Watch(), Watch(mark + "2")
        for watch in (marked, plain, other):
            watch.add(one.pid)
            watch.sample()
    daemon = int((tmp_path / "pid").read_text())
    assert names(marked) == {("daemon.db", False)}
    assert daemon in marked.processes
    assert daemon not in plain.processes
    assert daemon not in other.processes


@linux
def test_a_daemon_that_was_seen_in_the_tree_is_followed(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text("import os\n" + DAEMON.format(0.3, 0.8, False))
    process = subprocess.Popen([sys.executable, "child.py"], cwd=tmp_path, env=clean_env())
    watch = Watch()
    watch.add(process.pid)
    while process.poll() is None:
        watch.sample()
    assert until((tmp_path / "pid").exists)
    assert until(lambda: (watch.sample(), names(watch))[1] == {("daemon.db", False)})
    watch.stop()


@linux
def test_a_number_that_another_process_has_got_is_not_ours(tmp_path: Path) -> None:
    with child(OPEN.format("x.db"), tmp_path) as one:
        watch = Watch()
        # As if a process of the tree had had this number, and had ended.
        watch._seen.admit(seen.Process(one.pid, os.getpid(), "old", False, 1.0))
        watch.sample()
        assert names(watch) == set()
        assert watch._seen.live == {}


@linux
def test_exec_changes_the_name_and_not_the_parent(tmp_path: Path) -> None:
    sleep = need("sleep")
    process = subprocess.Popen([need("bash"), "-c", f"read line; exec {sleep} 5"], stdin=subprocess.PIPE)
    assert process.stdin
    try:
        watch = looked(process.pid)
        assert until(lambda: (watch.sample(), watch.processes[process.pid].name)[1] == "bash")
        process.stdin.write(b"go\n")
        process.stdin.close()
        assert until(
            lambda: (watch.sample(), watch.processes[process.pid].name)[1] == os.path.basename(os.path.realpath(sleep))
        )
        assert watch.processes[process.pid].parent == os.getpid()
    finally:
        process.kill()
        process.wait()


NODE = "require('fs').openSync('x.db'); console.log('ready'); setTimeout(() => 0, 30000)"


@linux
@pytest.mark.parametrize("program", ["sqlite3", "node", "bash"])
def test_other_languages(program: str, tmp_path: Path) -> None:
    words = {
        "sqlite3": ["sqlite3", "x.db"],
        "node": ["node", "-e", NODE],
        "bash": ["bash", "-c", "exec 5<>x.db; echo ready; read line"],
    }[program]
    words[0] = need(program)
    if program != "sqlite3":
        sqlite3.connect(tmp_path / "x.db").execute("create table t (a)").connection.close()
    with subprocess.Popen(
        words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdin
            assert process.stdout
            if program == "sqlite3":
                process.stdin.write(b"create table t (a); select 'ready';\n")
                process.stdin.flush()
            assert process.stdout.readline() == b"ready\n"
            watch = looked(process.pid)
            assert names(watch) == {("x.db", False)}
            assert watch.processes[process.pid].kind != "python"
        finally:
            process.kill()


@linux
def test_processes_that_come_and_go_break_nothing(tmp_path: Path) -> None:
    """The eyes themselves are asked, since a Watch would be silent."""
    from launcher.evidence_linux import LinuxEyes

    eyes, found = LinuxEyes(str(tmp_path)), seen.Seen()
    script = "for i in $(seq 150); do (: 3>a.db; exec 4<a.db; rm -f a.db) & done; wait"
    process = subprocess.Popen([need("bash"), "-c", script], cwd=tmp_path, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        eyes.look(found, [process.pid])
    eyes.look(found, [process.pid])
    assert found.live == {}
    assert len(found.processes) > 1


@linux
def test_looking_takes_less_than_two_percent(tmp_path: Path) -> None:
    """A tree of twelve processes with a database and sockets, in the dense time at the start."""
    code = OPEN.format("x.db") + (
        "import socket\nlistener = socket.create_server(('127.0.0.1', 0))\nothers = [socket.socketpair() for _ in range(20)]\n"
        "read, write = os.pipe()\nfor _ in range(12):\n    if not os.fork():\n        os.close(write)\n        os.read(read, 1)\n        os._exit(0)\n"
    )
    with child(code, tmp_path) as one:
        watch = Watch(str(tmp_path))
        watch.add(one.pid)
        watch.start()
        time.sleep(0.5)
        used, began = time.process_time(), time.monotonic()
        time.sleep(3)
        share = (time.process_time() - used) / (time.monotonic() - began)
        watch.stop()
    print(f"{share:.2%} of a CPU")
    assert len(watch.processes) == 13
    assert share < 0.02
