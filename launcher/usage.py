"""Which databases a run really used: the guards' records and what was seen from outside, put together."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from launcher.child import Command
from launcher.errors import ConfigurationError, LauncherError
from launcher.evidence import Watch
from launcher.identity.expectation import Identity
from launcher.identity.sqlite_path import same_file
from launcher.identity.url import DatabaseURL, parse_database_url
from launcher.identity.verdict import look_at
from launcher.records import Opening, Reader, Records
from launcher.seen import STARTER, describe
from launcher.strays import Change

MEMORY = ":memory:"
GONE, EMPTY, NONE = "it is gone", "it is empty", "it is no SQLite database"
_REASONS = {"empty-file": EMPTY, "not-sqlite": NONE}


class Pinned(NamedTuple):
    """The database that a run is to stay on. url: None where there is none. tables: what it must have."""

    name: str
    url: DatabaseURL | None
    tables: tuple[str, ...]
    db_id: str = ""
    device: int = 0
    inode: int = 0

    @property
    def shown(self) -> str:
        """Its name and place, with nothing secret."""
        return f"'{self.name}' ({self.url.path or self.url.shown})" if self.url else "no database"

    def is_at(self, place: str, device: int = 0, inode: int = 0) -> bool:
        """Whether the place is the pinned database: by device and inode, by path, or by server and name.

        A file that had the path once, and was deleted or moved since, is another one.
        """
        if self.url is None:
            return False
        if not self.url.path:
            return same_server(place, self.url)
        if inode and self.inode:
            return (device, inode) in ((self.device, self.inode), _identity_now(self.url.path))
        return same_file(place, self.url.path)


def same_server(place: str, url: DatabaseURL) -> bool:
    """Whether the text of a guard's record names the server and the database of the URL."""
    try:
        return _address(parse_database_url(place, "a child", None)) == _address(url)
    except ConfigurationError:
        return False


def _address(url: DatabaseURL) -> tuple[str, str, str, str]:
    dialect = url.dialect.replace("mariadb", "mysql")
    host = "localhost" if url.host in ("127.0.0.1", "::1") else url.host.casefold()
    return dialect, host, url.port or {"postgresql": "5432", "mysql": "3306"}.get(dialect, ""), url.database


def _identity_now(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return -1, -1
    return found.st_dev, found.st_ino


class Observed:
    """One program of a run. label: its name in the profile; folder: of its guards' records; watch: what is seen.

    roots: what the launcher itself has started for it, the names by pid.
    """

    def __init__(self, label: str, folder: str, watch: Watch) -> None:
        self.label, self.folder, self.watch = label, folder, watch
        self.roots: dict[int, str] = {}
        self._reader = Reader(folder)

    def begin(self, pid: int, command: Command) -> None:
        """The launcher has started this; it may be over before anybody looks."""
        name, kind = describe(command.program, command.words)
        if kind != STARTER:
            self.roots[pid] = name
        self.watch.add(pid)

    def records(self) -> Records:
        """What its guards have recorded up to now."""
        return self._reader.read()

    def starters(self) -> set[int]:
        """Processes that only start Python, as a virtual environment's python.exe on Windows does."""
        return {pid for pid, process in self.watch.processes.items() if process.kind == STARTER}


class Used(NamedTuple):
    """One database that was used, or would have been (blocked).

    place: a path, `:memory:` or a server's text. by: the programs by their pid. where: the first line that opened it,
    "" where only the outside shows it; at: when, in nanoseconds since 1970. how: `opened`, `open` (seen from outside)
    or `changed`. new: it was not there before; held: it was, and not empty.
    """

    place: str
    pinned: bool
    by: dict[int, str]
    where: str
    how: str
    new: bool = False
    held: bool = False
    blocked: bool = False
    at: int = 0

    @property
    def programs(self) -> str:
        """The programs for a person: `drain.py (pid 7), -m uvicorn (pid 8)`, not endless."""
        names = [f"{name} (pid {pid})" for pid, name in self.by.items()]
        return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def collect(pinned: Pinned, observed: Iterable[Observed], changes: Iterable[Change] = ()) -> list[Used]:
    """All databases that were used, the pinned one first, each once."""
    found: dict[str, Used] = {}
    for each in observed:
        records = each.records()
        names = {process.pid: f"python {process.program}" for process in records.processes if process.program}
        names |= {pid: process.name for pid, process in each.watch.processes.items()}
        for opening in records.openings:
            _add(found, _from_record(opening, pinned, names.get(opening.pid, each.label)))
        for file in each.watch.files.values():
            process = each.watch.processes.get(file.pid)
            at = pinned.is_at(file.path, file.device, file.inode)
            place = f"{file.path} (deleted)" if file.deleted else file.path
            _add(found, Used(place, at, {file.pid: process.name if process else each.label}, "", "open"))
    for change in changes:
        at = pinned.is_at(change.path, change.device, change.inode)
        _add(found, Used(change.path, at, {}, "", "changed", change.new))
    return sorted(found.values(), key=lambda used: not used.pinned)


def _from_record(opening: Opening, pinned: Pinned, program: str) -> Used:
    at = pinned.is_at(opening.place, opening.device, opening.inode)
    by, place = {opening.pid: program}, opening.place
    if not at and pinned.url and pinned.url.path and same_file(place, pinned.url.path):
        place += " (another file than now)"
    kept = opening.new, opening.held, opening.blocked, opening.at
    return Used(place, at, by, opening.where, "opened", *kept)


def _add(found: dict[str, Used], used: Used) -> None:
    name = used.place if "://" in used.place or used.place == MEMORY else os.path.realpath(used.place)
    key = "" if used.pinned else f"{used.blocked} {os.path.normcase(name)}"
    old = found.setdefault(key, used)
    first = min((each for each in (old, used) if each.where), key=lambda each: each.at, default=old)
    how = "opened" if "opened" in (old.how, used.how) else old.how
    new, held = old.new or used.new, old.held or used.held
    found[key] = old._replace(by=used.by | old.by, where=first.where, at=first.at, how=how, new=new, held=held)


class Content(NamedTuple):
    """What another database holds. ours: the required tables in it. identity: None where it cannot be looked at."""

    ours: tuple[str, ...]
    identity: Identity | None
    reason: str


def content(place: str, pinned: Pinned) -> Content:
    """Look into a SQLite file without a trace; a server is not asked."""
    if "://" in place or place == MEMORY:
        return Content((), None, "not asked")
    try:
        identity = look_at(place)
    except LauncherError as error:
        return Content((), None, _REASONS.get(error.slug, error.message))
    if identity is None:
        return Content((), None, GONE)
    have = {name.casefold() for name in identity.tables}
    return Content(tuple(name for name in pinned.tables if name.casefold() in have), identity, "")
