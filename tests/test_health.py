"""Asking a server whether it is ready, and which process it is: real servers, good ones and bad ones."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from children import child

from launcher import sockets
from launcher.errors import ConfigurationError
from launcher.evidence import Watch
from launcher.health import Answer, ask
from launcher.ports import free_port

# Each of them serves on a port that it says. Most frameworks' servers are one of these inside.
SERVER = """
import http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({"/health": 200, "/busy": 503, "/moved": 302}.get(self.path, 404))
        self.send_header("Location", "/health")
        self.send_header("X-Pid", str(os.getpid()))
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_):
        pass
"""
ONE = "server = http.server.HTTPServer(('127.0.0.1', 0), Handler)\n"
THREADS = "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)\n"
RUN = "threading.Thread(target=server.serve_forever, daemon=True).start()\nSAY.append(server.server_port)\n"
DUAL = """
import socket
class Dual(http.server.HTTPServer):
    address_family = socket.AF_INET6
    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()
server = Dual(('::', 0), Handler)
"""
# One that accepts only when data has come, as Apache and nginx are set up on Linux.
DEFERRED = ONE + "import socket; server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 10)\n"
SERVERS = {
    "one thread": ONE,
    "a thread for each": THREADS,
    "both address families": DUAL,
    **({"accepts when data has come": DEFERRED} if sys.platform == "linux" else {}),
}


@pytest.mark.posix
def test_the_way_of_other_systems_finds_the_process_too(tmp_path: Path) -> None:
    with child(SERVER + DUAL + RUN, tmp_path) as server:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, int(server.said[0]))) as connection:
                ends = [plain_end(connection.getsockname()), plain_end(connection.getpeername())]
                deadline = time.monotonic() + 5
                while (pid := sockets._asked(*ends)) is None and time.monotonic() < deadline:
                    time.sleep(0.01)
                assert pid == server.own


def plain_end(address: tuple[str, int]) -> sockets.End:
    return address[0], address[1]


@pytest.mark.parametrize("kind", SERVERS)
def test_the_process_that_answers_is_known(kind: str, tmp_path: Path) -> None:
    with child(SERVER + SERVERS[kind] + RUN, tmp_path) as server:
        for host in ("127.0.0.1", "localhost"):
            answer = ask(f"http://{host}:{server.said[0]}/health", 10)
            assert answer is not None
            assert (answer.status, answer.pid) == (200, server.own)
            assert answer.seconds < 3


# A server in which files are opened and closed all the time, as in a busy one.
BUSY = """
import threading
def churn():
    while True:
        for each in [open(os.devnull) for _ in range(20)]:
            each.close()
kept = [open(os.devnull) for _ in range(40)]
threading.Thread(target=churn, daemon=True).start()
"""


@pytest.mark.posix
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system says it")
def test_files_that_close_meanwhile_hide_no_process(tmp_path: Path) -> None:
    # The listener has the highest number, so that what is listed before it may have gone when it is looked at.
    code = BUSY + "import socket, time\ntime.sleep(0.1)\nlow = socket.create_server(('127.0.0.1', 0))\n"
    code += "os.dup2(low.fileno(), 200)\nSAY.append(os.fstat(200).st_ino)\nlow.close()\n"
    with child(code, tmp_path) as busy:
        for _ in range(30):
            assert sockets._holders(f"socket:[{busy.said[0]}]") == [busy.own]


@pytest.mark.parametrize(("path", "status"), [("/busy", 503), ("/none", 404), ("/moved", 302), ("", 404)])
def test_the_status_is_what_was_answered(path: str, status: int) -> None:
    with answering(f"HTTP/1.1 {status} Whatever\r\nLocation: http://127.0.0.1:1/\r\n\r\n".encode()) as port:
        answer = ask(f"http://127.0.0.1:{port}{path}", 10)
        assert answer is not None
        assert answer[:2] == (status, os.getpid())


@contextlib.contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server in this process that accepts one connection after the other and lets `talk` do the rest."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        talk(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def answering(answer: bytes) -> "contextlib.AbstractContextManager[int]":
    def talk(connection: socket.socket) -> None:
        while b"\r\n\r\n" not in connection.recv(65536, socket.MSG_PEEK):
            time.sleep(0.01)
        connection.recv(65536)
        connection.sendall(answer)

    return serving(talk)


def drip(connection: socket.socket) -> None:
    for _ in range(200):
        connection.sendall(b"HTTP/1.1 100")
        time.sleep(0.05)


def forever(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x" * 65536)


def silence(connection: socket.socket) -> None:
    time.sleep(3)


def announcing(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.01)


# Servers that never answer well: what they do with the connection.
BAD: dict[str, Callable[[socket.socket], None]] = {
    "says nothing": silence,
    "says something for ever, never a line": drip,
    "sends bytes for ever": forever,
    "announces for ever": announcing,
    "closes at once": lambda connection: None,
    "speaks another protocol": lambda connection: connection.sendall(b"220 ESMTP ready\r\n"),
    "sends a broken status": lambda connection: connection.sendall(b"HTTP/1.1 OK\r\n\r\n"),
    "ends in the middle of a line": lambda connection: connection.sendall(b"HTTP/1.1 20"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_is_none_and_in_time(kind: str) -> None:
    with serving(BAD[kind]) as port:
        began = time.monotonic()
        assert ask(f"http://127.0.0.1:{port}/", 0.8) is None
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200\r\n\r\n",
        b"HTTP/1.1 200 OK\nX: y\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000,
    ],
    ids=["no reason", "bare line ends", "an announcement first", "a long body"],
)
def test_unusual_answers_count(answer: bytes) -> None:
    with answering(answer) as port:
        found = ask(f"http://127.0.0.1:{port}/", 10)
        assert found is not None
        assert found[:2] == (200, os.getpid())


def test_a_body_without_an_end_is_not_waited_for() -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        forever(connection)

    with serving(talk) as port:
        began = time.monotonic()
        assert ask(f"http://127.0.0.1:{port}/", 30) is not None
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "no-such-host.invalid"])
def test_nobody_there(host: str) -> None:
    began = time.monotonic()
    assert ask(f"http://{host}:{free_port()}/", 1) is None
    assert time.monotonic() - began < 5


def test_localhost_is_loopback_where_no_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror

    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        assert ask(f"http://localhost:{port}/", 5) is not None
        assert ask(f"http://127.0.0.2:{port}/", 5) is None


def test_a_listener_that_never_accepts_is_none_and_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        assert ask(f"http://127.0.0.1:{listener.getsockname()[1]}/", 0.5) is None
        assert time.monotonic() - began < 5


def test_a_busy_server_is_known_by_the_time_it_answers() -> None:
    """It accepts later than the owner was looked for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            time.sleep(1.4)
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                time.sleep(0.5)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        answer = ask(f"http://127.0.0.1:{listener.getsockname()[1]}/", 10)
        assert answer is not None
        assert answer[:2] == (200, os.getpid())
        thread.join()


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        assert ask(f"http://127.0.0.1:{port}/", 5) is not None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "health",
        "/health",
        "localhost:8000/health",
        "http://localhost/health",
        "http://:8000/health",
        "ftp://localhost:21/",
        "http://localhost:port/",
        "http://localhost:99999/",
        "http://localhost:0/",
        "http://admin:hunter2@localhost:8000/",
        "http://localhost:8000/a b",
        "http://localhost:8000/\r\nX: y",
        "http://[::1:8000/",
    ],
)
def test_other_urls_are_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ask(url, 1)
    assert caught.value.slug == "bad-health"
    assert "hunter2" not in caught.value.message + caught.value.hint


