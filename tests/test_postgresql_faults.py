"""Every fault of a real PostgreSQL: its code, its words, no password in them, and nothing changed on the server."""

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.posix
pytest.importorskip("psycopg")
pytest.importorskip("pwd")  # of POSIX
from expecting import expect  # noqa: E402
from parts import need  # noqa: E402
from ports import free_port, listening  # noqa: E402
from postgres import PASSWORD, Postgres, copied, pgbouncer, postgres  # noqa: E402
from running import last_line, run, write  # noqa: E402

from launcher.errors import LauncherError  # noqa: E402
from launcher.identity import postgresql_faults, server  # noqa: E402
from launcher.identity.expectation import Expectation, ServerIdentity, Stamp  # noqa: E402

SECRET = "pw-of-roles-91"
STAMP = Stamp("8b0b2c3e-0000-4000-8000-000000000001", "telemetry", "2026-01-02T03:04:05+00:00")
OURS = {"tables": ("phases", "runs")}
ROLES = (
    "reader",
    "partial",
    "blind",
    "stampless",
    "staged",
    "lost",
    "outside",
    "barred",
    "limited",
    "calm",
    "asleep",
    '"Odd Role"',
)
MAIN = (
    "CREATE TABLE phases (id int)",
    "CREATE TABLE runs (id int)",
    "CREATE SCHEMA stage",
    "CREATE TABLE stage.phases (id int)",
    "CREATE SCHEMA shut",
    "CREATE TABLE shut.secrets ()",
    "CREATE TABLE stage.later ()",
    'CREATE TABLE "Odd ""Table" ()',
    "GRANT USAGE ON SCHEMA stage TO PUBLIC",
    "GRANT SELECT ON phases, runs TO reader, partial, stampless, staged, calm",
    "GRANT INSERT ON runs TO partial",
    "GRANT INSERT ON phases, runs TO stampless, staged, calm",
    "GRANT SELECT ON stage.phases TO staged",
    "CREATE TABLE guarded (id int)",
    "INSERT INTO guarded VALUES (1)",
    "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY",
    "GRANT SELECT, INSERT ON guarded TO partial",
    "ALTER ROLE staged SET search_path = stage, public",
    "ALTER ROLE lost SET search_path = stage",
    "ALTER ROLE outside SET search_path = shut",
    "ALTER ROLE limited CONNECTION LIMIT 0",
    "ALTER ROLE asleep NOLOGIN",
    "ALTER ROLE calm SET default_transaction_read_only = on",
)


