"""What `env --format` prints: the same changes for programs that are no shell."""

import io
import json
from collections.abc import Callable, Mapping, Set

from shells.base import CannotCarry, check_name, check_unicode, check_value

Changes = Mapping[str, str | None]

COMMENT = "# Written by autopack-run env, for python-dotenv to read.\n"

# Lines that show whether a value's quotes stay its own.
BEFORE, AFTER = "A='it\\'s'\n", "B='\"'\n"

# What the double quotes of python-dotenv's parser.py decode (`_double_quote_escapes`).
_ESCAPES = {
    "\\": "\\\\",
    '"': '\\"',
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def as_json(changes: Changes, _closed: Set[str] = frozenset()) -> bytes:
    """One JSON object by name, sorted, pure ASCII; null stands for a variable to remove.

    Raises CannotCarry for bytes that are not UTF-8.
    """
    for name, value in changes.items():
        check_unicode("json", name, value or "")
    return json.dumps(changes, indent=2, sort_keys=True).encode("ascii") + b"\n"


def as_dotenv(changes: Changes, closed: Set[str] = frozenset()) -> bytes:
    """Lines for a `.env` file, sorted, that python-dotenv reads back unchanged, its interpolation included.

    closed: names that are empty for a child where they are to be removed (`X_FILE` beside a pin). Raises one
    CannotCarry that names every variable which would be read back otherwise, or can only be removed.
    """
    lines: list[str] = []
    refused: list[tuple[str, str]] = []
    for name in sorted(changes):
        value = "" if name in closed else changes[name]
        try:
            lines.append(_dotenv_line(name, value))
        except CannotCarry as error:
            refused.extend(error.refused)
    if refused:
        raise CannotCarry("dotenv", *refused)
    return "".join([COMMENT, *lines]).encode()


FORMATS: dict[str, Callable[[Changes, Set[str]], bytes]] = {"dotenv": as_dotenv, "json": as_json}


def _dotenv_line(name: str, value: str | None) -> str:
    check_name("dotenv", name)
    if value is None:
        raise CannotCarry("dotenv", (name, "it is to be removed, and a .env file can only set"))
    check_value("dotenv", name, value)
    check_unicode("dotenv", name, value)
    for written in _ways(value):
        line = f"{name}={written}\n"
        if _reads_back(name, value, line):
            return line
    raise CannotCarry(
        "dotenv", (name, "python-dotenv would read its value otherwise (a ${…}, or a backslash at its end)")
    )


def _ways(value: str) -> list[str]:
    """The value in single quotes, in double quotes, and bare: the first that is read back is taken."""
    single = "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    double = '"' + "".join(_ESCAPES.get(char, char) for char in value) + '"'
    # python-dotenv before 1.2.3 takes \\\\' and \\\\" for an escaped quote; bare, a backslash always means itself.
    return [value] if value.endswith("\\") else [single, double, value]


def _reads_back(name: str, value: str, line: str) -> bool:
    """Whether python-dotenv reads just this value out of the line, whatever stands around it, with and without
    interpolation, and from a text file, whose reader makes every line end a line feed.
    """
    from dotenv.parser import parse_stream
    from dotenv.variables import Literal, parse_variables

    text = io.TextIOWrapper(io.BytesIO((BEFORE + line + AFTER).encode()), "utf-8").read()
    found = [(binding.key, binding.value) for binding in parse_stream(io.StringIO(text))]
    interpolated = any(not isinstance(atom, Literal) for atom in parse_variables(value))
    return not interpolated and found == [("A", "it's"), (name, value), ("B", '"')]
