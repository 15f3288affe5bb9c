"""`.env` files, read by python-dotenv; where it would drop a statement and go on, we stop."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from launcher.environment import Lookup
from launcher.errors import ConfigurationError
from launcher.text_files import UnreadableError, read_text

# Programs can be handed such names; python-dotenv takes nearly any text for one, the rest of a broken line included.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Assignment(NamedTuple):
    """One variable of a `.env` file: its name, its text after python-dotenv's interpolation, `FILE:LINE`."""

    name: str
    text: str
    place: str


def read_env_file(path: str, known: Lookup) -> tuple[list[Assignment], list[str]]:
    """The assignments of the file, and notes on what a reader might not expect (a name assigned twice).

    known: what `${NAME}` means before the file is asked: the shell's variables and those of the files before it.
    Raises ConfigurationError, with file and line and never with a value, for a statement that python-dotenv would
    drop with a log line (its README, "File format"), and for a file that is not UTF-8.
    """
    found: dict[str, Assignment] = {}
    notes: list[str] = []
    for name, written, line in _statements(path, _read(path)):
        if name in found:
            first = found[name].place.rpartition(":")[2]
            notes.append(f"{path}:{line}: {name} is assigned again (first in line {first}); the last one counts")
        found[name] = Assignment(name, _interpolated(written, known, found), f"{path}:{line}")
    return list(found.values()), notes


def _read(path: str) -> str:
    try:
        # Without a byte order mark: python-dotenv before 1.2.3 took it for a part of the first name.
        return read_text(path)
    except UnreadableError as error:
        where = f"{path}:{error.line}:" if error.line else path
        raise ConfigurationError("env-file", f"{where} {error.reason}", error.hint) from None


def _statements(path: str, text: str) -> Iterator[tuple[str, str, int]]:
    import io

    from dotenv.parser import parse_stream

    for binding in parse_stream(io.StringIO(text, newline="")):
        line = _first_line(binding.original.string, binding.original.line)
        if binding.error:
            raise ConfigurationError(
                "env-file",
                f"{path}:{line}: not a statement that python-dotenv can read",
                "write NAME='value', or remove the line",
            )
        if binding.key is None:
            continue
        # What stands where a name should be is not repeated: it may be a URL or a line of a private key.
        if binding.value is None:
            raise ConfigurationError("env-file", f"{path}:{line}: there is no =", "write NAME= for an empty value")
        if not _NAME.fullmatch(binding.key):
            raise ConfigurationError(
                "env-file", f"{path}:{line}: what stands before the = cannot be a variable's name", "write NAME='value'"
            )
        yield binding.key, binding.value, line


def _first_line(original: str, line: int) -> int:
    """python-dotenv counts from the blank lines that it skips before a statement."""
    skipped = original[: len(original) - len(original.lstrip())]
    return line + skipped.replace("\r\n", "\n").replace("\r", "\n").count("\n")


def _interpolated(text: str, known: Lookup, found: Mapping[str, Assignment]) -> str:
    """The text with its `${NAME}` and `${NAME:-default}` filled in by python-dotenv.

    As in load_dotenv() an exported variable beats the file. python-dotenv's own loop knows only os.environ, on Windows
    without the spellings of a name, and so not what an earlier file says.
    """
    from dotenv.variables import Variable, parse_variables

    atoms = list(parse_variables(text))
    values = {atom.name: known(atom.name) for atom in atoms if isinstance(atom, Variable)}
    values = {name: found[name].text if text is None and name in found else text for name, text in values.items()}
    return "".join(atom.resolve({name: text for name, text in values.items() if text is not None}) for atom in atoms)