@pytest.fixture(scope="module")
def there() -> Iterator[Postgres]:
    with postgres(autovacuum="off", max_connections="12") as there:
        hba = there.folder / "data" / "pg_hba.conf"
        first = "host all barred 127.0.0.1/32 reject\nhostssl all encrypted 127.0.0.1/32 scram-sha-256\n"
        known = f"host all postgres,nobody,{','.join(ROLES)} 127.0.0.1/32"
        hba.write_text(first + re.sub(r"(?m)^host\s+all\s+all\s+127\S+", known, hba.read_text()))
        names = ("main", "frozen", "private", "closed", "other", "odd")
        there.sql("postgres", "SELECT pg_reload_conf()", *(f"CREATE DATABASE {name}" for name in names))
        there.sql("postgres", *(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'" for role in ROLES))
        there.sql("postgres", "CREATE DATABASE loads", "ALTER DATABASE loads SET session_preload_libraries = 'nope'")
        there.sql("postgres", "ALTER DATABASE frozen SET default_transaction_read_only = on")
        there.sql("postgres", "REVOKE CONNECT ON DATABASE private FROM PUBLIC")
        there.sql("postgres", "ALTER DATABASE closed ALLOW_CONNECTIONS false")
        there.sql("main", *MAIN)
        server.write_stamp(expect(there.url("main")), STAMP)
        readers = 'reader, partial, blind, staged, lost, calm, "Odd Role"'
        there.sql("main", f"GRANT SELECT ON autopack_identity TO {readers}")
        yield there


def fault(expected: Expectation, *secrets: str) -> LauncherError:
    """What the probe raises, with none of these secrets, nor a piece of one, in its words."""
    with pytest.raises(LauncherError) as raised:
        server.inspect(expected)
    error = raised.value
    for secret in (PASSWORD, SECRET, *secrets):
        assert secret not in f"{error.message} {error.hint}"
    assert "\n" not in error.message + error.hint
    assert error.message.isprintable()
    assert error.__context__ is None or error.__suppress_context__  # what the driver said is printed nowhere
    return error


class Row(NamedTuple):
    """role "": the superuser. says: all of it stands in the message or the hint."""

    name: str
    database: str
    role: str
    fields: dict[str, Any]
    code: int
    slug: str
    says: tuple[str, ...]
    query: str = ""


ROWS = [
    Row("no such database", "nowhere", "", {}, 78, "no-such-database", ("no database 'nowhere'", "Nothing was created", " -l lists")),
    Row("no such database, creates", "nowhere", "", {"creates": True}, 78, "no-such-database", ("createdb",)),
    Row("no such database, with a blank", "no where", "", {}, 78, "no-such-database", ("-U USER 'no where' makes it",)),
    Row("empty name", "", "", {}, 78, "no-such-database", ("names no database",)),
    Row("no such user", "main", "nobody", {}, 77, "wrong-password", ("the server does not say which",)),
    Row("no pg_hba entry", "main", "barred", {}, 77, "wrong-password", ("pg_hba.conf", "pg_hba.conf rejects this user", "administrator change that file")),
    Row("only over TLS", "main", "encrypted", {}, 77, "wrong-password", ("pg_hba.conf has no entry for this user", "sslmode=require in the URL"), "sslmode=disable"),
    Row("no right to log in", "main", "asleep", {}, 77, "wrong-password", ("the password is right", "ALTER ROLE asleep LOGIN;")),
    Row("another way to log in", "main", "", {}, 78, "bad-url", ("require_auth",), "require_auth=none"),
    Row("a service beside the URL", "main", "", {"variables": {"PGSERVICE": "nosuch"}}, 78, "ambiguous-url", ("PGSERVICE is set",)),
    Row("a name that PostgreSQL cuts", "\u00e4" * 32, "", {}, 78, "bad-url", ("has 64 bytes; PostgreSQL cuts names at 63",)),
    Row("no CONNECT", "private", "reader", {}, 77, "no-right", ("GRANT CONNECT ON DATABASE private TO reader;",)),
    Row("takes no connections", "closed", "", {}, 77, "no-right", ("ALTER DATABASE closed ALLOW_CONNECTIONS true",)),
    Row("too many of the role", "main", "limited", {}, 75, "busy", ("too many connections",)),
    Row("a library that is not there", "loads", "", {}, 69, "unreachable", ("refused the connection: FATAL: could not access file",)),
    Row("no TLS there", "main", "", {}, 69, "unreachable", ("TLS: server does not support SSL",), "sslmode=require"),
    Row("no TLS there, asyncpg's word", "main", "", {}, 69, "unreachable", ("does not support SSL",), "ssl=verify-full"),
    Row("no certificate", "main", "", {}, 69, "unreachable", ("TLS",), "sslmode=verify-full&sslrootcert=/nowhere.crt"),
    Row("TLS that libpq lacks", "main", "", {}, 78, "bad-url", ("'ssl_context'", "sslmode="), "ssl_context=true"),
    Row("ssl=true", "main", "", {}, 78, "bad-url", ("asks of TLS",), "ssl=true"),
    Row("direct_tls", "main", "", {}, 78, "bad-url", ("'direct_tls'",), "direct_tls=true"),
    Row("an option's bad value", "main", "", {}, 78, "bad-url", ("not accepted",), "sslmode=sometimes"),
    Row("a setting's bad value", "main", "", {}, 78, "bad-url", ("not accepted",), "options=-c%20nosuch%3D1"),
    Row("two databases in one URL", "main", "", {}, 78, "ambiguous-url", ("its dbname twice",), "dbname=other"),
    Row("two hosts in one URL", "main", "", {}, 78, "ambiguous-url", ("its host twice",), "host=127.0.0.2"),
    Row("a name that versions read differently", "ma%69n", "", {}, 78, "ambiguous-url", ("SQLAlchemy 2.1",)),
    Row("only a standby is wanted", "main", "", {}, 65, "replica", (), "target_session_attrs=standby"),
    Row("read-only database", "frozen", "", {}, 77, "read-only-server", ("ALTER DATABASE frozen RESET default_transaction_read_only",)),
    Row("read-only role", "main", "calm", OURS, 77, "read-only-server", ("set by its user", "ALTER ROLE calm RESET")),
    Row("read-only by PGOPTIONS", "main", "", OURS | {"variables": {"PGOPTIONS": "-c default_transaction_read_only=on"}}, 77, "read-only-server", ("set by PGOPTIONS", "take default_transaction_read_only out of the profile's PGOPTIONS")),
    Row("read-only by the URL", "main", "", OURS, 77, "read-only-server", ("set by the URL's options", "take default_transaction_read_only out of the options of"), "options=-c%20default_transaction_read_only%3Don"),
    Row("no SELECT", "main", "blind", OURS, 77, "no-right", ("GRANT SELECT ON public.phases, public.runs TO blind;",)),
    Row("no SELECT on the stamp", "main", "stampless", OURS, 77, "no-right", ("GRANT SELECT ON public.autopack_identity TO stampless;",)),
    Row("nothing to write", "main", "reader", OURS, 77, "no-right", ("may not write", "GRANT SELECT, INSERT, UPDATE, DELETE ON public.phases, public.runs TO reader;")),
    Row("nothing to write, creates", "main", "reader", OURS | {"writes": False, "creates": True}, 77, "no-right", ("may not write",)),
    Row("odd names", "main", '"Odd Role"', {"tables": ('Odd "Table',)}, 77, "no-right", ('GRANT SELECT ON public."Odd ""Table" TO "Odd Role";',)),
    Row("no USAGE", "main", "outside", {"tables": ("secrets",), "stamped": False}, 77, "no-right", ("GRANT USAGE ON SCHEMA shut TO outside;",)),
    Row("no USAGE of the schema asked for", "main", "reader", {"schema": "shut"}, 77, "no-right", ("GRANT USAGE ON SCHEMA shut TO reader;",)),
    Row("role-level search_path", "main", "staged", OURS, 65, "other-schema", ("phases found in 'stage' (the search_path of role 'staged', stage, public)", "the stamp or the other tables are in 'public'")),
    Row("stamp out of reach", "main", "lost", OURS, 65, "other-schema", ("the stamp is in 'public'", "'lost' (stage) does not reach", "ALTER ROLE lost IN DATABASE main SET search_path = public;")),
    Row("stamp out of PGOPTIONS' reach", "main", "", OURS | {"variables": {"PGOPTIONS": "-c search_path=stage"}}, 65, "other-schema", ("the search_path of PGOPTIONS (stage) does not reach", "take search_path out of the profile's PGOPTIONS")),
    Row("another's table by the URL", "main", "", OURS, 65, "other-schema", ("phases found in 'stage' (the search_path of the URL's options, stage,public)", "take search_path out of the options of"), "options=-c%20search_path%3Dstage,public"),
    Row("rows that are hidden", "main", "partial", {"needs_rows": ("guarded",), "tables": ("runs",)}, 77, "no-right", ("row-level security shows this role no row of 'guarded'", "CREATE POLICY autopack_read ON public.guarded FOR SELECT USING (true);")),
    Row("table out of reach", "main", "", {"tables": ("later",)}, 65, "other-schema", ("later is in 'stage'", "does not reach", "SET search_path = stage;")),
    Row("the file's schema", "main", "", OURS | {"schema": "stage"}, 65, "other-schema", ("phases found in 'public'", "the profile file says 'stage'")),
    Row("the file's schema out of reach", "main", "", {"tables": ("later",), "schema": "stage"}, 65, "other-schema", ("later is in 'stage'", "SET search_path = stage;")),
    Row("no such schema", "main", "", {"schema": "nosuch"}, 65, "other-schema", ("there is no schema 'nosuch'",)),
]  # fmt: skip


def test_what_the_shell_put_into_pgoptions_has_a_line_to_type(there: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c search_path=stage")
    error = fault(expect(there.url("main"), tables=("phases",), variables={"PGOPTIONS": "-c search_path=stage"}))
    assert error.slug == "other-schema"
    assert "unset PGOPTIONS" in error.hint


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_fault(there: Postgres, row: Row) -> None:
    user = quote(row.role.strip('"')) or "postgres"
    url = there.url(row.database, user, SECRET if row.role else PASSWORD, row.query)
    before = there.digest("main")
    error = fault(expect(url, **row.fields))
    assert there.digest("main") == before
    assert (error.code, error.slug) == (row.code, row.slug), error.message
    for words in row.says:
        assert words in f"{error.message} | {error.hint}"


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("host={folder}&port={port}", "createdb -h {folder} -p {port} -U USER nowhere makes it"),
        ("hostaddr=127.0.0.1&port={port}", "createdb -h 127.0.0.1 -p {port} -U USER nowhere makes it"),
        ("host=127.0.0.1:{port}", "createdb -h 127.0.0.1 -p {port} -U USER nowhere makes it"),
        ("host=127.0.0.1,127.0.0.1&port={port},{port}", "make it on that server"),
    ],
    ids=["socket", "address", "host and port", "two hosts"],
)
def test_a_hint_leads_to_the_server_of_the_url(there: Postgres, query: str, hint: str) -> None:
    place = {"folder": there.folder, "port": there.port}
    error = fault(expect(f"postgresql+psycopg://postgres:{PASSWORD}@/nowhere?{query.format(**place)}"))
    assert error.slug == "no-such-database"
    assert hint.format(**place) in error.hint


@pytest.mark.parametrize(
    ("database", "role", "code", "slug"),
    [
        ("nowhere", "", 78, "no-such-database"),
        ("main", "staged", 65, "other-schema"),
    ],
)
def test_on_the_command_line(there: Postgres, tmp_path: Path, database: str, role: str, code: int, slug: str) -> None:
    url = there.url(database, role or "postgres", SECRET if role else PASSWORD)
    (tmp_path / "app.py").write_text("print('ran')")
    write(
        tmp_path,
        f'[databases.telemetry]\nurl = "{url}"\ntables = ["phases", "runs"]\n[profiles.p]\ndatabase = "telemetry"\n'
        f"[profiles.p.tasks.t]\nrun = [{json.dumps(sys.executable)}, 'app.py']\n",
    )
    before = there.digest("main")
    done = run(["p", "t"], tmp_path)
    assert there.digest("main") == before
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert last_line(done).startswith(f"autopack-run: {slug}: exit {code}")
    assert PASSWORD not in done.stderr
    assert SECRET not in done.stderr
    for path in tmp_path.rglob("*"):
        assert path.name == "autopack-run.toml" or not path.is_file() or url not in path.read_text(), path


@pytest.mark.parametrize(
    ("role", "fields", "notes"),
    [
        ("reader", {"writes": False}, []),
        ("partial", {}, ["role 'partial' cannot write phases"]),
        ("calm", {"writes": False}, []),
    ],
)
def test_what_is_no_fault(there: Postgres, role: str, fields: dict[str, Any], notes: list[str]) -> None:
    identity = server.inspect(expect(there.url("main", role, SECRET), **OURS, **fields))
    assert isinstance(identity, ServerIdentity)
    assert (list(identity.notes), identity.read_only) == (notes, role == "calm")


class TestNobodyThere:
    @pytest.mark.parametrize("driver", ["+psycopg", "+asyncpg"])
    def test_refused(self, driver: str) -> None:
        error = fault(expect(f"postgresql{driver}://u:pw@127.0.0.1:{free_port()}/main"))
        assert (error.code, error.slug) == (69, "unreachable")
        assert "nobody listens there" in error.message

    def test_no_socket(self) -> None:
        error = fault(expect("postgresql+psycopg:///main?host=/nowhere"))
        assert (error.code, error.slug) == (69, "unreachable")

    def test_no_such_host(self) -> None:
        error = fault(expect("postgresql+psycopg://u:pw@nosuch.invalid/main"))
        assert (error.code, error.slug) == (69, "unreachable")
        assert "no name server knows that host" in error.message

    @pytest.mark.parametrize(
        ("where", "words"),
        [
            ("a..b/main", "its host is no host name"),
            (f"{'a' * 64}.x/main", "its host is no host name"),
            ("/main?host=127.0.0.1,a..b", "its host is no host name"),
            ("/main?host=x,y,z&port=1,2", "number of hosts and ports"),
        ],
    )
    def test_no_host_name(self, where: str, words: str) -> None:
        error = fault(expect(f"postgresql+psycopg://u:pw@{where}"))
        assert (error.code, error.slug) == (78, "bad-url")
        assert words in error.message

    @pytest.mark.parametrize(
        ("option", "query"),
        [
            ("sslrootcert", "sslmode=verify-full&sslrootcert=/nowhere.crt"),
            ("sslrootcert", "sslmode=verify-ca&sslrootcert={junk}"),
            ("sslcert", "sslmode=require&sslcert={junk}"),
            ("sslkey", "sslmode=require&sslcert={cert}&sslkey={junk}"),
        ],
        ids=["no root", "junk for a root", "junk for a certificate", "junk for a key"],
    )
    def test_a_file_of_the_urls_cannot_be_read(self, tmp_path: Path, option: str, query: str) -> None:
        junk, cert = tmp_path / "junk", tmp_path / "cert"
        junk.write_text("nothing")
        junk.chmod(0o600)
        if "{cert}" in query:
            words = [
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/CN=x",
                "-keyout",
                "key",
                "-out",
                "cert",
            ]
            subprocess.run([need("openssl"), *words], cwd=tmp_path, check=True, capture_output=True)
        with listening(b"S") as port:  # "TLS, please"; what the files lack is told before a handshake
            text = f"postgresql+psycopg://u:pw@127.0.0.1:{port}/main?{query.format(junk=junk, cert=cert)}"
            error = fault(expect(text))
        assert (error.code, error.slug) == (78, "bad-url"), error.message
        assert f"{option} or PGSSL" in error.message

    def test_silent(self) -> None:
        with listening() as port:
            start = time.monotonic()
            error = fault(expect(f"postgresql+psycopg://u:pw@127.0.0.1:{port}/main"))
        assert (error.code, error.slug) == (69, "unreachable")
        assert "did not answer" in error.message
        assert time.monotonic() - start < server.DEADLINE_SECONDS + 3

    def test_another_program(self) -> None:
        with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
            error = fault(expect(f"postgresql+psycopg://u:pw@127.0.0.1:{port}/main"))
        assert (error.code, error.slug) == (69, "unreachable")

    @pytest.mark.parametrize("pip", [True, False])
    def test_no_driver(self, monkeypatch: pytest.MonkeyPatch, pip: bool) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: pip or None)
        monkeypatch.setitem(sys.modules, "psycopg", None)
        error = fault(expect("postgresql://u:pw@127.0.0.1:1/main"))
        assert (error.code, error.slug) == (78, "no-driver")
        assert all(word in error.hint for word in ("pip install", sys.executable, "psycopg[binary]"))
        assert ('uv tool install ".[postgresql]"' in error.hint) == (not pip)


