"""MySQL and MariaDB: what the probe tells of a real server, and every fault; nothing on the server ever changes."""

import dataclasses
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from mariadb import PASSWORD, MariaDB, mariadb
from ports import free_port, listening

from launcher.errors import LauncherError, WrongDataError
from launcher.identity import mysql, mysql_options, mysql_url, server
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp
from launcher.identity.url import parse_database_url
from launcher.identity.verdict import verify_identity

pytestmark = pytest.mark.posix

TABLES = ("phases", "runs")
STAMP = Stamp("8b0b2a52-7d55-4a6e-9d5c-0f1c2d3e4f50", "telemetry", "2026-01-02T03:04:05+00:00")
STAMPED = (
    f"CREATE TABLE {STAMP_TABLE} (`key` VARCHAR(64) PRIMARY KEY, `value` VARCHAR(255) NOT NULL)",
    f"INSERT INTO {STAMP_TABLE} VALUES ('db_id', '{STAMP.db_id}'), ('database', 'telemetry'),"
    f" ('created_at', '{STAMP.created_at}')",
)
MADE = ("CREATE TABLE phases (id INT PRIMARY KEY, secret TEXT)", "CREATE TABLE runs (id INT PRIMARY KEY)")


@pytest.fixture(scope="module")
def maria() -> Iterator[MariaDB]:
    with mariadb() as running:
        yield running


@pytest.fixture
def full(maria: MariaDB) -> MariaDB:
    """The database `tele` with its tables, one row, its stamp, and every right for the plain user."""
    if _BUILT.get(maria.port) != maria.digest():  # a third of a second, which most tests need not spend
        maria.sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM app@'%'", "CREATE OR REPLACE DATABASE tele")
        maria.sql("GRANT ALL PRIVILEGES ON tele.* TO app@'%'")
        maria.sql(*MADE, "INSERT INTO phases VALUES (1, 'x')", *STAMPED, database="tele")
        _BUILT[maria.port] = maria.digest()
    return maria


_BUILT: dict[int, str] = {}
"""The state of each server after it was built last, by port."""


def expect(url: str, **more: Any) -> Expectation:
    parsed = parse_database_url(url, "autopack-run.toml:5", None)
    return Expectation("telemetry", parsed, "autopack-run.toml:5", "telemetry", tables=TABLES)._replace(**more)


def probed(maria: MariaDB, expected: Expectation) -> Any:
    """What the probe finds; the server is the same before and after."""
    before = maria.digest()
    try:
        return server.inspect(expected)
    finally:
        assert maria.digest() == before


def refused(maria: MariaDB, expected: Expectation) -> LauncherError:
    with pytest.raises(LauncherError) as caught:
        probed(maria, expected)
    return shown_clean(caught.value)


def shown_clean(error: LauncherError, secret: str = PASSWORD) -> LauncherError:
    for text in (error.message, error.hint):
        assert secret not in text
        assert text.isprintable()
    assert error.__cause__ is None
    return error


def test_what_it_tells(full: MariaDB) -> None:
    found = probed(full, expect(full.url("tele"), needs_rows=("phases", "runs")))
    host, version = full.sql("SELECT @@hostname, VERSION()")[0]
    assert found.physical == {"host": host, "port": full.port, "database": "tele"}
    assert (found.kind, found.database, found.version, found.schema) == ("mysql", "tele", version, None)
    assert (found.replica, found.read_only, found.high_water, found.settled) == (False, False, None, None)
    assert found.tables == (STAMP_TABLE, *TABLES)
    assert (found.stamp, found.revision, found.empty, found.notes) == (STAMP, None, ("runs",), ())
    assert found.spot == f"mysql+pymysql://app:***@127.0.0.1:{full.port}/tele"


@pytest.mark.parametrize(
    "scheme",
    [
        "mysql", "mariadb", "mysql+mysqldb", "mysql+asyncmy", "mysql+aiomysql", "mysql+mysqlconnector",
        "mariadb+mariadbconnector", "mariadb+pymysql",
    ],
)  # fmt: skip
def test_any_driver_is_probed_alike(full: MariaDB, scheme: str) -> None:
    options = "?charset=utf8mb4&use_unicode=1&connect_timeout=60&compress=1&pool_name=x&ssl_mode=PREFERRED"
    found = probed(full, expect(full.url("tele").replace("mysql+pymysql", scheme) + options))
    assert (found.stamp, found.notes) == (STAMP, ())


def test_an_alias_of_the_host_is_the_same_place(full: MariaDB) -> None:
    by_number, by_name = (expect(full.url("tele", host=host)) for host in ("127.0.0.1", "localhost"))
    by_socket = expect(full.admin_url("tele"))
    same = [probed(full, each).physical for each in (by_number, by_name, by_socket)]
    assert same[0] == same[1] == same[2]


