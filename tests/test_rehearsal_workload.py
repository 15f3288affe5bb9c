"""The rehearsal's workload: real SQLite files, real processes, killed, stopped and run side by side."""

import json
import os
import platform
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import launcher
from launcher.rehearsal import claimant, claims, database
from launcher.rehearsal.builder import build
from launcher.rehearsal.create import create_run
from launcher.rehearsal.drain import drain_run
from launcher.rehearsal.errors import WorkloadError
from launcher.rehearsal.smape import smape
from launcher.rehearsal.stopping import StopRequest
from shells.processes import line_up

ROOT = Path(launcher.__file__).resolve().parent.parent
RUN = "telemetry-collection-v4"
EVENT_TABLES = ("llm_usage_events", "token_estimation_v2_events")
ESCALATIONS = "token_budget_escalation_events"
DEADLINE = 30


class Workload:
    """A folder, a database file in it, and the client started there as a stranger would start it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "autopack_telemetry_seed.db"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AUTOPACK_RUN")}
        kept.pop("DEBUG_DB_IDENTITY", None)
        self.env = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": f"sqlite:///{self.file.as_posix()}",
            "TELEMETRY_DB_ENABLED": "1",
        }

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "launcher.rehearsal", *words],
            cwd=self.folder,
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **env: str) -> tuple[int, str, str]:
        process = self.start(*words, **env)
        out, err = process.communicate(timeout=DEADLINE)
        return process.returncode, out, err

    def create(self, phases: int = 10) -> None:
        # In this process, as `drain` below: most tests need it, and a child takes most of a second to import.
        with patch.dict(os.environ, {"DATABASE_URL": self.env["DATABASE_URL"]}):
            create_run(RUN, phases)

    def drain(self) -> None:
        with patch.dict(os.environ, {key: self.env[key] for key in ("DATABASE_URL", "TELEMETRY_DB_ENABLED")}):
            assert drain_run(RUN, 0, StopRequest()) == 0

    def query(self, sql: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    def states(self) -> dict[str, int]:
        return dict(self.query("SELECT state, COUNT(*) FROM phases GROUP BY state"))

    def assert_each_phase_once(self, phases: int) -> None:
        names = [f"phase-{index:02}" for index in range(1, phases + 1)]
        assert self.states() == {"COMPLETE": phases}
        for table in EVENT_TABLES:
            assert [row[0] for row in self.query(f"SELECT phase_id FROM {table} ORDER BY LENGTH(phase_id), 1")] == names
        over = sorted(name for name in names if build(name).over_budget)
        assert [row[0] for row in self.query(f"SELECT phase_id FROM {ESCALATIONS} ORDER BY 1")] == over
        assert self.query("SELECT state FROM runs UNION ALL SELECT state FROM tiers") == [("COMPLETE",)] * 2


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    return Workload(tmp_path)


def completed(output: str) -> list[str]:
    """Return the phases that a drain says it completed."""
    return re.findall(r"^(\S+) COMPLETE  predicted", output, re.MULTILINE)


@pytest.mark.parametrize(
    ("predicted", "actual", "expected"),
    [(5200, 826, 145.2), (5200, 1331, 118.5), (0, 0, 0), (0, 7, 200), (7, 0, 200), (100, 100, 0)],
)
def test_smape(predicted: int, actual: int, expected: float) -> None:
    assert round(smape(predicted, actual), 1) == expected


# create


def test_create_makes_all_tables_and_ten_queued_phases(workload: Workload) -> None:
    code, out, err = workload.run("create")
    assert (code, err) == (0, "")
    assert f"created run {RUN} with 10 QUEUED phases" in out
    tables = {row[0] for row in workload.query("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"runs", "tiers", "phases", ESCALATIONS, *EVENT_TABLES}
    assert workload.states() == {"QUEUED": 10}
    assert workload.query("PRAGMA journal_mode") == [("wal",)]
    assert [path.name for path in workload.folder.iterdir()] == [workload.file.name]


def test_create_again_changes_nothing(workload: Workload) -> None:
    workload.create()
    before = workload.file.read_bytes()
    code, out, _ = workload.run("create", "--phases", "99")
    assert code == 0
    assert "is there already" in out
    assert workload.file.read_bytes() == before


def test_two_creates_at_once_make_one_run(workload: Workload) -> None:
    both = [workload.start("create") for _ in range(2)]
    said = sorted(process.communicate(timeout=DEADLINE)[0].split()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said == ["created", "run"]
    assert workload.states() == {"QUEUED": 10}


# drain


def test_drain_records_what_each_phase_took(workload: Workload) -> None:
    workload.create()
    code, out, err = workload.run("drain")
    assert (code, err) == (0, "")
    assert completed(out) == [f"phase-{index:02}" for index in range(1, 11)]
    assert "offline builder" in out
    assert "drained 10 phases, recorded 22 events, mean SMAPE 45.7 %" in out
    workload.assert_each_phase_once(10)
    known = workload.query(
        "SELECT predicted_output_tokens, actual_output_tokens, ROUND(smape_percent, 1)"
        " FROM token_estimation_v2_events WHERE phase_id IN ('phase-01', 'phase-02') ORDER BY phase_id"
    )
    assert known == [(5200, 826, 145.2), (5200, 1331, 118.5)]
    assert [path.name for path in workload.folder.iterdir()] == [workload.file.name]

    code, out, err = workload.run("drain")
    assert (code, err) == (0, "")
    assert out == f"nothing to drain; {RUN}: 10 of 10 phases COMPLETE\n"


def test_without_the_switch_no_event_is_recorded(workload: Workload) -> None:
    workload.create()
    code, out, _ = workload.run("drain", TELEMETRY_DB_ENABLED="0")
    assert code == 0
    assert "events are not recorded" in out
    assert workload.states() == {"COMPLETE": 10}
    assert [workload.query(f"SELECT COUNT(*) FROM {table}") for table in EVENT_TABLES] == [[(0,)], [(0,)]]


def test_killed_at_any_moment_and_drained_again(workload: Workload) -> None:
    phases, rounds = 80, 10
    workload.create(phases)
    told: Counter[str] = Counter()
    midway = 0
    for _ in range(rounds):
        process = workload.start("drain", "--seconds-per-phase", "0.01")
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(random.uniform(0, 0.15))
        process.kill()
        out, _ = process.communicate(timeout=DEADLINE)
        told.update(completed(first + out))
        midway += workload.states().get("QUEUED", 0) > 0
    assert midway >= 3, "the kills came too late to mean anything"
    code, out, err = workload.run("drain", "--seconds-per-phase", "0.01")
    assert (code, err) == (0, "")
    told.update(completed(out))
    assert set(told.values()) == {1}
    workload.assert_each_phase_once(phases)


@pytest.mark.parametrize("workers", [2, 4])
def test_drains_at_once_share_the_run(workload: Workload, workers: int) -> None:
    phases = 60
    workload.create(phases)
    drains = [workload.start("drain", "--seconds-per-phase", "0.02") for _ in range(workers)]
    results = [process.communicate(timeout=DEADLINE) for process in drains]
    assert [(process.returncode, err) for process, (_, err) in zip(drains, results, strict=True)] == [(0, "")] * workers
    told = Counter(phase for out, _ in results for phase in completed(out))
    assert (len(told), set(told.values())) == (phases, {1})
    assert len({row[0] for row in workload.query("SELECT claimed_by FROM phases")}) > 1
    workload.assert_each_phase_once(phases)


def test_a_drain_takes_over_from_one_killed_beside_it(workload: Workload) -> None:
    workload.create(4)
    slow = workload.start("drain", "--seconds-per-phase", "60")
    while workload.states().get("EXECUTING") != 1:
        assert slow.poll() is None
        time.sleep(0.02)
    other = workload.start("drain", "--seconds-per-phase", "0.5")
    assert other.stdout is not None
    first = [other.stdout.readline() for _ in range(2)]
    slow.kill()
    slow.communicate(timeout=DEADLINE)
    out, _ = other.communicate(timeout=DEADLINE)
    assert "phase-01 queued again" in "".join(first) + out
    workload.assert_each_phase_once(4)


HERE = platform.node()


@pytest.mark.parametrize(
    ("owner", "taken", "told"),
    [
        pytest.param(lambda: "elsewhere:1:1.00", False, "on elsewhere (pid 1), and left alone", id="other-host"),
        pytest.param(lambda: f"{HERE}:{os.getpid()}:1.00", True, "is gone", id="process-id-used-again"),
        pytest.param(lambda: str(claimant.this_process()), False, f"EXECUTING on {HERE}", id="alive"),
        pytest.param(lambda: f"{HERE}:999999999:1.00", True, "is gone", id="dead"),
        pytest.param(lambda: None, True, "is gone", id="nobody"),
    ],
)
def test_claims_of_others(
    workload: Workload,
    capsys: pytest.CaptureFixture[str],
    owner: Callable[[], str | None],
    taken: bool,
    told: str,
) -> None:
    workload.create(2)
    workload.query("UPDATE phases SET state = 'EXECUTING', claimed_by = ? WHERE phase_id = 'phase-01'", owner())
    # A claim of this very process is a live drain's like any other.
    workload.drain()
    assert told in capsys.readouterr().out
    assert workload.states() == ({"COMPLETE": 2} if taken else {"COMPLETE": 1, "EXECUTING": 1})


def test_a_phase_taken_over_is_not_recorded_twice(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    workload.create(1)
    monkeypatch.setenv("DATABASE_URL", workload.env["DATABASE_URL"])
    opened = database.open_database()
    with opened.named_in_errors():
        gone = claims.Claims(opened, RUN, claimant.Claimant(HERE, 999999999, 1.0))
        phase = gone.claim()
        assert phase is not None
        alive = claims.Claims(opened, RUN, claimant.this_process())
        assert [each.phase_id for each in alive.take_from_the_dead()] == ["phase-01"]
        again = alive.claim()
        assert again is not None
        assert not gone.complete(phase, [])
        assert alive.complete(again, [])
        assert not alive.complete(again, [])


def wait_until_executing(workload: Workload, process: subprocess.Popen[str]) -> None:
    while "EXECUTING" not in workload.states():
        assert process.poll() is None
        time.sleep(0.02)


@pytest.mark.posix
@pytest.mark.parametrize(("name", "code", "times"), [("SIGINT", 130, 1), ("SIGINT", 130, 3), ("SIGTERM", 143, 1)])
def test_a_stopped_drain_gives_its_phase_back(workload: Workload, name: str, code: int, times: int) -> None:
    workload.create()
    process = workload.start("drain", "--seconds-per-phase", "60")
    wait_until_executing(workload, process)
    for _ in range(times):
        process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, err) == (code, "stopped; run it again to resume\n")
    assert workload.states() == {"QUEUED": 10}
    workload.drain()
    workload.assert_each_phase_once(10)


@pytest.mark.posix
def test_stopped_at_random_moments(workload: Workload) -> None:
    workload.create(60)
    for _ in range(3):
        process = workload.start("drain", "--seconds-per-phase", "0.005")
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE)
        assert (process.returncode, err) == (130, "stopped; run it again to resume\n")
        assert "EXECUTING" not in workload.states()
    workload.drain()
    workload.assert_each_phase_once(60)


@pytest.mark.posix
def test_the_bar_is_drawn_only_where_a_terminal_looks(workload: Workload) -> None:
    import pty

    workload.create()
    words = [sys.executable, "-m", "launcher.rehearsal", "drain"]
    ours, theirs = pty.openpty()
    env = {**workload.env, "TERM": "xterm"}
    with subprocess.Popen(words, cwd=workload.folder, env=env, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        assert process.stdout is not None
        out = process.stdout.read().decode()
        bar = b""
        try:
            while piece := os.read(ours, 4096):
                bar += piece
        except OSError:
            pass  # Linux reports the far end's closing so
        os.close(ours)
    assert process.returncode == 0
    assert len(completed(out)) == 10
    assert b"draining" in bar
    assert b"10/10" in bar
    assert b"COMPLETE" not in bar


# what is not there


@pytest.mark.parametrize("command", ["create", "drain", "serve"])
def test_help(workload: Workload, command: str) -> None:
    code, out, _ = workload.run(command, "--help")
    assert code == 0
    assert out.startswith("Usage: python -m launcher.rehearsal " + command)


def test_an_unknown_option_is_a_usage_error(workload: Workload) -> None:
    code, _, err = workload.run("drain", "--no-such")
    assert code == 2
    assert "--no-such" in err


@pytest.mark.posix
def test_drain_with_a_closed_standard_error(workload: Workload) -> None:
    workload.create()
    drain = f"exec '{sys.executable}' -m launcher.rehearsal drain 2>&-"
    done = subprocess.run(
        ["sh", "-c", drain], cwd=workload.folder, env=workload.env, stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == 0
    assert workload.states() == {"COMPLETE": 10}


def test_drain_makes_no_database(workload: Workload) -> None:
    code, out, err = workload.run("drain")
    assert (code, out) == (1, "")
    assert err.startswith("error: sqlite:///")
    assert workload.file.name in err
    assert "nothing was created" in err
    assert list(workload.folder.iterdir()) == []


def test_drain_of_a_partial_schema_or_an_unknown_run(workload: Workload) -> None:
    workload.query("CREATE TABLE llm_usage_events (id INTEGER)")
    before = workload.file.read_bytes()
    code, _, err = workload.run("drain")
    assert code == 1
    assert "no such table" in err
    assert "Traceback" not in err
    assert workload.file.read_bytes() == before
    workload.file.unlink()
    workload.create()
    code, _, err = workload.run("drain", "--run-id", "v9")
    assert code == 1
    assert "no run v9" in err


def test_create_in_a_missing_folder(workload: Workload) -> None:
    code, _, err = workload.run("create", DATABASE_URL=f"sqlite:///{(workload.folder / 'no' / 'x.db').as_posix()}")
    assert code == 1
    assert "its folder does not exist" in err
    assert list(workload.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "url"),
    [
        ("drain", "postgresql+psycopg://u:s3cret@127.0.0.1:1/db"),
        ("create", "postgresql+psycopg://u:x@s3cret@127.0.0.1:1/db"),
        ("drain", "postgresql+psycopg://u:x@s3/cret@127.0.0.1:1/s3cret"),
        ("create", "postgresql+psycopg://127.0.0.1:1/db?password=s3cret&user=u"),
        ("drain", "mysql+pymysql://u:s3cret@127.0.0.1:1/db"),
    ],
)
def test_a_server_out_of_reach_is_told_without_a_password(workload: Workload, command: str, url: str) -> None:
    code, out, err = workload.run(command, DATABASE_URL=url)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert not re.search("s3|cret", err)


@pytest.mark.parametrize("url", ["postgres://u:s3cret@h/db", "s3cret@h", "sqlite://", "sqlite:///:memory:", ""])
def test_what_names_no_database_is_told_without_a_password(workload: Workload, url: str) -> None:
    with patch.dict(os.environ, {"DATABASE_URL": url}), pytest.raises(WorkloadError, match="DATABASE_URL") as caught:
        create_run(RUN, 1)
    assert not re.search("s3|cret", str(caught.value))
    assert list(workload.folder.iterdir()) == []


# serve


@contextmanager
def server(workload: Workload, **env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = workload.start("serve", "--port", "0", **env)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+:\d+", line)
        assert found, line or process.communicate()
        yield process, found[0]
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE)


def get(url: str) -> tuple[int, Any]:
    """Return status and JSON; no proxy of the environment is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=DEADLINE) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_health_names_the_file_that_is_open(workload: Workload) -> None:
    workload.create()
    workload.query("CREATE TABLE autopack_identity (key TEXT PRIMARY KEY, value TEXT)")
    workload.query("INSERT INTO autopack_identity VALUES ('db_id', '8b0b'), ('database', 'telemetry'), ('x', 'y')")
    with server(workload) as (process, url):
        status, answer = get(url + "/health?nonce=n%201")
        pid = answer.pop("pid")
        assert pid == process.pid or process.pid in {each.pid for each in line_up(pid)}
        file = answer["database"].pop("file")
        assert os.path.samefile(file, workload.file)
        there = workload.file.stat()
        assert (status, answer) == (
            200,
            {
                "status": "ok",
                "nonce": "n 1",
                "database": {
                    "kind": "sqlite",
                    "device": there.st_dev,
                    "inode": there.st_ino,
                    "stamp": {"db_id": "8b0b", "database": "telemetry"},
                },
            },
        )
        assert "nonce" not in get(url + "/health")[1]


