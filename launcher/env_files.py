"""`.env` files, read by python-dotenv; where it would drop a statement and go on, we stop."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from launcher.errors import ConfigurationError


class Assignment(NamedTuple):
    """One variable of a `.env` file: its name, its text after python-dotenv's interpolation, `FILE:LINE`."""

    name: str
    text: str
    place: str


def read_env_file(path: str) -> tuple[list[Assignment], list[str]]:
    """The assignments of the file, and notes on what a reader might not expect (a name assigned twice).

    Raises ConfigurationError, with file and line and never with a value, for a statement that python-dotenv would
    drop with a log line (its README, "File format"), and for a file that is not UTF-8.
    """
    text = _read(path)
    lines, notes = _check_statements(path, text)
    return [Assignment(name, value, f"{path}:{lines[name]}") for name, value in _values(text).items()], notes


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ConfigurationError("env-file", f"cannot read {path}: {error.strerror}") from None
    try:
        # utf-8-sig: python-dotenv before 1.2.3 took a byte order mark for a part of the first name.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigurationError("env-file", f"{path}:{line}: not UTF-8", "save the file as UTF-8") from None


def _check_statements(path: str, text: str) -> tuple[dict[str, int], list[str]]:
    lines: dict[str, int] = {}
    notes: list[str] = []
    for name, line in _statements(path, text):
        if name in lines:
            notes.append(f"{path}:{line}: {name} is assigned again (first in line {lines[name]}); the last one counts")
        lines[name] = line
    return lines, notes


def _statements(path: str, text: str) -> Iterator[tuple[str, int]]:
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
        if binding.value is None:
            raise ConfigurationError(
                "env-file", f"{path}:{line}: {binding.key} has no =", f"write {binding.key}= for an empty value"
            )
        yield binding.key, line


def _first_line(original: str, line: int) -> int:
    """python-dotenv counts from the blank lines that it skips before a statement."""
    skipped = original[: len(original) - len(original.lstrip())]
    return line + skipped.replace("\r\n", "\n").replace("\r", "\n").count("\n")


def _values(text: str) -> dict[str, str]:
    import io

    from dotenv.main import DotEnv

    # override=False: in `${NAME}` an exported variable beats the file, as in the layers and in load_dotenv().
    values = DotEnv(None, stream=io.StringIO(text, newline=""), interpolate=True, override=False).dict()
    return {name: value for name, value in values.items() if value is not None}


def exists(path: str) -> bool:
    """Whether there is something at the path; a folder or a pipe is something, and reading it is an error."""
    return os.path.lexists(path)