@pytest.mark.parametrize("scheme", ["mysql", "mysql+mysqldb", "mariadb", "mariadb+mariadbconnector", "mysql+pyodbc"])
def test_a_driver_in_c_goes_another_way_to_localhost(full: MariaDB, scheme: str) -> None:
    """To the default socket, which may be another server's: that one was used, and this one was verified."""
    for host in ("localhost", "LocalHost", ""):
        url = full.url("tele", host=host).replace("mysql+pymysql", scheme)
        error = refused(full, expect(url if host else url.replace("app:", "").replace(f"{PASSWORD}@", "")))
        assert (error.code, error.slug) == (78, "ambiguous-url")
        assert "this driver goes to the server's default socket, whatever the port" in error.message
        assert "write 127.0.0.1 for the host, or add unix_socket=" in error.hint
    by_socket = full.admin_url("tele").replace("mysql+pymysql", scheme)
    assert probed(full, expect(by_socket)).stamp == STAMP


def test_a_socket_beside_another_host_is_refused(full: MariaDB) -> None:
    by_both = full.admin_url("tele").replace("@localhost", "@127.0.0.1:1")
    assert probed(full, expect(by_both)).stamp == STAMP  # PyMySQL always takes the socket
    error = refused(full, expect(by_both.replace("+pymysql", "+aiomysql")))
    assert (error.code, error.slug) == (78, "ambiguous-url")
    assert "says a host and a unix_socket" in error.message


def test_a_port_that_only_a_driver_in_c_takes_is_refused() -> None:
    variables = {"MYSQL_TCP_PORT": "3307"}
    with pytest.raises(LauncherError, match="MYSQL_TCP_PORT is set") as caught:
        mysql_url.refuse_unsaid(expect("mysql+mysqldb://app@127.0.0.1/tele", variables=variables))
    assert "MYSQL_TCP_PORT" in caught.value.hint
    mysql_url.refuse_unsaid(expect("mysql+mysqldb://app@127.0.0.1:3306/tele", variables=variables))
    mysql_url.refuse_unsaid(expect("mysql+pymysql://app@127.0.0.1/tele", variables=variables))


@dataclasses.dataclass
class Content:
    name: str
    sql: tuple[str, ...]
    tables: tuple[str, ...] = (STAMP_TABLE, *TABLES)
    stamp: Stamp | None = STAMP
    revision: str | None = None
    note: str = ""


CONTENT = [
    Content("no tables", (f"DROP TABLE phases, runs, {STAMP_TABLE}",), (), None),
    Content("partial", ("DROP TABLE runs",), (STAMP_TABLE, "phases")),
    Content("another program's", (f"DROP TABLE phases, runs, {STAMP_TABLE}", "CREATE TABLE wp_posts (id INT)"), ("wp_posts",), None),
    Content("unstamped", (f"DROP TABLE {STAMP_TABLE}",), TABLES, None),
    Content("half a stamp: a writer died", (f"DELETE FROM {STAMP_TABLE}",), stamp=None, note="is empty"),
    Content("another name", (f"UPDATE {STAMP_TABLE} SET value = 'dev' WHERE `key` = 'database'",), stamp=STAMP._replace(database="dev")),
    Content("alembic", ("CREATE TABLE alembic_version (version_num VARCHAR(32))", "INSERT INTO alembic_version VALUES ('b2'), ('a1')"), ("alembic_version", STAMP_TABLE, *TABLES), revision="a1, b2"),
    Content("another alembic_version", ("CREATE TABLE alembic_version (n INT)",), ("alembic_version", STAMP_TABLE, *TABLES)),
    Content("other capitals", ("RENAME TABLE runs TO Runs",), (STAMP_TABLE, "phases"), note="Runs is another table"),
    Content("hostile names", ("CREATE TABLE `a``b%s:c` (id INT)", "CREATE TABLE `x\x1b[31m` (id INT)"), ("a`b%s:c", STAMP_TABLE, "phases", "runs", "x\\x1b[31m")),
]  # fmt: skip


@pytest.mark.parametrize("case", CONTENT, ids=[case.name for case in CONTENT])
def test_content(full: MariaDB, case: Content) -> None:
    full.sql(*case.sql, database="tele")
    found = probed(full, expect(full.url("tele")))
    assert (found.tables, found.stamp, found.revision) == (case.tables, case.stamp, case.revision)
    assert case.note in "".join(found.notes)
    assert bool(found.notes) == bool(case.note)


