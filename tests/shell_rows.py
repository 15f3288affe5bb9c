"""How each real shell is started and evaluates a text as documented. Another shell is one more row."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from parts import need

from shells.emit import emit
from shells.table import SHELLS

CHILD = "import json, os, sys\nwith open(sys.argv[1], 'x') as out:\n    json.dump(dict(os.environ), out)\n"
SHOW = "import sys\nwith open(sys.argv[1], 'rb') as text:\n    sys.stdout.buffer.write(text.read())\n"
# A console of its own, unseen: without one cmd has no code page to change and PowerShell for Windows does not start.
DRIVER = (
    "import os, subprocess, sys\n"
    "env = {**os.environ, 'TEST_PYTHON': sys.executable, 'GONE': 'still here'}\n"
    "done = subprocess.run(sys.argv[1:], env=env, capture_output=True, creationflags=subprocess.CREATE_NO_WINDOW)\n"
    "sys.stdout.buffer.write(done.stdout)\nsys.stderr.buffer.write(done.stderr)\nsys.exit(done.returncode)\n"
)
BATCH = (
    b'@call env.txt.cmd\r\n@set CODE=%errorlevel%\r\n@"%TEST_PYTHON%" child.py child.json\r\n'
    b'@"%SystemRoot%\\System32\\chcp.com" >page.txt\r\n@exit /b %CODE%\r\n'
)
POSIX = 'eval "$("$TEST_PYTHON" show.py env.txt)" || exit\n"$TEST_PYTHON" child.py child.json'
FISH = "$TEST_PYTHON show.py env.txt | source; or exit\n$TEST_PYTHON child.py child.json"
OURS = {"child.py", "show.py", "driver.py", "run.cmd", "run.ps1", "env.txt", "env.txt.cmd", "page.txt", "child.json"}

Done = subprocess.CompletedProcess[bytes]


class Row(NamedTuple):
    """shell: the dialect. run: evaluates env.txt in the folder and starts the child, after the lines `before`."""

    shell: str
    run: Callable[[Path, str], Done]
    program: tuple[str, ...] = ()


def started(folder: Path, *command: str, **more: str) -> Done:
    """Run the command in the folder, with GONE in its environment for an unset to remove."""
    env = {**os.environ, "GONE": "still here", "TEST_PYTHON": sys.executable, "PYTHONUTF8": "1", **more}
    return subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def windows(folder: Path, *command: str) -> Done:
    """Run the command on Windows: here, or in the lab."""
    (folder / "driver.py").write_text(DRIVER)
    if sys.platform == "win32":
        return started(folder, sys.executable, "driver.py", *command)
    lab = need("windows-lab")
    return started(folder, lab, "run", "python3.11", "driver.py", *command)


def posix(shell: str, *program: str, code: str = POSIX) -> Row:
    """The row of a shell with -c. (The bash of Git for Windows rewrites what looks like a path for a native child.)"""

    def run(folder: Path, before: str = "") -> Done:
        # A function's end in `before` closes what its beginning opened around the code.
        lines = before.format(code) if "{}" in before else f"{before}\n{code}"
        return started(folder, need(program[0]), *program[1:], "-c", lines)

    return Row(shell, run, program)


def invoked(pipe: str, before: str = "", shell: str = "powershell") -> Row:
    """The row of a PowerShell."""

    def run(folder: Path, earlier: str = "") -> Done:
        code = f"& $env:TEST_PYTHON show.py env.txt | {pipe}\n& $env:TEST_PYTHON child.py child.json\n"
        (folder / "run.ps1").write_text(before + earlier + code)
        command = [need("pwsh"), "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", "run.ps1"]
        return windows(folder, *command) if sys.platform == "win32" else started(folder, *command)

    return Row(shell, run)


def called(*switches: str) -> Row:
    """The row of cmd."""

    def run(folder: Path, before: str = "") -> Done:
        shutil.copy(folder / "env.txt", folder / "env.txt.cmd")
        (folder / "run.cmd").write_bytes(before.encode() + BATCH)
        return windows(folder, "cmd", "/d", *switches, "/c", "run.cmd")

    return Row("cmd", run)


OUT_STRING = "Out-String | Invoke-Expression"
STRICT = "Set-StrictMode -Version Latest\n"
ZSH_OPTIONS = "eu -o ksharrays -o shwordsplit -o extendedglob -o rcquotes -o globsubst -o magicequalsubst -o allexport"
# The options are those that people have on, or scripts set.
POSIX_ROWS = {
    "bash": posix("bash", "bash", "--norc"),
    "bash-options": posix("bash", "bash", "--norc", "-euo", "posix", "-O", "extglob"),
    "dash": posix("dash", "dash"),
    "dash-options": posix("dash", "dash", "-eua"),
    "fish": posix("fish", "fish", "--no-config", code=FISH),
    "ksh": posix("ksh", "ksh"),
    "ksh-options": posix("ksh", "ksh", "-eu"),
    "sh-dash": posix("sh", "dash"),
    "sh-bash": posix("sh", "bash", "--norc", "--posix"),
    "sh-ksh": posix("sh", "ksh"),
    "zsh": posix("zsh", "zsh", "-f"),
    "zsh-options": posix("zsh", "zsh", *f"-f -{ZSH_OPTIONS}".split()),
}
CMD = called()
ROWS = [
    *(pytest.param(row, id=name, marks=pytest.mark.posix) for name, row in POSIX_ROWS.items()),
    pytest.param(invoked(OUT_STRING), id="powershell-out-string"),
    pytest.param(invoked("Invoke-Expression", STRICT), id="powershell-lines"),
    pytest.param(invoked(OUT_STRING, shell="pwsh"), id="pwsh"),
    pytest.param(CMD, id="cmd-call"),
]


class Seen(NamedTuple):
    """What came of one evaluation; environ is the child's, empty when the shell never came to it."""

    code: int
    output: bytes
    error: bytes
    environ: dict[str, str]


def evaluated(folder: Path, row: Row, text: bytes, before: str = "") -> Seen:
    """Let the shell evaluate the text; the folder and INJECTED show that nothing in it ran."""
    folder.mkdir(parents=True)
    (folder / "env.txt").write_bytes(text)
    (folder / "child.py").write_text(CHILD)
    (folder / "show.py").write_text(SHOW)
    done = row.run(folder, before)
    assert {path.name for path in folder.iterdir()} <= OURS
    child = folder / "child.json"
    environ: dict[str, str] = json.loads(child.read_text()) if child.exists() else {}
    assert "INJECTED" not in environ
    return Seen(done.returncode, done.stdout, done.stderr, environ)


def read_back(folder: Path, row: Row, changes: Mapping[str, str | None], before: str = "") -> None:
    """Assert that a child of the shell sees exactly the changes, and that the shell said nothing."""
    shell = SHELLS[row.shell]
    seen = evaluated(folder, row, emit(shell, changes), before)
    assert seen[:3] == (0, b"", b"")
    # os.environ of Python for Windows folds the names.
    names = {name: name.upper() if shell.folds_case and name not in seen.environ else name for name in changes}
    assert {name: seen.environ.get(names[name]) for name in changes} == changes
