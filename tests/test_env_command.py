"""`PROFILE env` from the command line into the real shells: carried byte for byte, or nothing printed."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from parts import need
from running import LAUNCHER, clean_env, last_line, run, write
from windows import Windows

VALUES = {
    "APOSTROPHE": "it's O'Brien's",
    "SMART": "\u2018; Write-Output INJECTED; \u2018",
    "QUOTES": 'a "b" & "c"',
    "DOLLAR": "$HOME $(whoami) `id` ${X}",
    "PERCENT": "100% %PATH% !x!",
    "BACKSLASH": "\\\\server\\share\\",
    "SPACES": "  a  b  ",
    "UNICODE": "Söhne ☃ 𝄞",
}
DUMP = "import json, os, sys; sys.stdout.buffer.write(json.dumps(dict(os.environ)).encode())"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    lines = "\n".join(f"{name} = {json.dumps(text, ensure_ascii=False)}" for name, text in doubled(VALUES).items())
    write(
        tmp_path,
        f"""
[databases.main]
url = "sqlite:///main.db"
[profiles.dev]
database = "main"
unset = ["GONE"]
[profiles.dev.env]
{lines}
[profiles.lines]
env = {{ GOOD = "1", TWO_LINES = "a\\nb" }}
[profiles.empty]
""",
    )
    return tmp_path


def doubled(values: dict[str, str]) -> dict[str, str]:
    return {name: text.replace("{", "{{").replace("}", "}}") for name, text in values.items()}


def emitted(shell: str, folder: Path, profile: str = "dev") -> bytes:
    words = [*LAUNCHER, profile, "env", "--shell", shell]
    done = subprocess.run(words, cwd=folder, env=clean_env({"GONE": "x"}), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected(folder: Path) -> dict[str, str | None]:
    url = f"sqlite:///{str(folder / 'main.db').replace(chr(92), '/')}"
    return {**VALUES, "DATABASE_URL": url, "DATABASE_URL_FILE": None, "GONE": None}


def check_seen(seen: bytes, folder: Path) -> None:
    found = json.loads(seen)
    assert {name: found.get(name) for name in expected(folder)} == expected(folder)


@pytest.mark.posix
def test_bash(workspace: Path) -> None:
    script = f'eval "$({shlex.join(LAUNCHER)} dev env --shell bash)"; exec "$0" -c "$1"'
    env = clean_env({"GONE": "x", "DATABASE_URL_FILE": ""})
    done = subprocess.run(
        [need("bash"), "-c", script, sys.executable, DUMP], cwd=workspace, env=env, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    check_seen(done.stdout, workspace)


@pytest.mark.posix
def test_powershell(workspace: Path) -> None:
    (workspace / "env.ps1.txt").write_bytes(emitted("powershell", workspace))
    script = f"Get-Content env.ps1.txt | Out-String | Invoke-Expression; & '{sys.executable}' dump.py"
    (workspace / "dump.py").write_text(DUMP)
    words = [need("pwsh"), "-NoProfile", "-NonInteractive", "-Command", script]
    done = subprocess.run(words, cwd=workspace, env=clean_env({"GONE": "x"}), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    check_seen(done.stdout, workspace)


@pytest.mark.lab
def test_cmd_in_the_lab(tmp_path: Path, windows: Windows) -> None:
    plain = {name: text for name, text in VALUES.items() if text.isascii()}
    lines = "\n".join(f"{name} = {json.dumps(text)}" for name, text in doubled(plain).items())
    write(tmp_path, f"[profiles.dev]\nunset = ['GONE']\n[profiles.dev.env]\n{lines}\n")
    (tmp_path / "env.cmd").write_bytes(emitted("cmd", tmp_path))
    (tmp_path / "dump.py").write_text(DUMP)
    (tmp_path / "go.cmd").write_bytes(b"@set GONE=x\r\n@call env.cmd\r\n@python.exe dump.py\r\n")
    done = windows.run(
        [
            "python",
            "-c",
            "import os, subprocess, sys; os.environ['PATH'] = os.path.dirname(sys.executable) + ';' + os.environ['PATH']; sys.exit(subprocess.call(['cmd', '/d', '/c', 'go.cmd']))",
        ],
        tmp_path,
    )
    found = json.loads(done.stdout)
    assert {name: found.get(name) for name in plain} == plain
    assert "GONE" not in found


def test_only_changes_are_printed(workspace: Path) -> None:
    first = run(["dev", "env", "--shell", "bash"], workspace)
    again = run(["dev", "env", "--shell", "bash"], workspace, expected_env(workspace))
    assert "APOSTROPHE" in first.stdout
    assert "APOSTROPHE" not in again.stdout
    assert run(["empty", "env", "--shell", "bash"], workspace).stdout.startswith("# ")


def expected_env(folder: Path) -> dict[str, str]:
    return {name: text for name, text in expected(folder).items() if text is not None}


def test_nothing_of_the_launch_is_printed(workspace: Path) -> None:
    assert "AUTOPACK_RUN" not in run(["dev", "env", "--shell", "bash"], workspace).stdout


def test_one_refused_value_among_good_ones_prints_nothing(workspace: Path) -> None:
    refused = run(["lines", "env", "--shell", "cmd"], workspace)
    assert (refused.returncode, refused.stdout) == (78, "")
    assert "TWO_LINES" in refused.stderr
    assert "exec" in refused.stderr
    assert last_line(refused).startswith("autopack-run: cannot-carry:")


@pytest.mark.parametrize(
    ("words", "env"),
    [(["--shell", "tcsh"], {}), (["--shell", ""], {}), ([], {"AUTOPACK_RUN_SHELL": "4dos"})],
    ids=["unknown", "empty", "variable"],
)
def test_an_unknown_shell_prints_nothing_and_lists_the_known_ones(
    words: list[str], env: dict[str, str], workspace: Path
) -> None:
    refused = run(["dev", "env", *words], workspace, env)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert all(name in refused.stderr for name in ("bash", "cmd", "powershell"))


@pytest.mark.posix
def test_bash_is_detected(workspace: Path) -> None:
    # A second command keeps bash from replacing itself by the first.
    done = subprocess.run(
        [need("bash"), "-c", f"{shlex.join(LAUNCHER)} dev env; true"],
        cwd=workspace,
        env=clean_env(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "export DATABASE_URL=" in done.stdout, done.stderr
