"""What a shell dialect is: how one variable is set and unset, and what cannot be carried."""

from typing import Protocol


class CannotCarry(ValueError):
    """A name or value that this shell would alter, drop or run. str() says which and why."""


class Shell(Protocol):
    """One dialect. Methods return one or more whole lines without the last newline."""

    name: str
    newline: str

    def comment(self, text: str) -> str:
        """A comment line; text is one line of printable ASCII."""

    def set_env(self, name: str, value: str) -> str:
        """Set the variable for the shell and its children, byte for byte; raise CannotCarry otherwise."""

    def unset_env(self, name: str) -> str:
        """Remove the variable, which may be absent; raise CannotCarry for a name the shell keeps for itself."""