class TestBusy:
    def test_no_connection_left(self, there: Postgres) -> None:
        import psycopg

        before = there.digest("main")
        with contextlib.ExitStack() as held:
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    held.enter_context(there.connect("other"))
            for user, password in (("postgres", PASSWORD), ("reader", SECRET)):
                error = fault(expect(there.url("main", user, password)))
                assert (error.code, error.slug) == (75, "busy")
                assert "too many connections" in error.message
        time.sleep(0.2)
        assert there.digest("main") == before

    @pytest.mark.parametrize(
        ("standby", "settings"),
        [(False, {"restore_command": "'sleep 3'"}), (True, {"hot_standby": "off"})],
        ids=["recovering", "no hot standby"],
    )
    def test_starting_up(self, there: Postgres, standby: bool, settings: dict[str, str]) -> None:
        with copied(there, wait=False, standby=standby, **settings) as copy:
            end = time.monotonic() + 60
            while (error := fault(expect(copy.url("main"), writes=False))).slug == "unreachable":
                assert time.monotonic() < end
                time.sleep(0.05)
        assert (error.code, error.slug) == (75, "busy")
        assert "is starting up" in error.message

    @pytest.mark.parametrize(
        ("table", "fields"),
        [("autopack_identity", {}), ("runs", {"needs_rows": ("runs",)})],
        ids=["stamp", "needs_rows"],
    )
    def test_locked(self, there: Postgres, table: str, fields: dict[str, Any]) -> None:
        with there.connect("main", autocommit=False) as migration:
            migration.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            error = fault(expect(there.url("main"), **fields))
        assert (error.code, error.slug) == (75, "busy")
        assert "another session holds a lock" in error.message

    @pytest.mark.parametrize("kind", ["IdleInTransactionSessionTimeout", "OperationalError"])
    def test_a_session_that_was_ended(self, kind: str) -> None:
        import psycopg

        told = getattr(psycopg.errors, kind)("FATAL:  terminating connection due to idle-in-transaction timeout")
        error = postgresql_faults.fault(told, expect("postgresql+psycopg://u:pw@127.0.0.1/main"))
        assert (error.code, error.slug) == (75, "busy")
        assert "did not answer in time: idle_in_transaction_session_timeout" in error.message


