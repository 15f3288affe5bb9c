"""`autopack-run rehearse --drift`: each cause does its damage without the launcher and is caught with it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from running import LAUNCHER, clean_env, last_line, run, wait_until

import autopack_run

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
PINNED, OTHER = "autopack_telemetry_seed.db", "autopack.db"
OVERRIDE = "rehearsal/causes/script_override"
CAUSES = ("bound-engine", "partial-schema", "script-override", "health-check", "shell-syntax", "x-file")


def events(path: Path) -> int | None:
    """How many events are in the file; None where there is no such file, -1 where it has no table for them."""
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as database:
        tables = {name for (name,) in database.execute("select name from sqlite_schema")}
        names = {"llm_usage_events", "token_estimation_v2_events"} & tables
        counts = [database.execute(f"select count(*) from {name}").fetchone()[0] for name in names]
    return sum(counts) if names else -1


# Of each cause: the events in both files (None: no such file, -1: no tables) without the launcher, and with it.
ROWS = {
    "bound-engine": ((0, 12), (12, 2)),  # with: the drain was well; the report wrote its 2, and was told of
    "partial-schema": ((2, None), (2, None)),
    "script-override": ((0, 12), (12, None)),
    "health-check": ((0, 12), (0, 0)),
    "shell-syntax": ((None, 0), (12, None)),
    "x-file": ((0, -1), (12, None)),
}
# What must be in the line of the client's program that the verdict names.
NAMED = {
    "bound-engine": ("report.py", "create_all"),
    "script-override": ("database.py", 'os.environ["DATABASE_URL"] ='),
    "health-check": ("server.py", "create_all"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_does_its_damage_without_and_is_caught_with(cause: str, tmp_path: Path) -> None:
    home = tmp_path / "O'Brien & Söhne 50% off!"
    # What the shell has set must play no part.
    outer = {"DATABASE_URL": "postgresql://u:s3cret@h/db", "DATABASE_URL_FILE": "nowhere", "AUTOPACK_RUN_PINS": "PATH"}
    played = run(["rehearse", "--drift", cause, "--in", home], tmp_path, outer, timeout=240)
    shown = played.stdout + played.stderr
    assert played.returncode == 0, shown
    assert "s3cret" not in shown
    verdict = played.stdout.rstrip().splitlines()[-1]
    assert verdict.startswith(f"{cause}: caught: without: ")
    for half, expected in zip(("without", "with"), ROWS[cause], strict=True):
        assert (events(home / cause / half / PINNED), events(home / cause / half / OTHER)) == expected
    if cause in NAMED:
        file, text = NAMED[cause]
        assert text in named_line(verdict, home / cause / "with", file)


def named_line(verdict: str, folder: Path, file: str) -> str:
    """The line of the program that the verdict points to."""
    start = verdict.index(str(folder))
    path, _, number = verdict[start:].split(";", maxsplit=1)[0].rpartition(":")
    assert Path(path).name == file
    return Path(path).read_text(encoding="utf-8").splitlines()[int(number) - 1]


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["--drift", "list"], 0, CAUSES),
        (["--drift", "x-files"], 2, CAUSES),
        (["--drift", "all", "--url", "sqlite:////x.db"], 2, ("--url",)),
        (["--drift", "all", "--in", "."], 78, ("folder-not-empty",)),
    ],
    ids=["list", "unknown", "url", "not-empty"],
)
def test_words(words: list[str], code: int, named: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    result = run(["rehearse", *words], tmp_path)
    assert result.returncode == code, result.stderr
    assert all(name in result.stdout + result.stderr for name in named)
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.posix
def test_an_interrupted_play_leaves_no_server_behind(tmp_path: Path) -> None:
    import psutil

    home = tmp_path / "new"
    words = [*LAUNCHER, "rehearse", "--drift", "health-check", "--in", str(home)]
    rehearsal = subprocess.Popen(
        words, cwd=tmp_path, env=clean_env(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert rehearsal.stdout is not None
    with rehearsal.stdout as lines:
        assert any("python serve.py" in line for line in lines)
        assert "GET /health" in next(lines)  # the server is up, and the drain is under way
        rehearsal.send_signal(signal.SIGINT)
        lines.read()
    assert rehearsal.wait(30) == 130

    def left() -> list[str]:
        processes = psutil.process_iter(["cwd", "cmdline"])
        return [str(each.info) for each in processes if (each.info["cwd"] or "").startswith(str(home))]

    wait_until(lambda: not left(), 5, left)  # a killed one takes a moment to go


@pytest.mark.posix  # a control; once is enough
@pytest.mark.parametrize(
    ("spoiled", "source", "told"),
    [
        ("bootstrap/sitecustomize.py", "__init__.py", "no override was told"),
        (f"{OVERRIDE}/app/database.py", "rehearsal/causes/partial_schema/app/database.py", "without: no damage"),
    ],
    ids=["no-guard", "no-damage"],
)
def test_a_spoiled_play_fails(spoiled: str, source: str, told: str, tmp_path: Path) -> None:
    """The controls: the play looks at what happened, and takes nobody's word."""
    package = Path(autopack_run.__file__).parent
    for name in filter(lambda name: (package / name).exists(), ("launcher", "shells", "templates")):  # in a checkout
        shutil.copytree(package / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(autopack_run.__file__, tmp_path)
    shutil.copy(tmp_path / "launcher" / source, tmp_path / "launcher" / spoiled)
    played = subprocess.run(
        [sys.executable, str(tmp_path / "autopack_run.py"), "rehearse", "--drift", "script-override"],
        cwd=tmp_path,
        env=clean_env({"PYTHONUTF8": "1", "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=240,
    )
    assert played.returncode == 65, played.stdout + played.stderr
    assert "script-override: NOT AS IT MUST BE: " in played.stdout
    assert told in played.stdout
    assert last_line(played).startswith("autopack-run: rehearsal: exit 65")
