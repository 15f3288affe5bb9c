"""The rungs of the SQLite ladder that need no SQLite: what kind of file it is, and in what state (IDENTITY.md)."""

import os
import stat
import time
from typing import NamedTuple

from launcher.errors import BUSY, PERMISSION, ConfigurationError, LauncherError, WrongDataError
from launcher.identity import locks, sqlite_path
from launcher.identity.expectation import Expectation

MAGIC = b"SQLite format 3\0"
HEADER_SIZE = 100


class Header(NamedTuple):
    """The fields of https://www.sqlite.org/fileformat.html#the_database_header that count here; pages may be 0."""

    wal: bool
    page_size: int
    change_counter: int
    pages: int


class FileState(NamedTuple):
    """The file between two looks: equal states mean that nobody wrote in between."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    header: bytes


def missing(expected: Expectation) -> bool:
    """Whether there is no file yet, which a task that creates it may find. Raises for everything that is no file."""
    path = expected.url.path
    try:
        found = os.stat(path)
    except FileNotFoundError:
        _explain_missing(expected)
        return True
    except PermissionError as error:
        raise LauncherError(
            "permission", PERMISSION, f"cannot look at {path} ({expected.place}): {error.strerror}"
        ) from None
    except OSError as error:
        raise ConfigurationError("not-a-file", f"{path} ({expected.place}): {error.strerror}", "fix the path") from None
    if stat.S_ISDIR(found.st_mode):
        raise ConfigurationError("not-a-file", f"{path} ({expected.place}) is a folder", "name the file in it")
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(
            "not-a-file", f"{path} ({expected.place}) is not a regular file; it was not opened", "fix the path"
        )
    return False


def _explain_missing(expected: Expectation) -> None:
    path, seed = expected.url.path, expected.seed or "make it, or fix the path"
    if os.path.islink(path):
        raise ConfigurationError(
            "not-a-file",
            f"{path} ({expected.place}) is a link to {os.readlink(path)}, which is not there",
            "fix the link",
        )
    if expected.creates:
        return
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise ConfigurationError(
            "no-database-file",
            f"no folder {folder} for {os.path.basename(path)} ({expected.place}). Nothing was created",
            "fix the path",
        )
    raise ConfigurationError(
        "no-database-file",
        f"no database file at {path} ({expected.place}). Nothing was created",
        f"seed it: {seed}, or fix the path" if expected.seed else seed,
    )


def read_state(path: str) -> FileState:
    """The file's facts and its first 100 bytes. No SQLite connection of this process may be open on it: closing the
    file drops the locks of all (https://www.sqlite.org/howtocorrupt.html, 2.2)."""
    try:
        with open(path, "rb") as file:
            header, found = file.read(HEADER_SIZE), os.fstat(file.fileno())
    except PermissionError as error:
        raise LauncherError(
            "permission", PERMISSION, f"cannot read {path}: {error.strerror}", _readable_hint(path)
        ) from None
    except OSError as error:
        raise LauncherError("unreadable", PERMISSION, f"cannot read {path}: {error.strerror}") from None
    return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, header)


def _readable_hint(path: str) -> str:
    return f'icacls "{path}"' if os.name == "nt" else f"ls -l '{path}'"


def check_place(expected: Expectation) -> None:
    """Refuse a file with several names, and one on a network share that the profile does not allow."""
    path = expected.url.path
    links = os.stat(path).st_nlink
    if links > 1:
        raise WrongDataError(
            "hard-link",
            f"{path} has {links} names (hard links): SQLite keeps a journal a name, and rows get lost",
            "copy it to a name of its own",
        )
    kind = None if expected.allow_network else sqlite_path.on_network(path)
    if kind:
        raise ConfigurationError(
            "network-share",
            f"{path} ({expected.place}) is on a network share ({kind}), where SQLite's locks are not reliable",
            f"move it to a local disk, or accept it by name: allow_network = true in [databases.{expected.name}]",
        )


def parse_header(state: FileState, path: str, expected: Expectation) -> Header:
    """The header's fields; raises for a file that is not a whole SQLite database."""
    raw = state.header
    if state.size == 0:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state.mtime_ns / 1e9))
        seed = f"delete it, then: {expected.seed}" if expected.seed else "delete it, or seed it"
        raise WrongDataError("empty-file", f"{path} has 0 bytes: something connected here by accident at {when}", seed)
    if not raw.startswith(MAGIC) or len(raw) < HEADER_SIZE:
        raise _not_sqlite(raw, path)
    page_size = int.from_bytes(raw[16:18], "big")
    header = Header(
        2 in raw[18:20], 65536 if page_size == 1 else page_size, int.from_bytes(raw[24:28], "big"), _pages(raw)
    )
    if state.size < header.pages * header.page_size:
        raise WrongDataError(
            "truncated",
            f"{path} is cut short: its header says {header.pages} pages of {header.page_size} bytes"
            f" ({header.pages * header.page_size}), the file has {state.size} bytes",
            "copy it again from where it came, or restore a backup",
        )
    return header


