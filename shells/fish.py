"""The dialect of fish; SHELLS.md, "fish"."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from shells import kept, session, started
from shells.base import CannotCarry, check_value
from shells.session import Session
from shells.started import Started
from shells.unix import Unix

# Lists of folders, in which fish writes . for an empty element (asked of 3.6; other names in PATH stay unchanged).
FOLDER_LISTS = frozenset(["PATH", "CDPATH"])


def quote(value: str) -> str:
    """Return the value in single quotes, in which only the quote and the backslash are escaped.

    Neither follows a byte beyond ASCII: fish reads by the locale, and in GBK, GB18030, Big5 and Shift JIS a backslash
    may be the second byte of a character; a quote may not.
    """
    text = value.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + re.sub(r"(?<=[^\0-\x7f])(?=\\)", "''", text) + "'"


def escaped(word: str) -> str:
    r"""Return the word with \XNN for each byte of what is not printable, which fish reads outside of quotes only."""
    parts = ((printable, "".join(chars)) for printable, chars in groupby(word, str.isprintable))
    return "".join(
        quote(text) if printable else "".join(f"\\X{byte:02x}" for byte in text.encode("utf-8", "surrogateescape"))
        for printable, text in parts
    )


class Fish(Unix):
    """fish."""

    name = family = "fish"
    programs = ("fish",)
    keeps = frozenset(kept.FISH.split())

    def set_env(self, name: str, value: str) -> str:
        """Return the line that sets and exports; raise CannotCarry for a kept name, NUL, a string Linux refuses."""
        self._check(name, value)
        if name in FOLDER_LISTS and "" in value.split(":"):
            raise CannotCarry(self.name, (name, f"{self.name} makes its empty element the current folder"))
        if name == "HOME" and ("//" in value or (value.endswith("/") and value != "/")):
            raise CannotCarry(self.name, (name, f"{self.name} takes doubled slashes and one at the end away"))
        return f"{no_local(name)}; set -gx {name} {quote(value)}"

    def unset_env(self, name: str) -> str:
        """Return the line that removes the variable."""
        self._check_name(name)
        return f"{no_local(name)}; set -eg {name}; or true"

    def frame(self, lines: list[str], changes: Mapping[str, str | None]) -> list[str]:
        """Return the lines, behind the question whether what they unset is a universal variable.

        Nothing hides an exported one, and to erase it for all sessions is the user's to decide.
        """
        names = [name for name in sorted(changes) if changes[name] is None]
        if not names:
            return lines
        asked = "; or ".join(f"set -qUx {name}" for name in names)
        said = f"a universal variable exports {' or '.join(names)}, which only set -eU removes, so nothing was set"
        return [f"if {asked}", f"echo 'autopack-run: {said}. Use exec.' >&2", "false", "else", *lines, "end"]

    def typed_set(self, name: str, value: str) -> str:
        """Return the line."""
        self.set_env(name, value)
        return f"set -gx {name} {self._typed(value)}"

    def typed_unset(self, name: str) -> str:
        """Return the line."""
        self._check_name(name)
        return f"set -e {name}"

    def apply(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the line."""
        return (f"{self.typed(words)} | source",)

    def started(self, arguments: Sequence[str]) -> Started:
        """See shells.started."""
        return started.fish(arguments)

    def session(self, mark: str, names: Sequence[str]) -> Session:
        """See shells.session."""
        return session.fish(mark, names)

    def _quoted(self, word: str) -> str:
        return quote(word)

    def _typed(self, word: str) -> str:
        check_value(self.name, word, word)
        return quote(word) if word.isprintable() else escaped(word)


def no_local(name: str) -> str:
    """Return what erases the local variables of that name: they would hide the global one from a child."""
    return f"while set -ql {name}; set -e {name}; end"
