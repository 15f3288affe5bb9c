"""Databases on a server, as the guard sees them through SQLAlchemy: a real PostgreSQL, which nothing here proves before."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from running import LAUNCHER, last_line, run, write

pytestmark = pytest.mark.posix
pytest.importorskip("psycopg")
pytest.importorskip("pwd")  # of POSIX
from postgres import PASSWORD, Postgres, pgbouncer, postgres  # noqa: E402 (behind importorskip)

from launcher.environment import Environment, Origin  # noqa: E402 (behind importorskip)
from launcher.evidence_servers import Sessions, announce  # noqa: E402 (behind importorskip)
from launcher.identity.url import parse_database_url  # noqa: E402 (behind importorskip)
from launcher.usage import same_server  # noqa: E402 (behind importorskip)

PROGRAM = """
import os, sys
from sqlalchemy import create_engine, text
url = os.environ["DATABASE_URL"]
for name in sys.argv[1:]:
    with create_engine(url.rsplit("/", 1)[0] + "/" + name).connect() as connection:
        print(connection.scalar(text("select current_database()")))
"""

# Until the launcher has asked the server, and a little longer for the look at the processes: a busy machine is slow.
ASKED = """do $$ begin
  for tries in 1..200 loop
    perform pg_stat_clear_snapshot();
    if exists(select from pg_stat_activity where application_name = 'autopack-run' and state = 'idle'
              and query like '%application_name%' and query_start > now()) then exit; end if;
    perform pg_sleep(0.1);
  end loop;
  perform pg_sleep(1);
end $$"""
# A driver that no guard looks into: libpq itself.
BARE = f"""
import os, sys
from psycopg import pq
url = os.environ["DATABASE_URL"].replace("+psycopg", "")
for name in sys.argv[1:]:
    connection = pq.PGconn.connect((url.rsplit("/", 1)[0] + "/" + name).encode())
    print(connection.exec_(b"select current_database()").get_value(0, 0).decode(), flush=True)
    connection.exec_(b'''{ASKED}''')
    connection.finish()
"""
OWN_NAME = BARE.replace("name).encode", 'name + "?application_name=mine").encode')


@pytest.fixture(scope="module")
def server(postgres_server: Postgres) -> Postgres:
    for name in ("one", "two"):
        postgres_server.run("createdb", "-U", "postgres", name)
    return postgres_server


def project(folder: Path, server: Postgres, names: list[str], program: str = PROGRAM, **keys: object) -> None:
    (folder / "app.py").write_text(program)
    lines = {"run": [sys.executable, "app.py", *names], "verify": False, **keys}
    write(
        folder,
        f'[databases.main]\nurl = "{server.url("one")}"\n[profiles.p]\ndatabase = "main"\n[profiles.p.tasks.t]\n'
        + "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items()),
    )


def secrets(folder: Path, text: str) -> None:
    assert PASSWORD not in text
    for path in (folder / ".autopack-run").rglob("*"):
        assert not path.is_file() or PASSWORD not in path.read_text(), path


def report(folder: Path) -> dict[str, object]:
    path = max((folder / ".autopack-run" / "runs").glob("*/report.json"))
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def sessions(server: Postgres) -> int:
    """How many others there are now: nothing of a run may stay."""
    return int(server_says(server, "select count(*) - 1 from pg_stat_activity where backend_type = 'client backend'"))


def server_says(server: Postgres, query: str) -> object:
    import psycopg

    with psycopg.connect(server.url("postgres").replace("+psycopg", "")) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row
    return row[0]


def test_the_pinned_database_is_seen(tmp_path: Path, server: Postgres) -> None:
    project(tmp_path, server, ["one"])
    done = run(["p", "t"], tmp_path)
    assert (done.returncode, done.stdout) == (0, "one\n"), done.stderr
    assert f"{tmp_path / 'app.py'}:6" in done.stderr
    secrets(tmp_path, done.stderr)


def test_another_database_of_the_server_is_drift(tmp_path: Path, server: Postgres) -> None:
    project(tmp_path, server, ["one", "two"])
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 65, done.stderr
    assert last_line(done).startswith("autopack-run: drift: ")
    assert f"postgresql://127.0.0.1:{server.port}/two: opened by" in done.stderr
    assert f"first at {tmp_path / 'app.py'}:6" in done.stderr
    secrets(tmp_path, done.stdout + done.stderr)


def test_another_host_of_the_url_than_the_proven_one_is_drift(tmp_path: Path, server: Postgres) -> None:
    """It may be any server, and where it is a standby that was promoted, it is not what was proven either."""
    with postgres() as other:
        for each in (server, other):
            each.sql("postgres", "CREATE DATABASE twins")
            each.sql("twins", "CREATE TABLE runs (id int)")
        url = (
            f"postgresql+psycopg://postgres:{PASSWORD}@/twins?host=127.0.0.1,127.0.0.1&port={server.port},{other.port}"
        )
        program = f"""
