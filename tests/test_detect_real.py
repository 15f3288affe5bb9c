"""The real function under each real shell: at its prompt, as a one-shot, one inside the other."""

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from parts import need, system
from terminal import shown_until
from windows import Windows

import shells
from shells.table import SHELLS

if TYPE_CHECKING:
    import pexpect

ROOT = Path(shells.__file__).parents[1]
ASK = """
import os, sys
from shells.detect import detect_shell
found = detect_shell({})
with open(sys.argv[1], "w", encoding="utf-8") as file:
    file.write(f"{found.name} {found.seen}")
"""
# The launcher's name is in what is run: it is what an evaluating script is known by.
NAME = "autopack-run"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the asking script, which is called like the launcher, and scripts around it."""
    (tmp_path / "ask.py").write_text(ASK)
    (tmp_path / NAME).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} ask.py "$@"\n')
    (tmp_path / "wrapper").write_text(f'#!/bin/sh\n./{NAME} "$1"\ntrue\n')
    (tmp_path / "evaluates").write_text(f'#!/bin/sh\neval "$(./{NAME} "$1")"\ntrue\n')
    (tmp_path / "iex.ps1").write_text(f"./{NAME} $args[0] | Out-String | Invoke-Expression\n")
    (tmp_path / "Makefile").write_text(f"%:\n\t@./{NAME} $@; true\n")
    for name in (NAME, "wrapper", "evaluates"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
    quiet = {"PYTHONPATH": str(ROOT), "TERM": "dumb", "PS1": "$ ", "POWERSHELL_TELEMETRY_OPTOUT": "1"}
    return kept | quiet | {"SHELL": "/bin/tcsh", "PSModulePath": "x"}  # stale, and set for every program


# As VS Code starts it, and without the line editor, which redraws what is typed.
PWSH_PROMPT = ["-NoLogo", "-NoProfile", "-NoExit", "-Command", "Remove-Module PSReadLine"]
SH = {"dash": "dash", "bash": "bash"}.get(os.path.basename(os.path.realpath("/bin/sh")), "sh")
POSIX_LINES = [(f"./{NAME} 1", ""), (f"sh -c './{NAME} 2; true'", ""), ("./wrapper 3", "")]
AT_PROMPTS = [
    ("bash", ["--norc", "--noprofile", "-i"], [*POSIX_LINES, ("exec zsh -f", None), (f"./{NAME} 4", "zsh")]),
    ("dash", [], POSIX_LINES),
    ("ksh", [], POSIX_LINES),
    ("zsh", ["-f"], [*POSIX_LINES, ("bash --norc --noprofile", None), (f"./{NAME} 4", "bash")]),
    (
        "fish",
        ["-N"],
        [*POSIX_LINES, ("./evaluates 4", SH), ("make -s 5", "fish"), ("zsh -f", None), ("./wrapper 6", "zsh")],
    ),
    ("pwsh", PWSH_PROMPT, [*POSIX_LINES, ("./wrapper 4 | Out-String", "pwsh"), ("./evaluates 5", SH)]),
]


@pytest.mark.posix
@pytest.mark.parametrize(("name", "words", "lines"), AT_PROMPTS, ids=[name for name, _, _ in AT_PROMPTS])
def test_at_the_prompt_of(folder: Path, name: str, words: list[str], lines: list[tuple[str, str | None]]) -> None:
    import pexpect

    for part in {name, *(line.split()[0] for line, expected in lines if expected != ""), "make"} & {*SHELLS, "make"}:
        need(part)
    env = {**environment(), "HOME": str(folder)}
    child: pexpect.spawn[str] = pexpect.spawn(need(name), words, env=env, cwd=str(folder), encoding="utf-8", timeout=60)
    try:
        shown_until(child, lambda shown: any(end in shown for end in ("$ ", "> ", "% ", "# ")))
        found = answers(child, folder, lines)
    finally:
        child.close(force=True)
    assert [name for name, _ in found] == [expected or name for _, expected in lines if expected is not None], found


def answers(child: "pexpect.spawn[str]", folder: Path, lines: list[tuple[str, str | None]]) -> list[tuple[str, str]]:
    """Type each line, and return the names that were answered, each with what was seen."""
    found = list[tuple[str, str]]()
    for line, expected in lines:
        child.send(line + "\r")
        if expected is None:
            time.sleep(1)
            continue
        file = folder / str(len(found) + 1)
        shown = shown_until(child, lambda _, file=file: file.exists() and file.read_text("utf-8") != "")  # type: ignore[misc]
        text = file.read_text("utf-8") if file.exists() else f"nothing: {shown}"
        found.append((text.split(" ", 1)[0], text))
    return found


ONE_SHOTS = [
    *(([name, "-c", f'eval "$(./{NAME} 1)"; true'], name) for name in ("bash", "dash", "ksh", "zsh")),
    (["fish", "-N", "-c", f"./{NAME} 1 | source"], "fish"),
    (["pwsh", "-NoProfile", "-Command", f"./{NAME} 1 | Out-String | Invoke-Expression; 1"], "pwsh"),
    (["fish", "-N", "-c", f"bash -c 'eval \"$(./{NAME} 1)\"; true'; true"], "bash"),
]


@pytest.mark.posix
@pytest.mark.parametrize(
    ("words", "expected"), ONE_SHOTS, ids=lambda value: value if isinstance(value, str) else value[0]
)
def test_as_a_one_shot(folder: Path, words: list[str], expected: str) -> None:
    env = {**environment(), "HOME": str(folder)}
    subprocess.run([need(words[0]), *words[1:]], cwd=folder, env=env, capture_output=True, check=False, timeout=60)
    found = (folder / "1").read_text("utf-8")
    assert found.split(" ", 1)[0] == expected, found


@pytest.fixture
def there(windows: Windows, tmp_path: Path) -> dict[str, str]:
    """Windows scripts that ask; the environment in which they find the checkout's shells."""
    (tmp_path / "ask.py").write_text(ASK)
    (tmp_path / "autopack-run.bat").write_bytes(b'@echo off\r\ncall "%TEST_PYTHON%" ask.py %1\r\n')
    batch = b"@echo off\r\nfor /f \"delims=\" %%i in ('autopack-run.bat %1 env --for-f') do @rem %%i\r\n"
    (tmp_path / "reads.bat").write_bytes(batch)
    (tmp_path / "iex.ps1").write_bytes(b".\\autopack-run.bat 1 | Out-String | Invoke-Expression\r\n")
    (tmp_path / "asks.ps1").write_bytes(b"& $env:TEST_PYTHON ask.py 3\r\n")
    return {"PYTHONPATH": windows.path(ROOT), "TEST_PYTHON": windows._words(["python"])[0]}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["cmd", "/d", "/c", "autopack-run.bat 1"], ["cmd"]),
        (["cmd", "/d", "/s/c", "reads.bat 1"], ["cmd"]),
        (["pwsh", "-NoProfile", "-File", "iex.ps1"], ["pwsh"]),
        (
            ["pwsh", "-NoProfile", "-Command", "./reads.bat 1; ./autopack-run.bat 2; ./asks.ps1"],
            ["cmd", "None", "pwsh"],
        ),
        (["powershell", "-NoProfile", "-File", "iex.ps1"], ["powershell"]),
    ],
    ids=["cmd", "batch-file", "pwsh-file", "pwsh-command", "powershell-file"],
)
def test_windows_one_shots(
    windows: Windows, there: dict[str, str], tmp_path: Path, words: list[str], expected: list[str]
) -> None:
    if words[0] == "powershell" and system() != "win32":
        pytest.skip("powershell: not to be had here")
    done = windows.run(words, tmp_path, there)
    files = [tmp_path / str(number + 1) for number in range(len(expected))]
    assert all(file.exists() for file in files), done
    found = [file.read_text("utf-8") for file in files]
    if system() == "win32" and any("at a prompt" in text for text in found):
        pytest.skip("these tests were started at a prompt, which is above the shells they start")
    assert [text.split(" ", 1)[0] for text in found] == expected, found


@pytest.mark.lab
@pytest.mark.posix
@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["cmd"],
            [
                ('"%TEST_PYTHON%" ask.py 1', "cmd"),
                ("for /f \"delims=\" %i in ('autopack-run.bat 2 env --for-f') do @rem %i", "cmd"),
            ],
        ),
        (
            ["pwsh", *PWSH_PROMPT],
            [
                (".\\autopack-run.bat 1 | Out-String | Invoke-Expression", "pwsh"),
                ("cmd /c autopack-run.bat 2", "pwsh"),
                (".\\reads.bat 3", "cmd"),
            ],
        ),
    ],
    ids=["cmd", "pwsh"],
)
def test_at_a_prompt_of_windows(
    windows: Windows, there: dict[str, str], tmp_path: Path, words: list[str], lines: list[tuple[str, str | None]]
) -> None:
    child = windows.tty(words, tmp_path, there)
    try:
        shown_until(child, lambda shown: ">" in shown)
        found = answers(child, tmp_path, lines)
    finally:
        child.close(force=True)
    assert [name for name, _ in found] == [expected for _, expected in lines], found
