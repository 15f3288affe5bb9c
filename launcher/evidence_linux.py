"""One look at the tree through /proc: a millisecond for a few processes, and no library to import."""

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from launcher.evidence_sockets import Sockets, Tables
from launcher.seen import OpenFile, Process, Seen, describe
from launcher.sqlite_files import is_database

assert sys.platform == "linux"  # elsewhere evidence_psutil does this

_YOUNG = 1.0  # seconds in which a process is asked again for its program: it may have been between fork and exec
_MARK_EVERY = 0.5
_REMEMBERED = 10_000


class State(NamedTuple):
    """What /proc/PID/stat says: the program's short name, the parent, the creation in seconds since 1970."""

    comm: str
    parent: int
    created: float


class LinuxEyes:
    """Looks at the tree; what a look has learned about sockets and files makes the next one cheaper.

    mark: the run folder; a process that has it as AUTOPACK_RUN_RUN belongs to the tree wherever it went.
    """

    def __init__(self, mark: str) -> None:
        self._mark = f"AUTOPACK_RUN_RUN={mark}".encode(errors="surrogateescape") if mark else b""
        self._boot = _boot_time()
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._comms: dict[int, tuple[str, float]] = {}
        self._tables = Tables()
        self._others: set[tuple[int, int, int]] = set()
        self._pids: set[int] = set()
        self._mark_at = 0.0

    def look(self, seen: Seen, roots: Sequence[int], last: bool = False) -> None:
        """Add to `seen` what is there now."""
        self._follow(seen, roots)
        if self._mark and (last or time.monotonic() - self._mark_at > _MARK_EVERY):
            self._mark_at = time.monotonic()
            self._search(seen)
        sockets: Sockets = {}
        for pid in list(seen.live):
            self._look_into(pid, seen, sockets)
        self._tables.note(seen, sockets)

    # The tree

    def _follow(self, seen: Seen, roots: Sequence[int]) -> None:
        """Forget who has ended, or whose number is another's now, and admit the children of the rest."""
        before, seen.live = seen.live, {}
        pending = [(pid, False) for pid in dict.fromkeys((*roots, *before))]
        while pending:
            pid, is_child = pending.pop()
            if pid in seen.live or (state := self._state(pid)) is None:
                continue
            known = seen.processes.get(pid)
            if is_child or known is None or known.created == state.created:
                self._admit(pid, state, seen)
                pending += [(child, True) for child in _children(pid)]

    def _admit(self, pid: int, state: State, seen: Seen) -> None:
        known = seen.processes.get(pid)
        now = time.monotonic()
        if known is None or known.created != state.created:
            seen.admit(Process(pid, state.parent, *_program(pid, state), state.created))
            self._comms[pid] = state.comm, now
            return
        seen.live[pid] = state.created
        comm, since = self._comms[pid]
        if comm != state.comm or now - since < _YOUNG:
            seen.rename(pid, *_program(pid, state))
            self._comms[pid] = state.comm, since

    def _state(self, pid: int) -> State | None:
        """None for one that has ended, also where its parent has not asked for its code yet."""
        try:
            with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
                head, _, tail = file.read().rpartition(b")")
            words = tail.split()
            if words[0] in (b"Z", b"X"):
                return None
            created = self._boot + int(words[19]) / self._ticks
            return State(head.partition(b"(")[2].decode(errors="replace"), int(words[1]), created)
        except (OSError, IndexError, ValueError):
            return None

    def _search(self, seen: Seen) -> None:
        """Find who has left the tree before it was seen (a daemon forks twice): each new process is asked once."""
        pids = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        new, self._pids = pids - self._pids, pids
        for pid in new - set(seen.live) - {os.getpid()}:
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    is_ours = self._mark in file.read().split(b"\0")
            except OSError:  # another user's
                continue
            if is_ours and (state := self._state(pid)):
                self._admit(pid, state, seen)

    # What they have open

    def _look_into(self, pid: int, seen: Seen, sockets: Sockets) -> None:
        folder = f"/proc/{pid}/fd"
        try:
            names = os.listdir(folder)
        except OSError:
            return
        for name in names:
            with contextlib.suppress(OSError):  # closed meanwhile
                found = os.stat(f"{folder}/{name}")
                if stat.S_ISREG(found.st_mode):
                    self._look_at(pid, f"{folder}/{name}", found, seen)
                elif stat.S_ISSOCK(found.st_mode):
                    sockets.setdefault(str(found.st_ino), set()).add(pid)

    def _look_at(self, pid: int, link: str, found: os.stat_result, seen: Seen) -> None:
        # Such a file is read again when it has changed. Each look opens and closes it, which would drop the locks
        # that this process had on it through SQLite, so nobody here may have any while a Watch runs.
        other = (found.st_dev, found.st_ino, found.st_mtime_ns)
        if other in self._others:
            return
        path, deleted = os.readlink(link), found.st_nlink == 0
        path = path.removesuffix(" (deleted)") if deleted else path
        known = seen.files.get((pid, found.st_dev, found.st_ino, path))
        if known or is_database(path, link):
            if known is None or known.deleted != deleted:
                seen.note_file(OpenFile(pid, path, found.st_dev, found.st_ino, deleted))
        elif found.st_size:  # an empty one may get a sidecar, by which it is known
            if len(self._others) > _REMEMBERED:
                self._others.clear()
            self._others.add(other)


def _program(pid: int, state: State) -> tuple[str, str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = os.fsdecode(file.read()).split("\0")
        return describe(os.readlink(f"/proc/{pid}/exe"), words)
    except OSError:  # another user's
        return describe(state.comm, ())


def _children(pid: int) -> Iterator[int]:
    """Each thread has its own list (proc_pid_task_children(5)); a kernel without it leaves the mark to find them."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                yield from map(int, file.read().split())
    except OSError:
        return


def _boot_time() -> float:
    """As psutil reckons it, so that creation times are the same numbers."""
    with contextlib.suppress(OSError, ValueError, StopIteration), open("/proc/stat", "rb") as file:
        return float(next(line for line in file if line.startswith(b"btime")).split()[1])
    return 0.0
