"""One program of a run: what its guards have recorded, and what was seen of it from outside."""

import os
from collections import Counter
from typing import TYPE_CHECKING

from launcher.child import Command
from launcher.environment import WINDOWS
from launcher.evidence import Watch
from launcher.python_words import is_python
from launcher.records import Reader, Records
from launcher.seen import CONSOLE, STARTER, UNKNOWN, Process, describe

if TYPE_CHECKING:
    from launcher.evidence_servers import Sessions


class Observed:
    """One program of a run. label: its name in the profile; folder: of its guards' records; watch: what is seen.

    sessions: what the pinned server lists of the whole run, None where it is not asked. roots: what the launcher itself
    has started for it, the names by pid.
    """

    def __init__(self, label: str, folder: str, watch: Watch, sessions: "Sessions | None" = None) -> None:
        self.label, self.folder, self.watch, self.sessions = label, folder, watch, sessions
        self.roots: dict[int, str] = {}
        self._starters = set[int]()
        self._reader = Reader(folder)

    def begin(self, pid: int, command: Command) -> None:
        """The launcher has started this; it may be over before anybody looks."""
        self.roots[pid], kind = describe(command.program, command.words)
        if kind == STARTER:
            self._starters.add(pid)
        self.watch.add(pid)

    def records(self) -> Records:
        """What its guards have recorded up to now."""
        return self._reader.read()

    def harmless(self) -> set[int]:
        """Processes on Windows that open no database: a console's, and those that only start Python.

        Of these only the ones whose Python is known, guarded or seen: behind another one anything may have been.
        """
        seen, records = self.watch.processes, self.records()
        consoles = {pid for pid, process in seen.items() if process.kind == CONSOLE}
        starters = {pid for pid, process in seen.items() if process.kind == STARTER}
        known = {process.parent for pid, process in seen.items() if pid not in consoles}
        known |= {each.parent for each in records.processes}
        root = self._starters if records.processes else self._starters & known
        return consoles | (starters & known) | root | (_unseen_starters(seen, records) if WINDOWS else set())


def _unseen_starters(seen: dict[int, Process], records: Records) -> set[int]:
    """Those that a guarded program has started and that were looked at too late, or not at all: told by their Python.

    That of a virtual environment's python.exe has its name and this parent. That of a console script has the script's
    .exe as its program; in between is a python.exe of which nobody knows whose child it was, so each counts once.
    """
    from launcher.python_starters import is_starter

    unseen = {start.child: start.program for start in records.starts if _is_unseen(start.child, seen)}
    found, scripts = set[int](), Counter[str]()
    for each in records.processes:
        if each.parent in unseen:
            if is_python(unseen[each.parent]) and is_starter(each.python):
                found.add(each.parent)
        elif each.how == "exec" and _is_unseen(each.parent, seen) and is_starter(each.program):
            scripts[_stem(each.program)] += 1
    for pid, program in unseen.items():
        if scripts[_stem(program)] > 0:
            scripts[_stem(program)] -= 1
            found.add(pid)
    return found


def _is_unseen(pid: int, seen: dict[int, Process]) -> bool:
    return pid not in seen or seen[pid].kind == UNKNOWN


def _stem(program: str) -> str:
    return os.path.basename(program).casefold().removesuffix(".exe")
