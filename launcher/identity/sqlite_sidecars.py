"""What stands beside a SQLite database (-journal, -wal, -shm), and what it says about its writers (IDENTITY.md)."""

import os
import stat
from typing import NamedTuple

from launcher.errors import BUSY, PERMISSION, ConfigurationError, LauncherError, WrongDataError
from launcher.identity import locks
from launcher.identity.expectation import Expectation

SUFFIXES = ("-journal", "-wal", "-shm")
# https://www.sqlite.org/fileformat.html#the_rollback_journal
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
# https://www.sqlite.org/fileformat.html#the_write_ahead_log
_LOG_MAGICS = (bytes.fromhex("377f0682"), bytes.fromhex("377f0683"))
_UNREADABLE = b"?"


class Sidecars(NamedTuple):
    """base: the path that SQLite adds its suffixes to. journal: the first bytes of a hot -journal, else b"", and `?`
    where this user may not read it.

    log: bytes in the -wal. stray: it has bytes, and they are none of SQLite's, so that nothing is in it. shm: whether
    the -shm is there. moment: what differs when somebody wrote meanwhile.
    """

    base: str
    journal: bytes
    log: int
    stray: bool
    shm: bool
    moment: tuple[tuple[int, int, int] | None, ...]

    @property
    def unfinished(self) -> bool:
        """Whether the file alone is not the database: the rest stands beside it."""
        return bool(self.journal or self.log)


def base_of(path: str) -> str:
    """What SQLite adds -wal to: behind links on POSIX (os_unix.c, unixFullPathname), as written on Windows."""
    return path if os.name == "nt" else os.path.realpath(path)


def look(expected: Expectation) -> Sidecars:
    """What stands beside the file. Raises ConfigurationError for what is no regular file, which SQLite would open."""
    base = base_of(expected.url.path)
    moment = tuple(_state(base + suffix) for suffix in SUFFIXES)
    journal, log, _ = (state[1] if state else 0 for state in moment)
    stray = log > 0 and _is_stray(base, expected.url.path)
    return Sidecars(
        base, _hot(base + "-journal") if journal else b"", 0 if stray else log, stray, moment[2] is not None, moment
    )


def _is_stray(base: str, path: str) -> bool:
    """Whether the -wal has no beginning of SQLite's: the next one to open it finds nothing in it and writes it anew.

    Where somebody has the database open, his -shm says what is in it.
    """
    first = _first(base + "-wal", len(_LOG_MAGICS[0]))
    return first not in (*_LOG_MAGICS, _UNREADABLE, b"") and locks.holder(path, locks.SHARED) is None


def _first(path: str, size: int) -> bytes:
    """The first bytes of the file; b"" where it is gone, `?` where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except FileNotFoundError:
        return b""
    except OSError:
        return _UNREADABLE


def _state(path: str) -> tuple[int, int, int] | None:
    """Inode, size and mtime; None where nothing stands there, or the name is too long to exist."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(
            "not-a-file",
            f"{path} is not a regular file, and SQLite would open it beside the database; it was not opened",
            "move it away",
        )
    return found.st_ino, found.st_size, found.st_mtime_ns


def _hot(journal: str) -> bytes:
    """A journal whose header is zeroed is a finished one (https://www.sqlite.org/lockingv3.html#hot_journals)."""
    first = _first(journal, len(JOURNAL_MAGIC))
    return first if first[:1] not in (b"", b"\0") else b""


def judge(beside: Sidecars, expected: Expectation) -> tuple[str, ...]:
    """Notes on live writers. Raises LauncherError (75) where a writer died and left its work half done."""
    path = expected.url.path
    if beside.journal:
        writer = locks.holder(path, locks.RESERVED, readers=False)
        if writer is None:
            raise hot_journal(expected) if beside.journal != _UNREADABLE else _unreadable_journal(beside, expected)
        return (f"{writer} is writing right now",)
    if beside.stray:
        return (f"{beside.base}-wal is none of SQLite's, and nothing is in it; the next writer writes it anew",)
    if beside.shm:
        return _wal_notes(beside, path)
    if not beside.log:
        return ()
    who = locks.holder(path, locks.SHARED, readers=False)
    if who:
        raise LauncherError(
            "busy", BUSY, f"{path} is held by {who} alone (locking_mode=EXCLUSIVE)", "stop it, then try again"
        )
    raise LauncherError(
        "writer-died",
        BUSY,
        f"{beside.base}-wal stands without its -shm: a writer died, or the two were copied without it."
        " Do not delete the -wal, it holds committed data",
        f"autopack-run {expected.profile} recover",
    )


def _wal_notes(beside: Sidecars, path: str) -> tuple[str, ...]:
    if writer := locks.holder(beside.base + "-shm", locks.WAL_WRITE, readers=False):
        return (f"{writer} is writing right now",)
    if beside.log and os.name != "nt" and locks.holder(path, locks.SHARED) is None:
        why = "a writer died, or closed while somebody read"
        return (f"{beside.base}-wal was left behind ({why}); the next writer finishes its work",)
    return ()


def unreadable_log(expected: Expectation) -> LauncherError:
    """The fault of a -wal that nobody holds and SQLite cannot read past; on Windows a holder cannot be told."""
    what = f"{expected.url.path} cannot be read past its -wal"
    live = ", or a live process holds it: stop that first" if os.name == "nt" else ", and nobody holds it"
    return LauncherError(
        "writer-died", BUSY, f"{what}: a writer died{live}", f"autopack-run {expected.profile} recover"
    )


def hot_journal(expected: Expectation) -> LauncherError:
    """The fault of a rollback journal whose writer is gone."""
    base = base_of(expected.url.path)
    what = f"{base}-journal is a hot journal: a writer died in the middle of a transaction. Do not delete it"
    return LauncherError("writer-died", BUSY, what, f"autopack-run {expected.profile} recover")


def _unreadable_journal(beside: Sidecars, expected: Expectation) -> LauncherError:
    return LauncherError(
        "unreadable",
        PERMISSION,
        f"{beside.base}-journal cannot be read, so nobody knows whether a writer of {expected.url.path} died",
        f"look at its rights and its owner's; then: autopack-run {expected.profile} check",
    )


def refuse_orphan(expected: Expectation, gone: bool = False) -> None:
    """Raise WrongDataError where a -wal stands beside no database: SQLite deletes it when it makes a new one there.

    gone: there is not even an empty file, so that a hot -journal is not that of a first transaction.
    """
    beside = look(expected)
    if beside.log:
        raise WrongDataError(
            "orphan-wal",
            f"{beside.base}-wal has {beside.log} bytes of committed data, and its database {expected.url.path}"
            f" ({expected.place}) is gone or empty; a new one would delete them",
            "bring the two together again, or move the -wal away",
        )
    if gone and beside.journal:
        raise WrongDataError(
            "orphan-wal",
            f"{beside.base}-journal is a hot journal, and its database {expected.url.path} ({expected.place}) is gone;"
            " without it that one is half written, and a new one would delete it",
            "bring the two together again, or move the -journal away",
        )