def test_health_detail(workload: Workload) -> None:
    workload.create()
    with server(workload, DEBUG_DB_IDENTITY="1") as (_, url):
        _, answer = get(url + "/health")
        assert answer["database"]["stamp"] is None
        assert answer["detail"]["file"] == answer["database"]["file"]
        assert answer["detail"]["url"].startswith("sqlite:///")
        assert answer["detail"]["url"].endswith(workload.file.name)
        assert answer["detail"]["counts"] == {
            "runs": 1,
            "tiers": 1,
            "phases": 10,
            ESCALATIONS: 0,
            **dict.fromkeys(EVENT_TABLES, 0),
        }


def test_runs_shows_tiers_and_phases_while_a_drain_works(workload: Workload) -> None:
    workload.create()
    with server(workload) as (_, url):
        status, run = get(f"{url}/runs/{RUN}")
        assert (status, run["state"], run["counts"]) == (200, "QUEUED", {"QUEUED": 10})
        workload.drain()
        run = get(f"{url}/runs/{RUN}")[1]
        assert (run["state"], run["counts"]) == ("COMPLETE", {"COMPLETE": 10})
        assert [len(tier["phases"]) for tier in run["tiers"]] == [10]
        assert run["tiers"][0]["phases"][0]["completed_at"].endswith("+00:00")
        assert get(url + "/runs/unknown") == (404, {"error": "no run unknown"})
        assert get(url + "/elsewhere")[0] == 404


