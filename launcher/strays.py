"""Database files that appeared or changed in the workspace while a program ran, whoever wrote them."""

import os
import stat
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from launcher.sqlite_files import SIDECARS, is_database, named_like_database

ENTRIES = 200_000
SECONDS = 2.0
"""Where the walk ends: an operator waits for it before and after each run."""
FEW = 500
"""So many entries are walked however long it takes: of a small project a busy machine hides nothing."""

SKIPPED = frozenset(
    {".autopack-run", ".git", ".hg", ".nox", ".tox", ".venv", "__pycache__", "node_modules"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache"}
)
_ENVIRONMENT = "pyvenv.cfg"  # what makes a folder a virtual environment, whatever its name
# Reading these may never end, and they have no files. A container's current folder is often /.
_SYSTEM = () if os.name == "nt" else ("/proc", "/sys", "/dev")

# Files get the time of the last clock tick, up to 10 ms ago (ktime_get_coarse_real_ts64); Windows' tick is 16 ms.
_TICK_NS = 20_000_000


class Change(NamedTuple):
    """A SQLite database that appeared (new) or changed, or whose journal did; size in bytes."""

    path: str
    new: bool
    device: int
    inode: int
    size: int


class _State(NamedTuple):
    device: int
    inode: int
    size: int
    changed_ns: int


class Workspace:
    """The folders as they are now, to be compared with later.

    folders: usually the root of the profile file and the current folder; one inside another is walked once.
    since_ns: a time stamp that the file system itself gave a moment ago (st_mtime_ns of a file just made); without it
    the clock decides, and a database with an unusual name that was written in the last 20 ms counts as changed.
    """

    def __init__(self, folders: Sequence[str], since_ns: int = 0) -> None:
        self._folders = list(dict.fromkeys(map(os.path.realpath, folders)))
        self._since = since_ns or time.time_ns() - _TICK_NS
        self._names: dict[str, set[str]] = {}
        self._states: dict[str, _State | None] = {}
        self.complete = True
        """False where a walk was ended by its limits: then not everything was watched."""
        for folder, files in self._walk():
            self._names[folder] = {entry.name for entry in files}
            self._states |= {entry.path: _state(entry.path) for entry in files if _is_telling(entry.name)}

    def changes(self) -> list[Change]:
        """The databases that appeared or changed since, each once, by path. They are not opened but for 16 bytes."""
        found: dict[str, bool] = {}
        for folder, files in self._walk():
            before = self._names.get(folder)
            for entry in files:
                # A folder that an ended walk never reached says nothing about what is new in it.
                new = entry.name not in before if before is not None else self.complete
                if new or self._has_changed(entry):
                    self._note(entry, new, found)
        changes = (_change(path, new) for path, new in sorted(found.items()))
        return list({(each.device, each.inode): each for each in changes if each}.values())

    def _note(self, entry: "os.DirEntry[str]", new: bool, found: dict[str, bool]) -> None:
        ending = next((each for each in SIDECARS if entry.name.endswith(each)), "")
        if not ending:
            found[entry.path] = new
            return
        state = _state(entry.path)
        # A mere reader leaves an empty -wal. Whether the database is new, its own entry says.
        if state and state.size:
            found.setdefault(entry.path.removesuffix(ending), False)

    def _has_changed(self, entry: "os.DirEntry[str]") -> bool:
        if entry.path in self._states:
            return _state(entry.path) != self._states[entry.path]
        try:
            # Windows answers from the folder, which is free and may be late for a file that is still open.
            state = entry.stat()
        except OSError:
            return False
        return _changed_ns(state) >= self._since

    def _walk(self) -> Iterator[tuple[str, "list[os.DirEntry[str]]"]]:
        """Each folder with its files, the upper ones first, within the limits."""
        waiting, reached = deque(self._folders), set(self._folders)
        left, end = ENTRIES, time.monotonic() + SECONDS
        while waiting:
            folder = waiting.popleft()
            entries = _entries(folder, left)
            left -= len(entries)
            if left < 0 or (left < ENTRIES - FEW and time.monotonic() > end):
                self.complete = False
                return
            if folder not in self._folders and any(entry.name == _ENVIRONMENT for entry in entries):
                continue
            folders = [entry.path for entry in entries if _is_folder(entry) and entry.name not in SKIPPED]
            waiting.extend(path for path in folders if path not in reached and path not in _SYSTEM)
            reached.update(folders)
            yield folder, [entry for entry in entries if not _is_folder(entry)]


def _entries(folder: str, limit: int) -> "list[os.DirEntry[str]]":
    """At most limit + 1 entries; none of a folder that may not be read or is gone."""
    found = list["os.DirEntry[str]"]()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                found.append(entry)
                if len(found) > limit:
                    break
    except OSError:
        pass
    return found


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """A link or a junction to a folder is none: it may lead anywhere, or around."""
    try:
        if sys.platform == "win32":
            tag = entry.stat(follow_symlinks=False).st_reparse_tag
            if tag == stat.IO_REPARSE_TAG_MOUNT_POINT:
                return False
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_telling(name: str) -> bool:
    """Whether the exact state from before is worth asking for; of most files the time of change is enough."""
    return named_like_database(name) or name.endswith(SIDECARS)


def _changed_ns(found: os.stat_result) -> int:
    """The last change: of the content or, so that utime cannot hide it, of the rest; on Windows, of the birth."""
    return max(found.st_mtime_ns, found.st_ctime_ns)


def _state(path: str) -> _State | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return _State(found.st_dev, found.st_ino, found.st_size, _changed_ns(found))


def _change(path: str, new: bool) -> Change | None:
    state = _state(path)
    try:
        if state is None or not is_database(path):
            return None
    except OSError:
        return None
    return Change(path, new, state.device, state.inode, state.size)
