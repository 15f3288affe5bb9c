"""Databases on a server, as the guard sees them through SQLAlchemy: a real PostgreSQL, which nothing here proves before."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import last_line, run, write

pytestmark = pytest.mark.posix
pytest.importorskip("psycopg")
pytest.importorskip("pwd")  # of POSIX
from postgres import PASSWORD, Postgres, postgres  # noqa: E402

PROGRAM = """
import os, sys
from sqlalchemy import create_engine, text
url = os.environ["DATABASE_URL"]
for name in sys.argv[1:]:
    with create_engine(url.rsplit("/", 1)[0] + "/" + name).connect() as connection:
        print(connection.scalar(text("select current_database()")))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as server:
        for name in ("one", "two"):
            server.run("createdb", "-U", "postgres", name)
        yield server


def project(folder: Path, server: Postgres, names: list[str], **keys: object) -> None:
    (folder / "app.py").write_text(PROGRAM)
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


def test_a_database_that_is_not_there_was_not_opened(tmp_path: Path, server: Postgres) -> None:
    project(tmp_path, server, ["one", "three"])
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 1
    assert "drift" not in done.stderr


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