def test_the_server_makes_no_database_and_finds_it_later(workload: Workload) -> None:
    with server(workload) as (_, url):
        for path in ("/health", f"/runs/{RUN}"):
            status, answer = get(url + path)
            assert (status, answer["status"]) == (503, "unavailable")
            assert "nothing was created" in answer["reason"]
        assert list(workload.folder.iterdir()) == []
        workload.create()
        assert get(url + "/health")[0] == 200


def test_health_of_a_partial_schema(workload: Workload) -> None:
    workload.query("CREATE TABLE llm_usage_events (id INTEGER)")
    with server(workload) as (_, url):
        status, answer = get(url + "/health")
        assert status == 503
        assert "tables missing: phases, runs, tiers," in answer["reason"]


@pytest.mark.posix
def test_health_tells_a_file_put_in_place_of_the_open_one(workload: Workload) -> None:
    workload.create()
    with server(workload) as (_, url):
        assert get(url + "/health")[0] == 200
        copy = workload.folder / "copy.db"
        copy.write_bytes(workload.file.read_bytes())
        copy.replace(workload.file)
        status, answer = get(url + "/health")
        assert status == 503
        assert "another file is in the place" in answer["reason"]
        workload.file.unlink()
        assert "gone" in get(url + "/health")[1]["reason"]


