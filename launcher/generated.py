"""Files that the launcher writes into a project: known again by a line of their own, written whole, or compared."""

import codecs
import contextlib
import difflib
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from launcher.errors import ConfigurationError
from launcher.output import printable, tell
from launcher.text_files import UnreadableError, read_text

# The line stands below an interpreter's line, or below `@echo off`.
ID_LINES = 3
_OTHER = r"[^A-Za-z0-9 ./_-]"
_OTHER_IN_MARKUP = rf"(?:{_OTHER}|-(?=-)|(?<=-)-)"  # two hyphens would end an HTML comment


class Generated(NamedTuple):
    """A file as it is to be. text: with LF; newline: what ends its lines on the disk.

    mark: the text that one of its first lines holds (see id_mark). only_newline: whoever reads it fails with other
    line ends, which a checkout may have given it, and with a byte order mark, which an editor may.
    """

    path: str
    text: str
    mark: str
    newline: str = "\n"
    mode: int = 0o644
    only_newline: bool = False

    @property
    def name(self) -> str:
        """Its name without the folder."""
        return os.path.basename(self.path)


def id_mark(command: Sequence[str]) -> str:
    """The text that tells what the command has generated from a foreign file, for a comment of any language."""
    return f"{_by_number(command, _OTHER_IN_MARKUP)} (generated; edits are lost)"


def plain(command: Sequence[str]) -> str:
    """The command for a comment of any language: other characters may be read in one, as % is in a batch file's."""
    return _by_number(command, _OTHER)


def _by_number(command: Sequence[str], other: str) -> str:
    """The command with the others as `_24_`, which no two commands have in common: `_` is one, where it reads so."""
    return " ".join(
        f'"{word}"' if " " in word else word
        for word in (
            re.sub(rf"_(?=[0-9a-f]+(?:_|{other}))|{other}", lambda found: f"_{ord(found[0]):x}_", each)
            for each in command
        )
    )


def write(files: Sequence[Generated]) -> None:
    """Write them all, each whole or not at all.

    Raises ConfigurationError where one of the names is taken by a file that is not ours, or a folder or link, and where
    a file cannot be written; in the first case nothing has been written.
    """
    for file in files:
        _present(file)
    parts: list[str] = []
    try:
        for file in files:
            parts.append(_write_part(file))
        for file, part in zip(files, parts, strict=True):
            _put_in_place(file, part)
    finally:
        for part in parts:
            with contextlib.suppress(OSError):
                os.unlink(part)


def check(files: Iterable[Generated], command: str) -> None:
    """Compare what is there with what is to be, and print the difference.

    command: what writes them anew. Raises ConfigurationError (stale) where one differs or is missing.
    """
    stale = [name for file in files if (name := _stale(file))]
    if stale:
        raise ConfigurationError("stale", f"not as the profile file would have them: {', '.join(stale)}", command)


def _present(file: Generated) -> str | None:
    """The text of the generated file that is there, or None. Raises ConfigurationError for a foreign one."""
    try:
        found = os.lstat(file.path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(file, error) from None
    if not stat.S_ISREG(found.st_mode):
        raise _foreign(file, "is no file" if not stat.S_ISLNK(found.st_mode) else "is a link")
    try:
        text = read_text(file.path)
    except UnreadableError as error:
        raise _foreign(file, error.reason) from None
    if not any(file.mark in line for line in text.splitlines()[:ID_LINES]):
        raise _foreign(file, f"has no line '{file.mark}'")
    return text


def _stale(file: Generated) -> str:
    """Print how it differs; return its name with the reason, or ""."""
    text = _present(file)
    if text is None:
        tell(f"{printable(file.path)} is missing")
        return f"{file.name} (missing)"
    if difference := list(_difference(text, file)):
        tell("\n".join(printable(line, "\t") for line in difference))
        return file.name
    if file.only_newline and _has_mark(file.path):  # it would be a part of the first line, so of a command
        tell(f"{printable(file.path)} begins with a byte order mark; save it as UTF-8 without one")
        return f"{file.name} (byte order mark)"
    if file.only_newline and set(re.findall(r"\r\n|\r|\n", text)) != {file.newline}:
        wanted = {"\n": "LF", "\r\n": "CRLF"}[file.newline]
        tell(f"{printable(file.path)}: its lines must end with {wanted} (.gitattributes: {file.name} -text)")
        return f"{file.name} (line ends)"
    return ""


def _has_mark(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(3) == codecs.BOM_UTF8


def _difference(text: str, file: Generated) -> Iterable[str]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return difflib.unified_diff(lines, file.text.split("\n"), file.path, f"{file.name} as it would be", lineterm="")


def _write_part(file: Generated) -> str:
    """Write a file beside it, and return its path."""
    part = ""
    try:
        number, part = tempfile.mkstemp(prefix=f".{file.name}.", dir=os.path.dirname(file.path))
        with open(number, "w", encoding="utf-8", newline=file.newline) as stream:
            stream.write(file.text)
        os.chmod(part, file.mode & ~_umask())
    except OSError as error:
        if part:
            os.unlink(part)
        raise _failed(file, error) from None
    return part


def _put_in_place(file: Generated, part: str) -> None:
    try:
        os.replace(part, file.path)
    except OSError as error:
        raise _failed(file, error) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _failed(file: Generated, error: OSError) -> ConfigurationError:
    hint = "see that the folder is there, has room, and may be written to"
    return ConfigurationError("not-written", f"cannot write {file.path}: {error.strerror}", hint)


def _foreign(file: Generated, reason: str) -> ConfigurationError:
    return ConfigurationError(
        "foreign-file", f"{file.path} {reason}, so it is not ours; nothing was written", "move it away or rename it"
    )
