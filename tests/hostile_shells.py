"""The real shells, asked about thousands of values in few starts; hostile.py draws them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from parts import need

from shells.base import CannotCarry, Shell
from shells.emit import emit

BATCH = 400

CHILD = (
    "import json, os, sys\nwith open(f'seen{sys.argv[1]}.json', 'x') as out:\n    json.dump(dict(os.environ), out)\n"
)
# A console of its own, unseen: PowerShell for Windows does not start without one.
DRIVER = (
    "import os, subprocess, sys\n"
    "env = {**os.environ, 'PY': sys.executable}\n"
    "done = subprocess.run(sys.argv[1:], env=env, capture_output=True, creationflags=subprocess.CREATE_NO_WINDOW)\n"
    "sys.stdout.buffer.write(done.stdout + done.stderr)\nsys.exit(done.returncode)\n"
)
POSIX = 'eval "$(cat env{0})" || exit; "$PY" -X utf8 -ISs child.py {0}\n'
PWSH = "& {cat} env{0} | Out-String | Invoke-Expression; & $env:PY -X utf8 -ISs child.py {0}\n"
# How each shell is started on a script, and the lines by which it evaluates the file of one batch.
SHELL_LINES: dict[str, tuple[list[str], str]] = {
    "bash": (["bash", "--norc"], POSIX),
    "cmd": (["cmd", "/d", "/c"], '@call env{0}.cmd\r\n@if errorlevel 1 exit /b 1\r\n@"%PY%" -ISs child.py {0}\r\n'),
    "cmd --for-f": (
        ["cmd", "/d", "/c"],
        '@for /f "usebackq delims=" %%i in (`type env{0}.cmd`) do @%%i\r\n@"%PY%" -ISs child.py {0}\r\n',
    ),
    "dash": (["dash"], POSIX),
    "fish": (["fish", "--no-config"], "cat env{0} | source; or exit; $PY -X utf8 -ISs child.py {0}\n"),
    "ksh": (["ksh"], POSIX),
    "powershell": (["pwsh", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File"], PWSH),
    "pwsh": (["pwsh", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File"], PWSH),
    "sh": (["sh"], POSIX),
    "zsh": (["zsh", "-f"], POSIX),
}


SUFFIX = {name: ".cmd" if name.startswith("cmd") else "" for name in SHELL_LINES}


class Altered(AssertionError):  # noqa: N818 - it reads as what happened
    """A value that arrived otherwise, or did something: shown, since that is what one wants to know."""


def refused(shell: Shell, name: str, value: str) -> bool:
    """Whether the dialect refuses; what cannot be bytes of an environment it has to."""
    try:
        shell.set_env(name, value)
    except CannotCarry:
        return True
    try:
        assert b"\0" not in value.encode("utf-8", "surrogateescape")
    except (UnicodeEncodeError, AssertionError):
        raise Altered(f"{shell.name} should refuse {value!a}") from None
    return False


def hold(folder: Path, shell: Shell, values: Sequence[str]) -> int:
    """Assert that the real shell carries each value or the dialect refuses it; return how many were carried."""
    carried = [value for value in values if not refused(shell, "V0", value)]
    batches = [carried[i : i + BATCH] for i in range(0, len(carried), BATCH)]
    seen = evaluated(folder, shell, [{f"V{i}": value for i, value in enumerate(batch)} for batch in batches])
    for number, batch in enumerate(batches):
        for i, value in enumerate(batch):
            compare(shell, f"V{i}", value, seen[number])
    return len(carried)


def compare(shell: Shell, name: str, value: str, environ: Mapping[str, str]) -> None:
    """Assert that the child saw the very bytes."""
    found = environ.get(name.upper() if shell.folds_case and name not in environ else name)
    if found is None or found.encode("utf-8", "surrogateescape") != value.encode("utf-8", "surrogateescape"):
        raise Altered(f"{shell.name} made {found!a} of {name}={value!a}")


def evaluated(folder: Path, shell: Shell, batches: list[dict[str, str]]) -> list[dict[str, str]]:
    """Let one start of the shell evaluate all batches; return what a child saw after each.

    When the shell stopped or ran something, the batches are halved until the one value is found.
    """
    folder.mkdir()
    for number, batch in enumerate(batches):
        (folder / f"env{number}{SUFFIX[shell.name]}").write_bytes(emit(shell, batch))
    output = started(folder, shell.name, len(batches))
    there = {path.name for path in folder.iterdir()}
    ours = {
        f"{kind}{n}{end}" for n in range(len(batches)) for kind, end in (("env", SUFFIX[shell.name]), ("seen", ".json"))
    }
    seen = [json.loads((folder / f"seen{n}.json").read_text()) for n in range(len(batches)) if f"seen{n}.json" in there]
    if there - {"child.py", "driver.py", "run", "run.cmd", "run.ps1"} == ours and not any(
        "INJECTED" in found for found in seen
    ):
        return seen
    for half in halves(batches):
        evaluated(folder / f"half{len(list(folder.iterdir()))}", shell, half)
    raise Altered(
        f"{shell.name} ran or stopped at {batches[0] if len(batches) == 1 else 'several at once'!a}: {output[-500:]!a}"
    )


def halves(batches: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    """Return the batches in two parts; a single batch by its values; nothing for a single value."""
    if len(batches) > 1:
        return [batches[: len(batches) // 2], batches[len(batches) // 2 :]]
    pairs = list(batches[0].items())
    return [[dict(pairs[: len(pairs) // 2])], [dict(pairs[len(pairs) // 2 :])]] if len(pairs) > 1 else []


def started(folder: Path, name: str, count: int) -> bytes:
    """Start the shell on a script that evaluates the files of all batches, and a child after each."""
    lines = SHELL_LINES[name][1].replace("{cat}", "cmd /c type" if sys.platform == "win32" else "cat")
    (folder / "child.py").write_text(CHILD)
    return scripted(folder, name, "".join(lines.replace("{0}", str(number)) for number in range(count)))


def scripted(folder: Path, name: str, text: str) -> bytes:
    """Let the shell run the text as a script in the folder; return all that it printed."""
    command = SHELL_LINES[name][0]
    script = folder / {"cmd": "run.cmd", "pwsh": "run.ps1"}.get(command[0], "run")
    script.write_bytes(text.encode())
    words = [command[0] if command[0] == "cmd" else need(command[0]), *command[1:], script.name]
    if sys.platform == "win32" or command[0] == "cmd":
        (folder / "driver.py").write_text(DRIVER)
        words = [
            *([sys.executable] if sys.platform == "win32" else [need("windows-lab"), "run", "python3.11"]),
            "driver.py",
            *words,
        ]
    env = {**os.environ, "PY": sys.executable, "NO_COLOR": "1"}
    done = subprocess.run(
        words, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=3600, check=False
    )
    return done.stdout + done.stderr
