"""What a server prints: a file of its own, without passwords when the run is over, its last lines for a person."""

import contextlib
import os
from collections.abc import Iterator
from typing import IO

from launcher.output import masked, printable, say

_LAST_LINES = 12
_LAST_BYTES = 65_536
_SHOWN = 500  # characters of one line
_PIECE = 65_536
_LONGEST_URL = 4096


def create(room: str) -> str:
    """Make the file in the server's folder, for this user alone; its path, or "" where there is no folder.

    What is wrong with it is told by the start of the server, which opens it too. Until the server has been stopped the
    file has what the server wrote, passwords included, and a launcher that is killed (SIGKILL, no power) leaves it so:
    were all output to go through the launcher, a server that it does not read from for a moment would block. So only
    its owner may ever read it.
    """
    if not room:
        return ""
    path = os.path.join(room, "output.log")
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    return path


def mask(path: str) -> None:
    """Take the passwords of URLs out of the file; nothing may write to it any more.

    It is read in pieces, since a server may have written more than fits into memory. Where the clean text cannot be
    written (a full disk), the file is emptied: no words are worth a password.
    """
    try:
        if not _is_clean(path):
            _rewrite(path)
    except FileNotFoundError:  # the server has removed it
        return
    except OSError as error:
        with contextlib.suppress(OSError):
            os.truncate(path, 0)
        say(printable(f"autopack-run: {path}: emptied, as its passwords could not be masked: {error.strerror}"))


def show_last_lines(name: str, path: str) -> None:
    """Print the last lines of the server's file to standard error."""
    with contextlib.suppress(OSError):
        last = _last_lines(path)
        if last:
            say(f"autopack-run: the last lines of {name} ({path}):")
        for line in last:
            say(printable(f"  {masked(line)[:_SHOWN]}"))


def _last_lines(path: str) -> list[str]:
    with open(path, "rb") as file:
        skipped = max(0, os.fstat(file.fileno()).st_size - _LAST_BYTES)
        file.seek(skipped)
        lines = file.read(_LAST_BYTES).decode("utf-8", "replace").splitlines()
    # The first one lacks its beginning, by which a URL in it would be known.
    return lines[1 if skipped else 0 :][-_LAST_LINES:]


def _is_clean(path: str) -> bool:
    with _opened(path, "r") as file:
        return all(masked(piece) == piece for piece in _pieces(file))


def _rewrite(path: str) -> None:
    part = f"{path}.part"
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        with _opened(path, "r") as file, _opened(part, "w") as clean:
            for piece in _pieces(file):
                clean.write(masked(piece))
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


def _opened(path: str, mode: str) -> IO[str]:
    return open(path, mode, encoding="utf-8", errors="surrogateescape", newline="")


def _pieces(file: IO[str]) -> Iterator[str]:
    """The text in pieces that end where no URL goes on."""
    rest = ""
    while data := file.read(_PIECE):
        rest += data
        end = _end(rest)
        yield rest[:end]
        rest = rest[end:]
    yield rest


def _end(text: str) -> int:
    """Where to cut: at the last line end or blank; in a word of 64 KiB, in front of a URL that may have just begun."""
    blank = max(text.rfind("\n"), text.rfind(" "))
    if blank >= 0:
        return blank + 1
    tail = max(1, len(text) - _LONGEST_URL)
    begun = [found for slash in (":/", ":\\") if (found := text.find(slash, tail)) > 0]
    return min(begun, default=len(text) - 1) - 1