def test_required_tables_are_found_behind_hundreds(full: MariaDB) -> None:
    full.sql(*(f"CREATE TABLE a{number:03} (id INT) ENGINE=MEMORY" for number in range(60)), database="tele")
    found = probed(full, expect(full.url("tele"), tables=("runs", "a`b%s"), needs_rows=("phases",)))
    assert {"runs", "phases", STAMP_TABLE} <= set(found.tables)
    assert len(found.tables) < 60


def test_a_task_that_creates_finds_nothing(full: MariaDB) -> None:
    expected = expect(full.url("tele"), creates=True)
    assert probed(full, expected).stamp == STAMP
    full.sql(f"DROP TABLE phases, {STAMP_TABLE}", database="tele")
    assert probed(full, expected).tables == ("runs",)
    full.sql("DROP TABLE runs", STAMPED[0], database="tele")  # whose writer died
    assert probed(full, expected) is None
    full.sql(f"DROP TABLE {STAMP_TABLE}", database="tele")
    assert probed(full, expected) is None
    assert refused(full, expected._replace(url=expect(full.admin_url("gone")).url)).slug == "no-such-database"


def test_a_task_that_creates_refuses_another_programs_database(full: MariaDB) -> None:
    full.sql(f"DROP TABLE phases, runs, {STAMP_TABLE}", "CREATE TABLE wp_posts (id INT)", database="tele")
    for needs_rows in ((), ("runs",)):
        before = full.digest()
        with pytest.raises(WrongDataError, match="none of our tables; found wp_posts") as caught:
            verify_identity(expect(full.url("tele"), creates=True, needs_rows=needs_rows))
        assert full.digest() == before
        assert (caught.value.code, caught.value.slug) == (65, "other-program")


def test_no_stamp_wanted(full: MariaDB) -> None:
    expected = expect(full.url("tele"), stamped=False)
    assert refused(full, expected).slug == "no-identity"
    assert mysql.inspect(expected).stamp == STAMP  # type: ignore[union-attr]


