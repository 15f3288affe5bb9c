"""Open files on Windows, asked by a process of its own.

psutil duplicates every handle of the others to find their files' names. Measured in the lab: that takes the asking
process's console away, its output and its Ctrl-C with it; and psutil's documentation says that it may hang.
"""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import IO

_PATIENCE = 3.0  # seconds; then it hangs, and is asked no more
_ASKED = """
import json, psutil, sys
for line in sys.stdin:
    found = {}
    for pid in json.loads(line):
        try:
            found[pid] = sorted({file.path for file in psutil.Process(pid).open_files()})
        except (psutil.Error, OSError, ValueError):
            found[pid] = []
    print(json.dumps(found), flush=True)
"""


class OpenFiles:
    """Started at the first question; it ends with its standard input, which is this process's."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._hung = False

    def of(self, pids: Iterable[int]) -> dict[int, list[str]]:
        """The paths of the files that each process has open; nothing where it cannot be told. Never raises."""
        if self._hung:
            return {}
        with contextlib.suppress(OSError, ValueError):
            process = self._process = self._process or _start()
            timer = threading.Timer(_PATIENCE, self._give_up)
            timer.start()
            try:
                return {int(pid): paths for pid, paths in json.loads(_ask(process, list(pids))).items()}
            finally:
                timer.cancel()
        return {}

    def _give_up(self) -> None:
        self._hung = True
        if self._process:
            self._process.kill()

    def end(self) -> None:
        """No more questions."""
        if self._process:
            self._process.kill()


def _start() -> "subprocess.Popen[str]":
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    pipe = subprocess.PIPE
    words = [sys.executable, "-I", "-c", _ASKED]  # -I: no guard, and no module of the project's
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, creationflags=flags)


def _ask(process: "subprocess.Popen[str]", pids: list[int]) -> str:
    asked: IO[str] | None = process.stdin
    told: IO[str] | None = process.stdout
    assert asked is not None
    assert told is not None
    asked.write(json.dumps(pids) + "\n")
    asked.flush()
    return told.readline()
