"""Small text files that people write: read whole, or refused with the reason. Never waited for."""

import os
import stat

LIMIT = 1_048_576
"""Bytes. A profile file, a `.env` file and a secret are far below; a log or a disk image named by mistake is not."""


class UnreadableError(Exception):
    """Why the file cannot be read: `reason` follows its path in a sentence; line is 0 where none is to blame."""

    def __init__(self, reason: str, hint: str = "", line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.line = line


def read_text(path: str) -> str:
    """The text of a UTF-8 file, without its byte order mark, its line ends as they are. Raises UnreadableError.

    Only regular files: a pipe or a terminal would keep the launcher waiting, a device may never end.
    """
    try:
        found = os.stat(path).st_mode
        if stat.S_ISDIR(found):
            raise UnreadableError("is a folder")
        if not stat.S_ISREG(found):
            raise UnreadableError("is not a regular file", "name a file that stays: a pipe can be read only once")
        with open(path, "rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}") from None
    except ValueError:  # a NUL character
        raise UnreadableError("cannot be a path") from None
    if len(data) > LIMIT:
        raise UnreadableError(f"has more than {LIMIT} bytes; no file of this kind is that large")
    return _decoded(data)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("is UTF-16, as > and Out-File of Windows PowerShell write", "save it as UTF-8", 1)
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError("is not UTF-8", "save it as UTF-8", data[: error.start].count(b"\n") + 1) from None
