"""Windows' locks on a part of a file (https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex)."""

import struct
import sys

_FAIL_IMMEDIATELY, _EXCLUSIVE = 1, 2
_LOCK_VIOLATION = 33


def lock(file: int, span: tuple[int, int], exclusive: bool) -> bool:
    """Whether this process has the lock on the span (first byte, length) now; it never waits for it.

    Not msvcrt.locking: that tells "held by somebody" from "not to be had here" by an errno, which Wine's leaves as it
    was. file: a descriptor. Raises OSError where the file system has no locks.
    """
    return _asked("LockFileEx", file, span, _FAIL_IMMEDIATELY | (_EXCLUSIVE if exclusive else 0))


def unlock(file: int, span: tuple[int, int]) -> None:
    """Let go of it. Raises OSError."""
    _asked("UnlockFileEx", file, span)


def _asked(function: str, file: int, span: tuple[int, int], *flags: int) -> bool:
    if sys.platform != "win32":
        raise OSError("Windows only")
    import ctypes
    import msvcrt

    ask = getattr(ctypes.WinDLL("kernel32", use_last_error=True), function)
    where = ctypes.create_string_buffer(struct.pack("PPIIP", 0, 0, span[0], 0, 0))  # OVERLAPPED
    if ask(ctypes.c_void_p(msvcrt.get_osfhandle(file)), *flags, 0, ctypes.c_uint32(span[1]), 0, where):
        return True
    code = ctypes.get_last_error()
    if code != _LOCK_VIOLATION:
        raise ctypes.WinError(code)
    return False
