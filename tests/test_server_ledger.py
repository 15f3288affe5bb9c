"""The ledger's verdicts on a real PostgreSQL: template copies, restores, promoted standbys, aliases, rollbacks."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import last_line, run, wait_until, write

pytestmark = pytest.mark.posix
pytest.importorskip("psycopg")
pytest.importorskip("pwd")  # of POSIX
from postgres import PASSWORD, Postgres, as_postgres, copied, pgbouncer, postgres  # noqa: E402

from launcher.errors import WrongDataError  # noqa: E402
from launcher.identity import standing  # noqa: E402
from launcher.identity.expectation import Expectation  # noqa: E402
from launcher.identity.swapped import refuse_swapped  # noqa: E402
from launcher.identity.url import parse_database_url  # noqa: E402
from launcher.identity.verdict import inspect_database  # noqa: E402

OTHER_ID = "11111111-0000-4000-8000-000000000001"
TABLES = ("runs", "phases")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres(autovacuum="off") as server:  # which counts transactions of its own
        yield server


class Workspace:
    """A workspace whose database `telemetry` is on the server; its own names there, so that tests do not meet."""

    def __init__(self, folder: Path, server: Postgres, name: str) -> None:
        self.folder, self.server, self.name = folder, server, name
        server.sql("postgres", f"CREATE DATABASE {name}")
        server.sql(name, *(f"CREATE TABLE {table} (id int)" for table in TABLES))
        self.write()

    def write(
        self, name: str = "", entry: str = "", more: str = "", server: Postgres | None = None, user: str = "postgres"
    ) -> None:
        url = (server or self.server).url(name or self.name, user)
        write(
            self.folder,
            f"[defaults]\npython = {json.dumps(sys.executable)}\n"
            f'[databases.telemetry]\nurl = "{url}"\ntables = {json.dumps(TABLES)}\n{entry}\n{more}\n'
            '[profiles.telemetry]\ndatabase = "telemetry"\n'
            '[profiles.telemetry.tasks.drain]\nrun = ["python", "-c", "print(1)"]\n'
            '[profiles.telemetry.tasks.serve]\nrun = ["python", "-c", "print(1)"]\nwrites = false\n',
        )

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        done = run(words, self.folder)
        assert PASSWORD not in done.stdout + done.stderr
        return done

    def ok(self, *words: str) -> "subprocess.CompletedProcess[str]":
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done

    def refused(self, slug: str, *says: str, action: str = "drain") -> None:
        """Refused with 65 by that slug, the server untouched."""
        before = self.server.digest(self.name)
        done = self.run("telemetry", action)
        assert done.returncode == 65, done.stderr
        assert last_line(done).startswith(f"autopack-run: {slug}: "), done.stderr
        assert all(said in done.stderr for said in says), done.stderr
        assert self.server.digest(self.name) == before

    @property
    def entry(self) -> dict[str, Any]:
        """What the ledger knows."""
        ledger = (self.folder / ".autopack-run" / "ledger.toml").read_text()
        return dict(tomllib.loads(ledger)["databases"]["telemetry"])

    @property
    def db_id(self) -> str:
        return str(self.server.sql(self.name, "SELECT value FROM autopack_identity WHERE key = 'db_id'")[0][0])


@pytest.fixture
def workspace(tmp_path: Path, server: Postgres, request: pytest.FixtureRequest) -> Workspace:
    name = f"t{abs(hash(request.node.name))}"
    made = Workspace(tmp_path, server, name)
    made.ok("telemetry", "adopt")
    return made


def test_adopted_checked_and_drained_without_a_trace_of_the_password(workspace: Workspace) -> None:
    before = workspace.server.digest(workspace.name)
    report = json.loads(workspace.ok("telemetry", "check", "--json").stdout)
    assert workspace.server.digest(workspace.name) == before
    assert (report["verdict"], report["stamp"]["db_id"]) == ("verified", workspace.db_id)
    assert report["ledger"]["how"] == "adopted"
    done = workspace.ok("telemetry", "drain")
    assert "ledger    adopted" in done.stderr
    for path in (workspace.folder / ".autopack-run").rglob("*"):
        assert not path.is_file() or PASSWORD not in path.read_text(), path


def test_a_template_copy_is_told_and_becomes_its_own(workspace: Workspace) -> None:
    workspace.server.sql("postgres", f"CREATE DATABASE {workspace.name}_two TEMPLATE {workspace.name}")
    original = workspace.db_id
    workspace.write(f"{workspace.name}_two")
    workspace.refused("copied-or-moved", "was copied or moved", "oid", f"both with db_id {original}", "adopt --copy")
    workspace.ok("--accept", f"db_id={original}", "telemetry", "drain")
    workspace.refused("copied-or-moved")
    moved = workspace.run("telemetry", "adopt", "--moved")
    assert (moved.returncode, f"database {workspace.name} of the same server" in moved.stderr) == (65, True)
    workspace.ok("telemetry", "adopt", "--copy")
    workspace.ok("telemetry", "drain")
    assert workspace.db_id == original


def test_a_restored_dump_is_accepted_by_its_own_command(workspace: Workspace) -> None:
    name, dump = workspace.name, str(workspace.server.folder / "dump")
    workspace.server.run("pg_dump", "-U", "postgres", "-Fc", "-f", dump, name)
    workspace.server.sql("postgres", f"DROP DATABASE {name}", f"CREATE DATABASE {name}")
    workspace.server.run("pg_restore", "-U", "postgres", "-d", name, dump)
    workspace.refused("copied-or-moved", "adopt --restored")
    workspace.ok("telemetry", "adopt", "--restored")
    workspace.ok("telemetry", "drain")


def test_a_dump_put_back_over_it_is_told(workspace: Workspace) -> None:
    name, dump = workspace.name, str(workspace.server.folder / "dump2")
    workspace.server.run("pg_dump", "-U", "postgres", "-Fc", "-f", dump, name)
    workspace.server.sql(name, "INSERT INTO runs VALUES (1)")
    workspace.ok("telemetry", "drain")
    workspace.server.run("pg_restore", "-U", "postgres", "--clean", "-d", name, dump)
    workspace.refused("copied-or-moved", "stamp_oid", "adopt --restored")
    workspace.ok("telemetry", "adopt", "--restored")
    workspace.ok("telemetry", "drain")


@pytest.mark.parametrize("first", ["low", "high"], ids=["known later", "known before"])
def test_a_dump_put_back_is_told_where_only_one_role_sees_the_timeline(
    tmp_path: Path, server: Postgres, first: str
) -> None:
    name, dump = f"hidden_{first}", str(server.folder / f"dump_{first}")
    workspace = Workspace(tmp_path, server, name)
    server.sql(
        name,
        f"CREATE ROLE low_{name} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO low_{name}",
        f"GRANT ALL ON SCHEMA public TO low_{name}",
        "REVOKE EXECUTE ON FUNCTION pg_current_wal_lsn() FROM PUBLIC",
    )
    users = (f"low_{name}", "postgres") if first == "low" else ("postgres", f"low_{name}")
    workspace.write(user=users[0])
    workspace.ok("telemetry", "adopt")
    assert ("timeline" in workspace.entry["physical"]) == (first == "high")
    server.sql(name, f"GRANT SELECT ON autopack_identity TO low_{name}")
    server.run("pg_dump", "-U", "postgres", "-Fc", "-f", dump, name)
    server.run("pg_restore", "-U", "postgres", "--clean", "-d", name, dump)
    workspace.write(user=users[1])
    workspace.refused("copied-or-moved", "stamp_oid", "adopt --restored", action="check")
    workspace.ok("telemetry", "adopt", "--restored")
    workspace.ok("telemetry", "check")


@pytest.mark.parametrize("unseen", ["found", "known", ""])
def test_a_promoted_one_is_told_where_the_servers_number_is_not_seen(unseen: str) -> None:
    known = {"system_identifier": "7", "oid": 5, "timeline": 1, "stamp_oid": 9}
    found = known | {"timeline": 2} | ({"system_identifier": None} if unseen == "found" else {})
    known = {key: value for key, value in known.items() if unseen != "known" or key != "system_identifier"}
    assert standing._is_promoted(found, known)
    assert not standing._is_promoted(found | {"oid": 6}, known)
    assert not standing._is_promoted(found | {"timeline": None}, known)


def test_a_clone_of_the_schema_is_told(workspace: Workspace) -> None:
    server, name = workspace.server, workspace.name
    tables = (*TABLES, "autopack_identity")
    server.sql(name, "CREATE SCHEMA stage", *(f"CREATE TABLE stage.{each} AS TABLE public.{each}" for each in tables))
    server.sql(name, f"ALTER DATABASE {name} SET search_path = stage")
    workspace.refused("copied-or-moved", "stamp_oid")
    moved = workspace.run("telemetry", "adopt", "--moved")
    assert (moved.returncode, "still there (schema public of the same database)" in moved.stderr) == (65, True)
    server.sql(name, f"ALTER DATABASE {name} RESET search_path")
    workspace.ok("telemetry", "drain")


def test_a_schema_whose_original_is_gone_was_moved(workspace: Workspace) -> None:
    server, name = workspace.server, workspace.name
    tables = (*TABLES, "autopack_identity")
    server.sql(name, "CREATE SCHEMA stage", *(f"CREATE TABLE stage.{each} AS TABLE public.{each}" for each in tables))
    workspace.write(entry='schema = "stage"')
    server.sql(name, f"ALTER DATABASE {name} SET search_path = stage")
    assert workspace.run("telemetry", "adopt", "--moved").returncode == 65
    server.sql(name, "DROP TABLE public.autopack_identity")
    workspace.ok("telemetry", "adopt", "--moved")
    workspace.ok("telemetry", "drain")


def test_replaced_in_place(workspace: Workspace) -> None:
    workspace.server.sql(workspace.name, f"UPDATE autopack_identity SET value = '{OTHER_ID}' WHERE key = 'db_id'")
    workspace.refused("replaced", f"found db_id {OTHER_ID}", f"--accept db_id={OTHER_ID} telemetry adopt")
    workspace.ok("--accept", f"db_id={OTHER_ID}", "telemetry", "adopt")
    workspace.ok("telemetry", "drain")


def test_another_databases_name(workspace: Workspace) -> None:
    workspace.server.sql(workspace.name, "UPDATE autopack_identity SET value = 'dev' WHERE key = 'database'")
    workspace.refused("wrong-database", "this is 'dev'")
    assert workspace.run("--accept", f"db_id={workspace.db_id}", "telemetry", "drain").returncode == 65


def test_two_names_for_one_database(workspace: Workspace) -> None:
    """Over an alias of a pooler's, which no comparison of URLs could tell."""
    with pgbouncer(workspace.server, alias=workspace.name) as pooler:
        alias = f'[databases.dev]\nurl = "{workspace.server.url(workspace.name)}"\n[profiles.dev]\ndatabase = "dev"\n'
        workspace.write(more=alias.replace("127.0.0.1", "localhost"))
        done = workspace.run("dev", "check")
        assert done.returncode == 65
        assert last_line(done).startswith("autopack-run: two-names: "), done.stderr
        workspace.write(more=alias.replace(f":{workspace.server.port}/", f":{pooler.port}/"))
        done = workspace.run("dev", "check")
        assert last_line(done).startswith("autopack-run: two-names: "), done.stderr
        assert all(f"'{name}'" in done.stderr for name in ("dev", "telemetry"))
        assert "autopack-run.toml:" in done.stderr


