"""Which file is a SQLite database: told by its first bytes, by its name only while it is empty."""

import os
import stat
import sys

from launcher.identity.sqlite_header import MAGIC

SUFFIXES = (".db", ".db3", ".s3db", ".sl3", ".sqlite", ".sqlite3", ".sqlitedb")
SIDECARS = ("-wal", "-journal")
"""What a writer changes beside the database, which itself may stay as it is until the next checkpoint."""


def named_like_database(path: str) -> bool:
    """Whether people give such a name to SQLite databases."""
    return path.lower().endswith(SUFFIXES)


def is_scratch(path: str) -> bool:
    """Whether SQLite made the file for itself (TEMP tables, sorting) and deletes it on closing.

    Such files start like a database (SQLITE_TEMP_FILE_PREFIX, https://www.sqlite.org/src/file/src/os.h).
    """
    return os.path.basename(path).startswith("etilqs_")


def is_database(path: str, readable: str = "") -> bool:
    """Whether the regular file is a SQLite database, or an empty file that is about to become one.

    readable: another path to the same file (/proc/PID/fd/N), which also reaches one that was deleted.
    Raises OSError where the file cannot be read.
    """
    start = first_bytes(readable or path)
    if start == MAGIC:
        return not is_scratch(path)
    return not start and (named_like_database(path) or any(os.path.exists(path + ending) for ending in SIDECARS))


def first_bytes(path: str) -> bytes:
    """As many bytes of the regular file as SQLite's magic has; fewer where it is shorter. Raises OSError."""
    if sys.platform == "win32":
        file = _open_windows(path)
    else:  # O_NONBLOCK: what became a FIFO since the last look must not hang us
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(f"{path} is not a regular file")
        return os.read(file, len(MAGIC))
    finally:
        os.close(file)


def _open_windows(path: str) -> int:
    """Python's open() lets nobody delete the file meanwhile; this one does not get in the program's way.

    https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-createfilew
    """
    if sys.platform != "win32":
        raise OSError("Windows only")
    import ctypes
    import msvcrt

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateFileW.restype = ctypes.c_void_p
    generic_read, share_all, open_existing = 0x80000000, 7, 3
    handle = kernel.CreateFileW(ctypes.c_wchar_p(path), generic_read, share_all, None, open_existing, 0, None)
    if handle is None or handle == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_last_error(), f"{path} cannot be opened")
    return msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY)
