"""Which shell is meant: the one that was named, else the one that is detected; never a guess."""

import os

from launcher.errors import USAGE, LauncherError
from shells.base import Shell
from shells.detect import Detection


def choose_shell(name: str | None, command: str, at_prompt: bool = False) -> tuple[Shell, Detection]:
    """The shell named by `--shell`, or detected where name is None, with what was seen.

    command: the line that takes --shell, for the hint. at_prompt: the one in which the person types, not the one that
    reads what is printed. Raises LauncherError (2, unknown-shell), which lists the shells.
    """
    from shells.detect import detect_prompt, detect_shell
    from shells.table import known_shells, shell_named

    detect = detect_prompt if at_prompt else detect_shell
    found = Detection(name, "--shell") if name is not None else detect(os.environ)
    shell = shell_named(found.name) if found.name is not None else None
    if shell is not None:
        return shell, found
    known = f"known shells: {', '.join(known_shells())}; {command} --shell NAME"
    what = f"cannot tell which shell this is ({found.seen})" if name is None else f"unknown shell '{name}'"
    raise LauncherError("unknown-shell", USAGE, what, known)
