"""Start a program on Windows, tie it to the launcher's life, and wait."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from launcher import child_job
from launcher.batch import batch_command_line, system_cmd
from launcher.child import Command, raise_start_error
from launcher.errors import INTERRUPTED, NOT_EXECUTABLE, LauncherError
from launcher.programs import is_batch

assert sys.platform == "win32"  # elsewhere child_posix does this


def run(command: Command, whole: bool = False, started: Callable[["Running"], object] | None = None) -> int:
    """The program's exit code as sys.exit takes it, or 130 where Ctrl-C came.

    Ctrl-C and Ctrl-Break reach every process of the console, so nothing is passed on, and the child stays in the
    launcher's group (CREATE_NEW_PROCESS_GROUP would switch Ctrl-C off in it). The launcher's own handler only notes
    it and waits: were it to end, its job would end the child in the middle of its own handler.
    """
    seen: set[int] = set()
    before = {number: signal.signal(number, lambda number, _frame: seen.add(number)) for number in _keys()}
    try:
        running = _start(command, whole)
        try:
            if started is not None:
                started(running)
            code = running.wait()
        finally:
            running.finish()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return INTERRUPTED if not command.interactive and signal.SIGINT in seen else code


def start(command: Command, output: str) -> "Running":
    """Start a server in a process group of its own, its output appended to the file; whole."""
    flags = subprocess.CREATE_NEW_PROCESS_GROUP
    with open(output, "ab") as file:
        return _start(
            command, True, cwd=command.folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file, creationflags=flags
        )


class Running:
    """See launcher.child.Running."""

    def __init__(self, process: "subprocess.Popen[bytes]", job: child_job.Job, whole: bool, apart: bool) -> None:
        self.pid = process.pid
        self._process, self._job, self._whole, self._apart = process, job, whole, apart
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        code = self._process.poll()
        return None if code is None else _signed(code)

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        return _signed(self._process.wait())

    def stop(self, grace: float = 10.0) -> int:
        """End it, and what belongs to it; its exit code. Only what has a process group of its own can be asked."""
        with self._lock:
            if self.poll() is None and self._apart and child_job.send_break(self.pid):
                until = time.monotonic() + grace
                while self.poll() is None and time.monotonic() < until:
                    time.sleep(0.02)
            if self._job.whole:
                self._job.end()
            if self.poll() is None:
                self._process.terminate()
            return self.wait()

    def finish(self) -> None:
        """What is left to do when run() returns, or fails: end the rest where it is whole, let go of it where not."""
        if self._whole or self.poll() is None:
            self.stop(0)
        else:
            self._job.let_go()


def _signed(code: int) -> int:
    # Windows codes are unsigned, sys.exit's are signed (cpython#125896).
    return code - 2**32 if code >= 2**31 else code


def _keys() -> list[signal.Signals]:
    return [getattr(signal, name) for name in ("SIGINT", "SIGBREAK") if hasattr(signal, name)]


def _start(command: Command, whole: bool, creationflags: int = 0, **options: Any) -> Running:
    # A batch file is no program: the one that it runs is, and that ends with the launcher.
    job = child_job.Job(whole or is_batch(command.program))
    try:
        process = _spawn(command, creationflags=creationflags | child_job.CREATE_SUSPENDED, **options)
    except OSError as error:
        raise_start_error(error, command)
    job.take(int(process._handle))  # type: ignore[attr-defined]
    return Running(process, job, whole, bool(creationflags))


def _spawn(command: Command, **options: Any) -> "subprocess.Popen[bytes]":
    # Without SYSTEMROOT a child cannot even load Winsock.
    env = (
        {}
        if "SYSTEMROOT" in map(str.upper, command.env)
        else {"SYSTEMROOT": os.environ.get("SYSTEMROOT", "C:\\Windows")}
    )
    env |= command.env
    if not is_batch(command.program):
        return subprocess.Popen(command.words, executable=command.program, env=env, **options)
    if command.folder.startswith("\\\\"):
        # It would run the file in C:\Windows instead ("UNC paths are not supported").
        raise LauncherError(
            "batch-argument",
            NOT_EXECUTABLE,
            f"cmd.exe cannot run {command.program} in the network folder {command.folder}",
            "give the share a drive letter (net use), or start the program itself instead of its .cmd file",
        )
    line = batch_command_line(command.program, command.words[1:], env)
    return subprocess.Popen(line, executable=system_cmd(), env=env, **options)
