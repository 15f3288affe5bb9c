"""Servers: proven by what they have open and not by their words, stopped where they are wrong, never left behind."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

import psutil
import pytest
from running import LAUNCHER, clean_env, last_line, wait_until
from runs import Project

from launcher.server_proof import Question
from launcher.usage import Pinned

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
LATER = SERVER.replace(
    'sqlite3.connect("other.db").execute', 'self.server.kept = sqlite3.connect("other.db"); self.server.kept.execute'
)
PLAIN = NOTHING.replace('os.environ["DATABASE_URL"]}', "None}")
# What it answers to the first questions, and to all others.
BUSY_FIRST = SERVER.replace("send_response(200)", "send_response(answers.pop(0) if answers else 200)").replace(
    "class Handler", "answers = [503, 503, 503]\nclass Handler"
)
BUSY = SERVER.replace("send_response(200)", "send_response(503)")
REDIRECT = SERVER.replace(
    "send_response(200)", "send_response(307)\n        self.send_header('Location', '/elsewhere')"
)
MUTE = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""
SIX = SERVER.replace('http.server.ThreadingHTTPServer(("127.0.0.1"', 'Six(("::1"').replace(
    "class Handler",
    "import socket\nclass Six(http.server.ThreadingHTTPServer):\n    address_family = socket.AF_INET6\nclass Handler",
)
# It forks its workers; who has answered rests, so that the next question always comes to another one.
PREFORK = """
import http.server, os, signal, sqlite3, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
for _ in range(4):
    if os.fork() == 0:
        database = sqlite3.connect(os.environ["DATABASE_URL"].split("///", 1)[1])
        database.execute("select count(*) from runs").fetchone()
        while True:
            server.handle_request()
            time.sleep(0.5)
signal.pause()
"""
DRAIN = """
import os, sys, urllib.request
from client import work
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(opener.open(f"http://127.0.0.1:{sys.argv[1]}{sys.argv[2]}", timeout=5).read().decode())
work()
"""
HEALTH = "http://127.0.0.1:{port}/health"
SECRET = "sw0rdfish-77"
JUST_WORK = "from client import work\nwork()\n"
# The launcher with less patience than a minute for a server that is not ready.
HASTY = [
    sys.executable,
    "-c",
    f"import sys; sys.path.insert(0, {os.path.dirname(LAUNCHER[-1])!r}); import autopack_run, launcher.servers as servers;"
    "servers.READY_SECONDS = servers.in_front.READY_SECONDS = 1.5; sys.exit(autopack_run.main())",
]


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


@pytest.mark.posix
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


@pytest.mark.posix
def test_a_server_that_answers_and_ends_is_no_server(project: Served) -> None:
    once = SERVER.replace("ThreadingHTTPServer", "HTTPServer").replace(".serve_forever()", ".handle_request()")
    project.serve(once + "raise SystemExit(3)\n")
    done = project.run("p", "drain")
    assert done.returncode == 69, done.stderr
    assert "it ended with 3 after it had answered" in done.stderr


@pytest.mark.posix
def test_a_server_that_makes_a_daemon_of_itself_is_still_ours(project: Served) -> None:
    project.serve(
        "import os, sys\nif os.fork():\n    import time; time.sleep(3600)\nos.setsid()\nif os.fork():\n    os._exit(0)\n"
        + SERVER
    )
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert "serve: proven" in done.stderr


@pytest.mark.posix
def test_a_failing_drain_stops_its_server_and_shows_its_last_lines(project: Served) -> None:
    project.serve(SERVER)
    project.program("drain.py", DRAIN + "raise SystemExit(7)\n")
    done = project.run("p", "drain")
    assert done.returncode == 7
    assert "the last lines of serve" in done.stderr


@pytest.mark.posix
def test_a_circle_is_refused(project: Served) -> None:
    project.task("one", ["python", "x.py"], **{"with": ["two"]})
    project.task("two", ["python", "x.py"], **{"with": ["one"]})
    done = project.run("p", "one")
    assert done.returncode == 78
    assert "a circle: one with two with one" in done.stderr


@pytest.mark.posix
@pytest.mark.parametrize("url", ["ftp://x/", "http://", "127.0.0.1:80/health", "http://h:notaport/"])
def test_a_health_url_that_cannot_be_asked_is_refused(project: Served, url: str) -> None:
    project.serve(SERVER, health=url)
    done = project.run("p", "serve")
    assert done.returncode == 78, done.stderr
    assert last_line(done).startswith("autopack-run: bad-health: ")


# In front.


class Launched:
    """A launcher that runs. output, errors: what it has written up to now."""

    def __init__(self, project: Project, *words: str, launcher: Sequence[str] = LAUNCHER) -> None:
        self.process = subprocess.Popen(
            [*launcher, *words],
            cwd=project.folder,
            env=clean_env({"PYTHONUTF8": "1"}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._lines: dict[str, list[str]] = {"output": [], "errors": []}
        self._readers = [self._reader("output", self.process.stdout), self._reader("errors", self.process.stderr)]

    def _reader(self, name: str, stream: IO[str] | None) -> threading.Thread:
        assert stream is not None
        thread = threading.Thread(target=self._lines[name].extend, args=(stream,), daemon=True)
        thread.start()
        return thread

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.end()

    @property
    def output(self) -> str:
        return "".join(self._lines["output"])

    @property
    def errors(self) -> str:
        return "".join(self._lines["errors"])

    def until(self, text: str, seconds: float = 20) -> str:
        """Wait until it has written the text; what it has written to standard error."""
        said = lambda: text in self.errors or text in self.output  # noqa: E731
        wait_until(lambda: said() or self.process.poll() is not None, seconds, lambda: self.errors)
        for reader in self._readers if self.process.poll() is not None else ():
            reader.join(5)
        assert said(), f"ended with {self.process.poll()} and without {text!r}: {self.errors}"
        return self.errors

    def end(self, seconds: float = 20) -> int:
        """Wait for its end; its exit code."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        for reader in self._readers:
            reader.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


