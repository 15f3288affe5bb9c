"""What the probe finds out about a real PostgreSQL, its copies and what a pooler shows of it; and the stamp."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.posix
pytest.importorskip("psycopg")
pytest.importorskip("pwd")  # of POSIX
from expecting import PLACE, expect  # noqa: E402
from postgres import PASSWORD, Postgres, copied, listening, pgbouncer, postgres  # noqa: E402

from launcher.errors import LauncherError  # noqa: E402
from launcher.identity import postgresql, server  # noqa: E402
from launcher.identity.expectation import ServerIdentity, Stamp  # noqa: E402
from launcher.identity.verdict import verify_identity  # noqa: E402

STAMP = Stamp("8b0b2c3e-0000-4000-8000-000000000001", "telemetry", "2026-01-02T03:04:05+00:00")
OTHER = Stamp("8b0b2c3e-0000-4000-8000-000000000002", "telemetry", "2026-02-02T03:04:05+00:00")
OURS = ("phases", "runs")


@pytest.fixture(scope="module")
def there() -> Iterator[Postgres]:
    with postgres(autovacuum="off") as there:
        there.sql("postgres", "CREATE DATABASE main", "CREATE DATABASE bare", "CREATE DATABASE stamping")
        there.sql("main", "CREATE TABLE phases (id int)", "CREATE TABLE runs (id int)", "INSERT INTO runs VALUES (1)")
        there.sql("main", "CREATE TABLE alembic_version (version_num text)")
        there.sql("main", "INSERT INTO alembic_version VALUES ('b2'), ('a1')")
        server.write_stamp(expect(there.url("main")), STAMP)
        yield there


def found(url: str, **fields: Any) -> ServerIdentity:
    identity = server.inspect(expect(url, **fields))
    assert isinstance(identity, ServerIdentity)
    return identity


def test_all_that_there_is_to_know(there: Postgres) -> None:
    before = there.digest("main")
    identity = found(there.url("main"), tables=OURS, needs_rows=OURS)
    assert there.digest("main") == before
    (system, oid, xmax, version) = there.sql(
        "main",
        "SELECT system_identifier::text, (SELECT oid FROM pg_database WHERE datname = 'main'),"
        " pg_snapshot_xmax(pg_current_snapshot())::text, current_setting('server_version') FROM pg_control_system()",
    )[0]
    ((stamp_oid,),) = there.sql("main", "SELECT oid::int FROM pg_class WHERE relname = 'autopack_identity'")
    assert identity == ServerIdentity(
        "postgresql",
        f"postgresql+psycopg://postgres:***@127.0.0.1:{there.port}/main",
        "main",
        {"system_identifier": system, "oid": oid, "timeline": 1, "stamp_oid": stamp_oid},
        version,
        "public",
        False,
        False,
        int(xmax),
        int(xmax),
        ("alembic_version", "autopack_identity", "phases", "runs"),
        STAMP,
        "a1, b2",
        ("phases",),
        address="127.0.0.1",
    )


@pytest.mark.parametrize(
    ("database", "fields", "none"),
    [
        ("bare", {"tables": OURS}, True),
        ("bare", {}, True),
        ("bare", {"schema": "later"}, True),
        ("main", {"tables": OURS}, False),
        ("main", {"tables": ("elsewhere",)}, False),
    ],
    ids=["nothing", "nothing asked", "no schema yet", "all", "a stamp without our tables"],
)
def test_a_task_that_creates_finds_nothing_yet(there: Postgres, database: str, fields: Any, none: bool) -> None:
    assert (server.inspect(expect(there.url(database), creates=True, **fields)) is None) == none


def test_a_task_that_creates_refuses_another_programs_tables(there: Postgres) -> None:
    there.sql("postgres", "CREATE DATABASE theirs")
    there.sql("theirs", "CREATE SCHEMA own", "CREATE TABLE wp_posts ()", "CREATE VIEW own.seen AS SELECT 1 AS one")
    expected = expect(there.url("theirs"), creates=True, tables=OURS)
    before = there.digest("theirs")
    with pytest.raises(LauncherError, match="none of our tables; found wp_posts: another program's") as caught:
        verify_identity(expected)
    assert (caught.value.code, caught.value.slug) == (65, "other-program")
    assert verify_identity(expected._replace(schema="own")) is None
    assert there.digest("theirs") == before
    there.sql("theirs", "ALTER EXTENSION plpgsql ADD TABLE wp_posts")  # as spatial_ref_sys is PostGIS'
    assert verify_identity(expected) is None
    assert verify_identity(expected._replace(tables=())) is None


def test_missing_tables_and_a_missing_stamp_are_told_and_no_fault_of_the_probe(there: Postgres) -> None:
    identity = found(there.url("bare"), tables=OURS, needs_rows=OURS)
    assert (identity.tables, identity.stamp, identity.empty, identity.revision) == ((), None, (), None)


def test_the_mark_is_behind_the_last_commit_whatever_is_open(there: Postgres) -> None:
    """A transaction forgotten for days held it back, and a rollback was not told; a crash takes back what is open."""
    first = found(there.url("main")).high_water
    assert first is not None
    with there.connect("main", autocommit=False) as forgotten, there.connect("main", autocommit=False) as latest:
        forgotten.execute("INSERT INTO runs VALUES (2)")
        there.sql("main", "INSERT INTO runs VALUES (3)")
        second = found(there.url("main"))
        latest.execute("INSERT INTO runs VALUES (4)")
        third = found(there.url("main"))
        forgotten.rollback()
        latest.rollback()
    assert (second.settled, second.high_water) == (first + 2, first + 2)
    assert (third.settled, third.high_water) == (first + 2, first + 2)


def test_fifty_others_of_hundreds_are_told_and_all_of_ours(there: Postgres) -> None:
    there.sql("postgres", "CREATE DATABASE wide")
    there.sql(
        "wide", *(f"CREATE TABLE a{number} ()" for number in range(70)), 'CREATE TABLE "zUlu" ()', "CREATE TABLE z ()"
    )
    tables = found(there.url("wide"), tables=("z", "zulu")).tables
    assert len(tables) == 52
    assert {"z", "zUlu"} < set(tables)


def test_few_connections_are_told(there: Postgres) -> None:
    there.sql("postgres", "CREATE ROLE few LOGIN PASSWORD 'few' IN ROLE postgres")
    url = there.url("main", "few", "few")
    for sql, scarce in (
        ("ALTER ROLE few CONNECTION LIMIT 6", False),
        ("ALTER ROLE few CONNECTION LIMIT 5", True),
        ("ALTER ROLE few CONNECTION LIMIT -1", False),
        ("ALTER DATABASE main CONNECTION LIMIT 5", True),
        ("ALTER DATABASE main CONNECTION LIMIT -1", False),
    ):
        there.sql("postgres", sql)
        assert found(url).scarce == scarce, sql


def test_few_connections_that_are_left_are_told() -> None:
    with postgres(max_connections="9", superuser_reserved_connections="3") as small:
        small.sql("postgres", "CREATE DATABASE main")
        assert found(small.url("main")).scarce is True
    with postgres(max_connections="16", superuser_reserved_connections="3") as small:
        small.sql("postgres", "CREATE DATABASE main")
        assert found(small.url("main")).scarce is False


def test_alembics_table_may_be_elsewhere(there: Postgres) -> None:
    there.sql("postgres", "CREATE DATABASE apart")
    there.sql(
        "apart", "CREATE SCHEMA app", "CREATE TABLE app.phases ()", "ALTER DATABASE apart SET search_path = app, public"
    )
    there.sql("apart", "CREATE TABLE public.alembic_version AS SELECT 'c3' AS version_num")
    identity = found(there.url("apart"), tables=("phases",), revision="c3")
    assert (identity.schema, identity.tables, identity.revision) == ("app", ("phases",), "c3")


class TestWhoMayNotKnow:
    def test_a_role_without_pg_control_system(self, there: Postgres) -> None:
        there.sql("postgres", "CREATE ROLE plain LOGIN PASSWORD 'plain'")
        there.sql("main", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
        functions = "FUNCTION pg_control_system(), pg_current_wal_lsn(), pg_current_snapshot()"
        url = there.url("main", "plain", "plain")
        assert found(url, writes=False).physical["system_identifier"]
        there.sql("main", f"REVOKE EXECUTE ON {functions} FROM public")
        try:
            identity = found(url, writes=False, tables=OURS)
        finally:
            there.sql("main", f"GRANT EXECUTE ON {functions} TO public")
        assert identity.physical["oid"]
        assert identity.physical["stamp_oid"]
        assert (identity.physical["system_identifier"], identity.physical["timeline"]) == (None, None)
        assert (identity.stamp, identity.high_water, identity.settled) == (STAMP, None, None)

    def test_a_role_without_the_views_of_settings_and_statistics(self, there: Postgres) -> None:
        there.sql("postgres", "CREATE ROLE shut_out LOGIN PASSWORD 'shut'")
        there.sql("main", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO shut_out")
        url = there.url("main", "shut_out", "shut")
        before = found(url, writes=False)
        there.sql("main", "REVOKE SELECT ON pg_settings, pg_stat_database FROM public")
        there.sql("main", "REVOKE EXECUTE ON FUNCTION pg_xact_status(xid8) FROM public")
        try:
            identity = found(url, writes=False, variables={"PGOPTIONS": "-c search_path=public"})
        finally:
            there.sql("main", "GRANT SELECT ON pg_settings, pg_stat_database TO public")
            there.sql("main", "GRANT EXECUTE ON FUNCTION pg_xact_status(xid8) TO public")
        assert identity.physical == before.physical
        assert before.high_water is not None
        assert identity.settled is not None
        assert identity.settled >= before.high_water  # nobody has a transaction open


class TestCopies:
    def test_standby_and_its_promotion(self, there: Postgres) -> None:
        primary = found(there.url("main"))
        with copied(there) as copy:
            before = copy.digest("main")
            standby = found(copy.url("main"), writes=False, tables=OURS)
            assert copy.digest("main") == before
            assert (standby.replica, standby.high_water, standby.settled) == (True, None, None)
            assert (standby.physical, standby.stamp) == (primary.physical, STAMP)
            with pytest.raises(LauncherError) as fault:
                server.inspect(expect(copy.url("main"), tables=OURS))
            assert (fault.value.slug, fault.value.code) == ("replica", 65)
            copy.promote()
            promoted = found(copy.url("main"))
            assert promoted.physical == {**primary.physical, "timeline": 2}
            assert (promoted.replica, promoted.stamp) == (False, STAMP)

    def test_a_template_copy_has_the_stamp_and_another_oid(self, there: Postgres) -> None:
        there.sql("postgres", "CREATE DATABASE twin TEMPLATE main")
        one, two = found(there.url("main")), found(there.url("twin"))
        assert one.stamp == two.stamp
        assert one.physical["system_identifier"] == two.physical["system_identifier"]
        assert one.physical["oid"] != two.physical["oid"]


class TestPooler:
    def test_through_pgbouncer_all_is_as_without_and_nothing_stays_behind(self, there: Postgres) -> None:
        many = (*OURS, "alembic_version")  # asked often enough for psycopg to prepare, if it were let
        with pgbouncer(there) as pooler:
            direct = found(there.url("main"), tables=OURS, needs_rows=many)
            for _ in range(3):
                pooled = found(pooler.url("main"), tables=OURS, needs_rows=many)
                assert pooled._replace(spot=direct.spot) == direct
            unchanged(pooler, "main")

    def test_the_stamp_is_written_through_it(self, there: Postgres) -> None:
        there.sql("postgres", "CREATE DATABASE pooled")
        with pgbouncer(there) as pooler:
            server.write_stamp(expect(pooler.url("pooled")), STAMP)
            assert found(pooler.url("pooled")).stamp == STAMP
            unchanged(pooler, "pooled")


def unchanged(pooler: Postgres, database: str) -> None:
    """What the next client finds set in the session that the pooler hands on."""
    with pooler.connect(database, prepare_threshold=None) as client:
        settings = ("statement_timeout", "lock_timeout", "default_transaction_read_only")
        assert [client.execute(f"SHOW {name}").fetchone()[0] for name in settings] == ["0", "0", "off"]


class TestAddress:
    @pytest.mark.parametrize(
        ("driver", "query"),
        [
            ("", ""),
            ("+psycopg", "application_name=app&connect_timeout=1"),
            ("+psycopg_async", ""),
            ("+psycopg2", "sslmode=prefer&keepalives=1"),
            ("+asyncpg", "ssl=disable&prepared_statement_cache_size=0"),
            ("+pg8000", "timeout=3"),
        ],
        ids=lambda value: value or "none",
    )
    def test_whatever_driver_the_program_uses(self, there: Postgres, driver: str, query: str) -> None:
        identity = found(there.url("main", query=query).replace("+psycopg", driver))
        assert identity.stamp == STAMP
        note = f"{PLACE} names no driver: postgresql:// is psycopg2 in SQLAlchemy 2.0, psycopg 3 in 2.1"
        assert [line.partition(";")[0] for line in identity.notes] == ([] if driver else [note])

    @pytest.mark.parametrize(
        ("query", "name"), [("", "autopack-run"), ("application_name=mine", "mine")], ids=["ours", "the URL's"]
    )
    def test_the_connection_says_who_it_is(self, there: Postgres, query: str, name: str) -> None:
        from sqlalchemy import text

        with postgresql.postgresql_connect.connected(expect(there.url("main", query=query))) as db:
            assert db.execute(text("SHOW application_name")).scalar() == name

    def test_the_variables_of_the_program_count_and_ours_do_not(
        self, there: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PGOPTIONS", "-c search_path=ours")
        monkeypatch.setenv("PGPASSWORD", "not this")
        there.sql("main", "CREATE SCHEMA theirs")
        url = there.url("main").replace(f":{PASSWORD}", "")
        theirs = {"PGPASSWORD": PASSWORD, "PGOPTIONS": "-c search_path=public,theirs", "PATH": "nowhere"}
        before = dict(os.environ)
        assert found(url, variables=theirs).schema == "public"
        with pytest.raises(LauncherError) as fault:
            server.inspect(expect(url, variables=theirs | {"PGOPTIONS": "-c search_path=theirs"}))
        assert "(theirs) does not reach" in fault.value.message
        assert dict(os.environ) == before

    @pytest.mark.parametrize("service", [False, True], ids=["by options", "beside a service"])
    def test_no_variable_of_ours_counts(self, there: Postgres, monkeypatch: pytest.MonkeyPatch, service: bool) -> None:
        from psycopg.pq import Conninfo

        for option in Conninfo.get_defaults():
            name = (option.envvar or b"").decode()
            if name and (service or name not in postgresql.postgresql_connect._NO_OPTION):
                monkeypatch.setenv(name, "nonsense")
        assert found(there.url("main")).stamp == STAMP
        login = {"PGUSER": "postgres", "PGPASSWORD": PASSWORD}
        assert found(f"postgresql+psycopg://127.0.0.1:{there.port}/main", variables=login).stamp == STAMP

    def test_while_it_connects_ours_stay_for_other_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def probed() -> None:
            with contextlib.suppress(LauncherError):
                server.inspect(expected)

        monkeypatch.setenv("PGOPTIONS", "ours")
        before = dict(os.environ)
        with listening() as port:
            expected = expect(f"postgresql+psycopg://u@127.0.0.1:{port}/main", variables={"PGPASSWORD": "theirs"})
            probe = threading.Thread(target=probed)
            probe.start()
            time.sleep(0.5)
            assert probe.is_alive()
            assert dict(os.environ) == before
        probe.join()

    def test_a_mistake_of_ours_does_not_pass_for_the_servers(self, there: Postgres) -> None:
        with (
            pytest.raises(ValueError, match="ours"),
            postgresql.postgresql_connect.connected(expect(there.url("main"))),
        ):
            raise ValueError("ours")

    def test_through_a_unix_socket(self, there: Postgres) -> None:
        url = f"postgresql+psycopg://postgres:{PASSWORD}@/main?host={there.folder}&port={there.port}"
        assert found(url).stamp == STAMP


def test_the_look_for_rows_is_bounded(there: Postgres) -> None:
    """After a mass delete it takes seconds (measured with ten million rows); here a policy takes ten."""
    there.sql("postgres", "CREATE DATABASE gone", f"CREATE ROLE sleepy LOGIN PASSWORD '{PASSWORD}'")
    there.sql(
        "gone",
        "CREATE TABLE runs ()",
        "CREATE TABLE phases AS SELECT 1 AS id",
        "ALTER TABLE phases ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY slow ON phases USING (pg_sleep(10) IS NOT NULL)",
        "GRANT SELECT ON runs, phases TO sleepy",
    )
    identity = found(there.url("gone", "sleepy"), needs_rows=("runs", "phases"), writes=False)
    assert identity.empty == ("runs",)
    assert identity.notes == ("whether phases has rows took more than 1 s to tell, so nobody knows",)


class TestStamp:
    def test_renewed_in_the_place_of_the_one_there(self, there: Postgres) -> None:
        there.sql("postgres", "CREATE DATABASE renewed TEMPLATE main")
        server.write_stamp(expect(there.url("renewed")), OTHER, renewed=True)
        assert found(there.url("renewed")).stamp == OTHER

    def test_in_the_schema_of_our_tables(self, there: Postgres) -> None:
        there.sql("postgres", "CREATE DATABASE deep")
        there.sql(
            "deep",
            "CREATE SCHEMA stage",
            "CREATE TABLE stage.phases ()",
            "ALTER DATABASE deep SET search_path = public, stage",
        )
        server.write_stamp(expect(there.url("deep"), tables=("phases",)), STAMP)
        assert found(there.url("deep"), tables=("phases",)).schema == "stage"

    @pytest.mark.parametrize("schema", ["public", "stage"])
    def test_where_none_is_wanted_one_beside_our_tables_is_read(self, there: Postgres, schema: str) -> None:
        name = f"unwanted_{schema}"
        there.sql("postgres", f"CREATE DATABASE {name}")
        there.sql(name, "CREATE TABLE phases ()", "CREATE SCHEMA stage")
        server.write_stamp(expect(there.url(name), schema=schema), STAMP)
        identity = found(there.url(name), tables=("phases",), stamped=False)
        assert (identity.schema, identity.stamp) == ("public", STAMP if schema == "public" else None)

    def test_in_the_schema_that_the_profile_file_names(self, there: Postgres) -> None:
        there.sql("postgres", "CREATE DATABASE named")
        there.sql("named", 'CREATE SCHEMA "Odd:Name"')
        server.write_stamp(expect(there.url("named"), schema="Odd:Name"), STAMP)
        identity = found(there.url("named"), schema="Odd:Name")
        assert (identity.schema, identity.stamp) == ("Odd:Name", STAMP)

    @pytest.mark.parametrize("renewed", [False, True], ids=["the first", "renewed"])
    def test_of_many_at_once_one_wins(self, there: Postgres, renewed: bool) -> None:
        if renewed:
            there.sql("stamping", "DROP TABLE IF EXISTS autopack_identity")
            server.write_stamp(expect(there.url("stamping")), STAMP)
        stamps = [Stamp(f"id-{number}", "telemetry", "now") for number in range(4)]
        won, lost = list[Stamp](), list[LauncherError]()
        together = threading.Barrier(len(stamps))

        def write(stamp: Stamp) -> None:
            together.wait()
            try:
                server.write_stamp(expect(there.url("stamping")), stamp, renewed)
                won.append(stamp)
            except LauncherError as error:
                lost.append(error)

        threads = [threading.Thread(target=write, args=(stamp,)) for stamp in stamps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stamp = found(there.url("stamping")).stamp
        assert stamp in won
        assert {(error.slug, error.code) for error in lost} <= {("bad-stamp", 65)}
        assert all("meanwhile" in error.message for error in lost)
        if not renewed:
            assert len(won) == 1

    def test_a_writer_that_is_ended_in_between_leaves_nothing(
        self, there: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from launcher.identity import postgresql_stamp

        def die(*words: object) -> None:
            raise KeyboardInterrupt

        whole = postgresql_stamp._write
        monkeypatch.setattr(postgresql_stamp, "_write", lambda *words: (whole(*words), die()))
        with pytest.raises(KeyboardInterrupt):
            server.write_stamp(expect(there.url("bare")), STAMP)
        assert found(there.url("bare")).tables == ()


def test_no_file_of_the_launcher_is_left(there: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found(there.url("main"))
    assert list(tmp_path.iterdir()) == []
