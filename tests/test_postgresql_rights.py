"""Rights that are missing where nobody looks at first: to create the tables, to see the stamp's rows."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running import last_line, run, write

from launcher.errors import LauncherError
from launcher.identity import ledger, ledger_file, server
from launcher.identity.expectation import Expectation, Stamp
from launcher.identity.url import parse_database_url

if TYPE_CHECKING:  # of POSIX
    from postgres import Postgres

pytestmark = pytest.mark.posix
SECRET = "role-s3cret"


@pytest.fixture
def guest(postgres_server: "Postgres") -> str:
    """The URL of a role that owns nothing, to a database of its own tests."""
    postgres_server.sql("postgres", "DROP DATABASE IF EXISTS rights", "DROP ROLE IF EXISTS guest")
    postgres_server.sql("postgres", "CREATE DATABASE rights", f"CREATE ROLE guest LOGIN PASSWORD '{SECRET}'")
    return postgres_server.url("rights", "guest", SECRET)


def test_a_role_that_may_not_create_is_told_before_anything_is_made(
    tmp_path: Path, postgres_server: "Postgres", guest: str
) -> None:
    before = postgres_server.digest("rights")
    done = run(["rehearse", "--in", "r", "--url", guest], tmp_path, {"TMPDIR": str(tmp_path)})
    assert done.returncode == 77, done.stderr
    assert last_line(done).startswith("autopack-run: no-right: ")
    assert "GRANT CREATE ON SCHEMA public TO guest" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert os.listdir(tmp_path) == []
    assert postgres_server.digest("rights") == before


def test_a_stamp_whose_rows_are_hidden_is_no_bad_stamp(postgres_server: "Postgres", guest: str) -> None:
    owner = Expectation("main", parse_database_url(postgres_server.url("rights"), "a test", None), "a test", "p")
    postgres_server.sql("rights", "CREATE TABLE runs (id int)")
    server.write_stamp(owner, Stamp("8b0b", "main", "2026-01-02T03:04:05+00:00"))
    postgres_server.sql(
        "rights", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest", "GRANT INSERT ON runs TO guest",
        "ALTER TABLE autopack_identity ENABLE ROW LEVEL SECURITY",
    )  # fmt: skip
    expected = owner._replace(url=parse_database_url(guest, "a test", None), tables=("runs",))
    with pytest.raises(LauncherError) as caught:
        server.inspect(expected)
    assert (caught.value.slug, caught.value.code) == ("no-right", 77)
    assert "CREATE POLICY" in caught.value.hint
    postgres_server.sql("rights", caught.value.hint.removeprefix("as its owner: "))
    found = server.inspect(expected)
    assert found is not None
    assert found.stamp is not None


def test_after_a_task_that_only_reads_the_mark_rises_too(
    tmp_path: Path, postgres_server: "Postgres", guest: str
) -> None:
    owner = Expectation("main", parse_database_url(postgres_server.url("rights"), "a test", None), "a test", "p")
    postgres_server.sql("rights", "CREATE TABLE runs (id int)")
    server.write_stamp(owner, Stamp("8b0b", "main", "2026-01-02T03:04:05+00:00"))
    postgres_server.sql(
        "rights", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest",
        "ALTER ROLE guest SET default_transaction_read_only = on",
    )  # fmt: skip
    write(
        tmp_path,
        f'[defaults]\npython = {json.dumps(sys.executable)}\n[databases.main]\nurl = "{guest}"\ntables = ["runs"]\n'
        '[profiles.p]\ndatabase = "main"\n[profiles.p.tasks.t]\nrun = ["python", "-c", ""]\nwrites = false\n',
    )
    found = server.inspect(owner)
    assert found is not None
    ledger.record(str(tmp_path), "main", found, "adopted")
    before = ledger_file.read(str(tmp_path))["main"].high_water
    postgres_server.sql("rights", "INSERT INTO runs VALUES (1)")
    done = run(["p", "t"], tmp_path)
    assert (done.returncode, "not renewed" in done.stderr) == (0, False), done.stderr
    after = ledger_file.read(str(tmp_path))["main"].high_water
    assert before is not None
    assert after is not None
    assert after > before
