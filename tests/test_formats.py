"""`env --format`: JSON and `.env` text carry every value unchanged, read back by what reads them, or refuse by name."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st
from running import LAUNCHER, clean_env, last_line, run, write

from shells.base import CannotCarry
from shells.formats import as_dotenv, as_json

ROWS = json.loads((Path(__file__).parent / "data" / "values.json").read_text("utf-8"))["vectors"]
# python-dotenv replaces these whatever quotes stand around them.
INTERPOLATED = {"braced", "braced-default"}
HOSTILE = st.text(
    st.sampled_from("ab '\"\\#$={}:-\t\n\r\x0b\x0c\x85\u2028\ufeff\u00e9\U0001f600`!%~") | st.characters(codec="utf-8")
)


def read_back(folder: Path, text: bytes, interpolate: bool = True) -> dict[str, str | None]:
    (folder / ".env").write_bytes(text)
    return dict(dotenv_values(folder / ".env", interpolate=interpolate))


def test_json_is_what_the_shells_change() -> None:
    changes = {row["id"]: row["value"] for row in ROWS} | {"GONE": None}
    text = as_json(changes)
    assert json.loads(text) == changes
    assert text.isascii()
    assert list(json.loads(text)) == sorted(changes)
    assert text.endswith(b"}\n")
    assert as_json({}) == b"{}\n"


def test_json_refuses_what_is_no_text() -> None:
    with pytest.raises(CannotCarry, match="json cannot carry 'B'"):
        as_json({"A": "a", "B": "\udcff"})


@pytest.mark.parametrize("interpolate", [True, False])
def test_every_value_is_read_back_or_refused(tmp_path: Path, interpolate: bool) -> None:
    carried, refused = {}, set()
    for number, row in enumerate(ROWS):
        try:
            as_dotenv({f"V{number}": row["value"]})
            carried[f"V{number}"] = row["value"]
        except CannotCarry:
            refused.add(row["id"])
    assert refused == INTERPOLATED
    assert read_back(tmp_path, as_dotenv(carried), interpolate) == carried


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(HOSTILE, max_size=20))
def test_hostile_values_are_read_back_or_refused(values: list[str]) -> None:
    import tempfile

    carried = {}
    for number, value in enumerate(values):
        try:
            as_dotenv({f"V{number}": value})
            carried[f"V{number}"] = value
        except CannotCarry:
            assert "\0" in value or "${" in value or any("\ud800" <= char <= "\udfff" for char in value), value
    with tempfile.TemporaryDirectory() as folder:
        assert read_back(Path(folder), as_dotenv(carried)) == carried


def test_a_backslash_at_the_end_is_read_back_by_older_versions_too() -> None:
    """Before 1.2.3 a quoted value that ends with one swallowed its quote, and the lines after it."""
    assert b"A=C:\\data\\\n" in as_dotenv({"A": "C:\\data\\"})


def test_what_a_dotenv_file_cannot_say_is_refused_by_name() -> None:
    with pytest.raises(CannotCarry) as caught:
        as_dotenv({"A": "a", "B": "${HOME}", "C": None, "D": "a\0b"})
    assert [name for name, _ in caught.value.refused] == ["B", "C", "D"]


def test_a_closed_file_name_is_empty_as_a_child_gets_it() -> None:
    assert as_dotenv({"X_FILE": None}, {"X_FILE"}).splitlines()[1:] == [b"X_FILE=''"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    write(
        tmp_path,
        """
[databases.main]
url = "sqlite:///main.db"
[profiles.dev]
database = "main"
env = { A = "it's\\nö" }
[profiles.bad]
env = { GOOD = "1", BAD = "$" + "{X}" }
""".replace('"$" + "{X}"', '"${{X}}"'),
    )
    return tmp_path


def test_json_from_the_command_line(workspace: Path) -> None:
    done = run(["dev", "env", "--format", "json"], workspace)
    found = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert found["A"] == "it's\nö"
    assert found["DATABASE_URL_FILE"] is None
    assert found["DATABASE_URL"].endswith("/main.db")


def test_dotenv_from_the_command_line(workspace: Path) -> None:
    words = [*LAUNCHER, "dev", "env", "--format", "dotenv"]
    done = subprocess.run(words, cwd=workspace, env=clean_env(), capture_output=True, check=True)
    assert b"\r\n" not in done.stdout  # a text stream would write it on Windows
    found = read_back(workspace, done.stdout)
    assert (found["A"], found["DATABASE_URL_FILE"]) == ("it's\nö", "")


def test_one_refused_value_prints_nothing(workspace: Path) -> None:
    refused = run(["bad", "env", "--format", "dotenv"], workspace)
    assert (refused.returncode, refused.stdout) == (78, "")
    assert "dotenv cannot carry 'BAD'" in refused.stderr
    assert last_line(refused).startswith("autopack-run: cannot-carry:")


@pytest.mark.parametrize(
    "words", [["--format", "yaml"], ["--format", "json", "--shell", "bash"], ["--format", "json", "--for-f"]]
)
def test_a_wrong_form_prints_nothing(workspace: Path, words: list[str]) -> None:
    refused = run(["dev", "env", *words], workspace)
    assert (refused.returncode, refused.stdout) == (2, "")


@pytest.mark.posix
def test_who_looks_is_told_how_to_apply_it(workspace: Path) -> None:
    import pexpect

    words = ["--set", "TOKEN=s3cretvalue", "-f", "autopack-run.toml", "dev", "env", "--shell", "zsh"]
    seen = pexpect.run(" ".join([*LAUNCHER, *words]), cwd=str(workspace), env=clean_env(), encoding="utf-8")
    line = 'eval "$(autopack-run -f autopack-run.toml --set TOKEN dev env --shell zsh)"'
    assert f"nothing is set yet; in zsh: {line}" in seen
    quiet = pexpect.run(" ".join([*LAUNCHER, "-q", *words]), cwd=str(workspace), env=clean_env(), encoding="utf-8")
    assert "nothing is set yet" not in quiet
    assert run(words, workspace).stderr == ""  # who evaluates it need not be told


@pytest.mark.skipif(os.name != "posix", reason="a disk without room is a POSIX device")
def test_a_full_disk_is_told(workspace: Path) -> None:
    with open("/dev/full", "wb") as full:
        words = [*LAUNCHER, "dev", "env", "--format", "json"]
        done = subprocess.run(words, cwd=workspace, env=clean_env(), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 74