PREFORK = """
import signal
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
workers = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        os.close(0)
        server.serve_forever()
    workers.append(pid)
SAY += [server.server_port, *workers]
"""
CLEAN_UP = """
import atexit
atexit.register(lambda: [os.kill(pid, signal.SIGKILL) for pid in workers])
"""
FORK_FOR_EACH = """
import socketserver
class Forking(socketserver.ForkingMixIn, http.server.HTTPServer):
    pass
server = Forking(('127.0.0.1', 0), Handler)
"""


@pytest.mark.posix
def test_a_worker_that_was_forked_before_is_the_one_that_answers(tmp_path: Path) -> None:
    with child(SERVER + PREFORK + CLEAN_UP, tmp_path) as server:
        port, *workers = map(int, server.said)
        for _ in range(6):
            answer = ask(f"http://127.0.0.1:{port}/health", 10)
            assert answer is not None
            assert answer.pid in workers


@pytest.mark.posix
def test_a_server_that_forks_for_each_connection(tmp_path: Path) -> None:
    """The one that answers has ended by the time one looks for it, so it is looked for meanwhile."""
    with child(SERVER + FORK_FOR_EACH + RUN, tmp_path) as server:
        watch = Watch()
        watch.add(server.pid)
        answer = ask(f"http://127.0.0.1:{server.said[0]}/health", 10, watch.sample)
        assert answer is not None
        assert answer.status == 200
        assert server.own in watch.family(answer.pid or 0)


@pytest.mark.posix
@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="SO_REUSEPORT: not to be had here")
def test_another_process_on_the_same_port_is_told_apart(tmp_path: Path) -> None:
    """The system gives each connection to one of the two: the answer's own words say to which."""
    with contextlib.ExitStack() as stack:
        port, pids = 0, set()
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            bind = f"server = http.server.HTTPServer(('127.0.0.1', {port}), Handler, False)\nimport socket\n"
            bind += "server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
            bind += "server.server_bind(); server.server_activate()\n"
            server = stack.enter_context(child(SERVER + bind + RUN, tmp_path / name))
            port = int(server.said[0])
            pids.add(server.own)
        answers = [ask(f"http://127.0.0.1:{port}/health", 10) for _ in range(30)]
    assert {answer.pid for answer in answers if answer} == pids


def test_uvicorn(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    (tmp_path / "app.py").write_text(
        """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
"""
    )
    port = free_port()
    words = [
        sys.executable,
        "-m",
        "uvicorn",
        "app:app",
        "--port",
        str(port),
        "--log-level",
        "warning",
        "--lifespan",
        "off",
    ]
    process = subprocess.Popen(words, cwd=tmp_path)
    try:
        assert_answers(f"http://localhost:{port}/", 204, process.pid)
    finally:
        process.terminate()
        process.wait()


def assert_answers(url: str, status: int, pid: int) -> Answer:
    """Ask until somebody answers: the process, or on Windows the one that a virtual environment's Python starts."""
    import psutil

    end = time.monotonic() + 30
    while (answer := ask(url, 2)) is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert answer.status == status
    assert answer.pid in {pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))}
    return answer


@pytest.mark.posix
def test_tls_with_a_made_up_name(tmp_path: Path) -> None:
    from parts import need

    words = [
        need("openssl"),
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=other",
        "-keyout",
        "key",
        "-out",
        "cert",
    ]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    secure = "import ssl; context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain('cert', 'key')\n"
    secure += "server.socket = context.wrap_socket(server.socket, server_side=True)\n"
    with child(SERVER + THREADS + secure + RUN, tmp_path) as server:
        answer = ask(f"https://localhost:{server.said[0]}/health", 10)
        assert answer is not None
        assert answer[:2] == (200, server.own)
    with serving(silence) as port:
        began = time.monotonic()
        assert ask(f"https://127.0.0.1:{port}/", 0.5) is None
        assert time.monotonic() - began < 5
