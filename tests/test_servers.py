"""Servers: proven by what they have open and not by their words, stopped where they are wrong, never left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from running import LAUNCHER, clean_env, last_line
from runs import Project

# A server whose /health says that all is well, whatever is true. WRONG: the database that it works on.
SERVER = """
import http.server, json, os, sqlite3, sys, threading
port = int(sys.argv[1])
database = sqlite3.connect(os.environ["DATABASE_URL"].split("///", 1)[1], check_same_thread=False)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/later":
            sqlite3.connect("other.db").execute("select 1")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"status": "ok", "database": os.environ["DATABASE_URL"]}).encode())
    def log_message(self, *words):
        print("asked for", self.path, flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
WRONG = SERVER.replace('os.environ["DATABASE_URL"].split("///", 1)[1]', '"other.db"')
BOTH = SERVER.replace("class Handler", 'second = sqlite3.connect("other.db", check_same_thread=False)\nclass Handler')
NOTHING = SERVER.replace("database = sqlite3", "database = None and sqlite3")
LAZY = NOTHING.replace(
    "self.send_response", 'sqlite3.connect(os.environ["DATABASE_URL"].split("///", 1)[1])\n        self.send_response'
)
DRAIN = """
import os, sys, urllib.request
from client import work
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(opener.open(f"http://127.0.0.1:{sys.argv[1]}{sys.argv[2]}", timeout=5).read().decode())
work()
"""
HEALTH = "http://127.0.0.1:{port}/health"


class Served(Project):
    """A project with a server and a drain that asks it."""

    def serve(self, text: str, path: str = "/", **keys: object) -> None:
        self.database("other.db")
        self.program("serve.py", text)
        self.program("drain.py", DRAIN)
        self.task("serve", ["python", "serve.py", "{port}"], **({"health": HEALTH} | keys))
        self.task("drain", ["python", "drain.py", "{port}", path], **{"with": ["serve"]})


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Served]:
    project = Served(tmp_path)
    yield project
    assert leftovers(tmp_path) == []


