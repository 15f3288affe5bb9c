"""Writing the stamp into MariaDB: once, last, over what a writer left that died, and never over somebody else's."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from mariadb import MariaDB
from test_mysql import STAMP, STAMPED, expect, full, shown_clean

from launcher.errors import LauncherError
from launcher.identity import server
from launcher.identity.expectation import STAMP_TABLE, Stamp

pytestmark = pytest.mark.posix
__all__ = ["full"]  # a fixture

NEW = Stamp("11111111-0000-4000-8000-000000000001", "telemetry", "2027-01-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def maria(mariadb_server: MariaDB) -> MariaDB:
    return mariadb_server


def rows(running: MariaDB) -> dict[str, str]:
    return dict(running.sql(f"SELECT `key`, `value` FROM {STAMP_TABLE}", database="tele"))


@pytest.fixture
def bare(full: MariaDB) -> MariaDB:
    """The same database without a stamp."""
    full.sql(f"DROP TABLE {STAMP_TABLE}", database="tele")
    return full


def refused(running: MariaDB, renewed: bool = False) -> LauncherError:
    before = running.digest()
    with pytest.raises(LauncherError) as caught:
        server.write_stamp(expect(running.url("tele")), NEW, renewed)
    assert running.digest() == before
    return shown_clean(caught.value)


def test_written_and_read(bare: MariaDB) -> None:
    expected = expect(bare.url("tele"))
    server.write_stamp(expected, NEW)
    assert rows(bare) == NEW._asdict()
    found = server.inspect(expected)
    assert found is not None
    assert found.stamp == NEW
    assert "ENGINE=InnoDB" in bare.sql(f"SHOW CREATE TABLE {STAMP_TABLE}", database="tele")[0][1]


def test_what_a_writer_left_that_died_is_filled(full: MariaDB) -> None:
    full.sql(f"DELETE FROM {STAMP_TABLE}", database="tele")
    server.write_stamp(expect(full.url("tele")), NEW)
    assert rows(full) == NEW._asdict()


def test_somebody_else_stamped_it_meanwhile(full: MariaDB) -> None:
    error = refused(full)
    assert (error.code, error.slug) == (65, "bad-stamp")
    assert "could not be stamped: somebody else stamped it meanwhile" in error.message
    assert error.hint == "autopack-run telemetry check; if it is the right one: autopack-run telemetry adopt"
    assert rows(full) == STAMP._asdict()


def test_one_of_many_at_once_wins(bare: MariaDB) -> None:
    stamps = [NEW._replace(db_id=f"11111111-0000-4000-8000-00000000000{number}") for number in range(6)]

    def write(stamp: Stamp) -> str:
        try:
            server.write_stamp(expect(bare.url("tele")), stamp)
        except LauncherError as error:
            return f"{error.slug}: {error.hint}"
        return stamp.db_id

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(write, stamps))
    winners = [each for each in told if not each.startswith(("bad-stamp: ", "busy: "))]
    assert "RENAME" not in "".join(told)  # the winner's stamp would be lost
    assert winners == [rows(bare)["db_id"]]


def test_another_programs_table_of_that_name(bare: MariaDB) -> None:
    bare.sql(f"CREATE TABLE {STAMP_TABLE} (a INT)", database="tele")
    assert refused(bare).slug == "bad-stamp"
    assert refused(bare, renewed=True).slug == "bad-stamp"


def test_a_view_of_another_databases_stamp(bare: MariaDB) -> None:
    bare.sql("CREATE OR REPLACE DATABASE other", "GRANT ALL PRIVILEGES ON other.* TO app@'%'")
    try:
        bare.sql(*STAMPED, database="other")
        bare.sql(f"CREATE VIEW {STAMP_TABLE} AS SELECT * FROM other.{STAMP_TABLE}", database="tele")
        for renewed in (True, False):
            error = refused(bare, renewed)
            assert (error.code, error.slug) == (65, "bad-stamp")
            assert "it is a view" in error.message
    finally:
        bare.sql("DROP DATABASE other", "REVOKE ALL PRIVILEGES ON other.* FROM app@'%'")


def test_renewed(full: MariaDB) -> None:
    full.sql(f"INSERT INTO {STAMP_TABLE} VALUES ('note', 'kept')", database="tele")
    server.write_stamp(expect(full.url("tele")), NEW, renewed=True)
    assert rows(full) == NEW._asdict() | {"note": "kept"}


def test_renewed_where_half_of_it_is_missing(full: MariaDB) -> None:
    full.sql(f"DELETE FROM {STAMP_TABLE} WHERE `key` = 'created_at'", database="tele")
    assert refused(full, renewed=True).slug == "bad-stamp"
    assert rows(full)["db_id"] == STAMP.db_id


def test_renewed_where_there_is_none(bare: MariaDB) -> None:
    error = refused(bare, renewed=True)
    assert error.slug == "bad-stamp"


def test_no_right(bare: MariaDB) -> None:
    bare.sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM app@'%'", "GRANT SELECT ON tele.* TO app@'%'")
    error = refused(bare)
    assert (error.code, error.slug) == (77, "no-right")
    assert error.hint == f"GRANT CREATE, SELECT, INSERT, UPDATE ON `tele`.`{STAMP_TABLE}` TO 'app'@'%'"
    bare.sql(error.hint)
    server.write_stamp(expect(bare.url("tele")), NEW)
    assert rows(bare) == NEW._asdict()


def test_read_only(bare: MariaDB) -> None:
    bare.sql("SET GLOBAL read_only = ON")
    try:
        error = refused(bare)
    finally:
        bare.sql("SET GLOBAL read_only = OFF")
    assert (error.code, error.slug) == (77, "read-only-server")