BAD_STAMPS = [
    ("other columns", ("CREATE TABLE {0} (a INT, b INT)",), "it has other columns"),
    ("other keys", ("CREATE TABLE {0} (`key` TEXT, `value` TEXT)", "INSERT INTO {0} VALUES ('a', 'b')"), "it does not say db_id"),
    ("twice", ("CREATE TABLE {0} (`key` TEXT, `value` TEXT)", "INSERT INTO {0} VALUES ('db_id', 'b'), ('db_id', 'c')"), "one thing twice"),
    ("empty value", (STAMPED[0], "INSERT INTO {0} VALUES ('db_id', ''), ('database', 'x'), ('created_at', 'x')"), "it does not say db_id"),
    ("a view of another's", (*(each.replace(STAMP_TABLE, "theirs") for each in STAMPED), "CREATE VIEW {0} AS SELECT * FROM theirs"), "it is a view"),
    ("another's by its engine", (*(each.replace(STAMP_TABLE, "theirs") + " ENGINE=MyISAM" * each.startswith("CREATE") for each in STAMPED), "CREATE TABLE {0} (`key` VARCHAR(64), `value` VARCHAR(255)) ENGINE=MERGE UNION=(theirs)"), "it is a table of the engine MRG_MyISAM"),
    ("a view of nothing", ("CREATE VIEW {0} AS SELECT * FROM runs", "DROP TABLE runs"), "it is a view"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sql", "why"), BAD_STAMPS, ids=[case[0] for case in BAD_STAMPS])
def test_bad_stamp(full: MariaDB, name: str, sql: tuple[str, ...], why: str) -> None:
    full.sql(f"DROP TABLE {STAMP_TABLE}", *(each.format(STAMP_TABLE) for each in sql), database="tele")
    error = refused(full, expect(full.url("tele")))
    assert (error.code, error.slug) == (65, "bad-stamp")
    assert why in error.message
    assert f"RENAME TABLE {STAMP_TABLE} TO {STAMP_TABLE}_old, then: autopack-run telemetry adopt" in error.hint


# What stands in the place of the table `runs`, and what is told of it.
NO_TABLES = [
    ("a view of another database's", ("CREATE VIEW runs AS SELECT * FROM other.runs",), "a view"),
    ("a view whose table is gone", ("CREATE TABLE gone (id INT)", "CREATE VIEW runs AS SELECT * FROM gone", "DROP TABLE gone"), "a view"),
    ("a view whose definer is gone", ("CREATE DEFINER=nobody@'%' VIEW runs AS SELECT * FROM phases",), "a view"),
    ("a sequence", ("CREATE SEQUENCE runs",), "a sequence"),
    ("tables of another database's", ("CREATE TABLE runs (id INT) ENGINE=MERGE UNION=(other.runs) INSERT_METHOD=LAST",), "a table of the engine MRG_MyISAM"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sql", "what"), NO_TABLES, ids=[case[0] for case in NO_TABLES])
def test_a_required_table_that_is_none(full: MariaDB, name: str, sql: tuple[str, ...], what: str) -> None:
    """Its rows are elsewhere: a drain wrote into another database that way, and was verified."""
    full.sql("CREATE DATABASE other", "CREATE TABLE other.runs (id INT) ENGINE=MyISAM")
    try:
        full.sql("DROP TABLE runs", *sql, database="tele")
        for required in ({"tables": ("runs",)}, {"needs_rows": ("runs",)}):
            error = refused(full, expect(full.url("tele"), **required))
            assert (error.code, error.slug) == (65, "partial-schema")
            assert f"runs is {what}, and a table is required" in error.message
    finally:
        full.sql("DROP DATABASE other")


def test_a_required_table_that_cannot_be_read(full: MariaDB) -> None:
    full.sql("DROP TABLE runs", "CREATE TABLE runs (id INT) ENGINE=MyISAM", "FLUSH TABLES", database="tele")
    (file,) = full.folder.rglob("runs.MYD")
    file.unlink()
    error = refused(full, expect(full.url("tele"), needs_rows=("runs",)))
    assert (error.code, error.slug) == (78, "unreadable-table")
    assert "autopack-run.toml:5): runs cannot be read: " in error.message
    assert error.hint.endswith("(CHECK TABLE `runs` tells more), or leave it out of tables and needs_rows")


# Faults of the way there: a URL, what holds while it is tried, and what is told.


Way = tuple[str, Callable[[MariaDB, ExitStack], str], int, str, str, str]
WAYS: list[Way] = [
    ("refused", lambda m, s: f"mysql://app:{PASSWORD}@127.0.0.1:{free_port()}/tele", 69, "unreachable", "connection refused", "start the server"),
    ("no such host", lambda m, s: f"mysql://app:{PASSWORD}@nowhere.invalid/tele", 69, "unreachable", "name was not found", "fix the host"),
    ("silent", lambda m, s: f"mysql://app:{PASSWORD}@127.0.0.1:{s.enter_context(listening())}/tele", 69, "unreachable", "did not answer in time", "drop the connection"),
    ("hangs up", lambda m, s: f"mysql://app:{PASSWORD}@127.0.0.1:{s.enter_context(listening(hangs_up=True))}/tele", 69, "unreachable", "connection was lost", "MySQL or MariaDB server?"),
    ("another protocol", lambda m, s: f"mysql://app:{PASSWORD}@127.0.0.1:{s.enter_context(listening(b'HTTP/1.1 400 Bad' * 9, True))}/tele", 69, "unreachable|server-error", "", "MySQL or MariaDB server"),
    ("no socket", lambda m, s: "mysql://app@localhost/tele?unix_socket=/nowhere/s", 69, "unreachable", "no socket of that name", "unix_socket"),
    ("wrong password", lambda m, s: m.url("tele", password="my-s3cret-78"), 77, "wrong-password", "the server does not say which", "autopack-run.toml:5"),
    ("unknown user", lambda m, s: m.url("tele", user="nobody-here"), 77, "wrong-password", "the server does not say which", "autopack-run.toml:5"),
    ("missing, to its admin", lambda m, s: m.admin_url("gone"), 78, "no-such-database", "no database of that name. Nothing was created", "CREATE DATABASE `gone`"),
    ("missing, to a plain user", lambda m, s: m.url("gone"), 77, "no-right", "either there is no such database, or this user has no right", "GRANT ALL PRIVILEGES ON `gone`.* TO 'app'@'%'; where it is not: CREATE DATABASE `gone`"),
    ("no right to it", lambda m, s: m.url("mysql"), 77, "no-right", "the server does not say which", "GRANT ALL PRIVILEGES ON `mysql`.* TO 'app'@'%'"),
    ("no name", lambda m, s: m.url(""), 78, "no-such-database", "names no database", "/DATABASE"),
    ("no name at all", lambda m, s: m.url("").rstrip("/"), 78, "no-such-database", "names no database", "/DATABASE"),
    ("another name in the query", lambda m, s: m.url("tele") + "?db=information_schema", 78, "ambiguous-url", "names a database before the ? and after it (db=)", "name it once"),
    ("TLS by ssl_mode", lambda m, s: m.url("tele").replace("+pymysql", "") + "?ssl_mode=REQUIRED", 69, "unreachable", "no encrypted connection", "ssl_ca"),
    ("TLS by check_hostname", lambda m, s: m.url("tele") + "?ssl_check_hostname=true", 69, "unreachable", "no encrypted connection", "ssl_ca"),
    ("TLS by identity", lambda m, s: m.url("tele").replace("pymysql", "mysqlconnector") + "?ssl_verify_identity=true", 69, "unreachable", "no encrypted connection", "ssl_ca"),
    ("unknown ssl_mode", lambda m, s: m.url("tele") + "?ssl_mode=STRICT", 78, "bad-url", "option ssl_mode is about TLS", "VERIFY_IDENTITY"),
    ("unknown option of TLS", lambda m, s: m.url("tele") + "?tls_versions=TLSv1.3", 78, "bad-url", "option tls_versions is about TLS", "ssl_mode"),
    ("no such certificate", lambda m, s: m.url("tele") + "?ssl_ca=/nowhere/my-s3cret-77.pem", 78, "bad-url", "cannot be used: No such file", "ssl_key_password"),
    ("password that PyMySQL cannot send", lambda m, s: m.url("tele", password="%D0%BF%D0%B0%D1%80"), 78, "bad-url", "characters that PyMySQL cannot send", "Latin-1"),
    ("a host without a part", lambda m, s: m.url("tele", host="a..b"), 78, "bad-url", "@a..b:", "fix the host in autopack-run.toml:5"),
    ("a host with a long part", lambda m, s: m.url("tele", host="x" * 64 + ".b"), 78, "bad-url", "its host is no host name", "fix the host in autopack-run.toml:5"),
    ("a decoded name", lambda m, s: m.url("tel%65"), 78, "ambiguous-url", "SQLAlchemy 2.1 decodes the %", "rename the database"),
    ("a command that leads elsewhere", lambda m, s: m.url("tele") + "?init_command=USE%20mysql", 78, "bad-url", "init_command (not shown)", "SET NAME = VALUE"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "url", "code", "slug", "says", "helps"), WAYS, ids=[case[0] for case in WAYS])
def test_the_way_there(
    full: MariaDB, name: str, url: Callable[[MariaDB, ExitStack], str], code: int, slug: str, says: str, helps: str
) -> None:
    with ExitStack() as stack:
        began = time.monotonic()
        error = refused(full, expect(url(full, stack)))
        assert time.monotonic() - began < server.DEADLINE_SECONDS + 5
    assert error.code == code, error.message
    assert error.slug in slug.split("|")
    assert says in error.message
    assert "autopack-run.toml:5" in error.message
    assert helps in error.hint


@pytest.mark.parametrize(
    ("command", "harmless"),
    [
        ("SET sql_mode='STRICT_TRANS_TABLES,ANSI'", True),
        ("set session time_zone = '+00:00', wait_timeout=60, @@session.lock_wait_timeout = 1.5", True),
        ("SET NAMES utf8mb4 COLLATE utf8mb4_bin, autocommit=ON", True),
        ("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", True),
        ("SET sql_mode=''; USE mysql", False),
        ("SET sql_mode='';", False),
        ("SET x = 1\nUSE mysql", False),
        ("SET/*!50000 GLOBAL */ max_connections = 1", False),
        ("SET GLOBAL max_connections = 1", False),
        ("SET @@global.max_connections = 1", False),
        ("SET SESSION wait_timeout = 1, GLOBAL max_connections = 1", False),
        ("SET PASSWORD = 'x'", False),
        ("SET wait_timeout = 1, password = 'x'", False),
        ("SET ROLE admin", False),
        ("SET DEFAULT ROLE admin", False),
        ("SET STATEMENT max_statement_time = 1 FOR USE mysql", False),
        ("SET x = (SELECT 1)", False),
        ("SET x = 'a\\' , y = ' USE mysql", False),
        ("SELECT 1", False),
    ],
)
def test_an_init_command_is_a_setting_or_refused(command: str, harmless: bool) -> None:
    from urllib.parse import quote

    expected = expect(f"mysql://app@127.0.0.1:1/tele?init_command={quote(command)}")
    url, driver, options = mysql_options.split(expected)
    if harmless:
        mysql_options.arguments(url, driver, options, expected)
        assert "was not run" in mysql_options.notes(options)[0]
        return
    with pytest.raises(LauncherError) as caught:
        server.inspect(expected)
    assert (caught.value.code, caught.value.slug) == (78, "bad-url")
    assert command not in caught.value.message


def test_a_schema_is_not_ignored(full: MariaDB) -> None:
    error = refused(full, expect(full.url("tele"), schema="app"))
    assert (error.code, error.slug) == (78, "profile-file")
    assert "[databases.telemetry] schema = 'app'" in error.message


# Servers that repeat a password: test_server_secrets.
FORMS = {
    "password": ("mysql://app:{0}@127.0.0.1:{1}/gone", "%27%22%60%3B--"),
    "query password": ("mysql://app@127.0.0.1:{1}/gone?password={0}", "p%40ss%3Aword"),
    "passwd": ("mysql+pymysql://app@127.0.0.1:{1}/gone?passwd={0}", "x.*+(%5B%5D%5C%7B"),
    "key password": ("mysql://app@127.0.0.1:{1}/gone?ssl_key=/k&ssl_cert=/c&ssl_key_password={0}", "a%20b%20c%20d"),
    "user in the query": ("mysql://app@127.0.0.1:{1}/gone?host=127.0.0.1&user={0}", "%25%37%37%3Cs%3E"),
}


@pytest.mark.parametrize(("form", "secret"), FORMS.values(), ids=FORMS)
def test_no_password_in_any_text(maria: MariaDB, form: str, secret: str) -> None:
    from urllib.parse import unquote

    error = refused(maria, expect(form.format(secret, maria.port)))
    assert error.slug in ("wrong-password", "bad-url")
    for each in (secret, unquote(secret)):
        shown_clean(error, each)


# Faults of the server and of the user's rights.


@contextmanager
def setting(maria: MariaDB, name: str, value: str, back: str) -> Iterator[None]:
    maria.sql(f"SET GLOBAL {name} = {value}")
    try:
        yield
    finally:
        maria.sql(f"SET GLOBAL {name} = {back}")


def test_read_only(full: MariaDB) -> None:
    expected = expect(full.url("tele"))
    with setting(full, "read_only", "ON", "OFF"):
        error = refused(full, expected)
        reading = probed(full, expected._replace(writes=False))
        assert refused(full, expected._replace(writes=False, creates=True)).slug == "read-only-server"
        admin = probed(full, expect(full.admin_url("tele")))
    assert (error.code, error.slug) == (77, "read-only-server")
    assert "read_only is on: a replica, or set read-only by its operator" in error.message
    assert "SET GLOBAL read_only = OFF" in error.hint
    assert (reading.read_only, admin.read_only) == (True, False)


def test_transactions_begin_read_only(full: MariaDB) -> None:
    with setting(full, "tx_read_only", "ON", "OFF"):
        error = refused(full, expect(full.url("tele")))
    assert (error.code, error.slug) == (77, "read-only-server")
    assert "SET GLOBAL tx_read_only = OFF" in error.hint


def test_replica(full: MariaDB) -> None:
    full.sql(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={free_port()}, MASTER_USER='x'")
    try:
        seen = refused(full, expect(full.admin_url("tele")))
        reading = probed(full, expect(full.admin_url("tele"), writes=False))
        full.sql("START SLAVE")
        plain = refused(full, expect(full.url("tele")))
    finally:
        full.sql("STOP SLAVE", "RESET SLAVE ALL")
    assert (seen.code, seen.slug) == (plain.code, plain.slug) == (65, "replica")
    assert "is a replica of another server" in seen.message
    assert reading.replica


def granted(full: MariaDB, *rights: str) -> None:
    full.sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM app@'%'", *(f"GRANT {right} TO app@'%'" for right in rights))


RIGHTS = [
    ("no right to a required table", ("ALL ON tele.phases", f"SELECT ON tele.{STAMP_TABLE}"), False, "'app'@'%' has no right to SELECT on table runs, or there is no such table", "GRANT SELECT ON `tele`.`runs` TO 'app'@'%'"),
    ("INSERT alone", ("ALL ON tele.phases", "INSERT ON tele.runs", f"SELECT ON tele.{STAMP_TABLE}"), False, "'app'@'%' has no right to SELECT on table runs", "GRANT SELECT ON `tele`.`runs` TO 'app'@'%'"),
    ("no right to the stamp", ("ALL ON tele.phases", "ALL ON tele.runs"), False, f"no right to SELECT on table {STAMP_TABLE}, or there is no such table", f"GRANT SELECT ON `tele`.`{STAMP_TABLE}` TO 'app'@'%'"),
    ("SELECT alone, a task that writes", ("SELECT ON tele.*",), True, "has no right to INSERT, UPDATE, DELETE on its tables (this task writes)", "GRANT INSERT, UPDATE, DELETE ON `tele`.* TO 'app'@'%'"),
    ("writes elsewhere only", ("SELECT ON tele.*", "ALL ON `tel\\_`.*", "ALL ON `other%`.*"), True, "(this task writes)", "GRANT INSERT"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rights", "writes", "says", "helps"), RIGHTS, ids=[case[0] for case in RIGHTS])
def test_no_right(full: MariaDB, name: str, rights: tuple[str, ...], writes: bool, says: str, helps: str) -> None:
    granted(full, *rights)
    error = refused(full, expect(full.url("tele"), writes=writes))
    assert (error.code, error.slug) == (77, "no-right"), error.message
    assert says in error.message
    assert helps in error.hint
    full.sql(error.hint.replace("SELECT", "SELECT, INSERT"))
    assert probed(full, expect(full.url("tele"), writes=writes)).stamp == STAMP


ENOUGH = [
    ("one table", ("SELECT ON tele.*", "INSERT ON tele.runs")),
    ("columns of one table", ("SELECT ON tele.*", "UPDATE (secret) ON tele.phases")),
    ("a pattern", ("ALL ON `te_e`.*",)),
    ("an escaped pattern", ("SELECT ON tele.*", "DELETE ON `t%`.*")),
    ("the whole server", ("SELECT, INSERT ON *.*",)),
    ("a column to read", ("SELECT (id) ON tele.phases", "SELECT ON tele.runs", f"SELECT ON tele.{STAMP_TABLE}", "INSERT ON tele.runs")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rights"), ENOUGH, ids=[case[0] for case in ENOUGH])
def test_rights_enough(full: MariaDB, name: str, rights: tuple[str, ...]) -> None:
    granted(full, *rights)
    assert probed(full, expect(full.url("tele"))).stamp == STAMP


SETTINGS = [
    ("sql_mode", "'ANSI_QUOTES'"),
    ("sql_mode", "'ORACLE'"),
    ("sql_mode", "'NO_BACKSLASH_ESCAPES'"),
    ("sql_mode", "''"),
    ("sql_quote_show_create", "0"),
]


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_no_setting_of_the_servers_hides_a_right_or_spoils_the_stamp(full: MariaDB, name: str, value: str) -> None:
    granted(full, "SELECT, CREATE, INSERT ON tele.*", r"DELETE ON `tel\_`.*")
    ((back,),) = full.sql(f"SELECT @@global.{name}")
    with setting(full, name, value, repr(back)):
        assert probed(full, expect(full.url("tele"))).stamp == STAMP
        full.sql(f"DROP TABLE {STAMP_TABLE}", database="tele")
        odd = Stamp(STAMP.db_id, r"it's \ a \" odd %s one", STAMP.created_at)
        server.write_stamp(expect(full.url("tele")), odd)
        assert probed(full, expect(full.url("tele"))).stamp == odd
        granted(full, "SELECT ON tele.*")
        assert refused(full, expect(full.url("tele"))).slug == "no-right"


def test_rights_by_a_role(full: MariaDB) -> None:
    granted(full, "SELECT ON tele.*")
    full.sql("CREATE ROLE writer", "GRANT ALL ON tele.* TO writer", "GRANT writer TO app@'%'")
    try:
        assert probed(full, expect(full.url("tele"))).stamp == STAMP
    finally:
        full.sql("DROP ROLE writer")


def test_too_many_connections(full: MariaDB) -> None:
    import pymysql

    before = full.digest()
    with ExitStack() as stack:
        stack.enter_context(setting(full, "max_connections", "10", "151"))
        for _ in range(10):
            arguments = {"host": "127.0.0.1", "port": full.port, "user": "app", "password": PASSWORD}
            stack.enter_context(pymysql.connect(**arguments))
        with pytest.raises(LauncherError) as caught:
            server.inspect(expect(full.url("tele")))
        error = shown_clean(caught.value)
    assert full.digest() == before
    assert (error.code, error.slug) == (75, "busy")
    assert "too many connections" in error.message


def test_as_many_connections_as_the_user_may_have(full: MariaDB) -> None:
    import pymysql

    full.sql("ALTER USER app@'%' WITH MAX_USER_CONNECTIONS 1")
    try:
        with pymysql.connect(host="127.0.0.1", port=full.port, user="app", password=PASSWORD):
            error = refused(full, expect(full.url("tele")))
    finally:
        full.sql("ALTER USER app@'%' WITH MAX_USER_CONNECTIONS 0")
    assert (error.code, error.slug) == (75, "busy")
    assert "used up what its account may have" in error.message


def test_a_locked_table(full: MariaDB) -> None:
    before = full.digest()
    with full.connect("tele") as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES runs WRITE")
        with pytest.raises(LauncherError) as caught:
            server.inspect(expect(full.url("tele")))
    assert (caught.value.code, caught.value.slug) == (75, "busy")
    assert full.digest() == before


@contextmanager
def in_between(maria: MariaDB, at: bytes, answer: bytes) -> Iterator[int]:
    """A port that leads to the server up to this statement, and then answers that itself and hangs up."""
    import threading

    def pass_on(source: socket.socket, target: socket.socket, until: bytes) -> None:
        with source, target:
            while (some := source.recv(65536)) and not (until and until in some):
                target.sendall(some)
            if some:
                source.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, there = listening.accept()[0], socket.create_connection(("127.0.0.1", maria.port))
            back = threading.Thread(target=pass_on, args=(there.dup(), client.dup(), b""), daemon=True)
            back.start()
            pass_on(client, there, at)

        threading.Thread(target=serve, daemon=True).start()
        yield int(listening.getsockname()[1])


def error_packet(number: int, words: str) -> bytes:
    """https://mariadb.com/kb/en/err_packet/"""
    body = b"\xff" + number.to_bytes(2, "little") + b"#HY000" + words.encode()
    return len(body).to_bytes(3, "little") + b"\1" + body


DENIED = "SELECT command denied to user 'app'@'10.0.0.9' for table 'x'"
MIDWAY = [
    ("lost at the grants", b"SHOW GRANTS", b"", 69, "unreachable", ""),
    ("the grants in too long", b"SHOW GRANTS", error_packet(1969, "max_statement_time exceeded"), 75, "busy", ""),
    ("replication in too long", b"SHOW ALL SLAVES", error_packet(1969, "max_statement_time exceeded"), 75, "busy", ""),
    ("denied", b"information_schema", error_packet(1142, DENIED), 77, "no-right", "GRANT SELECT ON `tele`.* TO 'app'@'10.0.0.9'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "at", "answer", "code", "slug", "helps"), MIDWAY, ids=[case[0] for case in MIDWAY])
def test_midway(full: MariaDB, name: str, at: bytes, answer: bytes, code: int, slug: str, helps: str) -> None:
    with in_between(full, at, answer) as port:
        error = refused(full, expect(full.url("tele").replace(f":{full.port}/", f":{port}/")))
    assert (error.code, error.slug) == (code, slug), error.message
    assert helps in error.hint


def test_init_connect_leaves_no_row_to_be_seen(full: MariaDB) -> None:
    with setting(full, "init_connect", "'SET sql_select_limit = 0'", "''"):
        assert probed(full, expect(full.url("tele"), needs_rows=("phases",))).stamp == STAMP


def test_init_connect_leads_elsewhere(full: MariaDB) -> None:
    full.sql("CREATE DATABASE elsewhere", "GRANT ALL ON elsewhere.* TO app@'%'")
    try:
        with setting(full, "init_connect", "'USE elsewhere'", "''"):
            error = refused(full, expect(full.url("tele")))
    finally:
        full.sql("DROP DATABASE elsewhere")
    assert (error.code, error.slug) == (65, "pooler-alias")
    assert "the URL says tele, the server says elsewhere" in error.message


ACCOUNTS = [
    ("locked", "IDENTIFIED BY 'my-s3cret-77' ACCOUNT LOCK", "wrong-password", "locked"),
    ("expired", "IDENTIFIED BY 'my-s3cret-77' PASSWORD EXPIRE", "wrong-password", "expired"),
    ("by the socket", "IDENTIFIED VIA unix_socket", "wrong-password", "over the socket"),
    ("TLS required of the user", "IDENTIFIED BY 'my-s3cret-77' REQUIRE SSL", "wrong-password", "encrypted connection"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "how", "slug", "says"), ACCOUNTS, ids=[case[0] for case in ACCOUNTS])
def test_accounts(full: MariaDB, name: str, how: str, slug: str, says: str) -> None:
    full.sql(f"CREATE OR REPLACE USER odd@'%' {how}", "GRANT ALL ON tele.* TO odd@'%'")
    try:
        error = refused(full, expect(full.url("tele", user="odd")))
    finally:
        full.sql("DROP USER odd@'%'")
    assert (error.code, error.slug) == (77, slug), error.message
    assert says in error.message


def test_old_mass_deletes(full: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows deleted and not purged yet: the first one that is left lies behind them all."""
    full.sql("INSERT INTO runs SELECT seq FROM seq_1_to_200000", database="tele")
    expected = expect(full.url("tele"), needs_rows=("runs",))
    reader = full.connect("tele")
    try:
        reader.cursor().execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        full.sql("DELETE FROM runs", database="tele")
        assert server.inspect(expected).empty == ("runs",)  # type: ignore[union-attr]
        monkeypatch.setattr(mysql, "ROW_SECONDS", 0.002)
        found = probed(full, expected)
    finally:
        reader.close()
    assert found.empty == ()
    assert "whether runs has rows could not be told in time" in found.notes[0]


def test_the_driver_is_not_installed(full: MariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    expected = expect(full.url("tele"))
    before = full.digest()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pymysql", None)
        with pytest.raises(LauncherError) as caught:
            server.inspect(expected)
    assert (caught.value.code, caught.value.slug) == (78, "no-driver")
    assert sys.executable in caught.value.hint
    assert "pip install " in caught.value.hint
    assert 'pymysql  or, for an installed tool, in its checkout: uv tool install ".[mysql]"' in caught.value.hint
    assert full.digest() == before
