"""One look at the tree through psutil, for systems without /proc."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from launcher.seen import UNKNOWN, OpenFile, Process, Seen, describe
from launcher.sockets import End, plain
from launcher.sqlite_files import is_database

if TYPE_CHECKING:
    import psutil

    from launcher.evidence_files import OpenFiles

# Windows has no list of a process's files: psutil goes through every handle of the system, gives a process that hangs
# a tenth of a second for each, and calls the outcome a hint (https://psutil.readthedocs.io, "open_files").
_FILES_EVERY = 5.0 if sys.platform == "win32" else 0.0
_FILES_FIRST = 1.0  # what is over sooner is not worth a process that asks


class PsutilEyes:
    """Looks at the tree. There is no mark: who left the tree before the first look is not found."""

    def __init__(self) -> None:
        self._files_at = time.monotonic() - max(0.0, _FILES_EVERY - _FILES_FIRST)
        self._files: OpenFiles | None = None

    def look(self, seen: Seen, roots: Sequence[int], last: bool = False) -> None:
        """Add to `seen` what is there now; the last look waits for nothing."""
        tree = self._follow(seen, roots)
        if tree and not (last and _FILES_EVERY) and time.monotonic() - self._files_at >= _FILES_EVERY:
            for pid, paths in self._open_files(tree).items():
                for path in paths:
                    _note_file(pid, path, seen)
            self._files_at = time.monotonic()
        if last and self._files:
            self._files.end()
        _note_sockets(tree, seen)

    def _open_files(self, tree: "Sequence[psutil.Process]") -> dict[int, list[str]]:
        import psutil

        if sys.platform == "win32":
            from launcher.evidence_files import OpenFiles

            self._files = self._files or OpenFiles()
            return self._files.of(process.pid for process in tree)
        found = {}
        for process in tree:
            with contextlib.suppress(psutil.Error, OSError, ValueError):
                found[process.pid] = sorted({file.path for file in process.open_files()})
        return found

    def _follow(self, seen: Seen, roots: Sequence[int]) -> "list[psutil.Process]":
        import psutil

        before, seen.live = seen.live, {}
        tree = []
        for pid in dict.fromkeys((*roots, *before)):
            with contextlib.suppress(psutil.Error, OSError):
                process = psutil.Process(pid)
                known = seen.processes.get(pid)
                if known is None or known.created == process.create_time():
                    tree += [each for each in (process, *process.children(recursive=True)) if _admit(each, seen)]
        return tree


def _admit(process: "psutil.Process", seen: Seen) -> bool:
    """False for one that has ended meanwhile or is in the list already."""
    import psutil

    if process.pid in seen.live:
        return False
    try:
        created = process.create_time()
        known = seen.processes.get(process.pid)
        if known is None or known.created != created:
            seen.admit(Process(process.pid, process.ppid(), *_program(process), created))
    except (psutil.Error, OSError):
        return False
    seen.live[process.pid] = created
    return True


def _program(process: "psutil.Process") -> tuple[str, str]:
    import psutil

    name, program, words = "", "", list[str]()
    with contextlib.suppress(psutil.Error, OSError):
        name = process.name()
        program = process.exe()
        words = process.cmdline()
    shown, kind = describe(program or name, words)
    return shown or "a program that was over at once", kind if program else UNKNOWN


def _note_file(pid: int, path: str, seen: Seen) -> None:
    with contextlib.suppress(OSError):
        found = os.stat(path)
        if is_database(path):
            seen.note_file(OpenFile(pid, path, found.st_dev, found.st_ino, False))


def _note_sockets(tree: "Sequence[psutil.Process]", seen: Seen) -> None:
    import psutil

    found = list[tuple[int, str, End, End]]()
    with contextlib.suppress(psutil.Error, OSError):
        found = [(pid, state, _end(local), _end(remote)) for pid, state, local, remote in _sockets(tree)]
    seen.listeners, seen.near = {}, set()
    for pid, state, local, _remote in found:
        if state == psutil.CONN_LISTEN:
            seen.note_listener(pid, local[1])
    for pid, state, local, remote in found:
        if state in (psutil.CONN_ESTABLISHED, psutil.CONN_CLOSE_WAIT) and remote[1]:
            seen.note_connection(pid, local, remote)


def _end(address: Sequence[Any]) -> End:
    return (plain(address[0]), address[1]) if address else ("", 0)


def _sockets(tree: "Sequence[psutil.Process]") -> Iterator[tuple[int, str, Sequence[Any], Sequence[Any]]]:
    import psutil

    if sys.platform == "win32":  # one question for all is as dear as one for each
        pids = {process.pid for process in tree}
        yield from ((c.pid, c.status, c.laddr, c.raddr) for c in psutil.net_connections("tcp") if c.pid in pids)
        return
    for process in tree:  # macOS lets only root ask for all
        with contextlib.suppress(psutil.Error, OSError):
            yield from ((process.pid, c.status, c.laddr, c.raddr) for c in process.net_connections("tcp"))