@pytest.fixture(scope="module")
def pooler(there: Postgres) -> Iterator[Postgres]:
    with pgbouncer(there, autopack="other", lent="main pool_mode=statement") as pooler:
        yield pooler


class TestPooler:
    def test_an_alias_leads_to_another_database(self, there: Postgres, pooler: Postgres) -> None:
        before = there.digest("main", "other")
        error = fault(expect(pooler.url("autopack")))
        assert there.digest("main", "other") == before
        assert (error.code, error.slug) == (65, "pooler-alias")
        assert "the URL says 'autopack', the server says 'other'" in error.message

    @pytest.mark.parametrize(
        ("database", "password", "query", "code", "slug"),
        [
            ("main", "wrong one", "", 77, "wrong-password"),
            ("nowhere", PASSWORD, "", 78, "no-such-database"),
            ("main", PASSWORD, "options=-c%20search_path%3Dstage", 78, "bad-url"),
            ("lent", PASSWORD, "", 78, "bad-url"),
        ],
        ids=["password", "database", "options", "no transactions"],
    )
    def test_its_own_words(
        self, pooler: Postgres, database: str, password: str, query: str, code: int, slug: str
    ) -> None:
        error = fault(expect(pooler.url(database, password=password, query=query)), "wrong one")
        assert (error.code, error.slug) == (code, slug), error.message

    def test_a_temporary_table_that_another_client_left(self, pooler: Postgres) -> None:
        with pooler.connect("main", prepare_threshold=None) as client:
            client.execute("CREATE TEMP TABLE phases (id int)")
            try:
                error = fault(expect(pooler.url("main"), **OURS))
            finally:
                client.execute("DROP TABLE pg_temp.phases")
        assert (error.code, error.slug) == (65, "other-schema")
        assert "a temporary table of this session hides it" in error.message
        assert "pg_temp" in error.message

    def test_no_session_left(self, pooler: Postgres) -> None:
        with pooler.connect("main", autocommit=False, prepare_threshold=None) as client:
            client.execute("SELECT 1")
            error = fault(expect(pooler.url("main")))
        assert (error.code, error.slug) == (75, "busy"), error.message


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("(id int)", "no columns key and value"),
        ("AS SELECT 'db_id' AS key, 'x' AS value", "does not say db_id, database and created_at"),
        ("AS SELECT 'db_id' AS key, 'x' AS value FROM generate_series(1, 2)", "says one thing twice"),
    ],
    ids=["shape", "lacking", "twice"],
)
def test_bad_stamp(there: Postgres, table: str, why: str) -> None:
    there.sql("odd", "DROP TABLE IF EXISTS autopack_identity", f"CREATE TABLE autopack_identity {table}")
    before = there.digest("odd")
    error = fault(expect(there.url("odd")))
    assert there.digest("odd") == before
    assert (error.code, error.slug) == (65, "bad-stamp")
    assert why in error.message