import os, sys
from sqlalchemy import create_engine, text
urls = {{"first": os.environ["DATABASE_URL"], "second": {other.url("twins")!r}}}
for name in sys.argv[1:]:
    with create_engine(urls[name]).connect() as connection:
        print(connection.scalar(text("select inet_server_port()")))
"""
        project(tmp_path, server, ["first"], program, verify=True)
        file = tmp_path / "autopack-run.toml"
        file.write_text(file.read_text().replace(server.url("one"), url))
        assert run(["p", "adopt"], tmp_path).returncode == 0
        done = run(["p", "t"], tmp_path)
        assert (done.returncode, done.stdout) == (0, f"{server.port}\n"), done.stderr
        done = run(["p", "t", "second"], tmp_path)
        assert done.stdout == f"{server.port}\n{other.port}\n"
        assert done.returncode == 65, done.stderr
        assert f"postgresql://127.0.0.1:{other.port}/twins: opened by" in done.stderr


@pytest.mark.parametrize("whole", [True, False], ids=["allowed", "not allowed"])
def test_globs_name_servers_too(tmp_path: Path, server: Postgres, whole: bool) -> None:
    glob = f"postgresql://127.0.0.1:{server.port}/{'t*' if whole else 'x*'}"
    project(tmp_path, server, ["one", "two"], allow_databases=[glob])
    assert run(["p", "t"], tmp_path).returncode == (0 if whole else 65)


def test_block_raises_before_it_connects(tmp_path: Path, server: Postgres) -> None:
    project(tmp_path, server, ["one", "two"], databases="block")
    done = run(["p", "t"], tmp_path)
    assert (done.returncode, done.stdout) == (1, "one\n"), done.stderr
    assert f"blocked: {tmp_path / 'app.py'}:6 opens postgresql://127.0.0.1:{server.port}/two" in done.stderr
    secrets(tmp_path, done.stderr)


# Without SQLAlchemy, and over before the server could be asked for its sessions.
DRIVER = """
import asyncio, os, sys, psycopg
url = os.environ["DATABASE_URL"].replace("+psycopg", "")
async def other(where):
    async with await psycopg.AsyncConnection.connect(where) as connection:
        return await connection.execute("select 1")
for name in sys.argv[2:]:
    where = url.rsplit("/", 1)[0] + "/" + name
    if sys.argv[1] == "async":
        asyncio.run(other(where))
    else:
        psycopg.connect(where, application_name="mine").close()
print("went on")
"""


@pytest.mark.parametrize("how", ["sync", "async"])
@pytest.mark.parametrize("databases", ["report", "block"])
def test_a_driver_without_sqlalchemy(tmp_path: Path, server: Postgres, how: str, databases: str) -> None:
    project(tmp_path, server, [how, "one", "two"], DRIVER, databases=databases)
    done = run(["p", "t"], tmp_path)
    line, blocked = 5 if how == "async" else 12, databases == "block"
    assert (done.returncode, done.stdout) == ((1, "") if blocked else (65, "went on\n")), done.stderr
    place = f"postgresql://127.0.0.1:{server.port}/two"
    assert (f"app.py:{line} opens {place}; pinned is " if blocked else f"{place}: opened by") in done.stderr
    assert blocked == ("OperationalError: autopack-run: blocked" in done.stderr), done.stderr
    secrets(tmp_path, done.stdout + done.stderr)


# An unmodified program, and one on the same folder's other socket, by whatever the URL says where.
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ("?host={folder}&port={port}", 0),
        ("?host=127.0.0.1&port={port}", 0),
        ("?hostaddr=127.0.0.1&port={port}", 0),
        ("?host=127.0.0.1:1&host=127.0.0.1:{port}", 0),
        ("?host={folder},{folder}&port=1,{port}", 0),
        ("?host={folder}/&port={port}", 65),
    ],
)
@pytest.mark.parametrize("databases", ["report", "block"])
def test_hosts_behind_the_question_mark(
    tmp_path: Path, server: Postgres, options: str, code: int, databases: str
) -> None:
    """65: the program goes to another folder, which here leads to the same socket by another port's name."""
    where = options.format(folder=server.folder, port=server.port)
    program = "import os\nfrom sqlalchemy import create_engine\nurl = os.environ['DATABASE_URL']\n"
    if code:
        other = tmp_path / "s"
        other.mkdir()
        (other / f".s.PGSQL.{server.port}").symlink_to(Path(server.folder) / f".s.PGSQL.{server.port}")
        program += f"url = url.replace({str(server.folder) + '/'!r}, {str(other)!r})\n"
    program += "create_engine(url).connect()\n"
    project(tmp_path, server, [], program, databases=databases)
    text = (tmp_path / "autopack-run.toml").read_text()
    write(tmp_path, text.replace(server.url("one"), f"postgresql+psycopg://postgres:{PASSWORD}@/one{where}"))
    done = run(["p", "t"], tmp_path)
    assert done.returncode == (code and (1 if databases == "block" else code)), done.stderr
    secrets(tmp_path, done.stdout + done.stderr)


