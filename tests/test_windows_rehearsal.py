"""The main job through `autopack-run.exe`: the rehearsal to its end, and Ctrl-C in its own drain and server."""

import os
from pathlib import Path

import pytest
from windows import Windows

# In the lab only: the same commands run as tests of their own where the suite runs under Windows Python.
pytestmark = [pytest.mark.lab, pytest.mark.posix]


@pytest.fixture(scope="module")
def played(windows: Windows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the rehearsal has left."""
    home = tmp_path_factory.mktemp("lab") / "O'Brien & Söhne 50% off!"
    done = windows.run(["autopack-run", "rehearse", "--in", home], home.parent, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10 COMPLETE" in done.stdout
    assert "answers at http://127.0.0.1:" in done.stdout
    return home


def test_the_rehearsal_leaves_one_database_that_is_proven(windows: Windows, played: Path) -> None:
    checked = windows.run(["autopack-run", "telemetry", "check"], played)
    assert checked.returncode == 0, checked.stderr
    assert "verified: db_id" in checked.stdout
    assert [name for name in os.listdir(played) if name.endswith(".db")] == ["autopack_telemetry_seed.db"]


@pytest.mark.parametrize(
    ("words", "ready"),
    [
        (["--port", "48123", "telemetry", "serve"], "serving on"),
        (["telemetry", "drain", "--run-id", "long", "--seconds-per-phase", "1"], "phase-01 COMPLETE"),
    ],
    ids=["serve", "drain"],
)
def test_ctrl_c_ends_the_child_once_with_130(windows: Windows, played: Path, words: list[str], ready: str) -> None:
    if "drain" in words:
        made = windows.run(["autopack-run", "seed", "create", "--run-id", "long", "--phases", "30"], played)
        assert made.returncode == 0, made.stdout + made.stderr
    console = windows.tty(["autopack-run", *words], played)
    console.expect_exact(ready)
    console.sendintr()
    console.expect_exact("stopped")
    console.expect(pytest.importorskip("pexpect").EOF)
    console.close()
    assert console.exitstatus == 130
    again = windows.run(["autopack-run", "telemetry", "check"], played)
    assert again.returncode == 0, again.stderr


def test_drift_is_played_and_caught(windows: Windows, tmp_path: Path) -> None:
    """One cause through the .exe; all of them run where the suite runs under Windows Python."""
    played = windows.run(["autopack-run", "rehearse", "--drift", "health-check", "--in", tmp_path / "new"], tmp_path)
    assert played.returncode == 0, played.stdout + played.stderr
    verdict = played.stdout.rstrip().splitlines()[-1]
    assert verdict.startswith("health-check: caught: without: ")
    assert "with: exit 65, " in verdict
