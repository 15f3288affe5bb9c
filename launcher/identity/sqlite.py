"""The SQLite ladder: which database a file is, with nothing created, locked for writing or changed (IDENTITY.md)."""

import os
import time

from launcher.errors import BUSY, LauncherError
from launcher.identity import locks, sqlite_file, sqlite_header, sqlite_read, sqlite_sidecars
from launcher.identity.expectation import Expectation, FileIdentity
from launcher.identity.sqlite_header import FileState, Header
from launcher.identity.sqlite_sidecars import Sidecars

RETRIES = 25  # about a second beside a writer that opens and closes its WAL for every commit
RETRY_SECONDS = 0.02


def inspect(expected: Expectation) -> FileIdentity | None:
    """What stands at the expected place; None where nothing does, or an empty file, and the task creates it.

    Raises LauncherError for every fault of the file itself. Whether it is the right database is the verdict's matter.
    """
    try:
        return _inspect(expected)
    except FileNotFoundError:  # by a step after the first, which words what was never there
        raise _changing(expected, "went away while it was looked at") from None


def _inspect(expected: Expectation) -> FileIdentity | None:
    sqlite_file.refuse_network(expected)
    if sqlite_file.missing(expected):
        return None
    sqlite_file.check_place(expected)
    began = time.monotonic()
    for _ in range(RETRIES):
        before = _moment(expected)
        if before[0].size == 0:
            sqlite_sidecars.refuse_orphan(expected)
            if expected.creates:
                return None
        # What was seen without SQLite's locks counts only if nobody wrote meanwhile, a fault too: beside a live writer
        # that commits all the time, one look in 200 finds the journal of one moment and the locks of the next.
        try:
            identity, locked = _read(*before, expected)
        except LauncherError as error:
            if error.slug == "busy" and time.monotonic() - began > sqlite_read.BUSY_SECONDS:
                raise
            time.sleep(RETRY_SECONDS)  # the last one to close a WAL takes -shm and -wal away one after the other
            if _moment(expected) == before:
                raise
        else:
            if locked or _moment(expected) == before:
                return identity
            time.sleep(RETRY_SECONDS)
    raise _changing(expected, f"changed during each of {RETRIES} looks")


def _moment(expected: Expectation) -> tuple[FileState, Sidecars]:
    return sqlite_file.read_state(expected.url.path), sqlite_sidecars.look(expected)


def _changing(expected: Expectation, what: str) -> LauncherError:
    return LauncherError("busy", BUSY, f"{expected.url.path} ({expected.place}) {what}", "try again")


def _read(state: FileState, beside: Sidecars, expected: Expectation) -> tuple[FileIdentity, bool]:
    """The identity, and whether it was read under SQLite's locks."""
    header = _header(state, beside, expected)
    notes = sqlite_sidecars.judge(beside, expected)
    wal = header.wal or beside.log > 0 or beside.stray
    notes += sqlite_header.judge_version(header, expected) + sqlite_file.check_writable(expected, wal)
    immutable = (header.wal or beside.stray) and not beside.unfinished
    found = sqlite_read.query(immutable, expected)
    # On Windows asking means taking the lock for a moment, which a mere note is not worth.
    asked = os.name != "nt" and not notes and not wal
    if asked and (writer := locks.holder(expected.url.path, locks.RESERVED, readers=False)):
        notes += (f"{writer} is writing right now",)
    identity = FileIdentity(
        path=expected.url.path,
        device=state.device,
        inode=state.inode,
        size=state.size,
        mtime_ns=state.mtime_ns,
        journal="wal" if wal else "rollback",
        change_counter=found.change_counter,
        tables=found.tables,
        stamp=found.stamp,
        revision=found.revision,
        empty=found.empty,
        notes=notes,
    )
    return identity, not immutable


def _header(state: FileState, beside: Sidecars, expected: Expectation) -> Header:
    """The header, where the file alone is the database; with a -wal or a hot journal it may be short or half written,
    and a live writer without a journal (journal_mode=MEMORY) writes page 1 before it makes the file longer."""
    if (
        state.size
        and beside.journal == sqlite_sidecars.JOURNAL_MAGIC
        and not state.header.startswith(sqlite_header.MAGIC)
    ):
        return Header()  # the first transaction wrote other pages than the first one
    header = sqlite_header.parse_header(state, expected)
    if (
        sqlite_header.is_short(header, state.size)
        and not beside.unfinished
        and not locks.holder(expected.url.path, locks.RESERVED, readers=False)
    ):
        raise sqlite_header.truncated(header, state.size, expected)
    return header
