"""Which databases a run really used: the guards' records and what was seen from outside, put together."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from launcher.errors import ConfigurationError, LauncherError
from launcher.identity.expectation import Identity
from launcher.identity.sqlite_path import same_file
from launcher.identity.url import DEFAULT_PORTS, DatabaseURL, names_service, parse_database_url, server_places
from launcher.identity.verdict import look_at
from launcher.observed import Observed
from launcher.records import Opening
from launcher.seen import UNKNOWN
from launcher.strays import Change

if TYPE_CHECKING:
    from launcher.identity.addresses import Addresses

MEMORY = ":memory:"
GONE, EMPTY, NONE = "it is gone", "it is empty", "it is no SQLite database"
_REASONS = {"empty-file": EMPTY, "not-sqlite": NONE}


class Pinned(NamedTuple):
    """The database that a run is to stay on. url: None where there is none. tables: what it must have.

    answered: of a URL with several hosts the one that was proven, as a guard writes it; "" where that is not known.
    addresses: of the proven server; None where there is none.
    """

    name: str
    url: DatabaseURL | None
    tables: tuple[str, ...]
    db_id: str = ""
    device: int = 0
    inode: int = 0
    answered: str = ""
    addresses: "Addresses | None" = None

    @property
    def shown(self) -> str:
        """Its name and place, with nothing secret."""
        return f"'{self.name}' ({self.url.path or self.url.shown})" if self.url else "no database"

    def is_at(self, place: str, device: int = 0, inode: int = 0, address: str = "", port: int = 0) -> bool:
        """Whether the place is the pinned database: by device and inode, by path, or by server and name.

        A file that had the path once, and was deleted or moved since, is another one. address, port: where a connection
        has really led; the server is asked there where the probe has not gone to it.
        """
        if self.url is None:
            return False
        if not self.url.path:
            return same_server(place, self.url, self.answered) and not self._is_elsewhere(address, port)
        if inode and self.inode:
            return (device, inode) in ((self.device, self.inode), _identity_now(self.url.path))
        return same_file(place, self.url.path)

    def _is_elsewhere(self, address: str, port: int) -> bool:
        return self.addresses is not None and self.addresses.is_other(address, str(port))


def same_server(place: str, url: DatabaseURL, answered: str = "") -> bool:
    """Whether the text of a guard's record names the server and the database of the URL, or one of its servers.

    answered: the one of them that was proven, "" for any; a driver that does not say which one it took may mean it.
    """
    found, pinned = server_key(place), server_places(url)
    if url.dialect not in DEFAULT_PORTS:  # cockroachdb, redshift, ...: their drivers are PostgreSQL's or MySQL's
        return found is not None and {each[1:] for each in found} <= {each[1:] for each in pinned}
    if found and len(found) == 1 and answered:
        pinned = pinned & (server_key(answered) or pinned) or pinned
    if found and names_service(url):  # its file says the host
        return {(each[0], each[3]) for each in found} <= {(each[0], each[3]) for each in pinned}
    return found is not None and found <= pinned


def server_key(place: str) -> frozenset[tuple[str, str, str, str]] | None:
    """Dialect, host, port and database of a record's text, the same for all ways to write them; None for no such text.

    A database's name is as the server has it, capitals included: `%20` is a blank in a record, in a URL as psql and
    SQLAlchemy 2.1 read it.
    """
    scheme, _, rest = place.partition("://")
    hosts, _, name = rest.partition("/")
    texts = [f"{scheme}://{host}/{name}" for host in hosts.split(",")]  # a driver that does not say which one it took
    try:
        return frozenset[tuple[str, str, str, str]]().union(
            *(server_places(parse_database_url(text, "a child", None)) for text in texts)
        )
    except ConfigurationError:
        return None


def _identity_now(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return -1, -1
    return found.st_dev, found.st_ino


class Used(NamedTuple):
    """One database that was used, or would have been (blocked).

    place: a path, `:memory:` or a server's text. by: the programs by their pid, 0 where it is not known. where: the
    first line that opened it, "" where only the outside shows it; at: when, in nanoseconds since 1970. how: `opened`,
    `open` (seen from outside)
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
        return few([f"{name} (pid {pid})" if pid else name for pid, name in self.by.items()])


def few(names: Sequence[str]) -> str:
    """The names for a person, not endless."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def collect(pinned: Pinned, observed: Sequence[Observed], changes: Iterable[Change] = ()) -> list[Used]:
    """All databases that were used, the pinned one first, each once."""
    found: dict[object, Used] = {}
    for each in observed:
        records = each.records()
        names = {process.pid: f"python {process.program}" for process in records.processes if process.program}
        names |= {pid: seen.name for pid, seen in each.watch.processes.items() if seen.kind != UNKNOWN}
        for opening in records.openings:
            _add(found, _from_record(opening, pinned, names.get(opening.pid, each.label)))
        for file in each.watch.files.values():
            process = each.watch.processes.get(file.pid)
            at = pinned.is_at(file.path, file.device, file.inode)
            place = f"{file.path} (deleted)" if file.deleted else file.path
            _add(found, Used(place, at, {file.pid: process.name if process else each.label}, "", "open"))
    for used in _from_sessions(pinned, observed):
        _add(found, used)
    for change in changes:
        at = pinned.is_at(change.path, change.device, change.inode)
        _add(found, Used(change.path, at, {}, "", "changed", change.new))
    return sorted(found.values(), key=lambda used: not used.pinned)


def _from_sessions(pinned: Pinned, observed: Sequence[Observed]) -> Iterator[Used]:
    """The databases of one server, as it lists the sessions; one whose process is not known is the whole run's."""
    sessions = next((each.sessions for each in observed if each.sessions), None)
    if sessions is None or pinned.url is None:
        return
    owners = {end: (pid, each) for each in observed for end, pid in each.watch.ends.items()}
    for session in sorted(sessions.found):
        pid, owner = owners.get((session.address, session.port), (0, observed[0]))
        if not pid and owner.label != sessions.label:
            continue  # asked of one server beside the task, and perhaps not its own
        process = owner.watch.processes.get(pid)
        place, at = session.place(pinned.url), session.database == sessions.database
        yield Used(place, at, {pid: process.name if process else owner.label}, "", "open")


def _from_record(opening: Opening, pinned: Pinned, program: str) -> Used:
    at = pinned.is_at(opening.place, opening.device, opening.inode, opening.address, opening.port)
    by, place = {opening.pid: program}, opening.place
    if not at and opening.address and pinned.is_at(place):  # by its name, but that has led elsewhere
        scheme, _, rest = place.partition("://")
        host = f"[{opening.address}]" if ":" in opening.address else opening.address
        place = f"{scheme}://{host}:{opening.port}/{rest.partition('/')[2]}"
    if not at and pinned.url and pinned.url.path and same_file(place, pinned.url.path):
        place += " (another file than now)"
    kept = opening.new, opening.held, opening.blocked, opening.at
    return Used(place, at, by, opening.where, "opened", *kept)


def _add(found: dict[object, Used], used: Used) -> None:
    key = "" if used.pinned else (used.blocked, _key(used.place))
    old = found.setdefault(key, used)
    first = min((each for each in (old, used) if each.where), key=lambda each: each.at, default=old)
    how = "opened" if "opened" in (old.how, used.how) else old.how
    new, held = old.new or used.new, old.held or used.held
    found[key] = old._replace(by=used.by | old.by, where=first.where, at=first.at, how=how, new=new, held=held)


def _key(place: str) -> object:
    if "://" in place:
        return server_key(place) or place
    return place if place == MEMORY else os.path.normcase(os.path.realpath(place))


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
