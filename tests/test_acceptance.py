"""What a hint says works: the commands that errors about the ledger name are run as they stand."""

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from running import LAUNCHER, clean_env, last_line, run, write
from sqlite_states import DB_ID, SPILL, TABLES, build, killed, patch, root_page

from launcher.identity import ledger, ledger_file
from launcher.identity.expectation import FileIdentity
from launcher.identity.url import parse_database_url, same_database
from launcher.identity.verdict import look_at

pytestmark = pytest.mark.posix  # the same code as on Windows, where test_ledger runs it
OTHER_ID = "11111111-0000-4000-8000-000000000001"


def profile(folder: Path, entry: str = "", url: str = "sqlite:///x.db") -> None:
    write(
        folder,
        f"[defaults]\npython = {json.dumps(sys.executable)}\n"
        f'[databases.telemetry]\nurl = "{url}"\ntables = {json.dumps(TABLES)}\n{entry}\n'
        '[profiles.telemetry]\ndatabase = "telemetry"\n'
        '[profiles.telemetry.tasks.drain]\nrun = ["python", "-c", "print(1)"]\n',
    )


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def follow(stderr: str, folder: Path) -> None:
    """Run the last command of the hint."""
    hint = next(line for line in stderr.splitlines() if line.startswith("hint: "))
    command = re.findall(r"autopack-run ((?:-f \S+ |--accept \S+ )*telemetry adopt(?: --\w+)?)", hint)[-1]
    done = run(shlex.split(command), folder)
    assert done.returncode == 0, f"{hint}\n{done.stderr}"


@pytest.mark.parametrize("named", [False, True], ids=["nearest", "-f"])
def test_the_hint_of_what_was_never_adopted(tmp_path: Path, named: bool) -> None:
    build(tmp_path / "x.db")
    profile(tmp_path)
    options = ["-f", str(tmp_path / "autopack-run.toml")] if named else []
    refused = run([*options, "telemetry", "drain"], tmp_path)
    assert last_line(refused).startswith("autopack-run: not-adopted: ")
    follow(refused.stderr, Path("/") if named else tmp_path)
    assert run(["telemetry", "drain"], tmp_path).returncode == 0


def test_the_hint_where_the_stamp_is_gone(tmp_path: Path) -> None:
    build(tmp_path / "x.db")
    profile(tmp_path)
    assert run(["telemetry", "adopt"], tmp_path).returncode == 0
    change(tmp_path / "x.db", "DROP TABLE autopack_identity")
    profile(tmp_path, "stamp = false")
    refused = run(["telemetry", "drain"], tmp_path)
    assert last_line(refused).startswith("autopack-run: replaced: "), refused.stderr
    assert "--accept db_id=none" in refused.stderr
    for_once = run(["--accept", "db_id=none", "telemetry", "drain"], tmp_path)
    assert (for_once.returncode, "verified" in for_once.stderr) == (0, False), for_once.stderr
    follow(refused.stderr, tmp_path)
    assert run(["telemetry", "drain"], tmp_path).returncode == 0


def test_the_ledger_follows_the_id_of_the_profile_file(tmp_path: Path) -> None:
    path = build(tmp_path / "x.db")
    profile(tmp_path)
    assert run(["telemetry", "adopt"], tmp_path).returncode == 0
    change(path, f"UPDATE autopack_identity SET value = '{OTHER_ID}' WHERE key = 'db_id'")
    profile(tmp_path, f'id = "{OTHER_ID.upper()}"')
    assert run(["telemetry", "drain"], tmp_path).returncode == 0
    entry = ledger_file.read(str(tmp_path))["telemetry"]
    assert (entry.db_id, entry.how) == (OTHER_ID, "id")
    backup = path.read_bytes()
    change(path, "INSERT INTO runs (body) VALUES ('later')")
    assert run(["telemetry", "drain"], tmp_path).returncode == 0
    path.write_bytes(backup)
    refused = run(["telemetry", "drain"], tmp_path)
    assert last_line(refused).startswith("autopack-run: rolled-back: "), refused.stderr
    follow(refused.stderr, tmp_path)


