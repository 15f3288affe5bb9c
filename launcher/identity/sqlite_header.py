"""Is it a SQLite database, and a whole one? What its first 100 bytes say (IDENTITY.md, "SQLite ladder")."""

import codecs
import time
from typing import NamedTuple

from launcher.errors import PERMISSION, LauncherError, WrongDataError
from launcher.identity.expectation import Expectation

MAGIC = b"SQLite format 3\0"
SIZE = 100
WRITE_VERSIONS = 2
"""The highest write version that SQLite writes to: https://www.sqlite.org/fileformat.html#file_format_version_numbers."""
CHANGE_COUNTER = 24
"""Its offset in bytes; four, the highest first."""
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def fold(name: str) -> bytes:
    """What names of tables have in common that are one to SQLite: of capitals it folds those of ASCII alone."""
    return name.encode("utf-8", "surrogatepass").lower()


class Header(NamedTuple):
    """The fields of https://www.sqlite.org/fileformat.html#the_database_header that count here.

    pages: 0 where its writer did not vouch for the number.
    """

    wal: bool = False
    page_size: int = 0
    pages: int = 0
    write_version: int = 1


class FileState(NamedTuple):
    """The file between two looks: equal states mean that nobody wrote in between."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    header: bytes


def parse_header(state: FileState, expected: Expectation) -> Header:
    """The header's fields; raises WrongDataError for a file that is no SQLite database."""
    raw, path = state.header, expected.url.path
    if state.size == 0:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state.mtime_ns / 1e9))
        seed = f"delete it, then: {expected.seed}" if expected.seed else "delete it, or seed it"
        raise WrongDataError(
            "empty-file",
            f"{path} ({expected.place}) has 0 bytes: something connected here by accident at {when}",
            seed,
        )
    if not raw.startswith(MAGIC) or len(raw) < SIZE:
        raise _not_sqlite(raw, expected)
    page_size = int.from_bytes(raw[16:18], "big")
    return Header(2 in raw[18:20], 65536 if page_size == 1 else page_size, _pages(raw), raw[18])


def _pages(raw: bytes) -> int:
    """The page count; 0 where its writer did not vouch for it (change counter 24 against version-valid-for 92)."""
    return int.from_bytes(raw[28:32], "big") if raw[24:28] == raw[92:96] else 0


def judge_version(header: Header, expected: Expectation) -> tuple[str, ...]:
    """Notes on a file that SQLite opens for reading alone, since a later version wrote it; LauncherError (77) where the
    task writes."""
    if header.write_version <= WRITE_VERSIONS:
        return ()
    what = f"{expected.url.path} has write version {header.write_version}, so SQLite opens it for reading alone"
    if not expected.writes:
        return (what,)
    raise LauncherError(
        "read-only",
        PERMISSION,
        f"{what}, and this task writes",
        "use it with what wrote it; or writes = false for a task that only reads",
    )


def is_short(header: Header, size: int) -> bool:
    """Whether the file has fewer bytes than its header says."""
    return size < header.pages * header.page_size


def truncated(header: Header, size: int, expected: Expectation) -> WrongDataError:
    """The fault of a file that is cut short."""
    return WrongDataError(
        "truncated",
        f"{expected.url.path} is cut short: its header says {header.pages} pages of {header.page_size} bytes"
        f" ({header.pages * header.page_size}), the file has {size} bytes",
        "copy it again from where it came, or restore a backup",
    )


def _not_sqlite(raw: bytes, expected: Expectation) -> WrongDataError:
    spot = f"{expected.url.path} ({expected.place}) is not SQLite"
    if raw.startswith(b"version https://git-lfs"):
        return WrongDataError(
            "not-sqlite", f"{spot}: it starts with 'version https://git-lfs', a Git LFS pointer", "git lfs pull"
        )
    if text := _as_text(raw):
        return WrongDataError("not-sqlite", f"{spot}: it starts with '{text}'", "fix the path")
    if len(raw) < SIZE:
        return WrongDataError(
            "not-sqlite", f"{spot}: it has {len(raw)} bytes, and a database's header alone has {SIZE}", "fix the path"
        )
    return WrongDataError(
        "not-sqlite",
        f"{spot}, or encrypted (SQLCipher): it starts with the bytes {raw[:4].hex(' ')}",
        "fix the path; an encrypted database cannot be proven",
    )


def _as_text(raw: bytes) -> str:
    """The first word of a text file, up to what could be a value; "" where it is not text."""
    mark, encoding = next(((mark, name) for mark, name in _MARKS if raw.startswith(mark)), (b"", "utf-8"))
    try:
        # incremental: the 100th byte may stand in the middle of a character
        text = codecs.getincrementaldecoder(encoding)().decode(raw[len(mark) :])
    except UnicodeDecodeError:
        return ""
    if not all(character.isprintable() or character in "\r\n\t" for character in text):
        return ""
    for end in "=:\r\n@ ":
        text = text.split(end, 1)[0]
    return text[:20] + "…"
