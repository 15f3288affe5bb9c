"""What the processes below the launcher really used, seen from outside: database files, connections, ports."""

import contextlib
import sys
import threading
import time
from collections.abc import Sequence
from typing import Protocol

from launcher.seen import CONSOLE, Connection, OpenFile, Process, Seen

__all__ = ["Connection", "OpenFile", "Process", "Watch"]

# Seconds since the last root came, and between two looks from then on.
_PACES = ((60.0, 1.0), (5.0, 0.25), (0.0, 0.05))
# A look costs more where there is more to see: then they come more rarely, so that they take less than 2 % of a CPU.
_REST = 80
_LONGEST_REST = 5.0
_PATIENCE = 2.0
# What ends with the program, such as multiprocessing's resource tracker, may take a moment.
_LINGER = 2.0


class _Eyes(Protocol):
    def look(self, seen: Seen, roots: Sequence[int], last: bool, /) -> None: ...


class Watch:
    """Looks at the trees below the given processes again and again, in a thread of its own.

    mark: the run folder (the variable AUTOPACK_RUN_RUN of the children), by which Linux finds those who left the tree
    unseen. stays: its processes were there before, and go on afterwards. What opens and closes a file between two looks
    is not seen; what one never sees is unknown, not absent.
    """

    def __init__(self, mark: str = "", stays: bool = False) -> None:
        self.stays = stays
        self._seen = Seen()
        self._eyes = _eyes(mark)
        self._roots: list[int] = []
        self._looking = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._since = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="evidence", daemon=True)

    def add(self, pid: int) -> None:
        """Watch the process and its descendants too."""
        self._roots.append(pid)
        self._since = time.monotonic()
        self._wake.set()

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look a last time and no more. Returns within a few seconds whatever the system does."""
        self._stopped = True
        self._wake.set()
        self._look(last=True)
        end = time.monotonic() + _LINGER
        while self.living and time.monotonic() < end:
            time.sleep(0.05)
            self._look(last=True)
        if self._thread.ident:
            self._thread.join(_PATIENCE)

    def sample(self) -> None:
        """Look now."""
        self._look(last=False)

    # Copied in one step of the interpreter each, so that nobody iterates over what the thread is changing.

    @property
    def processes(self) -> dict[int, Process]:
        """All that were seen, the ended ones too, by pid; the latest where two had the same."""
        return dict(self._seen.processes)

    @property
    def living(self) -> list[Process]:
        """Those of the run that were there at the latest look, but for Windows' consoles."""
        if self.stays:
            return []
        live = [self._seen.processes[pid] for pid in dict(self._seen.live)]
        return [process for process in live if process.kind != CONSOLE]

    @property
    def files(self) -> dict[tuple[int, int, int, str], OpenFile]:
        """The SQLite databases that were seen open, by (pid, device, inode, path)."""
        return dict(self._seen.files)

    @property
    def connections(self) -> set[Connection]:
        """The connections out of the tree that were seen."""
        return set(self._seen.connections)

    @property
    def ends(self) -> dict[tuple[str, int], int]:
        """Whose the near end of each of them is or was, by address and port."""
        return dict(self._seen.ends)

    @property
    def near(self) -> set[tuple[str, int]]:
        """The near ends that were open at the latest look: a port that is free again may be anybody's."""
        return set(self._seen.near)

    def family(self, pid: int) -> set[int]:
        """The process and its ancestors within the tree, from whom it may have open files; empty for a stranger."""
        known, found = self.processes, set[int]()
        while pid in known and pid not in found:
            found.add(pid)
            pid = known[pid].parent
        return found

    def listening(self, port: int) -> set[int]:
        """The processes of the tree that listen on the TCP port now; several where it was inherited."""
        self.sample()
        return set(self._seen.listeners.get(port, ()))

    def _look(self, last: bool) -> None:
        if not self._looking.acquire(timeout=_PATIENCE):
            return  # the system is slow to answer the thread
        try:
            # Processes and files vanish at any moment; whatever that breaks, the next look finds them gone.
            with contextlib.suppress(OSError, ValueError, LookupError, RuntimeError):
                self._eyes.look(self._seen, tuple(self._roots), last)
        finally:
            self._looking.release()

    def _watch(self) -> None:
        while not self._stopped:
            used, began = time.thread_time(), time.monotonic()
            self._look(last=False)
            cost = max(_REST * (time.thread_time() - used), time.monotonic() - began)
            pace = next(pace for since, pace in _PACES if time.monotonic() - self._since >= since)
            self._wake.wait(max(pace, min(cost, _LONGEST_REST)))
            self._wake.clear()  # only then: what was set before the look would be lost, and stop() would wait in vain


def _eyes(mark: str) -> _Eyes:
    if sys.platform == "linux":
        from launcher.evidence_linux import LinuxEyes

        return LinuxEyes(mark)
    from launcher.evidence_psutil import PsutilEyes

    return PsutilEyes()
