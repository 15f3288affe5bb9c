"""`.autopack-run/runs/<id>/`: what the children's guards record, what servers print, and the report of the run."""

import contextlib
import json
import os
import time
from typing import Any, Self

from launcher.output import json_text
from launcher.own_folder import make_own_folder, own_folder, try_lock

KEPT = 20
"""Runs that are kept; older ones go when a run ends, but never one that still runs."""
_LOCK = "live"


class RunFolder:
    """The folder of one run, held by a lock as long as this process lives.

    path: the folder, or "" where none could be made. note: what to tell of that, or "".
    """

    def __init__(self, root: str) -> None:
        self.path = self.note = ""
        self._root, self._home = root, own_folder(root)
        self._lock = -1

    def __enter__(self) -> Self:
        """Make it below `{root}`, or in the system's temporary folder where that cannot be written."""
        now = time.time()  # to the millisecond: the names in their order are the runs in theirs
        moment = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}.{int(now % 1 * 1000):03}"
        name = f"{moment}-{os.getpid()}-{os.urandom(2).hex()}"
        try:
            self._hold(make_own_folder(self._root, os.path.join("runs", name)))
        except OSError as error:
            self.note = f"no run folder in {self._home} ({error.strerror}); it is a temporary one"
            import tempfile  # with shutil twenty modules that a start need not wait for

            try:
                self._hold(tempfile.mkdtemp(prefix="autopack-run-"))
            except OSError as second:
                self.note = f"no run folder ({second.strerror}): nothing that the children do is recorded"
        return self

    def _hold(self, path: str) -> None:
        if os.name == "nt":  # a folder may be made whose files would have too long a path
            longest = os.path.realpath(os.path.join(path, f"report.json.{os.getpid()}.part"))
            os.close(os.open(longest, os.O_RDWR | os.O_CREAT))
            os.unlink(longest)
        self._lock = os.open(os.path.join(path, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks; is_live takes the folder for a live one
            try_lock(self._lock)
        self.path = path

    def __exit__(self, *_error: object) -> None:
        if self._lock != -1:
            os.close(self._lock)
        if self.path and not self.path.startswith(self._home):
            _remove(self.path)
        elif self.path:
            _prune(os.path.join(self._home, "runs"))

    def room(self, name: str) -> str:
        """A folder of its own for one of several programs of the run; "" where there is no run folder."""
        if not self.path:
            return ""
        path = os.path.join(self.path, name)
        os.makedirs(path, mode=0o700, exist_ok=True)
        return path

    def write(self, name: str, report: dict[str, Any]) -> None:
        """Write a JSON file of the folder; a full disk costs the file and not the run."""
        if self.path:
            with contextlib.suppress(OSError):
                write_json(os.path.join(self.path, name), report)


def write_json(path: str, report: dict[str, Any]) -> None:
    """Write the report whole or not at all; into what is no file (a pipe, a device) as it comes. Raises OSError."""
    text = json_text(report) + "\n"
    path = os.path.realpath(path)  # a link stays one
    if os.path.exists(path) and not os.path.isfile(path):
        _write(path, text)
        return
    part = f"{path}.{os.getpid()}.part"
    try:
        _write(part, text)
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        file.write(text)


def is_live(path: str) -> bool:
    """Whether the launcher of that run folder still runs; a folder that cannot be asked is taken for a live one."""
    try:
        handle = os.open(os.path.join(path, _LOCK), os.O_RDWR)
    except FileNotFoundError:
        return time.time() - os.stat(path).st_mtime < 60  # one that is just being made
    except OSError:
        return True
    try:
        return not try_lock(handle)
    except OSError:
        return True
    finally:
        os.close(handle)


def _prune(runs: str) -> None:
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(runs))[:-KEPT]:
            path = os.path.join(runs, name)
            if not is_live(path):
                _remove(path)


def _remove(path: str) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def pinned_elsewhere(root: str, own: str, since: float) -> frozenset[str]:
    """The real paths of SQLite files that other launches below `root` have pinned which run now, or ended since then.

    root: the folder of the profile file; own: the run folder to leave out; since: seconds since 1970.
    """
    runs, found = os.path.join(own_folder(root), "runs"), set()
    with contextlib.suppress(OSError):
        for name in os.listdir(runs):
            path = os.path.join(runs, name)
            with contextlib.suppress(OSError, ValueError, KeyError):
                if path != own and (is_live(path) or os.stat(path).st_mtime >= since):
                    with open(os.path.join(path, "launch.json"), encoding="utf-8") as file:
                        found.add(os.path.normcase(os.path.realpath(json.load(file)["pinned"])))
    return frozenset(found)
