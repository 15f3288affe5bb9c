"""The dialect of bash."""

from collections.abc import Sequence

from shells import kept, session
from shells.posix import BUILTIN, Posix
from shells.session import Session


class Bash(Posix):
    """bash."""

    def __init__(self) -> None:
        """Take nothing."""
        super().__init__("bash", kept.BASH, references=True, says=BUILTIN)

    def session(self, mark: str, names: Sequence[str]) -> Session:
        """See shells.session."""
        return session.bash(mark, names)