def test_a_database_that_is_not_there_was_not_opened(tmp_path: Path, server: Postgres) -> None:
    project(tmp_path, server, ["one", "three"])
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 1
    assert "drift" not in done.stderr


def test_a_bare_driver_on_the_pinned_database_is_proven_by_the_server(tmp_path: Path, server: Postgres) -> None:
    project(tmp_path, server, ["one"], BARE)
    done = run(["p", "t"], tmp_path)
    assert (done.returncode, done.stdout) == (0, "one\n"), done.stderr
    assert re.search(r"only: opened by python\S* app.py \(pid ", done.stderr)
    assert "as the server's list of sessions shows" in done.stderr
    assert report(tmp_path)["verdict"] == "proven"
    assert sessions(server) == 0
    secrets(tmp_path, done.stderr)


def test_a_bare_driver_on_another_database_of_the_server_is_drift(tmp_path: Path, server: Postgres) -> None:
    project(tmp_path, server, ["two"], BARE)
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 65, done.stderr
    assert re.search(rf"postgresql://127.0.0.1:{server.port}/two: seen open by python\S* app.py \(pid ", done.stderr)
    assert last_line(done).startswith("autopack-run: drift: ")
    secrets(tmp_path, done.stderr)


@pytest.mark.parametrize(("name", "code"), [("proven", 0), ("two", 65)])
def test_a_bare_driver_after_a_verified_start(tmp_path: Path, server: Postgres, name: str, code: int) -> None:
    made = f"proven{code}"
    server.run("createdb", "-U", "postgres", made)
    project(tmp_path, server, [name.replace("proven", made)], BARE, verify=True)
    program = "import os, psycopg\nurl = os.environ['DATABASE_URL'].replace('+psycopg', '')\n"
    program += "psycopg.connect(url, autocommit=True).execute('create table runs (id int)')\n"
    (tmp_path / "create.py").write_text(program)
    text = (tmp_path / "autopack-run.toml").read_text().replace('/one"', f'/{made}"\ntables = ["runs"]')
    lines = f"\n[profiles.p.tasks.create]\nrun = {json.dumps([sys.executable, 'create.py'])}\ncreates = true\n"
    write(tmp_path, text + lines)
    created = run(["p", "create"], tmp_path)
    assert created.returncode == 0, created.stderr
    done = run(["p", "t"], tmp_path)
    assert done.returncode == code, done.stderr
    assert "stamp     verified" in done.stderr
    assert report(tmp_path)["verdict"] == ("drift" if code else "proven")


