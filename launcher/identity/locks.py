"""Who holds SQLite's locks on a file, asked without taking any (https://www.sqlite.org/lockingv3.html)."""

import os
import struct
import sys

# Byte ranges (first byte, length) that SQLite's VFS locks, from its os.h.
_PENDING_BYTE = 0x40000000
RESERVED = (_PENDING_BYTE + 1, 1)
SHARED = (_PENDING_BYTE, 512)

_DARWIN_LAYOUT = "qqihh"
_LINUX_LAYOUT = "hhqqi4x"


def holder(path: str, span: tuple[int, int]) -> str | None:
    """The process that holds a lock in the span, as `python (pid 12)`; None: nobody, or this system does not tell.

    F_GETLK asks and locks nothing (fcntl(2)). Closing the file afterwards drops only locks of this process, which has
    none while the ladder is climbed.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    start, length = span
    darwin = sys.platform == "darwin"
    layout = _DARWIN_LAYOUT if darwin else _LINUX_LAYOUT
    ask = (start, length, 0, fcntl.F_WRLCK, os.SEEK_SET) if darwin else (fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    file = os.open(path, os.O_RDONLY)
    try:
        answer = struct.unpack(layout, fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(layout, *ask)))
    finally:
        os.close(file)
    kind, pid = (answer[3], answer[2]) if darwin else (answer[0], answer[4])
    return None if kind == fcntl.F_UNLCK else _process(pid)


def _process(pid: int) -> str:
    """The name is asked only when there is something to tell, so psutil stays off the path of tasks."""
    if pid <= 0:
        return "another process"
    import psutil

    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"a process (pid {pid})"
