"""Lines to type, in the words of the shell at hand."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shells.base import Shell

# What double quotes keep as it is in every shell that a line of ours may be pasted into.
_SAFE_IN_QUOTES = frozenset(" #&'()*+,-./:;<=>?@[]_{|}~")


def set_line(name: str, value: str, otherwise: str | None = None) -> str:
    """The line that sets the variable in the shell at hand; where it cannot be told, one for each that it may be.

    otherwise: what is said where none of them can hold it.
    """
    said = f"a value for {name}, which this shell cannot set" if otherwise is None else otherwise
    return _in_shells(lambda shell: shell.typed_set(name, value)) or said


def unset_line(name: str) -> str:
    """The line that removes the variable, likewise."""
    return _in_shells(lambda shell: shell.typed_unset(name)) or f"take {name} away where it is set"


def command_line(*words: str) -> str:
    """The command line that hands these words over, likewise; a path that no line can hold by its name alone."""
    if line := _in_shells(lambda shell: shell.typed(words)):
        return line
    names = [os.path.basename(word) if os.path.isabs(word) and not _held(word) else word for word in words]
    if line := _in_shells(lambda shell: shell.typed(names)):
        return f"cd to the file's folder, then: {line}"
    return f"{' '.join(words)}  (no line to type: this shell cannot hold these words)"


def install_line(*packages: str, extra: str = "") -> str:
    """The line that brings the packages to where the launcher runs; extra: of ours, which an installed tool takes.

    What uv makes has no pip of its own.
    """
    from importlib.util import find_spec

    if find_spec("pip"):
        return command_line(sys.executable, "-m", "pip", "install", *packages)
    line = command_line("uv", "pip", "install", "--python", sys.executable, *packages)
    return f'{line}  or, for an installed tool, in its checkout: uv tool install ".[{extra}]"' if extra else line


def quoted(word: str) -> str:
    """One word of a command line, a path; one that no line can hold is in words that no program takes for another."""
    name = os.path.basename(word)
    return held(word) or f'"(cd to its folder first) {name if _means_itself(name) else "NAME"}"'


def held(word: str) -> str:
    """The word as the line has it, or "" where it cannot hold it.

    The shell is asked for only where double quotes are not understood alike.
    """
    return f'"{word}"' if _means_itself(word) else _held(word)


def _means_itself(word: str) -> bool:
    return all(char.isalnum() or char in _SAFE_IN_QUOTES or (char == "\\" and os.name == "nt") for char in word)


def _held(word: str) -> str:
    return _in_shells(lambda shell: shell.typed(("x", word)).removeprefix("x "))


def _in_shells(line: Callable[["Shell"], str]) -> str:
    """The line in the shell at hand, or in each that it may be, or "" where none of them can hold it."""
    from shells.base import CannotCarry

    shells = _at_hand()
    lines: dict[str, list[str]] = {}
    for shell in shells:
        try:
            lines.setdefault(line(shell), []).append(shell.name)
        except CannotCarry:  # a folder whose name cannot be written in one line
            continue
    if len(lines) < 2 and len(shells) == sum(map(len, lines.values())):
        return next(iter(lines), "")  # one shell, or the same words in all of them
    return "  or  ".join(f"{text}  ({', '.join(names)})" for text, names in lines.items())


def _at_hand() -> list["Shell"]:
    """The detected shell; where there is none, PowerShell and cmd on Windows, and elsewhere one that speaks POSIX."""
    from shells.detect import detect_prompt
    from shells.table import shell_named

    detected = detect_prompt(os.environ).name
    guesses = [detected] if detected else ["powershell", "cmd"] if os.name == "nt" else ["sh"]
    return [shell for shell in map(shell_named, guesses) if shell is not None]
