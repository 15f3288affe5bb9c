"""Who holds SQLite's locks on a file, asked without leaving any (https://www.sqlite.org/lockingv3.html)."""

import os
import struct
import sys

# Byte ranges (first byte, length) that SQLite locks: in the database by its os.h, in the -shm by its wal.c.
_PENDING_BYTE = 0x40000000
RESERVED = (_PENDING_BYTE + 1, 1)
SHARED = (_PENDING_BYTE, 512)
WAL_WRITE = (120, 1)

_DARWIN_LAYOUT = "qqihh"
_LINUX_LAYOUT = "hhqqi4x"


def holder(path: str, span: tuple[int, int], readers: bool = True) -> str | None:
    """The process that holds a lock in the span, as `python (pid 12)`; None: nobody, or this system does not tell.

    readers: those count too who only read (on Windows they are found by asking for what they would refuse).
    Closing the file afterwards drops only locks of this process, which has none while the ladder is climbed.
    """
    if sys.platform not in ("linux", "darwin", "win32"):
        return None  # the layout of struct flock is another on every system
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return _windows_holder(file, span, readers) if sys.platform == "win32" else _posix_holder(file, span)
    finally:
        os.close(file)


def _posix_holder(file: int, span: tuple[int, int]) -> str | None:
    """F_GETLK asks and locks nothing (fcntl(2))."""
    if sys.platform == "win32":
        return None
    import fcntl

    start, length = span
    darwin = sys.platform == "darwin"
    layout = _DARWIN_LAYOUT if darwin else _LINUX_LAYOUT
    ask = (start, length, 0, fcntl.F_WRLCK, os.SEEK_SET) if darwin else (fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    try:
        answer = struct.unpack(layout, fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(layout, *ask)))
    except OSError:  # a file system without locks does not tell
        return None
    kind, pid = (answer[3], answer[2]) if darwin else (answer[0], answer[4])
    return None if kind == fcntl.F_UNLCK else _process(pid)


def _windows_holder(file: int, span: tuple[int, int], readers: bool) -> str | None:
    """Windows has no F_GETLK: take the lock without waiting and let go at once, as SQLite's winCheckReservedLock does.

    Which process it is, nobody says.
    """
    if sys.platform != "win32":
        return None
    from launcher.windows_lock import lock, unlock

    try:
        if not lock(file, span, exclusive=readers):
            return "another process"
        unlock(file, span)
    except OSError:  # a file system without locks does not tell
        pass
    return None


def _process(pid: int) -> str:
    """psutil is asked only where /proc cannot be, since a verified start next to a live writer needs the name too."""
    if pid <= 0:
        return "another process"
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return f"{file.read().strip()} (pid {pid})"
    except OSError:
        return _asked_name(pid)


def _asked_name(pid: int) -> str:
    import psutil

    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"a process (pid {pid})"