@pytest.mark.parametrize(("name", "code"), [("one", 0), ("two", 65)])
def test_psql_is_seen_by_the_server(tmp_path: Path, server: Postgres, name: str, code: int) -> None:
    psql = shutil.which("psql") or str(server.programs / "psql")
    project(tmp_path, server, [])
    words = [psql, "-X", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-c", ASKED, name]
    text = (tmp_path / "autopack-run.toml").read_text()
    write(tmp_path, text.replace(f"run = {json.dumps([sys.executable, 'app.py'])}", f"run = {json.dumps(words)}"))
    done = run(["p", "t"], tmp_path, {"PGPASSWORD": PASSWORD})
    assert done.returncode == code, done.stderr
    used = report(tmp_path)["databases"]
    assert isinstance(used, list)
    assert [(each["how"], each["pinned"], each["by"][0]["program"]) for each in used] == [("open", not code, "psql")]
    secrets(tmp_path, done.stdout + done.stderr)


@pytest.mark.parametrize(("name", "code"), [("one", 0), ("two", 65)])
def test_a_session_with_a_name_of_its_own_is_known_by_its_end(
    tmp_path: Path, server: Postgres, name: str, code: int
) -> None:
    project(tmp_path, server, [name], OWN_NAME)
    done = run(["p", "t"], tmp_path)
    assert (done.returncode, done.stdout) == (code, f"{name}\n"), done.stderr
    if code:
        assert re.search(
            rf"postgresql://127.0.0.1:{server.port}/two: seen open by python\S* app.py \(pid ", done.stderr
        )
    assert report(tmp_path)["verdict"] == ("drift" if code else "proven")


@pytest.mark.parametrize("by", ["variable", "url"])
def test_a_name_that_the_operator_gave_stays(tmp_path: Path, server: Postgres, by: str) -> None:
    project(tmp_path, server, [], "import os; print(os.environ.get('PGAPPNAME'))")
    if by == "url":
        text = (tmp_path / "autopack-run.toml").read_text()
        write(tmp_path, text.replace('/one"', '/one?application_name=mine"'))
    done = run(["p", "t"], tmp_path, {"PGAPPNAME": "mine"} if by == "variable" else {})
    assert done.stdout == ("mine\n" if by == "variable" else "None\n"), done.stderr


def test_what_a_launch_inside_of_another_opens_is_seen_by_both(tmp_path: Path, server: Postgres) -> None:
    project(tmp_path, server, ["two"], BARE, drift="warn")
    outer = {"run": [*LAUNCHER, "p", "t"], "verify": False}
    lines = [f"{key} = {json.dumps(value)}" for key, value in outer.items()]
    text = (tmp_path / "autopack-run.toml").read_text()
    write(tmp_path, text + "\n[profiles.p.tasks.outer]\n" + "\n".join(lines))
    done = run(["p", "outer"], tmp_path)
    assert done.returncode == 65, done.stderr
    reports = [json.loads(path.read_text()) for path in (tmp_path / ".autopack-run" / "runs").glob("*/report.json")]
    place = f"postgresql://127.0.0.1:{server.port}/two"
    assert [(each["exit_code"], each["drift"][0].partition(": ")[0]) for each in sorted(reports, key=by_code)] == [
        (0, place),
        (65, place),
    ]


def by_code(report: dict[str, int]) -> int:
    return report["exit_code"]


def test_the_launcher_does_not_keep_the_database_from_being_dropped(tmp_path: Path, server: Postgres) -> None:
    server.run("createdb", "-U", "postgres", "dropped")
    program = """
import os, time
from psycopg import pq
time.sleep(1.5)
url = os.environ["DATABASE_URL"].replace("+psycopg", "").rsplit("/", 1)[0] + "/postgres?application_name=mine"
done = pq.PGconn.connect(url.encode()).exec_(b"drop database dropped")
assert done.status == pq.ExecStatus.COMMAND_OK, done.error_message
"""
    project(tmp_path, server, [], program, drift="warn")  # for the moment on `postgres`, which may be seen
    write(tmp_path, (tmp_path / "autopack-run.toml").read_text().replace('/one"', '/dropped"'))
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_role_that_may_connect_once_has_its_connection_to_itself(tmp_path: Path, server: Postgres) -> None:
    for query in ("create role once login connection limit 1", "create database once owner once"):
        server.run("psql", "-qU", "postgres", "-c", query)
    server.run("psql", "-qU", "postgres", "-c", f"alter role once password '{PASSWORD}'")
    program = "import os, time, psycopg\nurl = os.environ['DATABASE_URL'].replace('+psycopg', '')\n"
    program += "time.sleep(0.7)\npsycopg.connect(url).close()\n"  # by then a session of the launcher's would be there
    server.run("psql", "-qU", "postgres", "-c", "create table runs (id int)", "once")
    project(tmp_path, server, [], program, verify=True, writes=False)
    text = (tmp_path / "autopack-run.toml").read_text()
    write(tmp_path, text.replace("postgres:", "once:").replace('/one"', '/once"'))
    assert run(["p", "adopt"], tmp_path).returncode == 0
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_pooler_with_one_session_gives_it_to_the_program(tmp_path: Path, server: Postgres) -> None:
    program = "import os, time, psycopg\nurl = os.environ['DATABASE_URL'].replace('+psycopg', '')\n"
    program += "with psycopg.connect(url) as connection:\n    connection.execute('select 1')\n    time.sleep(2.5)\n"
    program += "psycopg.connect(url).execute('select 1')\n"
    with pgbouncer(server, "session", "one") as pooler:
        project(tmp_path, pooler, [], program)
        done = run(["p", "t"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert report(tmp_path)["verdict"] == "proven"


SILENT = "postgresql://u:pw@127.0.0.1:{port}/db"


@pytest.mark.parametrize("listens", [True, False], ids=["silent", "refused"])
def test_a_server_that_cannot_be_asked_costs_a_second_at_most(listens: bool) -> None:
    import socket
    import time

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if listens:
            listener.listen()
        url = parse_database_url(SILENT.format(port=listener.getsockname()[1]), "here", None)
        asked = Sessions(url, "autopack-run/x", "p t", {})
        asked.start()
        time.sleep(1.0)
        began = time.monotonic()
        asked.stop()
        assert time.monotonic() - began < 4
    assert (asked.found, asked.database) == (frozenset(), "")


@pytest.mark.parametrize(
    ("url", "own", "found"),
    [
        ("postgresql://h/d", "", "autopack-run/"),
        ("postgresql://h/d", "autopack-run/0a1b2c3d", "autopack-run/0a1b2c3d/"),
        ("postgresql://h/d", "autopack-run/" + "0" * 48, "autopack-run/"),
        ("postgresql://h/d", "mine", None),
        ("postgresql://h/d?sslmode=require&application_name=mine", "", None),
        ("mysql://h/d", "", None),
    ],
    ids=["none", "inside", "deep inside", "own", "in the url", "mysql"],
)
def test_the_name_of_the_sessions(url: str, own: str, found: str | None) -> None:
    environment = Environment()
    if own:
        environment.set("PGAPPNAME", own, Origin("process", "the shell"))
    name = announce(environment, parse_database_url(url, "here", None))
    assert name == announce(environment, parse_database_url(url, "here", None))
    if found is None:
        assert (name, environment.text("PGAPPNAME") or "") == ("", own)
    else:
        assert name.startswith(found)
        assert len(name) == len(found) + 8 <= 63
        assert environment.text("PGAPPNAME") == name


PINNED = "postgresql+psycopg://u:p@{}"


@pytest.mark.parametrize(
    ("pinned", "place", "same"),
    [
        ("localhost:5432/d", "postgresql://127.0.0.1/d", True),
        ("DB.Example.org/d", "postgresql://db.example.org:5432/d", True),
        ("db.example.org./d", "postgresql://db.example.org/d", True),
        ("[::1]:5433/d", "postgresql://localhost:5433/d", True),
        ("127.0.0.1:5433/d", "postgresql://[::ffff:127.0.0.1]:5433/d", True),
        ("[2001:db8:0::1]/d", "postgresql://[2001:DB8::1]/d", True),
        ("h/my%20db", "postgresql://h/my%20db", True),
        ("h/my db", "postgresql://h/my%20db", True),
        ("h/my%2520db", "postgresql://h/my%20db", False),
        ("h/my%20db", "postgresql://h/my%2520db", False),
        ("h/d", "postgresql://h/D", False),
        ("h/d", "postgresql://h:5433/d", False),
        ("h/d", "postgresql://h2/d", False),
        ("h/d", "mysql://h:5432/d", False),
        ("h/d", "postgresql://h/", False),
    ],
)
def test_ways_to_write_one_database(pinned: str, place: str, same: bool) -> None:
    assert same_server(place, parse_database_url(PINNED.format(pinned), "here", None)) is same


def test_a_connection_around_sqlalchemy_is_a_doubt(tmp_path: Path, server: Postgres) -> None:
    """Its port is told from those that database servers listen on by themselves."""
    import socket

    project(tmp_path, server, [])
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", 3306))
        except OSError:
            pytest.skip("port 3306 is taken")
        listener.listen()
        (tmp_path / "app.py").write_text(
            "import socket, time\ns = socket.create_connection(('127.0.0.1', 3306))\ntime.sleep(1)\n"
        )
        done = run(["p", "t"], tmp_path)
    assert done.returncode == 0
    assert "connected to 127.0.0.1:3306 (MySQL?), and no guard knows to which database there" in done.stderr
