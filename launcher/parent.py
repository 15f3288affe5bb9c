"""`--end-with PID`, `--end-with-parent`: the launcher ends when the script that started it is gone, however that ended.

A killed script leaves its programs running: on POSIX they get another parent, on Windows none. A generated script must
not leave a server behind.
"""

import contextlib
import os
import re
import signal
import sys
import threading
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

# What stands between a script and this process without being it: pip's and uv's starters, a venv's redirector, py.exe,
# and programs that start another one.
_STARTER = re.compile(
    r"(?:autopack-run|python[\d.w]*|pyw?|uvx?|uvw|pipx|timeout|nohup|nice|ionice|env|time|stdbuf|setsid)(?:\.exe)?",
    re.IGNORECASE,
)
# Read as early as this module is: a script may be killed while its program comes up.
_PARENT = os.getppid()
# In seconds: Linux tells the beginning of a process by the time of boot, which may jump by one.
_SLACK = 1.0
ENDED = 143
"""The exit code then: that of SIGTERM, which it is like."""


def end_with(pid: int | None) -> None:
    """Watch from now on, in threads, that process and those between it and this one; None: up to the nearest script.

    Raises SystemExit where it is gone already.
    """
    above = _above()
    watched = _up_to_script(above) if pid is None else _up_to(pid, above)
    if os.getppid() != _PARENT:
        raise SystemExit(ENDED)
    for process in watched:
        threading.Thread(target=_watch, args=(process,), name="parent", daemon=True).start()


def _up_to(pid: int, above: list["psutil.Process"]) -> list["psutil.Process"]:
    import psutil

    numbers = [process.pid for process in above]
    if pid in numbers:
        return above[: numbers.index(pid) + 1]
    try:  # something in between has ended, or the list could not be read whole
        process = psutil.Process(pid)
        if process.create_time() <= psutil.Process().create_time() + _SLACK:
            return [process]
    except psutil.NoSuchProcess:
        pass
    raise SystemExit(ENDED)  # the number is nobody's, or by now another's


def _above() -> list["psutil.Process"]:
    """The processes above this one, the nearest first; a younger one has only got the number of the real one."""
    import psutil

    from shells.processes import LONGEST, line_up

    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        for process in islice(line_up(), 1 + LONGEST):
            if found and process.create_time() > found[-1].create_time() + _SLACK:
                break
            found.append(process)
    return found[1:]


def _up_to_script(above: list["psutil.Process"]) -> list["psutil.Process"]:
    """The starters and the first process that is none. On Windows there is nothing above them when it has ended."""
    import psutil

    for at, process in enumerate(above):
        with contextlib.suppress(psutil.Error):
            if not _STARTER.fullmatch(process.name()):
                return above[: at + 1]
    with contextlib.suppress(psutil.Error):
        if sys.platform == "win32" and above and not psutil.pid_exists(above[-1].ppid()):
            raise SystemExit(ENDED)
    return above


def _watch(process: "psutil.Process") -> None:
    import psutil

    with contextlib.suppress(psutil.AccessDenied):
        while not _is_gone(process):
            pass
        _end()


def _is_gone(process: "psutil.Process") -> bool:
    """Wait for its end, at most half a second. One whose parent has not yet taken its code has ended, too."""
    import psutil

    try:
        process.wait(0.5)
    except psutil.TimeoutExpired:
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(process.status() == psutil.STATUS_ZOMBIE)
    return True


def _end() -> None:
    if sys.platform == "win32":
        os._exit(ENDED)  # the job ends what was started; a wait for it cannot be interrupted
    os.kill(os.getpid(), signal.SIGTERM)
