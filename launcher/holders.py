"""Who outside of a run has a file open: on Linux, as far as this user may see it."""

import contextlib
import os
import sys
from collections.abc import Container


def holders(path: str, besides: Container[int]) -> list[str]:
    """The processes that have the file, or its -wal, open, as `name (pid N)`; none where the system does not show it.

    besides: pids that do not count.
    """
    if sys.platform != "linux":
        return []
    wanted = set()
    for name in (path, f"{path}-wal"):
        with contextlib.suppress(OSError):
            found = os.stat(name)
            wanted.add((found.st_dev, found.st_ino))
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    strangers = (pid for pid in pids if pid not in besides and pid != os.getpid())
    return [f"{_name(pid)} (pid {pid})" for pid in strangers if _holds(pid, wanted)]


def _holds(pid: int, wanted: set[tuple[int, int]]) -> bool:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):  # another user's, or ended
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                found = os.stat(f"{folder}/{name}")
                if (found.st_dev, found.st_ino) in wanted:
                    return True
    return False


def _name(pid: int) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    return "a process"