@pytest.mark.parametrize(
    ("what", "made"),
    [
        ("a view", "CREATE VIEW phases AS SELECT * FROM other"),
        ("a materialized view", "CREATE MATERIALIZED VIEW phases AS SELECT * FROM other"),
        ("a foreign table", "CREATE FOREIGN TABLE phases (id int) SERVER far"),
    ],
    ids=["view", "materialized view", "foreign table"],
)
def test_a_required_table_that_is_none(there: Postgres, what: str, made: str) -> None:
    """By postgres_fdw a drain wrote into another database, and was verified."""
    there.sql("postgres", "DROP DATABASE IF EXISTS far", "CREATE DATABASE far")
    there.sql("far", "CREATE FOREIGN DATA WRAPPER f", "CREATE SERVER far FOREIGN DATA WRAPPER f")
    there.sql("far", "CREATE TABLE other (id int)", made)
    for required in ({"tables": ("phases",)}, {"needs_rows": ("phases",)}):
        error = fault(expect(there.url("far"), **required))
        assert (error.code, error.slug) == (65, "partial-schema")
        assert f"phases is {what}, and a table is required" in error.message


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TRIGGER noisy AFTER INSERT ON autopack_identity FOR EACH ROW EXECUTE FUNCTION tsvector_update_trigger()",
        "CREATE RULE noisy AS ON DELETE TO autopack_identity DO INSTEAD NOTHING",
    ],
    ids=["trigger", "rule"],
)
def test_nothing_runs_with_a_stamp_that_is_renewed(there: Postgres, made: str) -> None:
    there.sql("postgres", "DROP DATABASE IF EXISTS noisy", "CREATE DATABASE noisy")
    server.write_stamp(expect(there.url("noisy")), STAMP)
    there.sql("noisy", made)
    with pytest.raises(LauncherError) as raised:
        server.write_stamp(expect(there.url("noisy")), STAMP._replace(db_id="new"), renewed=True)
    assert (raised.value.code, raised.value.slug) == (65, "bad-stamp")
    assert "noisy on it would run" in raised.value.message
    found = server.inspect(expect(there.url("noisy")))
    assert found is not None
    assert found.stamp == STAMP


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("a view", "CREATE VIEW autopack_identity AS SELECT * FROM away.autopack_identity"),
        ("a materialized view", "CREATE MATERIALIZED VIEW autopack_identity AS SELECT * FROM away.autopack_identity"),
        ("a foreign table", "CREATE FOREIGN TABLE autopack_identity (key text, value text) SERVER away"),
        ("a partitioned table", "CREATE TABLE autopack_identity (key text, value text) PARTITION BY LIST (key)"),
    ],
    ids=["view", "materialized view", "foreign table", "partitioned table"],
)
def test_a_stamp_that_is_elsewhere(there: Postgres, kind: str, made: str) -> None:
    """By postgres_fdw, `adopt --copy` wrote into the original's: measured. A plain view is written through likewise."""
    url = there.url("private")
    there.sql("private", "DROP SCHEMA IF EXISTS away CASCADE", "DROP FOREIGN DATA WRAPPER IF EXISTS f CASCADE")
    there.sql("private", "CREATE FOREIGN DATA WRAPPER f", "CREATE SERVER away FOREIGN DATA WRAPPER f")
    there.sql("private", "CREATE SCHEMA away")
    server.write_stamp(expect(url, schema="away"), STAMP)
    there.sql("private", made)
    errors = [fault(expect(url))]
    for renewed in (True, False):
        with pytest.raises(LauncherError) as raised:
            server.write_stamp(expect(url), STAMP._replace(db_id="new"), renewed)
        errors.append(raised.value)
    for error in errors:
        assert (error.code, error.slug) == (65, "bad-stamp")
        assert f"it is {kind}, so its rows may be another database's" in error.message
    identity = server.inspect(expect(url, schema="away"))
    assert identity is not None
    assert identity.stamp == STAMP
    there.sql(
        "private",
        "ALTER TABLE away.autopack_identity RENAME TO kept",
        "ALTER TABLE public.autopack_identity SET SCHEMA away",
    )
    identity = server.inspect(expect(url))  # out of the search_path it is nobody's
    assert identity is not None
    assert identity.stamp is None


