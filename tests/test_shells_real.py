"""Every value through the real shells: set as documented, then read by a child process, byte for byte."""

import contextlib
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from parts import need, system

from shells.base import CannotCarry
from shells.emit import emit
from shells.table import SHELLS

DATA = Path(__file__).parent / "data"
VALUES = {row["id"]: row["value"] for row in json.loads((DATA / "values.json").read_text("utf-8"))["vectors"]}
NAMES = [row["name"] for row in json.loads((DATA / "names.json").read_text("utf-8"))["names"] if row["accept"]]

# Each one leaves a file or a variable behind in a shell that runs it.
PROBES = [
    "$(touch witness)",
    "`touch witness`",
    "'; touch witness; export INJECTED=1; '",
    "a[$(touch witness)]",
    "'\n$env:INJECTED = 1; ni witness\n'",
    "'; ni witness; $env:INJECTED = 1; '",
    *(f"{quote}; ni witness; $env:INJECTED = 1; {quote}" for quote in "'\u2018\u2019\u201a\u201b\"\u201c\u201d"),
    '"&echo x>witness&set INJECTED=1&"',
    '"&echo x>witness&set INJECTED=1&rem ',
    '""&echo x>witness&set "INJECTED=1',
    'a^"&echo x>witness&set INJECTED=1&^"',
    "%COMSPEC:~0,0%&echo x>witness",
    'a" >witness',
    'x")&(echo x>witness',
]
ALPHABET = "ab '\"`$\\!%^&|<>()[]{}=;,:/?*#@~-+.\t\x0b\x1b\x7f\n\u00e9\u2019\u4e2d\U0001f600"
dice = random.Random(4)
RANDOM = ["".join(dice.choices(ALPHABET, k=dice.randint(1, 24))) for _ in range(300)]
ASCII_ALPHABET = "".join(char for char in ALPHABET if char.isascii() and char != "\n")
RANDOM += ["".join(dice.choices(ASCII_ALPHABET, k=dice.randint(1, 24))) for _ in range(300)]
# cmd holds few more than 1,360 careted and doubled pairs.
LONG = ["\n'" * 1_000, '"%' * 1_360, "x" * 131_000]
# What only bytes can carry: PEP 383.
BYTES = ["\udcff", "a\udcc3\udc28b", "\udce2\udc28\udca1'"]
# Every character of the ranges where spaces, quotes, controls and marks are.
EVERY = ["".join(map(chr, range(low, low + 0x400))) for low in (0x80, 0x480, 0x1C00, 0x2000, 0x2C00, 0xFC00)]
CONTROLS = [f"a{chr(code)}b{chr(code)}" for code in [*range(1, 32), *range(127, 160)]]
ALL = [*VALUES.values(), *PROBES, *RANDOM, *LONG, *BYTES, *EVERY, *CONTROLS]

# bash(1), "Shell Variables", those that exist only in some state of the shell.
DOCUMENTED = """
    BASH BASH_ARGV0 BASH_COMPAT BASH_ENV BASH_EXECUTION_STRING BASH_LOADABLES_PATH BASH_REMATCH BASH_XTRACEFD CHILD_MAX
    COMP_CWORD COMP_KEY COMP_LINE COMP_POINT COMP_TYPE COMP_WORDS COPROC EMACS ENV EXECIGNORE FCEDIT FIGNORE FUNCNEST
    GLOBIGNORE GLOBSORT HISTCONTROL HISTFILE HISTFILESIZE HISTIGNORE HISTSIZE HISTTIMEFORMAT HOSTFILE IGNOREEOF INPUTRC
    INSIDE_EMACS LANG LC_ALL LC_COLLATE LC_CTYPE LC_MESSAGES LC_NUMERIC LC_TIME MAIL MAILCHECK MAILPATH MAPFILE OPTARG
    POSIXLY_CORRECT PROMPT_COMMAND PROMPT_DIRTRIM PS0 READLINE_ARGUMENT READLINE_LINE READLINE_MARK READLINE_POINT
    REPLY SRANDOM TIMEFORMAT TMOUT TMPDIR auto_resume histchars
"""

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

Done = subprocess.CompletedProcess[bytes]


def started(folder: Path, *command: str) -> Done:
    """Run the command in the folder, with GONE in its environment for an unset to remove."""
    env = {**os.environ, "GONE": "still here", "TEST_PYTHON": sys.executable, "PYTHONUTF8": "1"}
    return subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def windows(folder: Path, *command: str) -> Done:
    """Run the command on Windows: here, or in the lab."""
    (folder / "driver.py").write_text(DRIVER)
    if sys.platform == "win32":
        return started(folder, sys.executable, "driver.py", *command)
    lab = need("windows-lab")
    return started(folder, lab, "run", "python3.11", "driver.py", *command)


