"""The shells by name: a new one is a module, a line here, and a row in tests/shell_rows.py."""

from shells import kept
from shells.base import Shell
from shells.bash import Bash
from shells.cmd import Cmd
from shells.fish import Fish
from shells.ksh import Ksh, Sh
from shells.posix import Posix
from shells.powershell import PowerShell
from shells.zsh import Zsh

SHELLS: dict[str, Shell] = {
    "bash": Bash(),
    "cmd": Cmd(),
    "dash": Posix("dash", kept.DASH, escapes=False),
    "fish": Fish(),
    "ksh": Ksh(),
    "powershell": PowerShell("powershell", carries_empty=False),
    "pwsh": PowerShell("pwsh", carries_empty=True),
    "sh": Sh(),
    "zsh": Zsh(),
}


def known_shells() -> list[str]:
    """Return the names that --shell takes, sorted."""
    return sorted(SHELLS)


def shell_named(name: str) -> Shell | None:
    """Return the dialect of that name, or None."""
    return SHELLS.get(name)
