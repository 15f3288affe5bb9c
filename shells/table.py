"""The shells by name: a new one is a module, a line here, and a row in tests/test_shells_real.py."""

from shells.base import Shell
from shells.cmd import Cmd
from shells.posix import Posix
from shells.powershell import PowerShell

# Read-only, computed, or reset by bash itself (bash(1), "Shell Variables", and asked in tests/test_shells_real.py).
BASH_KEEPS = """
    BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_CMDS BASH_COMMAND BASH_LINENO BASH_MONOSECONDS BASH_SOURCE
    BASH_SUBSHELL BASH_TRAPSIG BASH_VERSINFO COLUMNS DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD
    LINENO LINES OPTIND PIPESTATUS PPID RANDOM SECONDS SHELLOPTS SHLVL SRANDOM UID _
"""

SHELLS: dict[str, Shell] = {
    "bash": Posix("bash", BASH_KEEPS),
    "cmd": Cmd(),
    "powershell": PowerShell("powershell", carries_empty=False),
    "pwsh": PowerShell("pwsh", carries_empty=True),
}


def known_shells() -> list[str]:
    """Return the names that --shell takes, sorted."""
    return sorted(SHELLS)


def shell_named(name: str) -> Shell | None:
    """Return the dialect of that name, or None."""
    return SHELLS.get(name)
