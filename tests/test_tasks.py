"""`PROFILE TASK [ARGS…]`: where it runs, what it is told, what it may be asked, what it has created."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from running import LAUNCHER, last_line, run, snapshot, wait_until, write

from launcher.identity.expectation import STAMP_TABLE

SHOW = "import json, os, sys; print(json.dumps([os.getcwd(), sys.argv[1:], dict(os.environ)]))"
MAKE = """
import os, sqlite3, sys
url = os.environ["DATABASE_URL"]
db = sqlite3.connect(url.removeprefix("sqlite:///"))
for name in sys.argv[1].split():
    db.execute("create table " + name + " (id)")
    db.execute("insert into " + name + " values (1)")
db.commit()
sys.exit(int(sys.argv[2]))
"""


def python(code: str, *arguments: str) -> str:
    """A `run` key with this Python."""
    return "run = " + json.dumps([sys.executable, "-sPc", code, *arguments])


def with_database(folder: Path, tables: str = "runs phases", code: int = 0) -> None:
    """A profile whose task `make` makes these tables and exits with the code; the file asks for runs and phases."""
    write(
        folder,
        f"""
        [databases.main]
        url = "sqlite:///main.db"
        tables = ["runs", "phases"]
        [profiles.p]
        database = "main"
        [profiles.p.tasks.make]
        {python(MAKE, tables, str(code))}
        creates = true
        [profiles.p.tasks.show]
        {python(SHOW)}
        """,
    )


def test_two_launches_do_not_create_one_database_both(tmp_path: Path) -> None:
    """Both would find it missing; the second may try again when the first has ended, however it did."""
    with_database(tmp_path)
    slow = MAKE.replace("url =", "open('begun', 'w').close()\nsys.stdin.read()\nurl =")
    text = (tmp_path / "autopack-run.toml").read_text("utf-8")
    write(tmp_path, text.replace(json.dumps(MAKE), json.dumps(slow)))
    command = [*LAUNCHER, "p", "make"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        wait_until((tmp_path / "begun").exists)
        for words in (["p", "make"], ["--if-missing", "p", "make"]):
            second = run(words, tmp_path)
            assert second.returncode == 75, second.stderr
            assert "another launch runs p make, or a task that creates the same database" in second.stderr
        first.kill()
    write(tmp_path, text)
    done = run(["p", "make"], tmp_path)
    assert done.returncode == 0, done.stderr


def seen(folder: Path, *arguments: str, **options: dict[str, str]) -> tuple[str, list[str], dict[str, str]]:
    """What the child of SHOW saw: its folder, its arguments, its environment."""
    done = run([*arguments], folder, **options)
    assert done.returncode == 0, done.stderr
    cwd, words, env = json.loads(done.stdout)
    return cwd, words, env


def same(one: str | Path, other: str | Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


# A task's folder


def test_task_runs_in_the_files_folder(tmp_path: Path) -> None:
    write(tmp_path, f"[profiles.p.tasks.t]\n{python(SHOW)}\n")
    (tmp_path / "below").mkdir()
    cwd, words, _ = seen(tmp_path / "below", "p", "t", "a", "--", "-q")
    assert same(cwd, tmp_path)
    assert words == ["a", "--", "-q"]


@pytest.mark.parametrize("written", ["sub/x y", "{root}/sub/x y", "{env:WHERE}", "./sub/../sub/x y/."])
def test_task_runs_in_its_cwd(tmp_path: Path, written: str) -> None:
    (tmp_path / "sub" / "x y").mkdir(parents=True)
    write(tmp_path, f"[profiles.p.tasks.t]\n{python(SHOW)}\ncwd = {json.dumps(written)}\n")
    where = {"WHERE": str(tmp_path / "sub" / "x y")}
    cwd, _, _ = seen(tmp_path, "p", "t", env=where)
    assert same(cwd, tmp_path / "sub" / "x y")


@pytest.mark.posix
def test_pwd_of_the_shell_follows_the_task(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path, f'[profiles.p.tasks.t]\n{python(SHOW)}\ncwd = "sub"\n')
    assert seen(tmp_path, "p", "t", env={"PWD": str(tmp_path)})[2]["PWD"] == str(tmp_path / "sub")
    assert "PWD" not in seen(tmp_path, "p", "t")[2]
    assert seen(tmp_path, "--set", "PWD=/x", "p", "t")[2]["PWD"] == "/x"


@pytest.mark.parametrize(("cwd", "said"), [("none", "is not there"), ("autopack-run.toml", "is not a folder")])
def test_cwd_that_is_no_folder_is_a_configuration_fault(tmp_path: Path, cwd: str, said: str) -> None:
    path = write(tmp_path, f'[profiles.p.tasks.t]\nrun = ["no-such-program"]\ncwd = "{cwd}"\n')
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 78
    assert said in done.stderr
    assert f"{path}:3 (profiles.p.tasks.t.cwd)" in done.stderr
    assert last_line(done).startswith("autopack-run: no-folder: ")


def test_program_with_a_folder_is_relative_to_the_tasks_cwd(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    name = "own.cmd" if os.name == "nt" else "own"
    text = "@echo found" if os.name == "nt" else "#!/bin/sh\necho found\n"
    (tmp_path / "sub" / name).write_text(text)
    (tmp_path / "sub" / name).chmod(0o755)
    write(
        tmp_path,
        '[profiles.p.tasks.there]\nrun = ["./own"]\ncwd = "sub"\n[profiles.p.tasks.here]\nrun = ["./own"]\n'
        '[profiles.p.tasks.bare]\nrun = ["own"]\ncwd = "sub"\n',
    )
    assert run(["p", "there"], tmp_path).stdout.strip() == "found"
    for task in ("here", "bare"):
        done = run(["p", task], tmp_path / "sub")
        assert (done.returncode, done.stdout) == (127, "")


# Python, and the port


def test_python_is_the_profiles_interpreter(tmp_path: Path) -> None:
    write(
        tmp_path,
        f"[defaults]\npython = {json.dumps(sys.executable)}\n[profiles.p.tasks.t]\n"
        f'run = ["python", "-sPc", {json.dumps(SHOW)}, "{{python}}"]\nenv = {{ PATH = "" }}\n',
    )
    _, words, env = seen(tmp_path, "p", "t")
    assert words == [sys.executable]
    assert env["AUTOPACK_RUN_PYTHON"] == sys.executable


PORTS = f"""
[profiles.p]
env = {{ A = "{{port}}" }}
[profiles.p.tasks.free]
{python(SHOW, "{port}", "--port={port}")}
env = {{ B = "x{{port}}y" }}
[profiles.p.tasks.fixed]
{python(SHOW, "{port}")}
port = PORT
[profiles.p.tasks.client]
{python(SHOW)}
env = {{ API = "http://127.0.0.1:{{port}}" }}
"""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_port_is_one_number_in_all_places(tmp_path: Path) -> None:
    write(tmp_path, PORTS.replace("PORT", "1"))
    _, words, env = seen(tmp_path, "p", "free")
    port = env["A"]
    assert 1024 < int(port) < 65536
    assert (words, env["B"]) == ([port, f"--port={port}"], f"x{port}y")


def test_port_of_the_task_and_of_the_command_line(tmp_path: Path) -> None:
    fixed, chosen = str(free()), str(free())
    write(tmp_path, PORTS.replace("PORT", fixed))
    _, words, env = seen(tmp_path, "p", "fixed")
    assert (words, env["A"]) == ([fixed], fixed)
    for task in ("fixed", "free"):
        _, words, env = seen(tmp_path, "--port", chosen, "p", task)
        assert (words[0], env["A"]) == (chosen, chosen)
    assert seen(tmp_path, "--port", chosen, "p", "exec", *json.loads(python(SHOW)[6:]))[2]["A"] == chosen


def test_port_that_is_taken_is_refused_with_its_holder(tmp_path: Path, taken: int) -> None:
    write(tmp_path, PORTS.replace("PORT", str(taken)))
    for words in (["p", "fixed"], ["--port", str(taken), "p", "free"]):
        done = run(words, tmp_path)
        assert (done.returncode, done.stdout) == (75, "")
        assert f"pid {os.getpid()}" in done.stderr
        assert "--port" in done.stderr
        assert last_line(done).startswith("autopack-run: port-taken: ")
    assert run(["--port", str(free()), "p", "fixed"], tmp_path).returncode == 0


def test_client_of_a_running_server_finds_its_port_taken_and_is_glad(tmp_path: Path, taken: int) -> None:
    write(tmp_path, PORTS.replace("PORT", "1"))
    assert seen(tmp_path, "--port", str(taken), "p", "client")[2]["API"] == f"http://127.0.0.1:{taken}"


# What is told


def test_banner_and_the_childs_facts_are_the_same(tmp_path: Path) -> None:
    with_database(tmp_path)
    assert run(["p", "make"], tmp_path).returncode == 0
    done = run(["p", "show"], tmp_path)
    env = json.loads(done.stdout)[2]
    title, *rows = done.stderr.splitlines()
    told = dict(row.split(maxsplit=1) for row in rows)
    assert title == f"autopack-run: {env['AUTOPACK_RUN_PROFILE']} {env['AUTOPACK_RUN_TASK']}" == "autopack-run: p show"
    assert told["file"] == env["AUTOPACK_RUN_FILE"]
    assert told["database"] == f"{env['AUTOPACK_RUN_DATABASE']} at {env['AUTOPACK_RUN_DATABASE_PLACE']}"
    assert told["stamp"].startswith(f"verified: db_id {env['AUTOPACK_RUN_DATABASE_ID']}")
    assert told["pinned"].split()[0] == env["AUTOPACK_RUN_PINS"] == "DATABASE_URL"
    assert told["python"].split()[0] == env["AUTOPACK_RUN_PYTHON"]
    assert env["AUTOPACK_RUN_VERIFIED"] == "1"
    assert (env["DATABASE_URL_FILE"], env["DATABASE_URL"]) == ("", env["AUTOPACK_RUN_DATABASE_PLACE"])
    assert seen(tmp_path, "-q", "p", "show")[2]["AUTOPACK_RUN_PYTHON"] == env["AUTOPACK_RUN_PYTHON"]


def test_quiet_silences_the_banner_and_the_stamp(tmp_path: Path) -> None:
    with_database(tmp_path)
    for task in ("make", "show"):
        assert run(["-q", "p", task], tmp_path).stderr == ""


def test_unproven_task_says_so(tmp_path: Path) -> None:
    write(
        tmp_path,
        f'[databases.d]\nurl = "sqlite:///d.db"\n[profiles.p]\ndatabase = "d"\n'
        f"[profiles.p.tasks.t]\n{python(SHOW)}\nverify = false\n",
    )
    done = run(["p", "t"], tmp_path)
    assert done.returncode == 0
    assert "not proven (verify = false)" in done.stderr
    assert json.loads(done.stdout)[2]["AUTOPACK_RUN_VERIFIED"] == "0"


@pytest.mark.parametrize("encoding", ["cp437", "cp1252", "ascii", "utf-8"])
def test_consoles_survive_hostile_folders(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / "ü 漢 😀 o'b & %PATH% \u2019"
    folder.mkdir()
    with_database(folder, code=9)
    done = run(["p", "make"], folder, env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})
    assert done.returncode == 9, done.stderr
    assert "pinned" in done.stderr
    assert run(["p", "nope"], folder, env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}).returncode == 2


@pytest.mark.posix
def test_a_folders_name_cannot_forge_a_line_of_the_banner(tmp_path: Path) -> None:
    folder = tmp_path / "a\n  stamp     verified: forged\x1b[2J\u202e"
    folder.mkdir()
    with_database(folder, code=9)
    done = run(["p", "make"], folder)
    assert done.returncode == 9, done.stderr
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr
    assert not [line for line in done.stderr.splitlines() if line.startswith("  stamp     verified: forged")]


@pytest.mark.posix
def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/x\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes text only")
    write(folder, f"[profiles.p.tasks.t]\n{python('import os; print(ascii(os.getcwd()))')}\n")
    assert run(["p", "t"], folder).stdout.endswith("x\\udcff'\n")


# Keys without an effect yet

# Tasks that create


def stamp(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "main.db")) as database:
        if not database.execute("select 1 from sqlite_master where name = ?", [STAMP_TABLE]).fetchall():
            return []
        return [str(row) for row in database.execute(f"select * from {STAMP_TABLE}")]


def test_created_database_is_stamped_once(tmp_path: Path) -> None:
    with_database(tmp_path)
    first = run(["p", "make"], tmp_path)
    assert first.returncode == 0, first.stderr
    assert "stamped 'main'" in first.stderr
    assert stamp(tmp_path)
    with_database(tmp_path, tables="more")
    before = stamp(tmp_path)
    again = run(["p", "make"], tmp_path)
    assert again.returncode == 0, again.stderr
    assert "stamped 'main'" not in again.stderr
    assert stamp(tmp_path) == before
    assert run(["p", "check"], tmp_path).returncode == 0


def test_failed_creation_keeps_its_code_and_gets_no_stamp(tmp_path: Path) -> None:
    with_database(tmp_path, code=9)
    assert run(["p", "make"], tmp_path).returncode == 9
    assert stamp(tmp_path) == []


@pytest.mark.parametrize("tables", ["", "runs", "llm_usage_events"], ids=["nothing", "a part", "another's"])
def test_success_without_the_tables_is_wrong_data(tmp_path: Path, tables: str) -> None:
    with_database(tmp_path, tables=tables)
    done = run(["p", "make"], tmp_path)
    assert done.returncode == 65, done.stderr
    assert last_line(done).endswith("exit 65, see docs/faults.md#" + last_line(done).split(": ")[1])
    assert stamp(tmp_path) == []


def test_success_without_a_database_is_wrong_data(tmp_path: Path) -> None:
    with_database(tmp_path)
    write(
        tmp_path, (tmp_path / "autopack-run.toml").read_text().replace('os.environ[\\"DATABASE_URL\\"]', "'other.db'")
    )
    done = run(["p", "make"], tmp_path)
    assert (done.returncode, (tmp_path / "other.db").exists()) == (65, True), done.stderr
    assert str(tmp_path / "other.db") in done.stderr
    assert last_line(done).startswith("autopack-run: drift: ")
    assert not (tmp_path / "main.db").exists()


def test_empty_file_is_created_into(tmp_path: Path) -> None:
    with_database(tmp_path)
    (tmp_path / "main.db").touch()
    assert run(["p", "make"], tmp_path).returncode == 0
    assert stamp(tmp_path)


@pytest.mark.parametrize("tables", ["llm_usage_events", "runs"], ids=["another's", "a part"])
def test_creation_into_what_is_not_its_own_is_refused_before_anything_runs(tmp_path: Path, tables: str) -> None:
    with_database(tmp_path)
    with closing(sqlite3.connect(tmp_path / "main.db")) as database:
        database.execute(f"create table {tables} (id)")
    before = snapshot(tmp_path)
    done = run(["p", "make"], tmp_path)
    assert (done.returncode, snapshot(tmp_path)) == (65, before), done.stderr


def test_creation_that_changes_the_name_in_the_stamp_is_told(tmp_path: Path) -> None:
    with_database(tmp_path)
    assert run(["p", "make"], tmp_path).returncode == 0
    write(
        tmp_path, (tmp_path / "autopack-run.toml").read_text().replace("main]", "other]").replace('"main"', '"other"')
    )
    done = run(["p", "make"], tmp_path)
    assert done.returncode == 65, done.stderr
    assert last_line(done).startswith("autopack-run: wrong-database: ")
