"""What was seen of the processes below the launcher: who they are, what they had open, whom they talked to."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from launcher.environment import WINDOWS
from launcher.output import masked, printable
from launcher.python_words import is_python, script

NAME_LIMIT = 100
ENDS_KEPT = 10_000
_CONSOLE = os.path.join(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32", "conhost.exe")
PYTHON, STARTER, CONSOLE, OTHER, UNKNOWN = "python", "starter", "console", "other", "unknown"


class Process(NamedTuple):
    """One process of the tree. name: program, and for Python its script or module; created: seconds since 1970.

    kind: `python`, `starter` (it only starts Python), `console` (Windows' own, which a program without one gets),
    `other`, or `unknown` where its file could not be asked for.
    """

    pid: int
    parent: int
    name: str
    kind: str
    created: float


class OpenFile(NamedTuple):
    """A SQLite database that the process had open, by the name it had then."""

    pid: int
    path: str
    device: int
    inode: int
    deleted: bool


class Connection(NamedTuple):
    """A TCP connection that the process had to the outside of its tree, with the numeric address at the other end."""

    pid: int
    host: str
    port: int


@dataclass
class Seen:
    """What was seen so far, and of the last look: live (creation by pid) and listeners (pids by port).

    near: the near ends that were open at the last look.
    ends: whose the near end of a connection is or was, by address and port; the latest ones, since ports come again.
    """

    processes: dict[int, Process] = field(default_factory=dict)
    files: dict[tuple[int, int, int, str], OpenFile] = field(default_factory=dict)
    connections: set[Connection] = field(default_factory=set)
    live: dict[int, float] = field(default_factory=dict)
    listeners: dict[int, set[int]] = field(default_factory=dict)
    own_ports: set[int] = field(default_factory=set)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    near: set[tuple[str, int]] = field(default_factory=set)

    def admit(self, process: Process) -> None:
        """Follow the process from now on. Whoever had its number before is forgotten."""
        self.processes[process.pid] = process
        self.live[process.pid] = process.created

    def rename(self, pid: int, name: str, kind: str) -> None:
        """The process has become another program; its parent, which may have ended, stays the first one."""
        self.processes[pid] = self.processes[pid]._replace(name=name, kind=kind)

    def note_file(self, file: OpenFile) -> None:
        """Keep the file; a later look may know that it was deleted."""
        self.files[file.pid, file.device, file.inode, file.path] = file

    def note_listener(self, pid: int, port: int) -> None:
        """Keep that the process listens on the port."""
        self.listeners.setdefault(port, set()).add(pid)
        self.own_ports.add(port)

    def note_connection(self, pid: int, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Keep the connection, unless somebody came in by it or both its ends are in the tree."""
        inside = remote[1] in self.own_ports and (remote[0] == local[0] or remote[0] in ("127.0.0.1", "::1"))
        if local[1] not in self.own_ports and not inside:
            self.connections.add(Connection(pid, *remote))
            self.near.add(local)
            self.ends.pop(local, None)
            self.ends[local] = pid
            if len(self.ends) > ENDS_KEPT:
                del self.ends[next(iter(self.ends))]


def describe(program: str, words: Sequence[str]) -> tuple[str, str]:
    """A short name for the program, and its kind.

    program: its file; words: its command line, of which only Python's script or module is shown, since any other word
    may be a password. A process may have overwritten it (setproctitle), which leaves one word.
    """
    name = os.path.basename(program.removesuffix(" (deleted)"))
    name = name[:-4] if name.lower().endswith(".exe") else name
    shown = f"{name} {script(words[1:])}".rstrip() if is_python(name) else name
    return printable(masked(shown))[:NAME_LIMIT], _kind(program, name)


def _kind(program: str, name: str) -> str:
    if WINDOWS:
        from launcher.python_starters import is_starter

        if is_starter(program):
            return STARTER
        if os.path.normcase(program) == os.path.normcase(_CONSOLE):
            return CONSOLE
    return PYTHON if is_python(name) else OTHER
