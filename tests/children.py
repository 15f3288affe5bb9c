"""Children for tests: a real Python that says when it is ready and stays until it is told to go."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from running import clean_env

_BEFORE = "import os, sys\nSAY = []\n"
_AFTER = "\nprint(os.getpid(), *SAY, flush=True)\nsys.stdin.read()\n"


class Child(NamedTuple):
    """pid: as the start gave it; own: Python's (another one on Windows, in a virtual environment); said: its words."""

    pid: int
    own: int
    said: list[str]


@contextlib.contextmanager
def child(code: str, cwd: Path, env: Mapping[str, str] | None = None) -> Iterator[Child]:
    """Run the code, which may put words into SAY, and end it (by closing its standard input) afterwards."""
    (cwd / "child.py").write_text(_BEFORE + code + _AFTER, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "child.py"],
        cwd=cwd,
        env=clean_env(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        own, *said = process.stdout.readline().split()
        yield Child(process.pid, int(own), said)
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
