"""`autopack-run rehearse`, and the operator's own commands in the folder that it leaves."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from running import LAUNCHER, clean_env, run, snapshot

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
SECRET = "postgresql://u:s3cret@h/db"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that a rehearsal has left."""
    home = tmp_path_factory.mktemp("played") / "O'Brien & Söhne 50% off!"
    result = run(["rehearse", "--in", str(home)], home.parent, {"DATABASE_URL": SECRET})
    assert result.returncode == 0, result.stdout + result.stderr
    (home.parent / "stdout").write_text(result.stdout, encoding="utf-8")
    (home.parent / "stderr").write_text(result.stderr, encoding="utf-8")
    return home


@pytest.fixture
def seeded(tmp_path: Path, played: Path) -> Path:
    """A folder with the rehearsal's profile file and a fresh database, its 10 phases QUEUED."""
    (tmp_path / "autopack-run.toml").write_bytes((played / "autopack-run.toml").read_bytes())
    made = run(["seed", "create"], tmp_path)
    assert made.returncode == 0, made.stderr
    return tmp_path


def counts(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "autopack_telemetry_seed.db")) as database:
        number = lambda query: database.execute(f"select count(*) from {query}").fetchone()[0]  # noqa: E731
        return {
            "complete": number("phases where state = 'COMPLETE'"),
            "queued": number("phases where state = 'QUEUED'"),
            "usage": number("llm_usage_events"),
            "phases with usage": number("(select distinct phase_id from llm_usage_events)"),
            "estimations": number("token_estimation_v2_events"),
        }


DONE = {"complete": 10, "queued": 0, "usage": 10, "phases with usage": 10, "estimations": 10}


def test_the_evidence_is_shown(played: Path) -> None:
    shown = (played.parent / "stdout").read_text(encoding="utf-8")
    evidence = shown[shown.index("Evidence") :]
    assert "1 database file in" in evidence
    assert "10 of 10 COMPLETE" in evidence
    assert "10 token_estimation_v2_events" in evidence
    assert "answers at http://127.0.0.1:" in evidence
    commands = [line.removeprefix("$ autopack-run ") for line in shown.splitlines() if line.startswith("$ ")]
    assert [words.split()[-1] for words in commands] == ["create", "check", "drain", "check"]
    assert counts(played) == DONE


def test_the_shells_database_url_is_left_out_and_never_shown(played: Path) -> None:
    shown = (played.parent / "stdout").read_text(encoding="utf-8")
    assert "this shell's DATABASE_URL is left out" in shown
    assert "s3cret" not in shown + (played.parent / "stderr").read_text(encoding="utf-8")


def test_commands_work_by_hand_and_checking_touches_nothing(played: Path) -> None:
    before = snapshot(played)
    report = run(["telemetry", "check", "--json"], played)
    assert report.returncode == 0, report.stderr
    assert json.loads(report.stdout)["verdict"] == "verified"
    assert snapshot(played) == before


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    refused = run(["rehearse", "--in", str(tmp_path)], tmp_path)
    assert refused.returncode == 78
    assert sorted(os.listdir(tmp_path)) == ["mine"]


def test_a_server_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    url = "postgresql+psycopg://u:s3cret@127.0.0.1:1/db"
    refused = run(["rehearse", "--in", str(tmp_path / "new"), "--url", url], tmp_path)
    assert refused.returncode in (69, 78)  # 78: no driver is installed
    assert "s3cret" not in refused.stdout + refused.stderr
    assert os.listdir(tmp_path) == []


def test_a_file_with_an_earlier_run_is_refused(tmp_path: Path, played: Path) -> None:
    path = played / "autopack_telemetry_seed.db"
    before = snapshot(played)
    refused = run(["rehearse", "--in", str(tmp_path / "new"), "--url", f"sqlite:///{path.as_posix()}"], tmp_path)
    assert refused.returncode in (65, 78), refused.stderr  # 78: its folder's name has a %
    assert os.listdir(tmp_path) == []
    assert snapshot(played) == before


def start_drain(folder: Path) -> "subprocess.Popen[bytes]":
    words = [*LAUNCHER, "telemetry", "drain", "--seconds-per-phase", "0.15"]
    return subprocess.Popen(words, cwd=folder, env=clean_env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.posix
@pytest.mark.parametrize("after", [0.5, 0.9, 1.4])
def test_a_killed_drain_is_resumed_without_loss_or_repetition(seeded: Path, after: float) -> None:
    drain = start_drain(seeded)
    deadline = time.monotonic() + 60
    while counts(seeded)["complete"] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(after - 0.4)
    drain.send_signal(signal.SIGKILL)
    drain.wait()
    assert counts(seeded)["complete"] < 10
    again = run(["telemetry", "drain", "--seconds-per-phase", "0"], seeded)
    assert again.returncode == 0, again.stderr
    assert counts(seeded) == DONE


def test_two_drains_at_once_share_the_phases(seeded: Path) -> None:
    drains = [start_drain(seeded) for _ in range(2)]
    assert [drain.wait(60) for drain in drains] == [0, 0]
    assert counts(seeded) == DONE


def test_a_drained_run_has_nothing_more_to_do(seeded: Path) -> None:
    assert start_drain(seeded).wait(60) == 0
    again = run(["telemetry", "drain"], seeded)
    assert again.returncode == 0
    assert counts(seeded) == DONE
