"""`explain`: where each value comes from, what it hides, what would override it; nothing secret in any of it."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from running import last_line, run, write

from launcher.errors import CONFIGURATION
from launcher.shown import may_show

SECRETS = """
[defaults]
env_files = [".env"]
pin = ["REDIS"]
env = { PLAIN = "s3cret", DB_PASSWORD = "hunter", OPTIONS = "host=h password=s3cret", REDIS = "redis://:s3cret@h/0" }
[databases.d]
url = "postgresql://u:s3cret@h/db?password=s3cret"
[profiles.p]
database = "d"
env = { GREETING = "{env:API_KEY}", LINK = "https://u:s3cret@h/", WHERE = "{root}/x?password=s3cret" }
[profiles.p.tasks.t]
run = ["true"]
env = { LATER = "s3cret" }
"""
SHELL = {"API_KEY": "hunter", "OTHER": "s3cret", "DATABASE_URL": "postgresql://u:s3cret@h:5432/db"}


def rows(folder: Path, *words: str, env: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    result = run([*words, "--json"], folder, env)
    assert result.returncode == 0, result.stderr
    return {row["name"]: row for row in json.loads(result.stdout)["variables"]}


def test_where_a_value_comes_from_and_what_it_hides(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# comment\nLEVEL=file\n", encoding="utf-8")
    path = write(
        tmp_path,
        '[defaults]\nenv_files = [".env"]\nenv = { LEVEL = "info" }\n[profiles.p]\nenv = { LEVEL = "debug" }\n'
        '[profiles.p.tasks.t]\nrun = ["true"]\nenv = { LEVEL = "warning" }\n[profiles.p.tasks.u]\nrun = ["true"]\nunset = ["LEVEL"]\n',
    )
    row = rows(tmp_path, "p", "explain", "LEVEL", env={"LEVEL": "shell"})["LEVEL"]
    assert (row["value"], row["origin"], row["pinned"]) == ("debug", f"{path}:5 (profiles.p.env.LEVEL)", False)
    assert [step["origin"] for step in row["over"]] == [
        f"{path}:3 (defaults.env.LEVEL)",
        "the shell",
        f"{tmp_path / '.env'}:2",
    ]
    assert row["overridden_by"] == [
        f"task t, {path}:8 (profiles.p.tasks.t.env.LEVEL)",
        f"task u, {path}:11 (profiles.p.tasks.u.unset)",
        "--set LEVEL=…",
    ]
    text = run(["p", "explain", "LEVEL"], tmp_path, {"LEVEL": "shell"}).stdout
    assert "LEVEL = debug\n" in text
    assert "would be overridden by  --set LEVEL=…" in text


def test_removed_values_are_explained(tmp_path: Path) -> None:
    path = write(tmp_path, '[profiles.p]\nunset = ["TESTING"]\n')
    row = rows(tmp_path, "p", "explain", env={"TESTING": "1"})["TESTING"]
    assert (row["value"], row["origin"]) == ("(removed)", f"{path}:2 (profiles.p.unset)")


def test_without_a_name_only_what_the_profile_touches(tmp_path: Path) -> None:
    write(tmp_path, "[profiles.p]\nenv = { A = '1' }\n")
    assert list(rows(tmp_path, "p", "explain", env={"B": "2"})) == ["A"]
    assert list(rows(tmp_path, "p", "explain", "B", env={"B": "2"})) == ["B"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        pytest.param("LEVL", "'LEVEL'", id="typo"),
        pytest.param("LATER", "set by task t, ", id="a task's"),
    ],
)
def test_an_unknown_name(tmp_path: Path, name: str, near: str) -> None:
    write(tmp_path, "[profiles.p]\nenv = { LEVEL = '1' }\ntasks.t = { run = ['true'], env = { LATER = '1' } }\n")
    result = run(["p", "explain", name], tmp_path)
    assert result.returncode == CONFIGURATION
    assert f"{name} is not set" in result.stderr
    assert near in result.stderr
    assert last_line(result).startswith("autopack-run: unknown-variable: ")


@pytest.mark.parametrize(
    "words",
    [
        ["explain"],
        ["explain", "--json"],
        *(["explain", name] for name in (*SHELL, "PLAIN", "GREETING", "REDIS", "FILED")),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("before", [[], ["--set", "PLAIN=s3cret"], ["--database", "env"]], ids=["", "--set", "env"])
def test_nothing_secret_is_shown(tmp_path: Path, before: list[str], words: list[str]) -> None:
    (tmp_path / ".env").write_text("FILED=s3cret\nTOKEN=hunter\n", encoding="utf-8")
    write(tmp_path, SECRETS)
    result = run([*before, "-v", "p", *words], tmp_path, SHELL)
    assert result.returncode == 0, result.stderr
    assert "s3cret" not in result.stdout + result.stderr
    assert "hunter" not in result.stdout + result.stderr
    assert "from" in result.stdout or "origin" in result.stdout


def test_the_pinned_database_is_shown_masked(tmp_path: Path) -> None:
    write(tmp_path, SECRETS)
    row = rows(tmp_path, "p", "explain", env=SHELL)["DATABASE_URL"]
    assert row["value"].startswith("postgresql://u:***@h/db")
    assert row["pinned"]
    assert rows(tmp_path, "p", "explain", env=SHELL)["REDIS"]["pinned"]
    assert "DATABASE_URL_FILE is closed" in run(["p", "explain"], tmp_path, SHELL).stdout


ROOT = "C:\\proj" if os.name == "nt" else "/proj"


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("TELEMETRY_DB_ENABLED", "1", True),
        ("MAX_TOKENS", "4096", True),
        ("LEVEL", "debug", True),
        ("PYTHONUTF8", "1", True),
        ("PYTHONPATH", f"{ROOT}/src{os.pathsep}/opt/lib", True),
        ("PATH", "/usr/bin:/home/u/.local/bin", True),
        ("DATA", f"{ROOT}/data/x.db", True),
        ("AUTOPACK_API_URL", "http://127.0.0.1:8000", True),
        ("AUTOPACK_API_URL", "http://localhost:8000/v/x", True),
        ("AUTOPACK_API_URL", "http://u:s3cret@127.0.0.1:8000", False),
        ("AUTOPACK_API_URL", "http://127.0.0.1:8000/?key=s3cret", False),
        ("AUTOPACK_API_URL", "http://example.com", False),
        ("X", "s3cret", False),
        ("X", "two words", False),
        ("X", "a\x1b[31m", False),
        ("X", "1\n", False),
        ("X", f"{ROOT}/x;password=s3cret", False),
        ("PIN", "1234", False),
        ("DB_PASS", "hunter", False),
        ("GITHUB_TOKEN", "abc", False),
        ("apikey", "abc", False),
        ("PATH", "a\x1b", False),
    ],
)
def test_the_allow_list(name: str, text: str, shown: bool) -> None:
    assert may_show(name, text, ROOT) is shown


def test_the_path_of_a_file_with_an_odd_name_does_not_break_the_report(tmp_path: Path) -> None:
    folder = tmp_path / "ü 漢"
    folder.mkdir()
    write(folder, "[profiles.p]\nenv = { A = '{root}' }\n")
    assert rows(folder, "p", "explain")["A"]["value"] == str(folder)
    if sys.platform != "win32":
        assert run(["p", "explain"], folder, {"PYTHONIOENCODING": "cp437"}).returncode == 0
