"""Where connections end: ports and sockets that a program makes itself, servers that do not answer, ports that come again."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.posix
pytest.importorskip("psycopg")
pytest.importorskip("pwd")  # of POSIX
from far_ends import MYSQL, OTHER, PSYCOPG, WAYS, forwarding, project, report, stalling, twins  # noqa: E402 (behind importorskip)
from mariadb import USER, mariadb  # noqa: E402 (behind importorskip)
from ports import free_port  # noqa: E402 (behind importorskip)
from postgres import PASSWORD, Postgres  # noqa: E402 (behind importorskip)
from running import LAUNCHER, clean_env, run, write  # noqa: E402 (behind importorskip)

Servers = tuple[Postgres, Postgres]


@pytest.fixture(scope="module")
def servers(postgres_server: Postgres) -> Iterator[tuple[Postgres, Postgres]]:
    with twins(postgres_server) as both:
        yield both


SERVE = """
import os, http.server, sys
import psycopg
url = os.environ["DATABASE_URL"].replace("+psycopg", "")
kept = psycopg.connect(url, **(dict(hostaddr=sys.argv[2]) if len(sys.argv) > 2 else {}))
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""


def toml(tmp_path: Path, url: str, port: int, words: str = "'{port}'") -> None:
    (tmp_path / "serve.py").write_text(SERVE)
    (tmp_path / "app.py").write_text(PSYCOPG)
    py = sys.executable
    write(
        tmp_path,
        f"""
[databases.main]
url = "{url}"
[profiles.p]
database = "main"
[profiles.p.tasks.serve]
run = ['{py}', 'serve.py', {words}]
health = "http://127.0.0.1:{{port}}/health"
port = {port}
writes = false
verify = true
[profiles.p.tasks.t]
run = ['{py}', 'app.py']
with = ["serve"]
""",
    )


BEGIN = (
    "import os, socket, pg8000.native\nfrom urllib.parse import urlsplit\nu = urlsplit(os.environ['DATABASE_URL'])\n"
)


def test_an_address_that_swallows_all_is_not_waited_for_for_ever(tmp_path: Path, servers: Servers) -> None:
    project(tmp_path, servers[0].url("led"), WAYS["PGHOSTADDR"])
    with stalling(OTHER, servers[0].port, servers[0].port):
        done = run(["p", "t"], tmp_path, timeout=25)
    assert done.returncode == 0
    assert report(tmp_path)["verdict"] == "not proven"


@pytest.mark.parametrize("kind", ["port", "unix"])
def test_pymysql_with_a_socket_of_its_own(kind: str, tmp_path: Path) -> None:
    with mariadb() as a, mariadb() as b:
        for each in (a, b):
            each.sql("CREATE DATABASE led", f"GRANT ALL ON led.* TO {USER}@'%'")
        own = (
            f"s = socket.create_connection(('127.0.0.1', {b.port}))\n"
            if kind == "port"
            else f"s = socket.socket(socket.AF_UNIX); s.connect('{b.socket}')\n"
        )
        project(tmp_path, a.url("led"), MYSQL + own + "pymysql.connect(**words, defer_connect=True).connect(s)\n")
        done = run(["p", "t"], tmp_path)
    assert done.returncode == 65, done.stderr


def test_pg8000_with_a_socket_of_its_own(tmp_path: Path, servers: Servers) -> None:
    project(
        tmp_path,
        servers[0].url("led"),
        BEGIN
        + f"pg8000.native.Connection(u.username, host=u.hostname, port=u.port, database='led', password=u.password, sock=socket.create_connection(('127.0.0.1', {servers[1].port})))\n",
    )
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 65, done.stderr


def test_pg8000_with_bytes_and_through_a_socket(tmp_path: Path, servers: Servers) -> None:
    first = servers[0]
    project(
        tmp_path,
        first.url("led"),
        BEGIN
        + "pg8000.native.Connection(u.username, host=u.hostname, port=u.port, database=b'led', password=u.password)\n",
    )
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr
    project(
        tmp_path,
        f"postgresql+psycopg://postgres:{PASSWORD}@/led?host={first.folder}&port={first.port}",
        BEGIN
        + f"pg8000.native.Connection('postgres', database='led', password={PASSWORD!r}, unix_sock='{first.folder}/.s.PGSQL.{first.port}')\n",
    )
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr


def test_other_dialects_of_the_same_driver(tmp_path: Path, servers: Servers) -> None:
    url = servers[0].url("led").replace("postgresql+psycopg", "cockroachdb+asyncpg")
    project(
        tmp_path,
        url,
        "import os, asyncio, asyncpg\nasyncio.run(asyncpg.connect(os.environ['DATABASE_URL'].replace('cockroachdb+asyncpg', 'postgresql')))\n",
    )
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_server_elsewhere_is_not_proven(tmp_path: Path, servers: Servers) -> None:
    first, second = servers
    first.sql("led", "CREATE ROLE only_first LOGIN PASSWORD 'x'")
    toml(tmp_path, first.url("led"), free_port())
    run(["p", "adopt"], tmp_path)
    first.sql("led", "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO only_first")
    toml(tmp_path, first.url("led", "only_first", "x"), free_port(), words=f"'{{port}}', '{OTHER}'")
    program = tmp_path / "serve.py"
    program.write_text(
        program.read_text().replace(
            "psycopg.connect(url, **", f"psycopg.connect(url, user='postgres', password={PASSWORD!r}, **"
        )
    )
    with forwarding(OTHER, first.port, second.port):
        done = run(["p", "t"], tmp_path)
    assert done.returncode == 65, done.stderr
    assert "serve is not proven" in done.stderr
    first.sql("led", "DROP OWNED BY only_first", "DROP ROLE only_first")


def test_what_was_there_before_may_go_on(tmp_path: Path, servers: Servers) -> None:
    port = free_port()
    toml(tmp_path, servers[0].url("led"), port)
    run(["p", "adopt"], tmp_path)
    front = subprocess.Popen([*LAUNCHER, "p", "serve"], cwd=tmp_path, env=clean_env(), stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        time.sleep(1)
        done = run(["-q", "--report", "r.json", "p", "t"], tmp_path)
        assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "proven", done.stderr
    finally:
        front.terminate()
        front.wait(30)


def test_a_port_that_another_program_has_later(tmp_path: Path, servers: Servers) -> None:
    first = servers[0]
    code = (
        PSYCOPG
        + f"""
import socket, struct, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.connect(("127.0.0.33", {first.port}))
time.sleep(2)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
port = s.getsockname()[1]; s.close()
open("part", "w").write(str(port)); import os; os.rename("part", "port")
time.sleep(9)
"""
    )
    project(tmp_path, first.url("led"), code)

    def foreign() -> None:
        import pg8000.native

        while not (tmp_path / "port").exists():
            time.sleep(0.05)
        time.sleep(3.5)  # until the launcher has looked again, on a busy machine too
        port = int((tmp_path / "port").read_text())
        c = pg8000.native.Connection(
            "postgres", "127.0.0.1", "postgres", first.port, PASSWORD, source_address=("127.0.0.1", port)
        )
        time.sleep(4)
        c.close()

    thread = threading.Thread(target=foreign)
    thread.start()
    with stalling("127.0.0.33", first.port, first.port, pass_first=0, mute=True):
        done = run(["p", "t"], tmp_path)
    thread.join()
    assert done.returncode == 0, done.stderr
