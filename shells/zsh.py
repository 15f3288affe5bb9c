"""The dialect of zsh."""

from collections.abc import Sequence

from shells import kept, session
from shells.base import CannotCarry
from shells.posix import BUILTIN, PLAIN, Posix, quote
from shells.session import Session

# Arrays at the same time, zshparam(1). The unset of the other shells would end that before 5.9, and here it would not
# take away what `typeset -U path` in many a .zshrc does: the second of two equal folders would be dropped.
TIED = frozenset(["CDPATH", "FIGNORE", "FPATH", "MAILPATH", "MANPATH", "MODULE_PATH", "PATH", "PSVAR"])


class Zsh(Posix):
    """zsh."""

    def __init__(self) -> None:
        """Take nothing."""
        super().__init__("zsh", kept.ZSH, says=f"{BUILTIN}{PLAIN}")
        self.lends = False

    def set_env(self, name: str, value: str) -> str:
        """Return the line that sets and exports; raise CannotCarry as Posix does."""
        line = super().set_env(name, value)
        return f"{self.says}export +U {self._quoted(f'{name}={value}')}" if name in TIED else line

    def unset_env(self, name: str) -> str:
        """Return the line that removes the variable; raise CannotCarry for IFS, whose old value children still get."""
        if name == "IFS":
            raise CannotCarry(self.name, (name, "zsh unsets it for itself only"))
        return super().unset_env(name)

    def session(self, mark: str, names: Sequence[str]) -> Session:
        """See shells.session."""
        return session.zsh(mark, names)

    def _quoted(self, word: str) -> str:
        # With CSH_JUNKIE_QUOTES a line feed ends the quotes, and takes a backslash before it away.
        return quote(word).replace("\n", "'$'\\n''")

    def _unset(self, *names: str) -> str:
        # A global alias takes any word that is not quoted.
        return f"{self.says}unset -v {' '.join(map(quote, names))}"
