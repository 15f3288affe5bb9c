"""Which of the tree's open sockets listen, and whom the others are connected to: Linux, by the TCP tables."""

import time
from typing import NamedTuple

from launcher.seen import Seen
from launcher.sockets import CONNECTED, LISTENING, End, end, rows

_TABLE_EVERY = 1.0
_EAGER_LOOKS = 3  # at a socket that the TCP tables do not (yet) have

Sockets = dict[str, set[int]]
"""The processes that have a socket open, by its inode as /proc/net/tcp writes it."""


class _Ends(NamedTuple):
    listening: bool
    local: End
    remote: End


class Tables:
    """Remembers what each socket is, since reading the tables is what costs on a busy machine."""

    def __init__(self) -> None:
        self._ends: dict[str, _Ends] = {}
        self._tries: dict[str, int] = {}
        self._read_at = 0.0

    def note(self, seen: Seen, sockets: Sockets) -> None:
        """Add to `seen` what the sockets are that are open now."""
        self._ends = {inode: ends for inode, ends in self._ends.items() if inode in sockets}
        self._read(sockets)
        seen.listeners, seen.near = {}, set()
        for inode, ends in self._ends.items():
            for pid in sockets[inode] if ends.listening else ():
                seen.note_listener(pid, ends.local[1])
        for inode, ends in self._ends.items():
            for pid in () if ends.listening else sockets[inode]:
                seen.note_connection(pid, ends.local, ends.remote)

    def _read(self, sockets: Sockets) -> None:
        """Unknown sockets are looked up at once a few times, then now and then: most of them are no TCP."""
        unknown = sockets.keys() - self._ends.keys()
        self._tries = {inode: self._tries.get(inode, 0) + 1 for inode in unknown}
        now = time.monotonic()
        eager = any(tries <= _EAGER_LOOKS for tries in self._tries.values())
        if not unknown or not (eager or now - self._read_at > _TABLE_EVERY):
            return
        self._read_at = now
        for row in rows():
            if row.inode in unknown and (row.state == LISTENING or row.state in CONNECTED):
                self._ends[row.inode] = _Ends(row.state == LISTENING, end(row.local), end(row.remote))
