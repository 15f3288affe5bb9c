"""Which shell runs us; SHELLS.md, "Detecting the shell". Unsure is an answer, a guess is none."""

from collections.abc import Mapping
from typing import NamedTuple

from shells.table import SHELLS

VARIABLE = "AUTOPACK_RUN_SHELL"


class Detection(NamedTuple):
    """The shell's name in the table, or None when unsure, and what was seen, for the message that asks for --shell."""

    name: str | None
    seen: str


def detect_shell(environ: Mapping[str, str]) -> Detection:
    """Take the environment; return what its AUTOPACK_RUN_SHELL says, else what the parent processes are."""
    named = environ.get(VARIABLE)
    if named:
        return judged(named, f"{VARIABLE}={named!a}")
    found, seen = parent_shell()
    return judged(found, seen) if found else Detection(None, seen)


def judged(name: str, seen: str) -> Detection:
    """Return the detection of a name, which is None for a shell that the table does not have."""
    if name in SHELLS:
        return Detection(name, seen)
    return Detection(None, f"{seen}, which is none of {', '.join(sorted(SHELLS))}")


def parent_shell() -> tuple[str, str]:
    """Return the name of the first shell among the parent processes, or "", and what was seen. Never raises."""
    import shellingham  # reads the process table: only when nothing else tells

    try:
        name, path = shellingham.detect_shell()
    except shellingham.ShellDetectionFailure:
        return "", "no shell among the parent processes"
    # Known are TypeError, IndexError and OSError (SHELLS.md); it is foreign code over a process table of foreign data,
    # and whatever else it raises means no more than these.
    except Exception as error:
        return "", f"the parent processes could not be read ({type(error).__name__})"
    return name, f"the parent process {path!a}"