@pytest.mark.posix
@pytest.mark.parametrize(
    ("name", "code", "ask_first"),
    [
        pytest.param("SIGINT", 130, True, id="ctrl-c-running"),
        pytest.param("SIGINT", 130, False, id="ctrl-c-starting"),
        pytest.param("SIGTERM", 143, True, id="sigterm"),
    ],
)
def test_a_stopped_server_ends_cleanly(workload: Workload, name: str, code: int, ask_first: bool) -> None:
    workload.create()
    with server(workload) as (process, url):
        if ask_first:
            assert get(url + "/health")[0] == 200
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=DEADLINE)
        assert (process.returncode, out, err) == (code, "", "stopped\n")
    assert [path.name for path in workload.folder.iterdir()] == [workload.file.name]


def test_a_port_that_is_taken(workload: Workload) -> None:
    workload.create()
    with server(workload) as (_, url):
        code, out, err = workload.run("serve", "--port", url.rpartition(":")[2])
    assert (code, out) == (1, "")
    assert err.startswith("error: cannot listen on 127.0.0.1 port ")


def test_serve_without_its_extra(workload: Workload) -> None:
    stub = "raise ModuleNotFoundError(\"No module named 'starlette'\", name='starlette')"
    (workload.folder / "starlette.py").write_text(stub, encoding="utf-8")
    code, out, err = workload.run("serve")
    assert (code, out) == (1, "")
    assert err == "error: serve needs starlette and uvicorn: pip install starlette uvicorn\n"
