"""Running the command line as a person would: a real process, a known environment, a folder with a profile file."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import autopack_run

LAUNCHER = [sys.executable, os.path.abspath(autopack_run.__file__)]

# What a program needs to start at all; everything else would be the test machine's, not the test's.
_NEEDED = (
    "PATH",
    "HOME",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "COMSPEC",
    "PATHEXT",
    "TEMP",
    "TMP",
    "USERPROFILE",
    "LANG",
    "LC_ALL",
)


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The few variables that every program needs, and `extra`."""
    return {name: text for name, text in os.environ.items() if name.upper() in _NEEDED} | dict(extra or {})


def run(
    arguments: Sequence[str | os.PathLike[str]],
    cwd: Path,
    env: Mapping[str, str] | None = None,
    input: str | None = None,  # noqa: A002 (subprocess's own word)
    timeout: float = 60,
) -> "subprocess.CompletedProcess[str]":
    """Run autopack-run with the arguments in the folder; output as text, in UTF-8."""
    return subprocess.run(
        [*LAUNCHER, *map(os.fspath, arguments)],
        cwd=cwd,
        env=clean_env({"PYTHONUTF8": "1"} | dict(env or {})),
        input=input,
        stdin=None if input is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=timeout,
        check=False,
    )


def wait_until(what: Callable[[], object], seconds: float = 60, told: Callable[[], object] = lambda: "") -> None:
    """Wait until it is true, or fail after so many seconds with what `told` returns then."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"waited {seconds} s in vain: {told()}"
        time.sleep(0.02)


def write(folder: Path, text: str) -> Path:
    """Write the folder's autopack-run.toml."""
    path = folder / "autopack-run.toml"
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def last_line(result: "subprocess.CompletedProcess[str]") -> str:
    """The last line of standard error, which names the slug where the exit code is the launcher's."""
    return result.stderr.rstrip("\n").rsplit("\n", 1)[-1]


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below the folder: size, mtime in nanoseconds, bytes. Equal snapshots: nothing was touched."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
