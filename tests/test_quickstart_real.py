"""The quickstart scripts on the real rehearsal: from nothing to the end, again, and ended in the middle."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from quickstarts import HOSTILE, Stage, launcher_on_path, rehearsal, written
from running import wait_until

pytestmark = pytest.mark.posix
pexpect = pytest.importorskip("pexpect")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
DATABASE = "autopack_telemetry_seed.db"
WORKER = "launcher.rehearsal"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """The scripts in a folder of a hostile name; what a failed test leaves is ended."""
    made = Stage(rehearsal(tmp_path / HOSTILE), launcher_on_path(tmp_path / "bin"))
    assert written(made.home).returncode == 0
    yield made
    for process in left(made):
        process.kill()


def left(stage: Stage) -> list[psutil.Process]:
    """What still runs in the folder: launchers, servers, drains."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        here = process.info["cwd"] == str(stage.home) or str(stage.home) in " ".join(process.info["cmdline"] or ())
        if here and process.pid != os.getpid():
            found.append(process)
    return found


def phases(stage: Stage, state: str) -> int:
    with closing(sqlite3.connect(stage.home / DATABASE)) as database:
        return int(database.execute("select count(*) from phases where state = ?", (state,)).fetchone()[0])


def play(stage: Stage, shell: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        stage.command(shell), cwd=stage.home, env=stage.env(), capture_output=True, text=True, timeout=90, check=False
    )


@pytest.mark.parametrize(("first", "second"), [("bash", "dash"), ("pwsh", "ksh")])
def test_from_nothing_to_the_end_and_again(stage: Stage, first: str, second: str) -> None:
    done = play(stage, first)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10 phases COMPLETE" in done.stdout
    assert done.stdout.count("stamp     verified: db_id") == 2
    assert phases(stage, "COMPLETE") == 10
    again = play(stage, second)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing to create" in again.stderr
    assert "nothing to drain" in again.stdout
    assert left(stage) == []


@pytest.mark.parametrize("shell", ["dash", "pwsh"])
def test_a_partial_database_ends_it_before_anything_is_created(stage: Stage, shell: str) -> None:
    with closing(sqlite3.connect(stage.home / DATABASE)) as database:
        database.execute("create table runs (id)")
        database.commit()
    before = (stage.home / DATABASE).read_bytes()
    done = play(stage, shell)
    assert (done.returncode, done.stdout) == (65, "")
    assert "autopack-run: partial-schema: exit 65" in done.stderr
    assert done.stderr.count("> autopack-run") == 1
    assert (stage.home / DATABASE).read_bytes() == before


def test_a_hint_of_a_script_started_elsewhere_is_typed_there(stage: Stage) -> None:
    """In another project, whose profile file the line would find without -f."""
    tables = ("runs", "tiers", "phases", "llm_usage_events", "token_estimation_v2_events")
    with closing(sqlite3.connect(stage.home / DATABASE)) as database:
        for table in (*tables, "token_budget_escalation_events"):
            database.execute(f"create table {table} (id)")
        database.commit()
    other = rehearsal(stage.home.parent / "other")
    command = [stage.command("dash")[0], f"../{stage.home.name}/quickstart-telemetry.sh"]
    done = subprocess.run(command, cwd=other, env=stage.env(), capture_output=True, text=True, check=False)
    assert done.returncode == 65
    path = str(stage.home / "autopack-run.toml").replace("'", "'\\''").replace("!", "'\\!'")
    assert f"autopack-run -f '{path}' seed adopt" in done.stderr
    assert "autopack-run seed adopt" in play(stage, "dash").stderr


def slow(stage: Stage) -> None:
    """Its drain takes a minute from now on."""
    rehearsal(stage.home, ["--seconds-per-phase", "6"])


@pytest.mark.parametrize(
    ("shell", "how"),
    [("bash", signal.SIGKILL), ("dash", signal.SIGTERM), ("zsh", signal.SIGHUP), ("pwsh", signal.SIGKILL)],
)
def test_killed_in_the_middle_it_leaves_nothing(stage: Stage, shell: str, how: signal.Signals) -> None:
    slow(stage)
    log = stage.home.parent / "log"
    with log.open("w") as stream:
        script = subprocess.Popen(
            stage.command(shell),
            cwd=stage.home,
            env=stage.env(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    wait_until(lambda: "serve: proven" in log.read_text() and phases(stage, "EXECUTING") == 1, 40, log.read_text)
    assert len([process for process in left(stage) if WORKER in process.cmdline()]) >= 2
    script.send_signal(how)
    script.wait(10)
    wait_until(lambda: left(stage) == [], 8, lambda: [process.cmdline() for process in left(stage)])
    assert phases(stage, "COMPLETE") == 0


@pytest.mark.parametrize("shell", ["bash", "pwsh"])
def test_ctrl_c_is_130(stage: Stage, shell: str) -> None:
    slow(stage)
    program, *words = stage.command(shell)
    terminal = pexpect.spawn(
        program, words, 40, cwd=str(stage.home), env=stage.env(), encoding="utf-8", dimensions=(50, 200)
    )
    terminal.expect_exact("offline builder")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    wait_until(lambda: left(stage) == [], 8)
    assert phases(stage, "COMPLETE") == 0
