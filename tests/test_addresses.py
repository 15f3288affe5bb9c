"""A host's name says where a connection was to go, not where it went: real servers behind one port of two addresses."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import run

pytestmark = pytest.mark.posix
pytest.importorskip("psycopg")
pytest.importorskip("pymysql")
pytest.importorskip("pwd")  # of POSIX
from far_ends import MYSQL, OTHER, PSYCOPG, WAYS, forwarding, project, report, twins  # noqa: E402 (behind importorskip)
from mariadb import USER, mariadb  # noqa: E402 (behind importorskip)
from postgres import Postgres  # noqa: E402 (behind importorskip)


@pytest.fixture(scope="module")
def servers(postgres_server: Postgres) -> Iterator[tuple[Postgres, Postgres]]:
    with twins(postgres_server) as both:
        yield both


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("databases", ["report", "block"])
def test_another_server_by_its_address(
    way: str, databases: str, tmp_path: Path, servers: tuple[Postgres, Postgres]
) -> None:
    first, second = servers
    project(tmp_path, first.url("led"), WAYS[way], databases=databases)
    with forwarding(OTHER, first.port, second.port):
        done = run(["p", "t"], tmp_path)
    place = f"postgresql://{OTHER}:{first.port}/led"
    assert f"{place} by" in done.stderr or f"{place}: opened by" in done.stderr
    if databases == "block":
        assert "pinned is postgresql" in done.stderr
        assert done.returncode == 1
    else:
        assert done.returncode == 65, done.stderr


def test_the_address_in_the_pinned_url_itself(tmp_path: Path, servers: tuple[Postgres, Postgres]) -> None:
    """The host is for TLS and passwords then; nothing else is blocked."""
    first, _ = servers
    url = first.url("led", query=f"hostaddr={OTHER}").replace("127.0.0.1", "db.example")
    project(tmp_path, url, PSYCOPG, databases="block", verify=True)
    with forwarding(OTHER, first.port, first.port):
        assert run(["p", "adopt"], tmp_path).returncode == 0
        done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert report(tmp_path)["verdict"] == "proven", done.stderr
    done = run(["p", "check"], tmp_path, {"DATABASE_URL": url.replace(OTHER, "127.0.0.1")})
    assert "conflict" in done.stderr


@pytest.mark.parametrize("way", ["PGHOSTADDR", "SQLAlchemy"])
def test_the_same_server_by_another_address(way: str, tmp_path: Path, servers: tuple[Postgres, Postgres]) -> None:
    first, _ = servers
    project(tmp_path, first.url("led"), WAYS[way], verify=True)
    with forwarding(OTHER, first.port, first.port):
        assert run(["p", "adopt"], tmp_path).returncode == 0
        done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert report(tmp_path)["verdict"] == "proven"


def test_an_address_where_nobody_can_be_asked_is_a_doubt(tmp_path: Path, servers: tuple[Postgres, Postgres]) -> None:
    """It was there for the program, and is gone when the launcher asks."""
    first, second = servers
    project(tmp_path, first.url("led"), WAYS["PGHOSTADDR"] + "open('done', 'w').close()\n")
    with contextlib.ExitStack() as stack:
        stack.enter_context(forwarding(OTHER, first.port, second.port))
        program = (tmp_path / "app.py").read_text() + "import time\nwhile os.path.exists('wait'): time.sleep(0.05)\n"
        (tmp_path / "app.py").write_text(program)
        (tmp_path / "wait").touch()

        def leave() -> None:
            while not (tmp_path / "done").exists():
                threading.Event().wait(0.05)
            stack.close()
            (tmp_path / "wait").unlink()

        threading.Thread(target=leave, daemon=True).start()
        done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"connected to {OTHER}:{first.port}, and nothing shows that this is the proven server" in done.stderr
    assert report(tmp_path)["verdict"] == "not proven"


@pytest.mark.parametrize("databases", ["report", "block"])
def test_an_ipv4_address_in_ipv6_form(databases: str, tmp_path: Path, servers: tuple[Postgres, Postgres]) -> None:
    """The launcher and the guard in the program must say the same of it."""
    mapped = PSYCOPG.replace("connect(url)", "connect(url.replace('127.0.0.1', '[::ffff:127.0.0.1]'))")
    project(tmp_path, servers[0].url("led"), mapped, databases=databases)
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert report(tmp_path)["verdict"] == "proven", done.stderr


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("pinned", ["127.0.0.1", "localhost"])
def test_the_other_loopback(same: bool, pinned: str, tmp_path: Path, servers: tuple[Postgres, Postgres]) -> None:
    first, second = servers
    url = first.url("led").replace("127.0.0.1", pinned)
    project(tmp_path, url, PSYCOPG.replace("connect(url)", f"connect(url.replace('{pinned}', '[::1]'))"), verify=True)
    assert run(["p", "adopt"], tmp_path).returncode == 0
    with forwarding("::1", first.port, (first if same else second).port):
        done = run(["p", "t"], tmp_path)
    assert done.returncode == (0 if same else 65), done.stderr
    if not same:
        assert f"postgresql://[::1]:{first.port}/led: opened by" in done.stderr


MYSQL_WAYS = {
    "the other loopback": "pymysql.connect(**(words | {'host': '::1'}))",
    "a socket of its own": (
        "connection = pymysql.connect(**words, defer_connect=True)\n"
        "connection.connect(socket.create_connection(('::1', url.port)))"
    ),
    "select_db": "pymysql.connect(**words).select_db('beside')",
}


@pytest.mark.parametrize("way", MYSQL_WAYS)
@pytest.mark.parametrize("same", [True, False])
def test_pymysql(way: str, same: bool, tmp_path: Path) -> None:
    with mariadb() as first, mariadb() as second:
        for each in (first, second):
            for name in ("led", "beside"):
                each.sql(f"CREATE DATABASE {name}", f"GRANT ALL ON {name}.* TO {USER}@'%'")
        code = MYSQL_WAYS[way].replace("beside", "led") if same else MYSQL_WAYS[way]
        project(tmp_path, first.url("led"), MYSQL + code)
        with forwarding("::1", first.port, (first if same else second).port):
            done = run(["p", "t"], tmp_path)
    assert done.returncode == (0 if same else 65), done.stderr
    if not same:
        place = f"127.0.0.1:{first.port}/beside" if way == "select_db" else f"[::1]:{first.port}/led"
        assert f"mysql://{place}: opened by" in done.stderr
    else:
        assert report(tmp_path)["verdict"] == "proven", done.stderr


def test_a_driver_without_a_guard_beside_one_with(tmp_path: Path, servers: tuple[Postgres, Postgres]) -> None:
    """libpq itself, under a name of its own: the server tells the database of each connection that was seen."""
    first, _ = servers
    program = PSYCOPG + (
        "import time\nfrom psycopg import pq\n"
        "other = url.rsplit('/', 1)[0] + '/postgres?application_name=mine'\n"
        "kept = pq.PGconn.connect(other.encode())\ntime.sleep(5)\n"
    )
    project(tmp_path, first.url("led"), program)
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 65, done.stderr
    assert f"postgresql://127.0.0.1:{first.port}/postgres: seen open by" in done.stderr


def test_another_server_on_the_usual_port(tmp_path: Path, servers: tuple[Postgres, Postgres]) -> None:
    """That a guard knows the database behind one 3306 says nothing of another's."""
    first, _ = servers
    program = (
        "import os, socket, time\nfrom sqlalchemy import create_engine, event\n"
        f"kept = socket.create_connection(('{OTHER}', 3306))\ntime.sleep(1)\n"
    )
    project(tmp_path, first.url("led").replace(f":{first.port}/", ":3306/"), program)
    with forwarding("127.0.0.1", 3306, first.port), forwarding(OTHER, 3306, first.port):
        program = PSYCOPG + program
        (tmp_path / "app.py").write_text(program)
        done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"connected to {OTHER}:3306" in done.stderr
    assert report(tmp_path)["verdict"] == "not proven"