def test_an_adopt_by_the_id_is_in_the_ledger(tmp_path: Path) -> None:
    build(tmp_path / "x.db")
    profile(tmp_path, f'id = "{DB_ID}"')
    assert run(["telemetry", "adopt"], tmp_path).returncode == 0
    assert ledger_file.read(str(tmp_path))["telemetry"].how == "id"


SAME = [
    ("postgresql://u:a@localhost/db", "postgresql+psycopg://v:b@127.0.0.1:5432/db", True),
    ("mysql://DB.example./a%20b", "mariadb+pymysql://db.example:3306/a%20b", True),
    ("postgresql://[::1]/db", "postgresql://[0:0::1]/db", True),
    ("postgresql://h/db", "postgresql://h/DB", False),
    ("postgresql://h/db", "mysql://h:5432/db", False),
    ("postgresql:///db?host=/one", "postgresql:///db?host=/two", False),
    ("postgresql://h/db?sslmode=require", "postgresql://h/db", True),
]


@pytest.mark.parametrize(("one", "other", "same"), SAME)
def test_one_database_of_a_server_in_two_spellings(one: str, other: str, same: bool) -> None:
    parsed = [parse_database_url(text, "a test", None) for text in (one, other)]
    assert same_database(*parsed) is same


def test_what_holds_a_password_does_not_show_it() -> None:
    assert "s3cret" not in repr(parse_database_url("postgresql://u:s3cret@h/db?password=s3cret", "a test", None))


@pytest.fixture
def adopted(tmp_path: Path) -> Path:
    """A workspace that has adopted x.db; `old` is its state then, from which it has moved on."""
    path = build(tmp_path / "x.db")
    profile(tmp_path)
    assert run(["telemetry", "adopt"], tmp_path).returncode == 0
    (tmp_path / "old").write_bytes(path.read_bytes())
    change(path, "INSERT INTO runs (body) VALUES ('later')")
    assert run(["telemetry", "drain"], tmp_path).returncode == 0
    return tmp_path


def refused(folder: Path, slug: str, *words: str) -> str:
    done = run([*words] if words else ["telemetry", "drain"], folder)
    assert last_line(done).startswith(f"autopack-run: {slug}: "), done.stderr
    return done.stderr


def test_an_older_file_in_its_place_is_a_rollback_for_the_id_too(adopted: Path) -> None:
    profile(adopted, f'id = "{DB_ID}"')
    mark = ledger_file.read(str(adopted))["telemetry"].high_water
    (adopted / "old").replace(adopted / "x.db")  # another inode, as `mv` and rsync give it
    assert "was rolled back" in refused(adopted, "rolled-back")
    assert ledger_file.read(str(adopted))["telemetry"].high_water == mark


def test_an_older_copy_is_called_older_and_not_taken_for_a_move(adopted: Path) -> None:
    (adopted / "old").replace(adopted / "y.db")
    (adopted / "x.db").unlink()
    profile(adopted, url="sqlite:///y.db")
    assert "and it is older: its change counter" in refused(adopted, "copied-or-moved")
    follow(refused(adopted, "rolled-back", "telemetry", "adopt", "--moved"), adopted)
    assert run(["telemetry", "drain"], adopted).returncode == 0


def test_a_file_of_its_own_place_may_be_called_moved(adopted: Path) -> None:
    """As after a move of the folder to another disk: the path is the same, the inode is not."""
    path = adopted / "x.db"
    (adopted / "copy").write_bytes(path.read_bytes())
    (adopted / "copy").replace(path)
    refused(adopted, "copied-or-moved")
    assert run(["telemetry", "adopt", "--moved"], adopted).returncode == 0


