"""The dialect of sh and its kin; SHELLS.md, "sh, dash, bash, zsh, ksh"."""

from collections.abc import Mapping, Sequence

from shells import session, started
from shells.base import CannotCarry, check_value
from shells.session import Session
from shells.started import Started
from shells.unix import Unix

# What stands before unset and export. The backslash defeats an alias of the user's. Functions come before builtins in
# bash and zsh, where `builtin` says which is meant; the others take unset and export before any function (POSIX,
# 2.9.1.4, special built-ins), and their own `builtin`, where they have one, is another thing.
PLAIN = "\\"
BUILTIN = "\\builtin "
# bash's text and sh's are read by every one of them: one without such a `builtin` gets it for as long as the text runs.
LENT = "case ${BASH_VERSION-}${ZSH_VERSION-} in '') builtin() { \"$@\"; } ;; esac"
RETURNED = "case ${BASH_VERSION-}${ZSH_VERSION-} in '') \\unset -f builtin ;; esac"
# Asked in a process of its own before anything is set: bash keeps the old value of a read-only variable and ends with
# status 0, the others leave the rest unset. The shell itself names the variable on standard error.
ASKED = "if ({}); then"
# unset -v and export would act on the other variable. The bash 3.2 of macOS has neither references nor -n; a dash that
# reads this text would end at a special builtin's error, were it not for `command` (POSIX, 2.8.1).
FREED = "{}command unset -n {} 2>/dev/null || :"
REFUSED = (
    "\\echo 'autopack-run: this shell cannot unset what is named above (a read-only variable?), so nothing was set."
    " Use exec.' >&2",
    "\\false",
    "fi",
)


def quote(value: str) -> str:
    """Return the value as one word in which a POSIX shell finds nothing to expand. Never bare: zsh runs =ls."""
    return "'" + value.replace("'", "'\\''") + "'"


class Posix(Unix):
    """A shell with export and unset; the subclasses are what some shells do otherwise."""

    family = "POSIX"
    own = frozenset(["PS1"])

    def __init__(
        self, name: str, keeps: str, *, escapes: bool = True, references: bool = False, says: str = PLAIN
    ) -> None:
        r"""Take the name in the table and the variables that it keeps, separated by spaces.

        escapes: it reads $'\t'. references: a variable may be another name for a second one (typeset -n).
        says: what stands before unset and export, PLAIN or BUILTIN.
        """
        self.name = name
        self.programs: tuple[str, ...] = (name,)
        self.keeps = frozenset(keeps.split())
        self.escapes = escapes
        self.references = references
        self.says = says
        self.lends = says == BUILTIN

    def set_env(self, name: str, value: str) -> str:
        """Return the line that sets and exports; raise CannotCarry for a kept name, NUL, or a string Linux refuses."""
        self._check(name, value)
        # Without the unset an attribute of an older variable works on the value: integer evaluates it, which can run
        # a command, upper case changes it, an array is not exported. The word is quoted as a whole: bash under `set -k`
        # takes NAME=… for an assignment before the command.
        return f"{self._unset(name)}; {self.says}export {self._quoted(f'{name}={value}')}"

    def unset_env(self, name: str) -> str:
        """Return the line that removes the variable; raise CannotCarry for a kept name."""
        self._check_name(name)
        return self._unset(name)

    def frame(self, lines: list[str], changes: Mapping[str, str | None]) -> list[str]:
        """Return the lines behind the question whether one of the variables is read-only."""
        if not changes:
            return lines
        every = sorted(changes)
        freed = [FREED.format(self.says, " ".join(every))] if self.references else []
        lent, returned = ([LENT], [RETURNED]) if self.lends else ([], [])
        return [*lent, ASKED.format(self._unset(*every)), *freed, *lines, *returned, "else", *returned, *REFUSED]

    def typed_set(self, name: str, value: str) -> str:
        """Return the line."""
        self.set_env(name, value)
        return f"export {name}={self._typed(value)}"

    def typed_unset(self, name: str) -> str:
        """Return the line."""
        self._check_name(name)
        return f"unset {name}"

    def apply(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the line; without the quotes around $() spaces and line ends would collapse."""
        return (f'eval "$({self.typed(words)})"',)

    def started(self, arguments: Sequence[str]) -> Started:
        """See shells.started."""
        return started.posix(arguments)

    def session(self, mark: str, names: Sequence[str]) -> Session:
        """See shells.session."""
        return session.env_file(mark, names, self.own)

    def _unset(self, *names: str) -> str:
        return f"{self.says}unset -v {' '.join(names)}"

    def _quoted(self, word: str) -> str:
        return quote(word)

    def _typed(self, word: str) -> str:
        check_value(self.name, word, word)
        if word.isprintable():
            # History expansion comes before quotes where these stand inside "$( )"; bash 3.2 of macOS does it.
            return quote(word).replace("!", "'\\!'")
        if not self.escapes:
            raise CannotCarry(self.name, (word, "it cannot be typed at the prompt"))
        return f"$'{''.join(map(escaped, word))}'"


def escaped(char: str) -> str:
    r"""Return the character for $'…'; three octal digits a byte, since ksh takes any number of digits after \x."""
    if char.isprintable() and char not in "\\'!":
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))