@contextmanager
def foreign(project: Project, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The project's server on the port, started by somebody else, with its workers."""
    there = subprocess.Popen(
        [sys.executable, "serve.py", str(port)],
        cwd=project.folder,
        env=clean_env({"DATABASE_URL": f"sqlite:///{project.folder / 'main.db'}"}),
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: listens(port))
        yield there
    finally:
        for process in (*psutil.Process(there.pid).children(recursive=True), there):
            process.kill()
        there.wait()
        wait_until(lambda: not leftovers(project.folder))


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_server_in_front_is_proven_while_it_runs(project: Served) -> None:
    project.serve(SERVER)
    with Launched(project, "p", "serve") as server:
        server.until("p serve: proven: ")


def test_a_wrong_server_in_front_is_stopped_within_two_seconds(project: Served) -> None:
    """From its first answer to its end, however long it took to come up, and the report after it."""
    project.serve(WRONG.replace("print(", "open('answered', 'a').write(f'{os.getpid()} '), print("))
    answered = project.folder / "answered"
    with Launched(project, "p", "serve") as server:
        wait_until(lambda: answered.exists() and answered.read_text().endswith(" "))
        began = time.monotonic()
        with suppress(psutil.NoSuchProcess):  # it has ended already
            psutil.Process(int(answered.read_text().split()[0])).wait(20)
        seconds = time.monotonic() - began
        assert server.end() == 65
    assert seconds < 2
    assert f"serve: wrong: server pid {answered.read_text().split()[0]}: {project.folder / 'other.db'}" in server.errors
    assert server.errors.rstrip().splitlines()[-1].startswith("autopack-run: drift: ")


@pytest.mark.posix
def test_a_wrong_server_in_front_is_told_and_left_where_drift_is_a_warning(project: Served) -> None:
    project.serve(WRONG, drift="warn")
    with Launched(project, "p", "serve") as server:
        assert str(project.folder / "other.db") in server.until("serve: wrong: ")
        time.sleep(1)
        assert server.process.poll() is None


def test_drift_of_a_running_server_is_told_at_once(project: Served) -> None:
    project.serve(SERVER)
    with Launched(project, "p", "serve") as server:
        told = server.until("p serve: proven: ")
        port = re.findall(r"127\.0\.0\.1:(\d+)/health", told)[-1]
        with socket.create_connection(("127.0.0.1", int(port)), 5) as client:
            client.sendall(b"GET /later HTTP/1.0\r\n\r\n")
            client.recv(100)
        server.until(f"drift: {project.folder / 'other.db'}", 10)


@pytest.mark.posix
def test_a_server_in_front_that_is_not_ready_is_told_of(project: Served) -> None:
    project.serve(REDIRECT)
    with Launched(project, "p", "serve", launcher=HASTY) as server:
        server.until("within 2 s: it answered 307; a redirect is not followed")
        assert server.process.poll() is None, "it may take as long as it likes"


# Whether it is ready.


@pytest.mark.posix
def test_a_server_that_is_busy_first_is_waited_for(project: Served) -> None:
    project.serve(BUSY_FIRST)
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert "serve: proven" in done.stderr


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (REDIRECT, "it answered 307; a redirect is not followed"),
        (BUSY, "it answered 503"),
        ("import time\ntime.sleep(60)\n", "connection refused, nobody listens there"),
        (MUTE, "who listens there gave no HTTP answer within 2 s"),
    ],
    ids=["redirect", "busy", "does not listen", "mute"],
)
@pytest.mark.posix
def test_a_server_that_does_not_get_ready_is_told_with_its_last_answer(project: Served, server: str, why: str) -> None:
    project.serve(server)
    with Launched(project, "p", "drain", launcher=HASTY) as launched:
        assert launched.end() == 69
    assert f"/health was not ready within 2 s: {why}" in launched.errors
    assert project.report()["servers"][0]["verdict"] == "silent"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("server", "host"),
    [
        (SERVER, "localhost"),
        pytest.param(SIX, "[::1]", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")),
        pytest.param(SIX, "localhost", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")),
    ],
    ids=["localhost", "[::1]", "localhost on ::1"],
)
@pytest.mark.posix
def test_every_spelling_of_this_machine_is_asked(project: Served, server: str, host: str) -> None:
    project.serve(server, health=f"http://{host}:{{port}}/health")
    project.program("drain.py", JUST_WORK)
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert re.search(rf"serve: proven: pid \d+ answers at http://{re.escape(host)}:\d+/health", done.stderr)


# Several of them, and none of a database.


def two_servers(project: Served, first: dict[str, Any], second: dict[str, Any], around: list[str]) -> None:
    """`serve` and `second` are servers, `drain` works with those that are named."""
    project.serve(SERVER, **first)
    project.task("second", ["python", "serve.py", "{port}"], health=HEALTH, **second)
    project.task("work", JUST_WORK, **{"with": around})


@pytest.mark.parametrize("nested", [False, True], ids=["side by side", "one with the other"])
def test_two_servers_each_on_its_own_port(project: Served, nested: bool) -> None:
    first, second = free_port(), free_port()
    inner = {"with": ["second"]} if nested else {}
    two_servers(project, {"port": first} | inner, {"port": second}, ["serve"] if nested else ["serve", "second"])
    done = project.run("p", "work")
    assert done.returncode == 0, done.stderr
    told = {each["task"]: each for each in project.report()["servers"]}
    ports = {"serve": first, "second": second}
    assert {name: told[name]["url"] for name in told} == {n: f"http://127.0.0.1:{p}/health" for n, p in ports.items()}
    assert [told[name]["verdict"] for name in ports] == ["proven", "proven"]
    assert told["serve"]["answered_by"] != told["second"]["answered_by"]
    for each in told.values():
        shape = ["task", "pid", "verdict", "text", "answered_by", "url", "log", "exit_code"]
        assert list(each) == shape
        assert each["exit_code"] is not None
        assert Path(each["log"]).exists()


@pytest.mark.posix
@pytest.mark.parametrize("ports", [({}, {}), ({"port": 0}, {}), ({}, {"port": 0}), ({"port": 0}, {"port": 0})], ids=str)
def test_two_servers_on_one_port_are_refused_before_the_start(
    project: Served, ports: tuple[dict[str, int], dict[str, int]]
) -> None:
    number = free_port()
    first, second = (dict.fromkeys(each, number) for each in ports)
    two_servers(project, first, second, ["serve", "second"])
    done = project.run("p", "work")
    assert done.returncode == 78, done.stderr
    assert last_line(done).startswith("autopack-run: profile-file: ")
    assert "second would get port" in done.stderr
    assert list((project.folder / ".autopack-run").rglob("output.log")) == []


@pytest.mark.posix
def test_the_port_option_moves_the_first_fixed_port(project: Served) -> None:
    first, second, chosen = free_port(), free_port(), free_port()
    two_servers(project, {"port": first}, {"port": second}, ["serve", "second"])
    done = project.run("--port", str(chosen), "p", "work")
    assert done.returncode == 0, done.stderr
    urls = [each["url"] for each in project.report()["servers"]]
    assert urls == [f"http://127.0.0.1:{chosen}/health", f"http://127.0.0.1:{second}/health"]


@pytest.mark.posix
def test_a_server_in_front_with_a_server_beside_it(project: Served) -> None:
    project.serve(SERVER, port=free_port())
    project.task("gate", ["python", "serve.py", "{port}"], health=HEALTH, port=free_port(), **{"with": ["serve"]})
    with Launched(project, "p", "gate") as launched:
        assert "autopack-run: serve: proven: " in launched.until("p gate: proven: ")
    if os.name == "nt":  # where the launcher cannot be asked to end
        return
    told = project.report()["servers"]
    assert [(each["task"], each["verdict"]) for each in told] == [("serve", "proven"), ("gate", "proven")]
    assert list(told[0]) == list(told[1])


@pytest.mark.posix
def test_without_a_database_a_server_is_proven_by_being_ours(project: Served) -> None:
    project.program("serve.py", PLAIN)
    project.program("drain.py", "print('drained')\n")
    project.text += "[profiles.q]\n"
    for name, keys in {"serve": f'health = "{HEALTH}"', "drain": 'with = ["serve"]'}.items():
        words = f'["python", "{name}.py", "{{port}}"]'
        project.text += f"[profiles.q.tasks.{name}]\nrun = {words}\n{keys}\n"
    (project.folder / "autopack-run.toml").write_text(project.text, encoding="utf-8")
    done = project.run("q", "drain")
    assert (done.returncode, done.stdout) == (0, "drained\n"), done.stderr
    assert re.search(r"serve: proven: pid \d+ answers at .*; the profile has no database", done.stderr)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [("http://127.0.0.1:81/x", "127.0.0.1", 81), ("https://[::1]:82/x:83", "::1", 82), ("", "", 0)],
)
def test_the_port_of_a_server_is_that_of_its_url(url: str, host: str, port: int) -> None:
    question = Question(url, Pinned("main", None, ()), (), ())
    assert (question.host, question.port) == (host, port)