def test_moved_is_refused_beside_an_original_that_cannot_be_looked_at(adopted: Path) -> None:
    (adopted / "y.db").write_bytes((adopted / "x.db").read_bytes())
    profile(adopted, url="sqlite:///y.db")
    with closing(sqlite3.connect(adopted / "x.db", isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert "which cannot be looked at" in refused(adopted, "copied-or-moved", "telemetry", "adopt", "--moved")


def test_accept_on_a_task_that_creates_is_for_once_too(adopted: Path) -> None:
    (adopted / "y.db").write_bytes((adopted / "x.db").read_bytes())
    profile(adopted, url="sqlite:///y.db")
    text = (adopted / "autopack-run.toml").read_text()
    write(adopted, text + '[profiles.telemetry.tasks.make]\nrun = ["python", "-c", "print(1)"]\ncreates = true\n')
    before = ledger_file.read(str(adopted))
    assert run(["--accept", f"db_id={DB_ID}", "telemetry", "make"], adopted).returncode == 0
    assert ledger_file.read(str(adopted)) == before


def test_copy_does_not_touch_what_may_be_the_original(adopted: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    profile(other, url=f"sqlite:///{adopted / 'x.db'}")
    before = (adopted / "x.db").read_bytes()
    refused(other, "not-accepted", "telemetry", "adopt", "--copy")
    assert (adopted / "x.db").read_bytes() == before


def test_a_stamp_gone_from_a_known_database_is_accepted_by_name_only(adopted: Path) -> None:
    change(adopted / "x.db", "DROP TABLE autopack_identity")
    assert f"by db_id {DB_ID}" in refused(adopted, "unstamped")
    refused(adopted, "unstamped", "telemetry", "adopt")
    follow(refused(adopted, "unstamped"), adopted)


def test_a_hint_never_runs_what_a_stamp_says(adopted: Path) -> None:
    change(adopted / "x.db", "UPDATE autopack_identity SET value = 'x; touch PWNED #' WHERE key = 'db_id'")
    hint = next(line for line in refused(adopted, "replaced").splitlines() if line.startswith("hint: "))
    assert "--accept db_id=… telemetry adopt" in hint
    assert "PWNED" not in hint


def test_the_file_s_id_stands_above_accept(adopted: Path) -> None:
    profile(adopted, f'id = "{OTHER_ID}"')
    refused(adopted, "wrong-database", "--accept", f"db_id={DB_ID}", "telemetry", "drain")
    refused(adopted, "wrong-database", "--accept", f"db_id={DB_ID}", "telemetry", "adopt")


def test_a_run_does_not_undo_what_was_adopted_meanwhile(adopted: Path) -> None:
    began = inspected(adopted / "x.db")
    (adopted / "y.db").write_bytes((adopted / "x.db").read_bytes())
    ledger.record(str(adopted), "telemetry", inspected(adopted / "y.db"), "restored")
    ledger.renew(str(adopted), "telemetry", began, began)
    assert ledger_file.read(str(adopted))["telemetry"].physical["path"] == "y.db"


def inspected(path: Path) -> FileIdentity:
    found = look_at(str(path))
    assert isinstance(found, FileIdentity)
    return found


@pytest.mark.parametrize("kind", ["a pipe", "a device", "too large", "a newer one"])
def test_a_ledger_that_is_none(adopted: Path, kind: str) -> None:
    path = adopted / ".autopack-run" / "ledger.toml"
    text = path.read_text()
    path.unlink()
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "a device":
            path.symlink_to("/dev/zero")
        case "too large":
            path.write_text(text + "#" * 1_100_000)
        case _:
            path.write_text(text.replace("version = 1", "version = 2"))
    done = run(["telemetry", "drain"], adopted, timeout=60)
    assert (done.returncode, "ledger" in last_line(done)) == (78, True), done.stderr


def test_parallel_adopts_of_one_database_all_succeed(tmp_path: Path) -> None:
    build(tmp_path / "x.db", name=None)
    profile(tmp_path)
    children = [
        subprocess.Popen([*LAUNCHER, "telemetry", "adopt"], cwd=tmp_path, env=clean_env(), stdout=subprocess.DEVNULL)
        for _ in range(5)
    ]
    assert [child.wait(60) for child in children] == [0] * 5


def test_a_recover_that_leaves_damage_says_so(tmp_path: Path) -> None:
    path = build(tmp_path / "x.db")
    profile(tmp_path)
    page = root_page(path, "phases")  # before there is a journal, which looking would roll back
    killed(path, *SPILL)
    patch(path, page, b"\xee" * 200)  # the journal has no copy of it
    done = run(["telemetry", "recover"], tmp_path)
    assert done.returncode == 65
    assert last_line(done).startswith("autopack-run: corrupt: "), done.stderr
    (folder,) = tmp_path.glob("x.db.before-recover-*")
    assert f"the files as they were are in {folder}" in done.stderr
    assert "now     *** in database main *** " in done.stdout
    assert not [words for words in ("recovered ", "next: ", "\\x0a") if words in done.stdout]
