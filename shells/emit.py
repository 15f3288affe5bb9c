"""What `env` prints: all variables in one shell's dialect, or nothing; SHELLS.md, "The contract"."""

from collections.abc import Mapping

from shells.base import CannotCarry, Shell

COMMENT = "Written by autopack-run env, for the shell to evaluate."


def emit(shell: Shell, changes: Mapping[str, str | None]) -> bytes:
    """Take the changes, None meaning unset; return text for the shell, sorted by name.

    Raise one CannotCarry that names every refused variable, before any byte is returned. The first line is a comment,
    so that the text is never empty; surrogates that a dialect let through are the bytes they stand for (PEP 383).
    """
    lines: list[str] = []
    refused = clashes(shell, changes)
    for name in sorted(changes):
        try:
            lines.append(line(shell, name, changes[name]))
        except CannotCarry as error:
            refused.extend(error.refused)
    if refused:
        raise CannotCarry(shell.name, *sorted(refused))
    text = "".join(text + shell.newline for text in [shell.comment(COMMENT), *shell.frame(lines, changes)])
    return text.encode("utf-8", "surrogateescape")


def line(shell: Shell, name: str, value: str | None) -> str:
    """Return the line that sets the variable, or removes it for None; raise CannotCarry as the shell does."""
    return shell.unset_env(name) if value is None else shell.set_env(name, value)


def clashes(shell: Shell, changes: Mapping[str, str | None]) -> list[tuple[str, str]]:
    """Return a refusal for each name that differs from another only in case, where that is one variable."""
    spellings: dict[str, list[str]] = {}
    for name in changes if shell.folds_case else ():
        spellings.setdefault(name.upper(), []).append(name)
    reason = "on Windows this is the same variable as another one of the profile"
    return [(name, reason) for names in spellings.values() if len(names) > 1 for name in names]
