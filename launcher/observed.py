"""One program of a run: what its guards have recorded, and what was seen of it from outside."""

from typing import TYPE_CHECKING

from launcher.child import Command
from launcher.evidence import Watch
from launcher.python_words import is_python
from launcher.records import Reader, Records
from launcher.seen import CONSOLE, STARTER, UNKNOWN, Process, describe, is_starter

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
        starters = {pid for pid, process in seen.items() if process.kind == STARTER} | _unseen_starters(seen, records)
        known = {process.parent for pid, process in seen.items() if pid not in consoles}
        known |= {each.parent for each in records.processes}
        return consoles | (starters & known) | (self._starters if records.processes else self._starters & known)


def _unseen_starters(seen: dict[int, Process], records: Records) -> set[int]:
    """Each virtual environment's python.exe that was looked at too late to be asked for its file, or not at all.

    Told by its own Python, which has that file's name and this parent.
    """
    named = {start.child for start in records.starts if is_python(start.program)}
    unseen = {pid for pid in named if pid not in seen or seen[pid].kind == UNKNOWN}
    return {each.parent for each in records.processes if each.parent in unseen and is_starter(each.python)}
