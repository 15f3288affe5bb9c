"""`autopack-run rehearse --url` on real servers: what it shows, what it leaves, and what it refuses to begin on."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from running import last_line, run

pytestmark = pytest.mark.posix
for part in ("starlette", "uvicorn", "pwd"):
    pytest.importorskip(part)
import mariadb  # noqa: E402
import postgres  # noqa: E402


class Server(NamedTuple):
    """One kind of server. make: an empty database of that name, and its URL."""

    kind: str
    secret: str
    make: Callable[[str], str]


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "postgresql":
        one = request.getfixturevalue("postgres_server")

        def made(name: str) -> str:
            one.run("createdb", "-U", "postgres", name)
            return str(one.url(name))

        return Server("postgresql", postgres.PASSWORD, made)
    other = request.getfixturevalue("mariadb_server")

    def granted(name: str) -> str:
        other.sql(f"CREATE DATABASE {name}", f"GRANT ALL ON {name}.* TO app")
        return str(other.url(name))

    return Server("mysql", mariadb.PASSWORD, granted)


class Played(NamedTuple):
    """A rehearsal that has been played on a server. shown: both streams."""

    home: Path
    url: str
    shown: str


@pytest.fixture(scope="module")
def played(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Played:
    home = tmp_path_factory.mktemp("played") / "here"
    url = server.make("played")
    done = run(["rehearse", "--in", home, "--url", url], home.parent, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return Played(home, url, done.stdout + done.stderr)


def query(url: str, sql: str) -> list[Any]:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    with create_engine(url, poolclass=NullPool).connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def content(url: str) -> list[list[Any]]:
    tables = ("runs", "tiers", "phases", "llm_usage_events", "token_estimation_v2_events", "autopack_identity")
    return [query(url, f"SELECT * FROM {table} ORDER BY 1") for table in tables]


def test_the_evidence_is_shown(played: Played, server: Server) -> None:
    evidence = played.shown[played.shown.index("Evidence") :]
    assert "10 of 10 COMPLETE" in evidence
    assert "10 llm_usage_events, 10 token_estimation_v2_events, 2 token_budget_escalation_events" in evidence
    assert f"no database file in {played.home}" in evidence
    assert "answers at http://127.0.0.1:" in evidence
    assert "proven: nothing else was opened" in evidence
    assert "system_identifier" in evidence or server.kind == "mysql"


def test_what_it_shows_is_what_the_server_holds(played: Played) -> None:
    assert query(played.url, "SELECT state, count(*) FROM phases GROUP BY state") == [("COMPLETE", 10)]
    assert query(played.url, "SELECT count(*), count(DISTINCT phase_id) FROM llm_usage_events") == [(10, 10)]
    stamp = dict(query(played.url, "SELECT * FROM autopack_identity"))
    assert stamp["database"] == "telemetry"
    assert stamp["db_id"] in played.shown


def test_the_password_is_in_one_file_of_ones_own(played: Played, server: Server) -> None:
    assert server.secret not in played.shown
    assert "autopack-run.toml there holds the URL with its password" in played.shown
    holds = [path for path in played.home.rglob("*") if path.is_file() and server.secret in path.read_text("utf-8")]
    assert [path.name for path in holds] == ["autopack-run.toml"]
    assert holds[0].stat().st_mode & 0o777 == 0o600


def test_commands_work_by_hand(played: Played, server: Server) -> None:
    before = content(played.url)
    report = run(["telemetry", "check", "--json"], played.home)
    assert report.returncode == 0, report.stderr
    identity = json.loads(report.stdout)["identity"]
    assert (identity["kind"], identity["database"]) == (server.kind, "played")
    assert content(played.url) == before


def test_a_second_one_on_the_same_database_does_not_begin(played: Played, server: Server, tmp_path: Path) -> None:
    before = content(played.url)
    refused = run(["rehearse", "--in", tmp_path / "new", "--url", played.url], tmp_path)
    assert refused.returncode == 65, refused.stderr
    assert last_line(refused).startswith("autopack-run: database-not-empty: ")
    assert "the stamp of 'telemetry' (db_id " in refused.stderr
    assert server.secret not in refused.stdout + refused.stderr
    assert os.listdir(tmp_path) == []
    assert content(played.url) == before


@pytest.mark.parametrize(
    ("table", "says"), [("runs", "tables of the rehearsal's names: runs"), ("wp_posts", "tables: wp_posts")]
)
def test_somebodys_tables_are_left_alone(server: Server, tmp_path: Path, table: str, says: str) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    url = server.make(f"theirs_{table}")
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table} (mine int)")
    refused = run(["rehearse", "--in", tmp_path / "new", "--url", url], tmp_path)
    assert refused.returncode == 65, refused.stderr
    assert says in refused.stderr
    assert os.listdir(tmp_path) == []
    assert query(url, f"SELECT * FROM {table}") == []


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda url: url.replace("/played", "/nothing"), (77, 78)),  # a plain user of MariaDB is not told which
        (lambda url: url.replace("s3cret", "wr0ng"), (77,)),
        (lambda url: f"mssql{url[url.index('://') :]}", (78,)),
    ],
    ids=["no such database", "wrong password", "unknown kind"],
)
def test_what_cannot_be_had_leaves_nothing_behind(
    played: Played, server: Server, tmp_path: Path, change: Callable[[str], str], codes: tuple[int, ...]
) -> None:
    refused = run(["rehearse", "--in", tmp_path / "new", "--url", change(played.url)], tmp_path)
    assert refused.returncode in codes, refused.stderr
    for secret in (server.secret, "s3cret", "wr0ng"):
        assert secret not in refused.stdout + refused.stderr
    assert os.listdir(tmp_path) == []
