"""Lines to type, in the words of the shell at hand."""

import contextlib
import os


def set_line(name: str, value: str) -> str:
    """The line that sets the variable in the shell at hand; where it cannot be told, one for each that it may be."""
    from shells.base import CannotCarry
    from shells.detect import detect_shell
    from shells.table import shell_named

    detected = detect_shell(os.environ).name
    # A shell that the table does not know speaks like bash, where there is no cmd.
    guesses = [detected] if detected else ["powershell", "cmd"] if os.name == "nt" else ["bash"]
    lines: list[str] = []
    for guess in guesses:
        shell = shell_named(guess)
        # The dialect of cmd is a batch file's; at its prompt a % cannot be escaped.
        if shell is None or (guess == "cmd" and "%" in value):
            continue
        with contextlib.suppress(CannotCarry):  # a folder whose name cannot be written in one line
            lines.append(shell.set_env(name, value) + (f"  ({guess})" if len(guesses) > 1 else ""))
    return "  or  ".join(lines) or f"set {name}"