def test_a_standby_is_read_and_a_promoted_one_is_another(workspace: Workspace) -> None:
    with copied(workspace.server) as standby:
        workspace.write(server=standby)
        workspace.refused("replica", "is a replica")
        before = workspace.entry
        workspace.ok("telemetry", "serve")
        assert before["high_water"] > 0
        assert workspace.entry == before  # a standby's counter says nothing
        workspace.ok("telemetry", "check")
        standby.promote()
        workspace.refused("promoted", "on timeline 2, the ledger says 1", "adopt --moved")
        workspace.ok("telemetry", "adopt", "--moved")
        workspace.ok("telemetry", "drain")
        workspace.write()
        workspace.refused("promoted", "on timeline 1, the ledger says 2")


def test_a_standby_of_a_promoted_one_is_on_its_timeline(workspace: Workspace) -> None:
    with copied(workspace.server) as promoted, copied(promoted) as follower:
        promoted.promote()
        promoted.sql(workspace.name, "INSERT INTO runs VALUES (900)")
        count = "SELECT count(*) FROM runs WHERE id = 900"
        wait_until(lambda: follower.sql(workspace.name, count) == [(1,)])
        workspace.write(server=follower)
        workspace.refused("promoted", "on timeline 2, the ledger says 1", action="serve")
        workspace.write(server=promoted)
        workspace.ok("telemetry", "adopt", "--moved")
        workspace.write(server=follower)
        workspace.ok("telemetry", "serve")


