"""The rungs of the SQLite ladder that need no SQLite: what stands at the place, and may it be used (IDENTITY.md)."""

import os
import stat
import sys

from launcher.errors import PERMISSION, ConfigurationError, LauncherError, WrongDataError
from launcher.hints import command_line
from launcher.identity import file_systems, sqlite_sidecars
from launcher.identity.expectation import Expectation
from launcher.identity.sqlite_header import SIZE, FileState

_LONGEST = 512  # bytes: MAX_PATHNAME of SQLite's os_unix.c


def missing(expected: Expectation) -> bool:
    """Whether there is no file yet, which a task that creates it may find. Raises for everything that is no file."""
    path = expected.url.path
    _refuse_too_long(path, expected)
    try:
        found = os.stat(path)
    except FileNotFoundError:
        _explain_missing(expected)
        return True
    except PermissionError as error:
        raise LauncherError(
            "permission", PERMISSION, f"cannot look at {path} ({expected.place}): {error.strerror}", _rights_hint(path)
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


def _refuse_too_long(path: str, expected: Expectation) -> None:
    size = 0 if os.name == "nt" else len(os.fsencode(os.path.realpath(path) + "-journal"))
    if size > _LONGEST:
        raise ConfigurationError(
            "not-a-file",
            f"{path} ({expected.place}) is longer than SQLite can open: {size} bytes with the -journal beside it, and"
            f" {_LONGEST} is the limit",
            "move it to a folder with a shorter path",
        )


def _explain_missing(expected: Expectation) -> None:
    path, seed = expected.url.path, expected.seed or "make it, or fix the path"
    if os.path.islink(path):
        raise ConfigurationError(
            "not-a-file",
            f"{path} ({expected.place}) is a link to {os.readlink(path)}, which is not there",
            "fix the link",
        )
    sqlite_sidecars.refuse_orphan(expected, gone=True)
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
        f"seed it: {seed}; or fix the path" if expected.seed else seed,
    )


def read_state(path: str) -> FileState:
    """The file's facts and its first 100 bytes. No SQLite connection of this process may be open on it: closing the
    file drops the locks of all (https://www.sqlite.org/howtocorrupt.html, 2.2)."""
    try:
        # O_NONBLOCK: what became a FIFO since the last look must not hang us
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            header, found = os.read(file, SIZE), os.fstat(file)
        finally:
            os.close(file)
    except FileNotFoundError:
        raise  # it was there a moment ago; the ladder words that
    except OSError as error:
        raise LauncherError(
            "unreadable", PERMISSION, f"cannot read {path}: {error.strerror}", _rights_hint(path)
        ) from None
    return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, header)


def check_place(expected: Expectation) -> None:
    """Refuse a file with several names: as hard links, by a mount of the file alone, by a link on Windows."""
    path = expected.url.path
    links = os.stat(path).st_nlink
    if links > 1:
        raise WrongDataError(
            "hard-link",
            f"{path} has {links} names (hard links): SQLite keeps a journal a name, and rows get lost",
            "copy it to a name of its own",
        )
    if file_systems.is_mounted_alone(path):
        raise WrongDataError(
            "hard-link",
            f"{path} ({expected.place}) is a mount of its own: SQLite keeps a journal a name, and that of its other"
            " name cannot be seen here; rows get lost",
            "mount the folder instead",
        )
    _check_windows_link(expected)


def refuse_network(expected: Expectation) -> None:
    """Raise ConfigurationError for a place on a network share that the profile does not allow, file or no file."""
    path = expected.url.path
    kind = None if expected.allow_network else file_systems.on_network(path)
    if kind:
        raise ConfigurationError(
            "network-share",
            f"{path} ({expected.place}) is on a network share ({kind}), where SQLite's locks are not reliable",
            f"move it to a local disk, or accept it by name: allow_network = true in [databases.{expected.name}]",
        )


def _check_windows_link(expected: Expectation) -> None:
    """SQLite on Windows does not look behind a link, so those who use the file's own name have another journal."""
    path = expected.url.path
    if os.name != "nt" or not os.path.islink(path):
        return
    real = os.path.realpath(path)
    if any(os.path.exists(real + suffix) for suffix in sqlite_sidecars.SUFFIXES):
        raise WrongDataError(
            "linked",
            f"{path} ({expected.place}) is a link to {real}, which somebody has open by its own name:"
            " on Windows SQLite keeps a journal a name, and rows get lost",
            f"sqlite:///{real}",
        )


def check_writable(expected: Expectation, wal: bool) -> tuple[str, ...]:
    """Refuse (77) what the task could not write to; notes where it only reads.

    A file or folder without any write bit counts as read-only for root too: somebody closed it on purpose.
    """
    path = expected.url.path
    base = sqlite_sidecars.base_of(path)
    folder = os.path.dirname(base)
    folder_closed = not _can_write(folder, os.W_OK | os.X_OK)
    if wal and folder_closed:
        raise LauncherError(
            "read-only",
            PERMISSION,
            f"{folder} is read-only, and SQLite must create {os.path.basename(base)}-shm there (WAL mode)",
            _write_hint(folder),
        )
    beside = [base + suffix for suffix in (("-wal", "-shm") if wal else ("-journal",))]
    files = [path, *(name for name in beside if os.path.exists(name))]
    closed = next((name for name in files if not _can_write(name, os.W_OK)), folder if folder_closed else "")
    if not closed:
        return ()
    if expected.writes:
        raise LauncherError(
            "read-only",
            PERMISSION,
            f"{closed} is read-only, and this task writes",
            f"{_write_hint(closed)}; or writes = false for a task that only reads",
        )
    return (f"{closed} is read-only",)


def _can_write(path: str, how: int) -> bool:
    try:
        return os.access(path, how) and (os.name == "nt" or os.stat(path).st_mode & 0o222 != 0)
    except FileNotFoundError:  # what stands beside goes when its writer is done
        return True


def _write_hint(path: str) -> str:
    if sys.platform == "win32":
        return command_line("attrib", "-R", path)
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "its file system is mounted read-only: mount it for writing"
    return command_line("chmod", "u+w", path)


def _rights_hint(path: str) -> str:
    return f'icacls "{path}"' if os.name == "nt" else f"namei -l '{path}'"
