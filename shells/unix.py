"""What sh and its kin and fish have in common."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

from shells.base import CannotCarry, check_name, check_value, is_bare

# Linux starts no program whose NAME=VALUE is longer: MAX_ARG_STRLEN less the closing NUL, execve(2).
LONGEST_STRING = 131_071

# PEP 383: on POSIX a surrogate stands for a byte that is not UTF-8; on Windows it is half a pair and has no bytes.
BYTE_ERRORS = "surrogateescape" if os.name == "posix" else "strict"


class Unix(ABC):
    """A shell whose text has LF and # comments, and which keeps some variables for itself."""

    newline = "\n"
    folds_case = False
    name: str
    keeps: frozenset[str]

    def comment(self, text: str) -> str:
        """Return the text as a comment line; inside eval an interactive zsh takes one too."""
        return f"# {text}"

    def quote(self, word: str) -> str:
        """Return the word in single quotes."""
        check_value(self.name, word, word)
        return self._quoted(word)

    def typed(self, words: Sequence[str]) -> str:
        """Return the command line; a control character is escaped, since a terminal would act on it."""
        return " ".join(word if is_bare(word, "\\") else self._typed(word) for word in words)

    @abstractmethod
    def _quoted(self, word: str) -> str:
        """The word in single quotes, without NUL."""

    @abstractmethod
    def _typed(self, word: str) -> str:
        """The word quoted for the prompt."""

    def _check_name(self, name: str) -> None:
        check_name(self.name, name)
        if name in self.keeps:
            # bash keeps the old value of a read-only name with exit status 0, so nothing but this would tell.
            raise CannotCarry(self.name, (name, f"{self.name} keeps this variable for itself"))

    def _check(self, name: str, value: str) -> None:
        """Raise CannotCarry for a kept name, NUL, half of a surrogate pair, and what Linux starts no program with."""
        self._check_name(name)
        check_value(self.name, name, value)
        try:
            size = len(name) + 1 + len(value.encode("utf-8", BYTE_ERRORS))
        except UnicodeEncodeError as error:
            reason = f"its value holds U+{ord(value[error.start]):04X}, half of a surrogate pair"
            raise CannotCarry(self.name, (name, reason)) from None
        if size > LONGEST_STRING:
            raise CannotCarry(self.name, (name, f"it is {size} bytes long, of at most {LONGEST_STRING}"))