# Each connects to the pinned database or, with a word behind it, to another one of its server, and closes at once.
DRIVERS = {
    "asyncpg": "import asyncpg, asyncio\nasync def f():\n    await (await asyncpg.connect(url)).close()\nasyncio.run(f())\n",
    "asyncpg's pool": (
        "import asyncpg, asyncio\nasync def f():\n    async with asyncpg.create_pool(url, min_size=1): pass\nasyncio.run(f())\n"
    ),
    "asyncpg under SQLAlchemy": (
        "import asyncio\nfrom sqlalchemy.ext.asyncio import create_async_engine\nasync def f():\n"
        "    engine = create_async_engine(url.replace('://', '+asyncpg://'))\n"
        "    async with engine.connect(): pass\n    await engine.dispose()\nasyncio.run(f())\n"
    ),
    "pg8000": (
        "import pg8000.dbapi as d\nfrom sqlalchemy import make_url\nu = make_url(url)\n"
        "d.connect(u.username, host=u.host, port=u.port, password=u.password, database=u.database).close()\n"
    ),
    "pg8000 native": (
        "import pg8000.native as d\nfrom sqlalchemy import make_url\nu = make_url(url)\n"
        "d.Connection(u.username, u.host, u.database, u.port, u.password).close()\n"
    ),
    "psycopg2": "import psycopg2\npsycopg2.connect(url).close()\n",
    "a listener that changes the words": (
        "from sqlalchemy import create_engine, event\nengine = create_engine(pinned.replace('://', '+pg8000://'))\n"
        "@event.listens_for(engine, 'do_connect')\ndef f(dialect, pooled, words, named): named['database'] = name\n"
        "engine.connect().close()\n"
    ),
}
BEGIN = """
import os, sys
pinned = os.environ["DATABASE_URL"].replace("+psycopg", "")
name = (sys.argv[1:] or [pinned.rsplit("/", 1)[1]])[0]
url = pinned.rsplit("/", 1)[0] + "/" + name
"""


@pytest.mark.parametrize("databases", ["report", "block"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_every_driver(driver: str, databases: str, tmp_path: Path, servers: tuple[Postgres, Postgres]) -> None:
    first, _ = servers
    project(tmp_path, first.url("led"), BEGIN + DRIVERS[driver], databases=databases)
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert report(tmp_path)["verdict"] == "proven", done.stderr
    assert f"first at {tmp_path / 'app.py'}:" in done.stderr
    done = run(["p", "t", "postgres"], tmp_path)
    place = f"postgresql://127.0.0.1:{first.port}/postgres"
    if databases == "report":
        assert done.returncode == 65, done.stderr
        assert f"{place}: opened by" in done.stderr
    else:
        assert done.returncode == 1, done.stderr
        assert f"opens {place}; pinned is" in done.stderr
