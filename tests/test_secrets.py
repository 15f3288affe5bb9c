"""A URL with a password, typed or written wherever it does not belong: it is never repeated."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from running import last_line, run, write

URL = "postgresql://u:s3cret@h/db"
PROFILE = """
[databases.main]
url = "sqlite:///main.db"
tables = ["runs"]
[profiles.dev]
database = "main"
[profiles.dev.tasks.work]
run = ["{python}", "-c", "pass"]
"""
WORDS = [
    [URL],
    ["dev", URL],
    ["-f", URL, "dev", "check"],
    ["--database", URL, "dev", "check"],
    ["--port", URL, "dev", "check"],
    ["--set", URL, "dev", "check"],
    [f"--{URL}"],
    ["dev", "check", URL],
    ["dev", "explain", URL],
    ["dev", "env", "--shell", URL],
    ["dev", "exec", URL],
    ["rehearse", "--url", URL],
    ["rehearse", "--in", URL],
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(words).replace(URL, "URL"))
def test_on_the_command_line(words: list[str], tmp_path: Path) -> None:
    write(tmp_path, PROFILE)
    done = run(words, tmp_path)
    assert done.returncode not in (0, 70), done.stderr
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_URL_FILE", "VIRTUAL_ENV", "AUTOPACK_RUN_SHELL"])
@pytest.mark.parametrize(
    "words", [["check"], ["check", "--json"], ["explain"], ["work"], ["adopt"], ["recover"], ["env"]]
)
def test_in_the_environment(name: str, words: list[str], tmp_path: Path) -> None:
    write(tmp_path, PROFILE)
    done = run(["dev", *words], tmp_path, {name: URL})
    assert done.returncode != 70, done.stderr
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "line",
    [
        f'"{URL}" = 1',
        f'env = {{ "{URL}" = "x" }}',
        f'run = ["psql {URL}"]',
        f'run = ["{URL}"]',
        f'run = ["x"]\ncwd = "{URL}"',
        f'run = "psql {URL}"',
        'run = ["x"]\ncwd = "{env:SECRET_URL}"',
        'run = ["{env:SECRET_URL}"]',
    ],
)
def test_in_a_task(line: str, tmp_path: Path) -> None:
    write(tmp_path, f"[profiles.dev.tasks.work]\n{line}\n")
    done = run(["dev", "work"], tmp_path, {"SECRET_URL": URL})
    assert done.returncode not in (0, 70), done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_a_broken_placeholder_in_a_url(tmp_path: Path) -> None:
    write(tmp_path, '[databases.main]\nurl = "postgresql://u:{s3cret}@h/db"\n[profiles.dev]\ndatabase = "main"\n')
    done = run(["dev", "check"], tmp_path)
    assert done.returncode == 78
    assert "s3cret" not in done.stdout + done.stderr


def make(folder: Path, script: str) -> None:
    with closing(sqlite3.connect(folder / "main.db")) as database:
        database.executescript(script)


STAMP = "CREATE TABLE autopack_identity (key, value); INSERT INTO autopack_identity VALUES ('db_id', 'x'), ('created_at', 'now'),"


@pytest.mark.parametrize(
    ("script", "slug"),
    [
        (f"CREATE TABLE runs (id); {STAMP} ('database', 'dev'), ('database', 'main')", "bad-stamp"),
        ("PRAGMA user_version = 3", "no-tables"),
        (f"{STAMP} ('database', 'main')", "no-tables"),
    ],
    ids=["two contradicting stamps", "no tables at all", "a stamp alone"],
)
@pytest.mark.parametrize("tables", ['["runs"]', "[]"], ids=["tables", "none required"])
def test_nothing_of_this_is_called_verified(script: str, slug: str, tables: str, tmp_path: Path) -> None:
    write(tmp_path, PROFILE.replace('["runs"]', tables))
    make(tmp_path, script)
    for words in (["dev", "check"], ["dev", "adopt"]):
        done = run(words, tmp_path)
        assert done.returncode == 65, done.stdout
        assert last_line(done).startswith(f"autopack-run: {slug}:")


def test_an_empty_set_does_not_take_the_pin_away(tmp_path: Path) -> None:
    write(tmp_path, PROFILE)
    done = run(["--set", "DATABASE_URL=", "dev", "exec", "python", "-c", "pass"], tmp_path)
    assert done.returncode == 78
    assert "--set DATABASE_URL is empty" in done.stderr


def test_check_json_tells_every_fault(tmp_path: Path) -> None:
    write(tmp_path, PROFILE)
    done = run(["dev", "check", "--json"], tmp_path, {"DATABASE_URL": URL})
    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"], report["error"]["slug"]) == (78, "not proven", "conflict")


@pytest.mark.parametrize("words", [["--set", "A=1", "schema"], ["--verify", "init"], ["-f", "x", "rehearse"]])
def test_an_option_without_meaning_is_refused(words: list[str], tmp_path: Path) -> None:
    done = run(words, tmp_path)
    assert done.returncode == 2
    assert "has no meaning for" in done.stderr


def test_swapped_words_get_a_hint(tmp_path: Path) -> None:
    write(tmp_path, PROFILE)
    done = run(["check", "dev"], tmp_path)
    assert done.returncode == 2
    assert "autopack-run PROFILE check" in done.stderr