def bash(folder: Path, before: str = "") -> Done:
    if sys.platform == "win32":
        pytest.skip("the bash of Git for Windows rewrites what looks like a path for a native child")
    code = before + 'eval "$("$TEST_PYTHON" show.py env.txt)" || exit; "$TEST_PYTHON" child.py child.json'
    return started(folder, need("bash"), "--norc", "-c", code)


def invoked(pipe: str, before: str = "") -> Callable[[Path], Done]:
    code = f"{before}& $env:TEST_PYTHON show.py env.txt | {pipe}\n& $env:TEST_PYTHON child.py child.json\n"

    def pwsh(folder: Path) -> Done:
        (folder / "run.ps1").write_text(code)
        command = [need("pwsh"), "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", "run.ps1"]
        return windows(folder, *command) if sys.platform == "win32" else started(folder, *command)

    return pwsh


def called(*switches: str) -> Callable[[Path], Done]:
    def cmd(folder: Path) -> Done:
        shutil.copy(folder / "env.txt", folder / "env.txt.cmd")
        (folder / "run.cmd").write_bytes(BATCH)
        return windows(folder, "cmd", "/d", *switches, "/c", "run.cmd")

    return cmd


ROWS = [
    pytest.param("bash", bash, id="bash-eval"),
    pytest.param("powershell", invoked("Out-String | Invoke-Expression"), id="powershell-out-string"),
    pytest.param("powershell", invoked("Invoke-Expression", "Set-StrictMode -Version Latest\n"), id="powershell-lines"),
    pytest.param("pwsh", invoked("Out-String | Invoke-Expression"), id="pwsh"),
    pytest.param("cmd", called(), id="cmd-call"),
]

# Refusals beyond values.json, made by the emitted text itself before anything is set. Wine 10's cmd reads batch files
# by the OEM page whatever chcp says, so there every value that is not ASCII ends this way; cmd of Windows reads them by
# the console's page, which the text sets and then tests.
READS_OEM = b"this cmd does not read UTF-8, so nothing was set"
OURS = {"child.py", "show.py", "driver.py", "run.cmd", "run.ps1", "env.txt", "env.txt.cmd", "page.txt", "child.json"}


class Seen(NamedTuple):
    """What came of one evaluation; environ is the child's, empty when the shell never came to it."""

    code: int
    output: bytes
    error: bytes
    environ: dict[str, str]


def evaluated(folder: Path, run: Callable[[Path], Done], text: bytes) -> Seen:
    """Let the shell evaluate the text; the folder and INJECTED show that nothing in it ran."""
    folder.mkdir()
    (folder / "env.txt").write_bytes(text)
    (folder / "child.py").write_text(CHILD)
    (folder / "show.py").write_text(SHOW)
    done = run(folder)
    assert {path.name for path in folder.iterdir()} <= OURS
    child = folder / "child.json"
    environ: dict[str, str] = json.loads(child.read_text()) if child.exists() else {}
    assert "INJECTED" not in environ
    return Seen(done.returncode, done.stdout, done.stderr, environ)


def read_back(folder: Path, shell: str, run: Callable[[Path], Done], changes: Mapping[str, str | None]) -> None:
    """Assert that a child of the shell sees exactly the changes, and that the shell said nothing."""
    seen = evaluated(folder, run, emit(SHELLS[shell], changes))
    assert seen[:3] == (0, b"", b"")
    # os.environ of Python for Windows folds the names.
    names = {name: name.upper() if SHELLS[shell].folds_case and name not in seen.environ else name for name in changes}
    assert {name: seen.environ.get(names[name]) for name in changes} == changes


def carried(shell: str, values: Iterable[str]) -> dict[str, str]:
    """Return a variable for each value that the dialect does not refuse."""
    found = {}
    for i, value in enumerate(values):
        with contextlib.suppress(CannotCarry):
            SHELLS[shell].set_env(f"V{i}", value)
            found[f"V{i}"] = value
    return found


def batches(values: dict[str, str]) -> Iterator[dict[str, str]]:
    """Split so that one environment stays far below what a system allows."""
    items = iter(values.items())
    while batch := dict(itertools.islice(items, 400)):
        yield batch


@pytest.mark.parametrize(("shell", "run"), ROWS)
def test_values(tmp_path: Path, shell: str, run: Callable[[Path], Done]) -> None:
    values = carried(shell, ALL)
    if shell == "cmd":
        values = {name: value for name, value in values.items() if value.isascii()}
    for number, batch in enumerate(batches(values)):
        read_back(tmp_path / str(number), shell, run, batch)