@pytest.mark.posix
def test_a_port_in_the_health_url_is_nobodys_free_choice(project: Served) -> None:
    """Another one listens there, so the server ends; no other {port} could help it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        project.serve(SERVER, health=f"http://127.0.0.1:{port}/health")
        project.task("literal", ["python", "serve.py", str(port)], health=f"http://127.0.0.1:{port}/health")
        done = project.run("p", "literal")
    assert "once more" not in done.stderr
    assert done.returncode == 1, done.stderr


# Ports.


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("server", [SERVER, WRONG, NOTHING], ids=["right", "wrong", "unproven"])
def test_what_listens_on_a_fixed_port_is_used_only_when_proven(project: Served, server: str) -> None:
    port = free_port()
    project.serve(server, port=port)
    with foreign(project, port) as there:
        done = project.run("p", "drain")
        assert there.poll() is None, "it must be left running"
    # It has no guard, and what it has open is a hint on Windows: proven, or not, but never the wrong one.
    hint = os.name == "nt" and done.returncode == 75
    if server is SERVER and not hint:
        assert done.returncode == 0, done.stderr
        assert "serve: proven" in done.stderr
        assert "emptied" not in done.stderr, "it has no log of ours"
        told = project.report()["servers"][0]
        assert (told["log"], told["exit_code"]) == (None, None)
        if os.name != "nt":  # a virtual environment's python.exe on Windows starts the one that listens
            assert (told["pid"], told["answered_by"]) == (there.pid, there.pid)
    else:
        assert done.returncode == (65 if server is WRONG and not hint else 75), done.stderr
        assert project.rows() == 0
        if done.returncode == 75:
            assert (f"(pid {there.pid})" if os.name != "nt" else "(pid ") in done.stderr


@pytest.mark.posix
def test_a_foreign_server_with_several_workers(project: Served) -> None:
    port = free_port()
    project.serve(PREFORK, port=port)
    project.program("drain.py", JUST_WORK)
    with foreign(project, port):
        done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert project.rows() == 1


@pytest.mark.posix
def test_a_foreign_server_that_goes_wrong_later_is_in_the_verdict(project: Served) -> None:
    port = free_port()
    project.serve(LATER, "/later", port=port)
    with foreign(project, port):
        done = project.run("p", "drain")
    assert done.returncode == 65, done.stderr
    assert "serve: proven" in done.stderr
    assert str(project.folder / "other.db") in done.stderr


def test_a_server_of_another_launch_is_proven_by_its_guards_record(project: Served) -> None:
    port = free_port()
    project.serve(SERVER, port=port)
    with Launched(project, "p", "serve") as there:
        there.until("p serve: proven: ")
        done = project.run("p", "drain")
        assert done.returncode == 0, done.stderr
        assert "serve: proven" in done.stderr
        assert there.process.poll() is None


@pytest.mark.posix
@pytest.mark.parametrize("task", ["drain", "serve"])
def test_a_free_port_that_is_taken_in_between_is_exchanged_once(project: Served, task: str) -> None:
    project.serve(SERVER)
    waits = (
        "import os, sys, time\nopen('new', 'w').write(sys.argv[1])\nos.replace('new', 'port')\n"
        "while not os.path.exists('go'): time.sleep(0.02)\n"
    )
    project.program("serve.py", waits + SERVER)
    port = project.folder / "port"
    with Launched(project, "p", task) as launched:
        with socket.socket() as thief:
            wait_until(port.exists, told=lambda: launched.errors)
            first = int(port.read_text())
            thief.bind(("127.0.0.1", first))
            thief.listen()
            (project.folder / "go").touch()
            told = launched.until("proven: ")
        assert int(port.read_text()) != first
        assert task == "drain" or "was taken meanwhile" in told
        if task == "drain":
            assert launched.end() == 0
    assert len(project.report()["servers"]) == 1


# Ends.


# SIGINT is Ctrl-C, 130 by every shell's custom; SIGTERM ends the launcher in order, so that it stops its servers and
# masks what they wrote, and the code is the shell's for it; nobody survives SIGKILL to choose a code.
@pytest.mark.posix
@pytest.mark.parametrize("moment", ["while it waits", "during the drain"])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGKILL", -9)])
def test_no_end_of_the_launcher_leaves_the_server_behind(project: Served, moment: str, name: str, code: int) -> None:
    secret = f"print('postgresql://u:{SECRET}@h/d', flush=True)\n"
    project.serve(secret + (SERVER if moment == "during the drain" else "import time\ntime.sleep(60)\n"))
    project.program("drain.py", "import time\nprint('draining', flush=True)\ntime.sleep(60)\n")
    with Launched(project, "p", "drain") as launched:
        if moment == "during the drain":
            launched.until("draining\n")
        logs = project.folder / ".autopack-run" / "runs"
        wait_until(lambda: any(path.stat().st_size for path in logs.glob("*/serve/output.log")))
        launched.process.send_signal(getattr(signal, name))
        assert launched.end() == code
    wait_until(lambda: leftovers(project.folder) == [], 60)
    for path in logs.glob("*/serve/output.log"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (SECRET in path.read_text(encoding="utf-8")) == (name == "SIGKILL")  # nobody is left to mask it


def test_no_password_in_what_is_left(project: Served) -> None:
    project.serve(f"print('connecting to postgresql://u:{SECRET}@h/d', flush=True)\n" + SERVER)
    project.program("drain.py", f"import os\nos.environ['DATABASE_URL'] = 'postgresql://u:{SECRET}@h/d'\n" + DRAIN)
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stderr
    for path in (project.folder / ".autopack-run").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
