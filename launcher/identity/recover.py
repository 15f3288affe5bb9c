"""Finishing what a killed writer left: the files copied aside, then one clean opening by SQLite itself."""

import os
import shutil
import time
from typing import TYPE_CHECKING, NamedTuple

from launcher.errors import BUSY, PERMISSION, ConfigurationError, LauncherError, WrongDataError
from launcher.identity import locks, sqlite_file, sqlite_header, sqlite_read, sqlite_sidecars
from launcher.identity.expectation import Expectation, printable
from launcher.identity.sqlite_sidecars import JOURNAL_MAGIC, SUFFIXES, Sidecars

if TYPE_CHECKING:
    import sqlite3

COUNTED = 1000
CHECK_SECONDS = 60.0
_UNFINISHED = "not finished"


class Recovery(NamedTuple):
    """folder: where the copies are. before: what stood there, a line a file. changed: what is different now, in words.

    sound: what SQLite's quick_check says afterwards, in one line; `ok` where it found nothing.
    """

    folder: str
    before: tuple[str, ...]
    changed: tuple[str, ...]
    sound: str

    @property
    def damaged(self) -> bool:
        """Whether SQLite calls the file damaged; a check that was not finished has found nothing."""
        return self.sound != "ok" and not self.sound.startswith(_UNFINISHED)


def recover(expected: Expectation) -> Recovery:
    """Copy the database and what stands beside it aside, then let SQLite roll its journal back or write its -wal in.

    Nothing is deleted but by SQLite, and no file is created where none was. Raises LauncherError: 78 where there is no
    file or nothing to recover, 65 where it is not the expected database, 75 where somebody has it open, 77 where it
    cannot be copied or written.
    """
    sqlite_file.missing(expected._replace(creates=False))
    sqlite_file.check_place(expected)
    beside = sqlite_sidecars.look(expected)
    _refuse(beside, expected)
    sqlite_file.check_writable(expected._replace(writes=True), wal=beside.log > 0)
    sizes, facts = _sizes(beside.base), _facts(expected)
    folder = _copy_aside(beside.base, expected)
    try:
        sound = _open_once(expected, wal=beside.log > 0)
    except LauncherError as error:
        raise LauncherError(
            error.slug, error.code, f"{error.message}; copies of all files are in {folder}", error.hint
        ) from None
    changed = _differences(sizes, _sizes(beside.base)) + _differences(facts, _facts(expected))
    return Recovery(folder, tuple(f"{name}: {what}" for name, what in sizes.items()), changed, sound)


def _refuse(beside: Sidecars, expected: Expectation) -> None:
    path = expected.url.path
    state = sqlite_file.read_state(path)
    if not state.size:
        sqlite_sidecars.refuse_orphan(expected)
    if beside.journal != JOURNAL_MAGIC or state.header.startswith(sqlite_header.MAGIC):
        sqlite_header.parse_header(state, expected)
    if not beside.unfinished:
        raise ConfigurationError(
            "nothing-to-recover",
            f"{path} ({expected.place}): no hot journal and no -wal stand beside it; nothing was changed",
            f"autopack-run {expected.profile} check",
        )
    who = locks.holder(path, locks.SHARED) or locks.holder(path, locks.RESERVED)
    if who:
        raise _busy(expected, f"{who} has it open")
    _refuse_other(expected)


def _busy(expected: Expectation, why: str) -> LauncherError:
    return LauncherError(
        "busy", BUSY, f"{expected.url.path}: {why}; nothing was changed", f"stop it; then: {_again(expected)}"
    )


def _again(expected: Expectation) -> str:
    return f"autopack-run {expected.profile} recover"


def _refuse_other(expected: Expectation) -> None:
    """The stamp is written once and early, so it can mostly be read although the rest is half written."""
    import sqlite3

    try:
        stamp = sqlite_read.query(True, expected._replace(tables=(), needs_rows=())).stamp
    except (LauncherError, sqlite3.Error):
        return  # half written, or the stamp itself is still in the -wal: the check afterwards tells
    if stamp and stamp.database != expected.name:
        raise WrongDataError(
            "wrong-database",
            f"{expected.url.path} ({expected.place}) is '{stamp.database}' (db_id {stamp.db_id});"
            f" the profile asks for '{expected.name}'; nothing was changed",
            f"fix the url of [databases.{expected.name}]",
        )


