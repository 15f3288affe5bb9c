"""Many drains on one run of a server, some killed: no phase is lost or done twice, on a real PostgreSQL and MariaDB."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.posix
pytest.importorskip("pwd")  # of POSIX
import launcher  # noqa: E402
from launcher.rehearsal.builder import build  # noqa: E402

ROOT = Path(launcher.__file__).resolve().parent.parent
PHASES, WORKERS, KILLS = 300, 6, 3
DEADLINE = 120
NAMES = [f"phase-{number:02}" for number in range(1, PHASES + 1)]
ONCE = ("llm_usage_events", "token_estimation_v2_events")


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database."""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        server.run("createdb", "-U", "postgres", "work")
        return str(server.url("work"))
    other = request.getfixturevalue("mariadb_server")
    other.sql("CREATE DATABASE work", "GRANT ALL ON work.* TO app")
    return str(other.url("work"))


class Workers:
    """Drains of one run, each writing what it tells into a file of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        self.engine = create_engine(url, poolclass=NullPool)
        self.folder = folder
        kept = {name: text for name, text in os.environ.items() if not name.startswith("AUTOPACK_RUN")}
        self.env = {**kept, "PYTHONPATH": str(ROOT), "DATABASE_URL": url, "TELEMETRY_DB_ENABLED": "1"}
        self.live: list[subprocess.Popen[bytes]] = []
        self.codes: list[int] = []
        self.started = 0

    def run(self, *words: str) -> "subprocess.Popen[bytes]":
        self.started += 1
        with (self.folder / f"told-{self.started}").open("wb") as told:
            command = [sys.executable, "-m", "launcher.rehearsal", *words]
            return subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=told, stderr=subprocess.STDOUT)

    def drain(self) -> None:
        self.live.append(self.run("drain", "--seconds-per-phase", "0"))

    def query(self, sql: str) -> list[Any]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def number(self, state: str) -> int:
        return int(self.query(f"SELECT count(*) FROM phases WHERE state = '{state}'")[0][0])

    def kill_one_that_holds_a_phase(self) -> None:
        slow = self.run("drain", "--seconds-per-phase", "600")
        self.until(lambda: self.number("EXECUTING") == 1)
        slow.send_signal(signal.SIGKILL)
        slow.wait()

    def kill_and_replace(self, after: int) -> None:
        """Kill any of them at any moment after so many phases, whatever it is about."""
        self.until(lambda: self.number("COMPLETE") >= after)
        time.sleep(random.uniform(0, 0.05))
        killed = self.live.pop(random.randrange(len(self.live)))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        self.drain()

    def until(self, done: Any) -> None:
        end = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < end, self.told()
            time.sleep(0.02)

    def end(self) -> None:
        self.codes = [worker.wait(DEADLINE) for worker in self.live]

    def stop(self) -> None:
        for worker in self.live:
            worker.kill()
            worker.wait()

    def told(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("told-*")))


def test_every_phase_once(url: str, tmp_path: Path) -> None:
    workers = Workers(url, tmp_path)
    assert workers.run("create", "--phases", str(PHASES)).wait(DEADLINE) == 0, workers.told()
    try:
        workers.kill_one_that_holds_a_phase()
        for _ in range(WORKERS):
            workers.drain()
        for number in range(1, KILLS + 1):
            workers.kill_and_replace(number * PHASES // (KILLS + 2))
        workers.end()
    finally:
        workers.stop()
    # One that is killed at the very end leaves its phase to the next drain.
    assert workers.run("drain", "--seconds-per-phase", "0").wait(DEADLINE) == 0
    assert workers.codes == [0] * WORKERS, workers.told()
    assert workers.number("COMPLETE") == PHASES
    for table in ONCE:
        assert sorted(row[0] for row in workers.query(f"SELECT phase_id FROM {table}")) == sorted(NAMES)
    over = sorted(name for name in NAMES if build(name).over_budget)
    assert sorted(row[0] for row in workers.query("SELECT phase_id FROM token_budget_escalation_events")) == over
    assert workers.query("SELECT state FROM runs UNION ALL SELECT state FROM tiers") == [("COMPLETE",)] * 2
    again = int(workers.query("SELECT sum(attempts) FROM phases")[0][0]) - PHASES
    assert 1 <= again <= 1 + KILLS  # what was claimed and not completed, and nothing else, was done again
    done = re.findall(r"^(\S+) COMPLETE  predicted", workers.told(), re.MULTILINE)
    assert len(done) == len(set(done)) >= PHASES - KILLS  # a killed one may not have come to tell


def test_a_drain_waits_for_a_phase_that_a_dying_transaction_holds(url: str, tmp_path: Path) -> None:
    """A killed drain's row is locked until the server has noticed; what is passed over then is not forgotten."""
    workers = Workers(url, tmp_path)
    assert workers.run("create", "--run-id", "held", "--phases", "1").wait(DEADLINE) == 0
    with workers.engine.connect() as connection:
        connection.exec_driver_sql("SELECT id FROM phases WHERE run_id = 'held' FOR UPDATE").all()
        drain = workers.run("drain", "--run-id", "held", "--seconds-per-phase", "0")
        workers.until(lambda: "offline builder" in workers.told())
        time.sleep(0.5)
        connection.rollback()
    assert drain.wait(DEADLINE) == 0
    assert workers.query("SELECT state FROM phases WHERE run_id = 'held'") == [("COMPLETE",)], workers.told()