@pytest.mark.parametrize(
    ("function", "code", "slug", "words", "hint"),
    [
        (
            "odd",
            78,
            "unreadable-table",
            "'odd_rows' of needs_rows cannot be read: oh dear",
            "leave it out of needs_rows",
        ),
        ("hidden", 77, "no-right", "permission denied for function hidden", "have its owner GRANT role reader what"),
    ],
)
def test_a_policy_that_fails(there: Postgres, function: str, code: int, slug: str, words: str, hint: str) -> None:
    body = "BEGIN RAISE EXCEPTION USING ERRCODE = 'XX999', MESSAGE = 'oh dear'; END"
    there.sql(
        "other",
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS int LANGUAGE plpgsql AS $${body}$$",
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION odd() TO PUBLIC" if function == "odd" else "SELECT 1",
        f"CREATE TABLE {function}_rows AS SELECT 1 AS id",
        f"ALTER TABLE {function}_rows ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY it ON {function}_rows USING ({function}() = 1)",
        f"GRANT SELECT ON {function}_rows TO reader",
    )
    before = there.digest("other")
    error = fault(expect(there.url("other", "reader", SECRET), needs_rows=(f"{function}_rows",), writes=False))
    assert there.digest("other") == before
    assert (error.code, error.slug) == (code, slug)
    assert words in error.message
    assert hint in error.hint