def test_what_a_user_may_not_see_is_not_forgotten(workspace: Workspace) -> None:
    server, name = workspace.server, workspace.name
    server.sql(
        name,
        f"CREATE ROLE low_{name} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO low_{name}",
        "REVOKE EXECUTE ON FUNCTION pg_control_system(), pg_control_checkpoint() FROM PUBLIC",
    )
    before = workspace.entry
    assert before["physical"].keys() == {"system_identifier", "oid", "timeline", "stamp_oid"}
    workspace.write(user=f"low_{name}")
    workspace.ok("telemetry", "serve")
    now = workspace.entry
    assert now["physical"] == before["physical"]
    ledger = workspace.folder / ".autopack-run" / "ledger.toml"
    ledger.write_text(ledger.read_text().replace(f"high_water = {now['high_water']}", "high_water = 999999"))
    aged = workspace.entry
    workspace.refused("rolled-back", action="check")  # also where the server's number is not seen
    assert "was rolled back" in workspace.ok("telemetry", "serve").stderr
    assert workspace.entry == aged


def test_without_a_stamp_the_physical_identity_must_do(tmp_path: Path, server: Postgres) -> None:
    workspace = Workspace(tmp_path, server, "unstamped")
    workspace.write(entry="stamp = false")
    workspace.refused("not-adopted")
    before = server.digest("unstamped")
    workspace.ok("telemetry", "adopt")
    workspace.ok("telemetry", "drain")
    assert server.digest("unstamped") == before
    server.sql("postgres", "CREATE DATABASE unstamped_two TEMPLATE unstamped")
    workspace.write("unstamped_two", entry="stamp = false")
    workspace.refused("copied-or-moved")