def leftovers(folder: Path) -> list[str]:
    """Processes that still work in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.pid != os.getpid() and "serve.py" in words and process.cwd().startswith(str(folder)):
                found.append(f"{process.pid} {words}")
        except psutil.Error:
            continue
    return found


def test_a_drain_with_its_server(project: Served) -> None:
    project.serve(SERVER)
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert '"status": "ok"' in done.stdout
    assert re.search(r"autopack-run: serve: proven: pid \d+ answers at http://127.0.0.1:\d+/health", done.stderr)
    report = project.report()
    assert (report["verdict"], report["servers"][0]["verdict"]) == ("proven", "proven")
    assert project.rows() == 1
    log = next((project.folder / ".autopack-run" / "runs").glob("*/serve/output.log"))
    assert "asked for /" in log.read_text(encoding="utf-8")
    assert "asked for" not in done.stdout + done.stderr  # its output is its own


@pytest.mark.parametrize("server", [WRONG, BOTH], ids=["another one", "another one too"])
def test_a_server_on_another_database_is_found_out_whatever_it_says(project: Served, server: str) -> None:
    project.serve(server)
    began = time.monotonic()
    done = project.run("p", "drain")
    assert done.returncode == 65, done.stderr
    assert last_line(done).startswith("autopack-run: drift: ")
    assert re.search(
        rf"{re.escape(str(project.folder / 'other.db'))}: opened by .*first at .*serve.py:\d+", done.stderr
    )
    assert "asked for /health" in done.stderr  # the last lines of its output
    assert project.rows() == 0, "the drain must not have started"
    assert time.monotonic() - began < 20


def test_a_server_that_opens_lazily_gets_one_request_first(project: Served) -> None:
    project.serve(LAZY)
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr


def test_a_server_that_goes_wrong_later_is_in_the_verdict(project: Served) -> None:
    project.serve(SERVER, "/later")
    done = project.run("p", "drain")
    assert done.returncode == 65, done.stderr
    assert "serve: proven" in done.stderr
    assert str(project.folder / "other.db") in done.stderr
    assert project.rows() == 1


def test_a_server_that_cannot_be_proven_stops_the_run(project: Served) -> None:
    project.serve(NOTHING)
    done = project.run("p", "drain")
    assert done.returncode == 65
    assert last_line(done).startswith("autopack-run: not-proven: ")
    assert "--allow-unproven" in done.stderr
    assert project.rows() == 0
    allowed = project.run("--allow-unproven", "p", "drain")
    assert allowed.returncode == 0, allowed.stderr
    assert "serve: not proven: " in allowed.stderr


def test_a_server_that_ends_at_once_shows_why(project: Served) -> None:
    project.serve("print('no such table: phases'); raise SystemExit(3)\n")
    done = project.run("p", "drain")
    assert done.returncode == 69
    assert "it ended with 3" in done.stderr
    assert "no such table: phases" in done.stderr
    assert last_line(done).startswith("autopack-run: no-server: ")


def test_a_failing_drain_stops_its_server_and_shows_its_last_lines(project: Served) -> None:
    project.serve(SERVER)
    project.program("drain.py", DRAIN + "raise SystemExit(7)\n")
    done = project.run("p", "drain")
    assert done.returncode == 7
    assert "the last lines of serve" in done.stderr


def test_a_circle_is_refused(project: Served) -> None:
    project.task("one", ["python", "x.py"], **{"with": ["two"]})
    project.task("two", ["python", "x.py"], **{"with": ["one"]})
    done = project.run("p", "one")
    assert done.returncode == 78
    assert "a circle: one with two with one" in done.stderr


@pytest.mark.parametrize("url", ["ftp://x/", "http://", "127.0.0.1:80/health", "http://h:notaport/"])
def test_a_health_url_that_cannot_be_asked_is_refused(project: Served, url: str) -> None:
    project.serve(SERVER, health=url)
    done = project.run("p", "serve")
    assert done.returncode == 78, done.stderr
    assert last_line(done).startswith("autopack-run: bad-health: ")


# In front.


def start(project: Project, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*LAUNCHER, *words],
        cwd=project.folder,
        env=clean_env({"PYTHONUTF8": "1"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def until(process: "subprocess.Popen[str]", text: str, seconds: float = 20) -> str:
    """Read standard error until the text comes."""
    assert process.stderr is not None
    seen, end = "", time.monotonic() + seconds
    while text not in seen:
        line = process.stderr.readline()
        assert line, f"ended without {text!r}: {seen}"
        assert time.monotonic() < end, seen
        seen += line
    return seen


def test_a_server_in_front_is_proven_while_it_runs(project: Served) -> None:
    project.serve(SERVER)
    server = start(project, "p", "serve")
    try:
        until(server, "p serve: proven: ")
    finally:
        server.terminate()
        server.communicate(timeout=20)


@pytest.mark.parametrize("drift", ["fail", "warn"])
def test_a_wrong_server_in_front_is_stopped_within_two_seconds(project: Served, drift: str) -> None:
    project.serve(WRONG, drift=drift)
    server = start(project, "p", "serve")
    began = time.monotonic()
    told = until(server, "serve: wrong: ")
    assert str(project.folder / "other.db") in told
    if drift == "warn":
        time.sleep(1)
        assert server.poll() is None
        server.terminate()
    _, rest = server.communicate(timeout=20)
    assert time.monotonic() - began < 10
    if drift == "fail":
        assert server.returncode == 65
        assert rest.rstrip().splitlines()[-1].startswith("autopack-run: drift: ")


def test_drift_of_a_running_server_is_told_at_once(project: Served) -> None:
    project.serve(SERVER)
    server = start(project, "p", "serve")
    try:
        told = until(server, "p serve: proven: ")
        port = re.findall(r"127\.0\.0\.1:(\d+)/health", told)[-1]
        with socket.create_connection(("127.0.0.1", int(port)), 5) as client:
            client.sendall(b"GET /later HTTP/1.0\r\n\r\n")
            client.recv(100)
        until(server, f"drift: {project.folder / 'other.db'}", 10)
    finally:
        server.terminate()
        server.communicate(timeout=20)


# Ports.


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("server", [SERVER, WRONG, NOTHING], ids=["right", "wrong", "unproven"])
def test_what_listens_on_a_fixed_port_is_used_only_when_proven(project: Served, server: str) -> None:
    port = free_port()
    project.serve(server, port=port)
    there = subprocess.Popen(
        [sys.executable, "serve.py", str(port)],
        cwd=project.folder,
        env=clean_env({"DATABASE_URL": f"sqlite:///{project.folder / 'main.db'}"}),
        stdout=subprocess.DEVNULL,
    )
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.05)
        done = project.run("p", "drain")
        assert there.poll() is None, "it must be left running"
        if server is SERVER and os.name != "nt":  # no guard in it, and open files are a hint there
            assert done.returncode == 0, done.stderr
            assert "serve: proven" in done.stderr
        else:
            assert done.returncode == (65 if server is WRONG and os.name != "nt" else 75), done.stderr
            assert project.rows() == 0
            if done.returncode == 75:  # a virtual environment's python.exe on Windows starts the one that listens
                assert (f"(pid {there.pid})" if os.name != "nt" else "(pid ") in done.stderr
    finally:
        there.kill()
        there.wait()


def test_a_server_of_another_launch_is_proven_by_its_guards_record(project: Served) -> None:
    port = free_port()
    project.serve(SERVER, port=port)
    there = start(project, "p", "serve")
    try:
        until(there, "p serve: proven: ")
        done = project.run("p", "drain")
        assert done.returncode == 0, done.stderr
        assert "serve: proven" in done.stderr
        assert there.poll() is None
    finally:
        there.terminate()
        there.communicate(timeout=20)


@pytest.mark.posix
@pytest.mark.parametrize("task", ["drain", "serve"])
def test_a_free_port_that_is_taken_in_between_is_exchanged_once(project: Served, task: str) -> None:
    project.serve(SERVER)
    ports = []
    waits = "import os, time\nopen('port', 'w').write(__import__('sys').argv[1])\nwhile not os.path.exists('go'): time.sleep(0.02)\n"
    project.program("serve.py", waits + SERVER)
    launched = start(project, "p", task)
    with socket.socket() as thief:
        while not (project.folder / "port").exists() or not (project.folder / "port").read_text():
            time.sleep(0.02)
        ports.append(int((project.folder / "port").read_text()))
        thief.bind(("127.0.0.1", ports[0]))
        thief.listen()
        (project.folder / "go").touch()
        told = until(launched, "proven: ")
        ports.append(int((project.folder / "port").read_text()))
    assert ports[0] != ports[1]
    if task == "serve":
        assert "was taken meanwhile" in told
        launched.terminate()
    launched.communicate(timeout=20)


# Ends.


@pytest.mark.posix
@pytest.mark.parametrize("moment", ["while it waits", "during the drain"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_no_end_of_the_launcher_leaves_the_server_behind(project: Served, moment: str, name: str) -> None:
    number = getattr(signal, name)
    project.serve(SERVER if moment == "during the drain" else "import time\ntime.sleep(60)\n")
    project.program("drain.py", "import time\nprint('draining', flush=True)\ntime.sleep(60)\n")
    launched = start(project, "p", "drain")
    if moment == "during the drain":
        assert launched.stdout is not None
        assert launched.stdout.readline() == "draining\n"
    else:
        while not leftovers(project.folder):
            time.sleep(0.05)
    launched.send_signal(number)
    launched.communicate(timeout=20)
    if name != "SIGKILL":
        assert launched.returncode in (130, 143, -signal.SIGTERM)
    end = time.monotonic() + 10
    while leftovers(project.folder) and time.monotonic() < end:
        time.sleep(0.1)
    assert leftovers(project.folder) == []


def test_no_password_in_what_is_left(project: Served) -> None:
    secret = "sw0rdfish-77"
    project.serve(SERVER + f"\nprint('postgresql://u:{secret}@h/d')\n")
    shown = f"print('connecting to postgresql://u:{secret}@h/d', flush=True)\n"
    project.program("serve.py", shown + SERVER)
    project.program("drain.py", f"import os\nos.environ['DATABASE_URL'] = 'postgresql://u:{secret}@h/d'\n" + DRAIN)
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert secret not in done.stderr
    for path in (project.folder / ".autopack-run").rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
