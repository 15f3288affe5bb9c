"""Which processes belong to a started program, and ending them. Standard library only: the keeper runs it bare."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

assert sys.platform != "win32"  # there a job object holds the tree

# In the environment of a whole tree: one word for each launch above it, so that a worker is known whoever its parent
# is now and whichever session it is in. (AUTOPACK_RUN_RUN will not do: a task and its server share that folder.)
MARK = "AUTOPACK_RUN_TREE"
# After SIGKILL, in seconds: what is still there then sleeps in the kernel and cannot be ended by anybody.
_LAST = 3.0


class Process(NamedTuple):
    """A process as the system lists it. start: its time in the system's own words, which tell two of one pid apart."""

    pid: int
    parent: int
    group: int
    session: int
    start: str


class Tie:
    """A program that ends with the launcher. whole: with all that it starts; own: it leads a session of its own.

    pid: 0 where only the mark is known.
    """

    def __init__(self, pid: int, whole: bool, own: bool, mark: str) -> None:
        self.pid, self.whole, self.own, self.mark = pid, whole, own, mark
        self.known = {pid: start} if pid and (start := _start(pid)) else {}


def processes() -> dict[int, Process]:
    """All processes that run, by pid; zombies, which have ended, are not among them."""
    return _of_proc() if sys.platform == "linux" else _of_ps()


def members(tie: Tie, table: dict[int, Process]) -> list[Process]:
    """The tie's processes among those of the table; remembers them, so that a lost parent loses no child."""
    known = {pid for pid, start in tie.known.items() if pid in table and table[pid].start == start}
    if not tie.whole:
        return [table[pid] for pid in known]
    root_is_another = tie.pid in table and tie.pid not in known
    owned = {tie.pid} if tie.own and not root_is_another else set()
    found = known | _marked(tie.mark, set(table) - known)
    while True:
        # What leads a group or a session owns it; the launcher's own are never led by a member.
        owned |= {number for pid in found for number in table[pid][2:4] if number == pid}
        more = {p.pid for p in table.values() if p.parent in found or p.group in owned or p.session in owned} - found
        if not more:
            break
        found |= more
    found.discard(os.getpid())
    tie.known |= {pid: table[pid].start for pid in found}
    return [table[pid] for pid in found]


def find(tie: Tie, patience: float) -> bool:
    """Whether anything of it runs, or comes to run within `patience` seconds."""
    until = time.monotonic() + patience
    while not (found := members(tie, processes())) and time.monotonic() < until:
        time.sleep(0.01)
    return bool(found)


def end(ties: list[Tie], grace: float, hurried: Callable[[], bool] = lambda: False) -> None:
    """End what is tied as an operator would, by force after `grace` seconds; returns when nothing of it runs.

    hurried: asked again and again; from its first yes on there is no grace left.
    """
    started, pause, told = time.monotonic(), 0.004, False
    while True:
        table = processes()
        found = {process.pid: process for tie in ties for process in members(tie, table)}.values()
        passed = time.monotonic() - started
        grace = min(grace, passed) if hurried() else grace
        if not found or passed > grace + _LAST:
            return
        # What comes into being later (a dump before the end) is let be until the time is up.
        numbers = (signal.SIGKILL,) if passed >= grace else () if told else (signal.SIGTERM, signal.SIGCONT)
        for process in found:
            for number in numbers:
                send(process, number)
        told, pause = True, min(2 * pause, 0.05)
        time.sleep(pause)


def send(process: Process, number: int) -> None:
    """Send the signal to that very process, and to none that has got its pid since."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended, or is another user's
        handle = _handle(process.pid)
        try:
            if _start(process.pid) != process.start:
                return
            if handle is None:
                os.kill(process.pid, number)
            elif sys.platform == "linux":
                signal.pidfd_send_signal(handle, number)
        finally:
            if handle is not None:
                os.close(handle)


def _handle(pid: int) -> int | None:
    """A pidfd, which goes on meaning the same process; None where there is none (not Linux, an old one)."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        return None


def _start(pid: int) -> str:
    found = _stat(pid) if sys.platform == "linux" else processes().get(pid)
    return found.start if found else ""


def _of_proc() -> dict[int, Process]:
    found = (_stat(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return {process.pid: process for process in found if process}


def _stat(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # proc(5): the name, in parentheses, may hold anything; fields 3 to 6 and 22 follow it.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in b"ZX":
        return None
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), fields[19].decode())


def _of_ps() -> dict[int, Process]:
    import subprocess

    command = ["/bin/ps", "-A", "-o", "pid=,ppid=,pgid=,stat=,lstart="]
    listed = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    table = {}
    for line in listed.splitlines():
        pid, parent, group, state, start = line.split(None, 4)
        if not state.startswith("Z"):
            with contextlib.suppress(OSError):  # ps shows sessions as addresses
                table[int(pid)] = Process(int(pid), int(parent), int(group), os.getsid(int(pid)), start.strip())
    return table


def _marked(mark: str, pids: set[int]) -> set[int]:
    return {pid for pid in pids if mark in _marks(pid)} if sys.platform == "linux" else set()


def _marks(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read()
    except OSError:  # another user's, or it has just ended
        return []
    _, found, rest = (b"\0" + environment).partition(f"\0{MARK}=".encode())
    return rest.partition(b"\0")[0].decode("ascii", "replace").split() if found else []
