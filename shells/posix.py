"""The dialect of sh and its kin; SHELLS.md, "sh, dash, bash, zsh, ksh"."""

import os

from shells.base import CannotCarry, check_name, check_value

# Linux starts no program whose NAME=VALUE is longer: MAX_ARG_STRLEN less the closing NUL, execve(2).
LONGEST_STRING = 131_071

# PEP 383: on POSIX a surrogate stands for a byte that is not UTF-8; on Windows it is half a pair and has no bytes.
BYTE_ERRORS = "surrogateescape" if os.name == "posix" else "strict"


def quote(value: str) -> str:
    """Return the value as one word in which a POSIX shell finds nothing to expand. Never bare: zsh runs =ls."""
    return "'" + value.replace("'", "'\\''") + "'"


class Posix:
    """A shell with export and unset; keeps names the variables that it computes or guards itself."""

    newline = "\n"
    folds_case = False

    def __init__(self, name: str, keeps: str = "") -> None:
        """Take the name in the table and the kept names, separated by spaces."""
        self.name = name
        self.keeps = frozenset(keeps.split())

    def comment(self, text: str) -> str:
        """Return the text as a comment line."""
        return f"# {text}"

    def set_env(self, name: str, value: str) -> str:
        """Return the line that sets and exports; raise CannotCarry for a kept name, NUL, or a string Linux refuses."""
        self._check_name(name)
        check_value(self.name, name, value)
        self._check_bytes(name, value)
        # Without the unset an attribute of an older variable works on the value: integer evaluates it, which can run
        # a command, upper case changes it, an array is not exported.
        return f"unset -v {name}; export {name}={quote(value)}"

    def unset_env(self, name: str) -> str:
        """Return the line that removes the variable; raise CannotCarry for a kept name."""
        self._check_name(name)
        return f"unset -v {name}"

    def frame(self, lines: list[str]) -> list[str]:
        """Return the lines: POSIX shells need nothing around them."""
        return lines

    def _check_name(self, name: str) -> None:
        check_name(self.name, name)
        if name in self.keeps:
            # bash keeps the old value of a read-only name with exit status 0, so nothing but this would tell.
            raise CannotCarry(self.name, (name, f"{self.name} keeps this variable for itself"))

    def _check_bytes(self, name: str, value: str) -> None:
        try:
            size = len(name) + 1 + len(value.encode("utf-8", BYTE_ERRORS))
        except UnicodeEncodeError as error:
            reason = f"its value holds U+{ord(value[error.start]):04X}, half of a surrogate pair"
            raise CannotCarry(self.name, (name, reason)) from None
        if size > LONGEST_STRING:
            raise CannotCarry(self.name, (name, f"it is {size} bytes long, of at most {LONGEST_STRING}"))
