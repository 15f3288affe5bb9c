"""Lines to type, in the words of the shell at hand."""

import os


def set_line(name: str, value: str) -> str:
    """The line that sets the variable in the shell at hand; where it cannot be told, one for each that it may be."""
    from shells.detect import detect_shell
    from shells.table import shell_named

    detected = detect_shell(os.environ).name
    shown = [detected] if detected else ["powershell", "cmd"] if os.name == "nt" else ["bash"]
    lines = [(name_, shell_named(name_)) for name_ in shown]
    return "  or  ".join(
        f"{shell.set_env(name, value)}{'' if detected else f'  ({which})'}" for which, shell in lines if shell
    )
