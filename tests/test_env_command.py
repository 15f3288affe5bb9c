"""`PROFILE env` from the command line into the real shells: carried byte for byte, or nothing printed."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from parts import need
from running import LAUNCHER, clean_env, last_line, run, write
from windows import Windows

from launcher import env_text
from launcher.plan import Plan, Request
from shells.table import SHELLS

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
    assert "export 'DATABASE_URL=" in done.stdout, done.stderr


@pytest.mark.posix
def test_what_env_has_set_is_no_conflict_in_a_folder_with_a_dollar(tmp_path: Path) -> None:
    """The shell's DATABASE_URL is the launcher's own text there; typed by hand, `$HOME` in it would be refused."""
    folder = tmp_path / "a $HOME 50% `id` {x}'"
    folder.mkdir()
    write(folder, "[databases.main]\nurl = 'sqlite:///main.db'\n[profiles.dev]\ndatabase = 'main'\n")
    apply = f'eval "$({shlex.join(LAUNCHER)} dev env --shell bash)"'
    again = shlex.join([*LAUNCHER, "dev", "exec", "--", *LAUNCHER, "dev", "exec", "--", sys.executable, "-c", DUMP])
    words = [need("bash"), "-c", f"{apply}; {again}"]
    done = subprocess.run(words, cwd=folder, env=clean_env(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["DATABASE_URL"] == f"sqlite:///{folder / 'main.db'}"


@pytest.mark.posix
def test_a_closed_standard_output_is_no_success(workspace: Path) -> None:
    words = f"{shlex.join(LAUNCHER)} dev env --shell bash >&-"
    done = subprocess.run(
        ["sh", "-c", words], cwd=workspace, env=clean_env(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.splitlines()[-1].split()[1]) == (74, "output:")


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_the_locale_that_python_has_coerced_is_not_the_shells(tmp_path: Path) -> None:
    write(tmp_path, "[profiles.p]\nenv = { LC_CTYPE = 'C.UTF-8' }\n")
    env = {name: text for name, text in clean_env().items() if name not in ("LANG", "LC_ALL", "LC_CTYPE")}
    words = [*LAUNCHER, "p", "env", "--shell", "bash"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "export 'LC_CTYPE=C.UTF-8'" in done.stdout
    done = subprocess.run(
        words, cwd=tmp_path, env=env | {"LC_CTYPE": "C.UTF-8"}, capture_output=True, text=True, check=True
    )
    assert "LC_CTYPE" not in done.stdout


@pytest.mark.posix
@pytest.mark.parametrize("reader", ["bash", "dash", "ksh", "zsh", "sh"])
@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_every_posix_shell_can_read_what_a_script_may_meet(workspace: Path, shell: str, reader: str) -> None:
    """`unset -n` ended a dash that read bash's text, without a word."""
    script = f'eval "$({shlex.join(LAUNCHER)} dev env --shell {shell})" && exec {shlex.quote(sys.executable)} -c "$1"'
    words = [need(reader), "-euc", script, "sh", DUMP]
    done = subprocess.run(words, cwd=workspace, env=clean_env({"GONE": "x"}), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: found.get(name) for name in expected(workspace)} == expected(workspace)


def documented(beginning: str) -> str:
    """The code block of docs/shells.md that begins so."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "shells.md").read_text(encoding="utf-8")
    return page[page.index(f"```\n{beginning}") :].split("```", 2)[1].strip("\n")


@pytest.mark.posix
@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "ksh", "zsh"])
def test_the_documented_form_for_scripts_sees_a_failure(workspace: Path, shell: str) -> None:
    launcher = workspace / "autopack-run"
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(LAUNCHER)} "$@"\n')
    launcher.chmod(0o755)
    env = clean_env({"PATH": f"{workspace}:{os.environ['PATH']}", "GONE": "x"})
    line = documented("vars=").replace("telemetry", "dev")
    words = [need(shell), "-c", f'{line}\nexec {shlex.quote(sys.executable)} -c "$1"', "sh", DUMP]
    done = subprocess.run(words, cwd=workspace, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    check_seen(done.stdout, workspace)
    failed = subprocess.run(
        [*words[:2], f"{line.replace('dev', 'nope')}\necho on"],
        cwd=workspace,
        env=env,
        capture_output=True,
        check=False,
    )
    assert (failed.returncode, failed.stdout) == (2, b"")


@pytest.mark.parametrize(("value", "forms"), [("a b", 2), ("a!b", 1), ("\u00e9", 1)])
def test_only_forms_that_carry_the_values_are_shown_for_cmd(value: str, forms: int) -> None:
    assert len(hint("cmd", {"A": value})) == forms


def test_who_is_shown_a_line_is_told_what_was_left_out() -> None:
    line, more = hint("bash", {"A": "1"}, ("TOKEN", "a b"), ("B", "1"))
    assert line.endswith("""eval "$(autopack-run --set TOKEN --set 'B=1' dev env --shell bash)\"""")
    assert "--set TOKEN=" in more
    assert "a b" not in line + more


def hint(shell: str, changes: dict[str, str | None], *sets: tuple[str, str]) -> list[str]:
    profile, file = SimpleNamespace(name="dev"), SimpleNamespace(root="/somewhere")
    plan = cast(Plan, SimpleNamespace(request=Request(sets=sets), profile=profile, file=file))
    return env_text._applied(plan, SHELLS[shell], shell, changes)


@pytest.mark.lab
def test_the_documented_batch_file_form(tmp_path: Path, windows: Windows) -> None:
    write(tmp_path, "[profiles.telemetry]\nenv = { A = 'a%PATH%!b & c' }\n")
    (tmp_path / "dump.py").write_text(DUMP)
    lines = [*documented("autopack-run telemetry env --shell cmd >").splitlines(), "@python.exe dump.py"]
    (tmp_path / "go.cmd").write_bytes("".join(f"{line}\r\n" for line in ["@echo off", *lines]).encode())
    start = "import os, subprocess, sys; os.environ['PATH'] = os.path.dirname(sys.executable) + ';' + os.environ['PATH']; sys.exit(subprocess.call(['cmd', '/d', '/c', 'go.cmd']))"
    done = windows.run(["python", "-c", start], tmp_path, {"TEMP": windows.path(tmp_path)})
    assert json.loads(done.stdout)["A"] == "a%PATH%!b & c", done.stderr
    assert not (tmp_path / "telemetry.cmd").exists()