def test_swapped_between_proof_and_start(workspace: Workspace) -> None:
    url = parse_database_url(workspace.server.url(workspace.name), "a test", None)
    expected = Expectation("telemetry", url, "a test", "telemetry", tables=TABLES)
    identity = inspect_database(expected)
    assert identity is not None
    refuse_swapped(identity, expected)
    name = workspace.name
    workspace.server.sql("postgres", f"CREATE DATABASE {name}_new TEMPLATE {name}")
    workspace.server.sql("postgres", f"ALTER DATABASE {name} RENAME TO {name}_old")
    workspace.server.sql("postgres", f"ALTER DATABASE {name}_new RENAME TO {name}")
    with pytest.raises(WrongDataError, match="another database answers there now") as caught:
        refuse_swapped(identity, expected)
    assert caught.value.slug == "swapped"


def test_a_server_put_back_to_an_older_state_was_rolled_back(tmp_path: Path) -> None:
    """The whole data folder, as a snapshot of the machine would be put back: only the transaction counter shows it."""
    with postgres(max_prepared_transactions="1") as server:
        workspace = Workspace(tmp_path, server, "telemetry")
        with server.connect("telemetry", autocommit=False) as open_one:  # and it stays, over all restarts
            open_one.execute("INSERT INTO runs VALUES (77)")
            open_one.execute("PREPARE TRANSACTION 'for days'")
        workspace.ok("telemetry", "adopt")
        data, older = server.folder / "data", server.folder / "older"
        server.run("pg_ctl", "-D", str(data), "-m", "fast", "-w", "stop")
        subprocess.run(["cp", "-a", str(data), str(older)], check=True, **as_postgres())
        server.start(max_prepared_transactions="1")
        server.sql("telemetry", *["INSERT INTO runs VALUES (1)"] * 3)
        workspace.ok("telemetry", "drain")
        server.run("pg_ctl", "-D", str(data), "-m", "fast", "-w", "stop")
        shutil.rmtree(data)
        older.rename(data)
        server.start(max_prepared_transactions="1")
        workspace.refused("rolled-back", "was rolled back: its next transaction is", "adopt --restored")
        workspace.refused("rolled-back", action="check")
        assert "was rolled back" in workspace.ok("telemetry", "serve").stderr
        workspace.ok("telemetry", "adopt", "--restored")
        workspace.ok("telemetry", "drain")