def test_cmd_carries_what_is_not_ascii_or_sets_nothing(tmp_path: Path) -> None:
    values = {name: value for name, value in carried("cmd", ALL).items() if not value.isascii()}
    if system() == "win32":
        for number, batch in enumerate(batches(values)):
            read_back(tmp_path / str(number), "cmd", called(), batch)
        return
    seen = evaluated(tmp_path / "wine", called(), emit(SHELLS["cmd"], {**values, "ASCII": "a", "GONE": None}))
    assert (seen.code, seen.output) == (1, b"")
    assert READS_OEM in seen.error
    assert seen.environ["GONE"] == "still here"
    assert not {"ASCII", *values} & set(seen.environ)


@pytest.mark.parametrize(("shell", "run"), ROWS)
def test_names_and_unset(tmp_path: Path, shell: str, run: Callable[[Path], Done]) -> None:
    changes: dict[str, str | None] = {"GONE": None, "NEVER_THERE": None}
    for name in NAMES:
        with contextlib.suppress(CannotCarry):
            SHELLS[shell].set_env(name, "v w")
            changes[name] = "v w"
    assert "DATABASE_URL" in changes
    read_back(tmp_path / "names", shell, run, changes)


def test_bash_carries_or_refuses_every_name_it_knows(tmp_path: Path) -> None:
    known = started(tmp_path, need("bash"), "--norc", "-c", "compgen -v; compgen -e").stdout.decode().split()
    missed = []
    env = shutil.which("env") or "env"
    for name in sorted({*known, *DOCUMENTED.split()}):
        try:
            text = emit(SHELLS["bash"], {name: "pro be"}).decode()
        except CannotCarry:
            continue
        done = started(tmp_path, need("bash"), "--norc", "-c", f'eval "$1"; {env} -0', "bash", text)
        if f"{name}=pro be".encode() not in done.stdout.split(b"\0"):
            missed.append(name)
    assert missed == []


def test_bash_forgets_what_an_older_variable_would_do_to_the_value(tmp_path: Path) -> None:
    changes = dict.fromkeys(("INTEGER", "UPPER", "ARRAY", "NEW"), "a[$(touch witness)]")
    before = "declare -i INTEGER; declare -u UPPER; ARRAY=(1 2); set -eu; "
    read_back(tmp_path / "older", "bash", lambda folder: bash(folder, before), changes)


def test_cmd_sets_nothing_under_delayed_expansion(tmp_path: Path) -> None:
    seen = evaluated(tmp_path / "v-on", called("/v:on"), emit(SHELLS["cmd"], {"V0": "a!b!", "GONE": None}))
    assert (seen.code, seen.output) == (1, b"")
    assert b"delayed expansion is on, so nothing was set" in seen.error
    assert seen.environ["GONE"] == "still here"
    assert "V0" not in seen.environ


def test_cmd_restores_the_code_page(tmp_path: Path) -> None:
    evaluated(tmp_path / "ascii", called(), emit(SHELLS["cmd"], {"A": "a"}))
    seen = evaluated(tmp_path / "not", called(), emit(SHELLS["cmd"], {"A": "\u00e9", "PATH": None}))
    page = (tmp_path / "not" / "page.txt").read_text()
    assert page
    assert page == (tmp_path / "ascii" / "page.txt").read_text()
    assert not [name for name in seen.environ if name.startswith("AUTOPACK_RUN_")]


def test_powershell_survives_a_value_without_any_ascii(tmp_path: Path) -> None:
    """As one chain of 16,000 [char]s it ends the process (7.6.9)."""
    read_back(tmp_path / "long", "powershell", invoked("Out-String | Invoke-Expression"), {"A": "\u00e9" * 17_000})


@pytest.mark.parametrize("pipe", ["Invoke-Expression", "Out-String | Invoke-Expression"])
def test_an_older_powershell_stops_before_an_empty_value(tmp_path: Path, pipe: str) -> None:
    text = emit(SHELLS["pwsh"], {"A": "a", "B": ""}).replace(b"$PSVersionTable", b"$older")
    run = invoked(pipe, "$older = @{PSVersion = [version]'7.4.6'}\n")
    seen = evaluated(tmp_path / "older", run, text)
    # PowerShell colours its errors and wraps them at the width of the console.
    assert b"before 7.5 cannot carry an empty value" in flat(seen.error)
    # A script goes on after a pipeline that failed; what counts is that A was not set either.
    assert not {"A", "B"} & set(seen.environ)


def flat(error: bytes) -> bytes:
    return re.sub(rb"[\s|]+", b" ", re.sub(rb"\x1b\[[0-9;]*m", b"", error))