def _copy_aside(base: str, expected: Expectation) -> str:
    """The new folder with the copies, each as it was at one moment: nobody wrote while they were made."""
    folder = _new_folder(f"{base}.before-recover-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    names = [base + suffix for suffix in ("", *SUFFIXES) if os.path.isfile(base + suffix)]
    before = [_moment(name) for name in names]
    try:
        for name in names:
            copy = shutil.copy2(name, folder)
            with open(copy, "rb+") as file:
                os.fsync(file.fileno())  # before SQLite changes the only other one
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise LauncherError(
            "no-copy",
            PERMISSION,
            f"cannot copy {base} aside: {error.strerror}; nothing was changed",
            "make room, or the rights",
        ) from None
    if [_moment(name) for name in names] != before:
        shutil.rmtree(folder, ignore_errors=True)
        raise _busy(expected, "somebody wrote while it was copied")
    return folder


def _new_folder(wanted: str) -> str:
    """The folder, made new: an earlier copy is never written over."""
    for number in range(1, 100):
        folder = wanted if number == 1 else f"{wanted}-{number}"
        try:
            os.mkdir(folder)
        except FileExistsError:
            continue
        except OSError as error:
            raise LauncherError(
                "no-copy", PERMISSION, f"cannot make {folder}: {error.strerror}; nothing was changed"
            ) from None
        return folder
    raise LauncherError("no-copy", BUSY, f"{wanted} and 98 more are there already", "move them away")


def _moment(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _open_once(expected: Expectation, wal: bool) -> str:
    """Open it as any writer would; the first read rolls a hot journal back, the last close writes a -wal in."""
    import sqlite3

    try:
        connection = sqlite_read.connect(expected.url.path, "mode=rw")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if wal:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return _quick_check(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise sqlite_read.fault(error, expected) from None


def _quick_check(connection: "sqlite3.Connection") -> str:
    import sqlite3

    deadline = time.monotonic() + CHECK_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        return printable(" ".join(str(connection.execute("PRAGMA quick_check(1)").fetchone()[0]).split()))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return f"{_UNFINISHED} within {CHECK_SECONDS:.0f} s"


def _sizes(base: str) -> dict[str, str]:
    names = [base + suffix for suffix in ("", *SUFFIXES)]
    return {os.path.basename(name): f"{os.path.getsize(name)} bytes" for name in names if os.path.isfile(name)}


def _facts(expected: Expectation) -> dict[str, str]:
    """Change counter and bounded row counts of the file alone; where it is half written, what can be read of them.

    immutable=1: before, so that what stands beside it stays as it is; afterwards nothing stands beside it any more.
    """
    import sqlite3

    counter = int.from_bytes(sqlite_file.read_state(expected.url.path).header[24:28], "big")
    facts = {"change counter": str(counter)}
    try:
        connection = sqlite_read.connect(expected.url.path, "mode=ro&immutable=1")
    except sqlite3.Error:
        return facts
    try:
        deadline = time.monotonic() + sqlite_read.DEADLINE_SECONDS
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        for name in sqlite_read.table_names(connection):
            facts[f"table {printable(name)}"] = _rows(connection, name)
    except (sqlite3.Error, UnicodeDecodeError):
        pass  # half written
    finally:
        connection.close()
    return facts


def _rows(connection: "sqlite3.Connection", name: str) -> str:
    import sqlite3

    try:
        query = f"SELECT count(*) FROM (SELECT 1 FROM {sqlite_read.quoted(name)} LIMIT {COUNTED + 1})"
        count = int(connection.execute(query).fetchone()[0])
    except sqlite3.Error:
        return "unreadable"
    return f">={count} rows" if count > COUNTED else f"{count} rows"


def _differences(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    names = dict.fromkeys((*before, *after))
    return tuple(
        f"{name}: {before.get(name, 'none')} -> {after.get(name, 'none')}"
        for name in names
        if before.get(name) != after.get(name)
    )