def _pages(raw: bytes) -> int:
    """The page count; 0 where its writer did not vouch for it (change counter 24 against version-valid-for 92)."""
    return int.from_bytes(raw[28:32], "big") if raw[24:28] == raw[92:96] else 0


def _not_sqlite(raw: bytes, path: str) -> LauncherError:
    if raw.startswith(b"version https://git-lfs"):
        return WrongDataError(
            "not-sqlite",
            f"{path} is not SQLite: it starts with 'version https://git-lfs', a Git LFS pointer",
            "git lfs pull",
        )
    text = _as_text(raw)
    if text:
        return WrongDataError("not-sqlite", f"{path} is not SQLite: it starts with '{text}'", "fix the path")
    return WrongDataError("not-sqlite", f"{path} is not SQLite, or encrypted ({len(raw)} bytes read)", "fix the path")


def _as_text(raw: bytes) -> str:
    """The first word of a text file, up to what could be a value; "" where it is not text."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    if not all(character.isprintable() or character in "\r\n\t" for character in text):
        return ""
    for end in "=:\r\n@ ":
        text = text.split(end, 1)[0]
    return text[:20] + "…"


def sidecars(expected: Expectation, wal: bool) -> tuple[bool, tuple[str, ...]]:
    """Whether the database was closed cleanly by everybody (no journal, no -wal), and notes.

    Raises LauncherError (75) where a writer died: a hot journal, or a -wal without its -shm.
    """
    path = expected.url.path
    journal, log = path + "-journal", path + "-wal"
    if _is_hot(journal):
        if os.name == "nt":  # nobody can be asked who holds a lock; SQLite itself tells a hot journal when it opens
            return False, ()
        holder = locks.holder(path, locks.RESERVED)
        if holder is None:
            raise hot_journal(expected)
        return False, (f"{holder} is writing right now",)
    if not wal or not _has_content(log):
        return not os.path.exists(journal), ()
    if os.path.exists(path + "-shm"):
        return False, ()
    holder = locks.holder(path, locks.SHARED)
    if holder:
        raise LauncherError("busy", BUSY, f"{path} is held by {holder}, which lets nobody else read it", "wait for it")
    what = f"{log} stands without its -shm: a writer died. Do not delete the -wal, it holds committed data"
    raise LauncherError("writer-died", BUSY, what, f"autopack-run {expected.profile} recover")


def hot_journal(expected: Expectation) -> LauncherError:
    """The fault of a rollback journal whose writer is gone."""
    what = (
        f"{expected.url.path}-journal is a hot journal: a writer died in the middle of a transaction. Do not delete it"
    )
    return LauncherError("writer-died", BUSY, what, f"autopack-run {expected.profile} recover")


def _has_content(path: str) -> bool:
    """An empty -wal holds nothing: a read-only connection that was the last one cannot take it away."""
    try:
        return os.stat(path).st_size > 0
    except FileNotFoundError:
        return False


def _is_hot(journal: str) -> bool:
    """A journal whose header is zeroed or empty is a finished one (https://www.sqlite.org/lockingv3.html#hot_journals)."""
    try:
        with open(journal, "rb") as file:
            return file.read(1) not in (b"", b"\0")
    except OSError:
        return False


def check_writable(expected: Expectation, wal: bool) -> tuple[str, ...]:
    """Refuse (77) what the task could not write to; notes where it only reads.

    A file or folder without any write bit counts as read-only for root too: somebody closed it on purpose.
    """
    path = expected.url.path
    folder = os.path.dirname(path)
    if wal and not _can_write(folder, os.W_OK | os.X_OK):
        raise LauncherError(
            "read-only",
            PERMISSION,
            f"{folder} is read-only, and SQLite must create {os.path.basename(path)}-shm there (WAL mode)",
            _write_hint(folder),
        )
    if _can_write(path, os.W_OK) and _can_write(folder, os.W_OK | os.X_OK):
        return ()
    closed = path if not _can_write(path, os.W_OK) else folder
    if expected.writes:
        raise LauncherError(
            "read-only",
            PERMISSION,
            f"{closed} is read-only, and this task writes",
            f"{_write_hint(closed)}, or writes = false for a task that only reads",
        )
    return (f"{closed} is read-only",)


def _can_write(path: str, how: int) -> bool:
    return os.access(path, how) and (os.name == "nt" or os.stat(path).st_mode & 0o222 != 0)


def _write_hint(path: str) -> str:
    return f'attrib -R "{path}"' if os.name == "nt" else f"chmod u+w '{path}'"
