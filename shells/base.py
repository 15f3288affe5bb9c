"""What a shell dialect is: how one variable is set and unset, and what cannot be carried."""

from typing import Protocol


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

    def frame(self, lines: list[str]) -> list[str]:
        """Take the lines of all variables; return them with what this shell needs before and after them."""


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
