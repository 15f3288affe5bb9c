"""What a shell dialect is: how one variable is set and unset, and what cannot be carried."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shells.session import Session
    from shells.started import Started


class CannotCarry(ValueError):  # noqa: N818 - it reads as the sentence that str() completes
    """Names or values that this shell would alter, drop or run. str() says which and why, and shows no value."""

    def __init__(self, shell: str, *refused: tuple[str, str]) -> None:
        """Take the shell and one (name, reason) for each refused variable; .name and .reason tell them as one text."""
        self.shell = shell
        self.refused = refused
        self.name = ", ".join(name for name, _ in refused)
        self.reason = "; ".join(reason if len(refused) == 1 else f"{name!a}: {reason}" for name, reason in refused)
        # !a: a refused name may hold a line feed or an escape sequence, and this text goes to a terminal.
        super().__init__(f"{shell} cannot carry {', '.join(ascii(name) for name, _ in refused)}: {self.reason}")


class Shell(Protocol):
    """One dialect. set_env, unset_env and comment return one or more whole lines without the last newline."""

    @property
    def name(self) -> str:
        """The name in the table, which --shell takes."""

    @property
    def programs(self) -> tuple[str, ...]:
        """The names of the programs that speak it, in lower case without .exe; a PATH is searched in this order."""

    @property
    def family(self) -> str:
        """What one shell of a family reads, all of them read."""

    @property
    def newline(self) -> str:
        """What ends a line: LF, or CRLF for cmd."""

    @property
    def folds_case(self) -> bool:
        """Whether Path and PATH may be one variable there."""

    def comment(self, text: str) -> str:
        """A comment line; text is one line of printable ASCII."""

    def set_env(self, name: str, value: str) -> str:
        """Set the variable for the shell and its children, byte for byte; raise CannotCarry otherwise."""

    def unset_env(self, name: str) -> str:
        """Remove the variable, which may be absent; raise CannotCarry for a name the shell keeps for itself."""

    def frame(self, lines: list[str], changes: Mapping[str, str | None]) -> list[str]:
        """Take the lines of all variables and what they are for; return them with what this shell needs around them."""

    def quote(self, word: str) -> str:
        """One whole quoted word for a command line in a script of this shell; raise CannotCarry otherwise."""

    def typed(self, words: Sequence[str]) -> str:
        """The command line to type at this shell's prompt, quoted only where needed; raise CannotCarry otherwise."""

    def typed_set(self, name: str, value: str) -> str:
        """The line to type that sets the variable, as people write it; raise CannotCarry as set_env does."""

    def typed_unset(self, name: str) -> str:
        """The line to type that removes it; raise CannotCarry as unset_env does."""

    def apply(self, words: Sequence[str]) -> tuple[str, ...]:
        """The lines to type, one of which is enough, that let the shell evaluate what the command prints."""

    def started(self, arguments: Sequence[str]) -> "Started":
        """What a process of this shell that has these arguments was started for."""

    def session(self, mark: str, names: Sequence[str]) -> "Session":
        """How to start it interactively with the mark in its prompt and these variables as they are handed over."""


def check_name(shell: str, name: str) -> None:
    """Raise CannotCarry unless the name is [A-Za-z_][A-Za-z0-9_]*.

    One rule for every shell: nothing in such a name is syntax in any of them (SHELLS.md, "sh, dash, bash, zsh, ksh").
    """
    if not (name.isascii() and name.isidentifier()):
        reason = "a name has ASCII letters, digits and _ only, and begins with no digit"
        raise CannotCarry(shell, (name, reason))


def check_value(shell: str, name: str, value: str, forbidden: str = "\0") -> None:
    """Raise CannotCarry for the first of the forbidden characters in the value; the character is told by number."""
    for char in forbidden:
        if char in value:
            raise CannotCarry(shell, (name, f"its value holds U+{ord(char):04X} ({CHARACTERS[char]})"))


def check_unicode(shell: str, name: str, value: str) -> None:
    """Raise CannotCarry for bytes that are not UTF-8 (PEP 383 keeps them as surrogates), which only bytes can carry."""
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise CannotCarry(shell, (name, "its value holds bytes that are not UTF-8, or half of a surrogate pair"))


CHARACTERS = {"\0": "NUL", "\n": "line feed", "\r": "carriage return", "\x1a": "Ctrl-Z"}

BARE = frozenset("+-./0123456789:@ABCDEFGHIJKLMNOPQRSTUVWXYZ\\_abcdefghijklmnopqrstuvwxyz")
"""What may stand unquoted in a line for a person to type. What a shell evaluates is always quoted (SHELLS.md, 4)."""


def is_bare(word: str, but: str = "") -> bool:
    """Whether the word needs no quotes at any prompt; `but` names characters that this shell reads otherwise."""
    option = word.startswith("-") and not word.replace("-", "a").isalnum()  # PowerShell splits -a.b and reads -a:b
    return BARE.issuperset(word) and word[:1] not in ("", "@") and not option and not set(but) & set(word)