class TestStamping:
    @pytest.mark.parametrize(
        ("role", "database", "renewed", "code", "slug", "words"),
        [
            ("", "main", False, 65, "bad-stamp", "somebody else stamped it meanwhile"),
            ("", "other", True, 65, "bad-stamp", "no stamp that could be replaced"),
            ("reader", "other", False, 77, "no-right", "GRANT USAGE, CREATE ON SCHEMA public TO reader;"),
            ("", "frozen", False, 77, "read-only-server", "RESET default_transaction_read_only"),
        ],
        ids=["there already", "none to renew", "no right", "read-only"],
    )
    def test_fault(
        self, there: Postgres, role: str, database: str, renewed: bool, code: int, slug: str, words: str
    ) -> None:
        url = there.url(database, role or "postgres", SECRET if role else PASSWORD)
        before = there.digest("main", "other", "frozen")[1:]
        with pytest.raises(LauncherError) as raised:
            server.write_stamp(expect(url), STAMP, renewed)
        assert (
            there.digest("main", "other", "frozen")[1:] == before
        )  # a refused attempt may cost a transaction's number
        assert (raised.value.code, raised.value.slug) == (code, slug)
        assert words in f"{raised.value.message} | {raised.value.hint}"


class TestSecrets:
    """Servers that repeat a password: test_server_secrets."""

    @pytest.mark.parametrize("password", [r"x.*+?[y](z)|\d{2}$^", "a"])
    def test_a_wrong_password(self, there: Postgres, password: str) -> None:
        error = fault(expect(there.url("main", password=password)))
        assert (error.code, error.slug) == (77, "wrong-password")
        assert len(password) < 2 or (password not in error.message and quote(password, safe="") not in error.message)

    @pytest.mark.parametrize(
        ("option", "password"),
        [
            ("password", "it's \"quoted\" \\'"),
            ("sslpassword", "zwei\u00dfig \u20ac"),
            ("passfile", "s/l:a@sh?q=1&r"),
            ("made_up", "p%40ss%"),
        ],
    )
    def test_secrets_after_the_question_mark(self, there: Postgres, option: str, password: str) -> None:
        value = quote(password, safe="")
        for query in (f"{option}={value}&sslmode=require", f"sslmode=never&{option}={value}", f"options={value}"):
            fault(expect(there.url("main", query=query)), password, value)

    @pytest.mark.parametrize("name", ["PGPASSWORD", "PGSSLKEY"])
    def test_secrets_of_the_variables(self, there: Postgres, name: str) -> None:
        url = there.url("main", query="sslmode=require").replace(f":{PASSWORD}", "")
        fault(expect(url, variables={name: "hidden one"}), "hidden one")

    def test_a_server_that_repeats_it(self) -> None:
        words = b"SFATAL\0VFATAL\0C99999\0Myour password 'a b.*' was a%20b.*\x1b[31m\nor so\0\0"
        with listening(b"E" + (len(words) + 4).to_bytes(4, "big") + words) as port:
            url = f"postgresql+psycopg://u:a%20b.*@127.0.0.1:{port}/main?sslmode=disable&gssencmode=disable"
            error = fault(expect(url), "a b.*", "a%20b.*", "\x1b")
        assert "your password '***' was ***" in error.message

    def test_a_raw_at_sign_is_refused_before(self) -> None:
        with pytest.raises(LauncherError) as raised:
            expect("postgresql://u:p@ss@127.0.0.1/main")
        assert "%40" in raised.value.hint
