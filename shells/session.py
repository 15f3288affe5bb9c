"""Interactive shells inside a profile, with a mark in the prompt, without touching the user's files.

What a user's own startup file exports would win over what the launcher hands over. So each shell gets the profile's
values twice, the second time as AUTOPACK_RUN_KEEP_NAME, and once all startup files have run, it sets them again, sets
the mark, and forgets the copies. What does this is one constant text a shell, in `start/`: nothing is written anywhere,
so a killed shell leaves nothing either, and neither a value nor a name is seen in the list of processes.
"""

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

START = os.path.join(os.path.dirname(os.path.abspath(__file__)), "start")
KEEP = "AUTOPACK_RUN_KEEP"
"""The variable with the names, separated by spaces; a variable KEEP_NAME has the value, and none means: unset."""
_MARK = "AUTOPACK_RUN_MARK"
_FILE = "AUTOPACK_RUN_START"

# cmd compares two values in one line, which has 8191 characters at most.
_CMD_LONGEST = 3_900
# They stand in one line, of at most 8,191.
_CMD_MOST = 7_900

# Run by -Command, which comes after the profile scripts and needs no script file: those are forbidden by default
# (https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_execution_policies). Pure ASCII
# without double quotes, so that no quoting rule can change it, and without names: Windows' command lines are short.
# No cmdlet sets or removes: preferences ($WhatIfPreference) and anybody's functions change what they do. So a step is
# a text with the name in it, and assigning to $function: compiles them, all at once, since each time takes 20 ms; the
# steps return the name that is lost, or +. Constrained Language Mode allows it, and the methods of strings. An empty
# variable and none are one before 7.5, where an empty text deletes: they count as equal, and nothing is done where both
# are empty. The user's prompt gets $? as it was.
_POWERSHELL = """
& { $n = 'AUTOPACK_RUN_MARK'; $ok = $false; try { $ok = [bool]$env:AUTOPACK_RUN_MARK } catch { };
if ($ok) { $n = 'AUTOPACK_RUN_KEEP'; $ok = $false; try { $steps = foreach ($each in $env:AUTOPACK_RUN_KEEP -split ' ') {
if ($each) { 'try { if (${env:NAME} -or ${env:AUTOPACK_RUN_KEEP_NAME}
-or ($null -eq ${env:NAME}) -ne ($null -eq ${env:AUTOPACK_RUN_KEEP_NAME}))
{ ${env:NAME} = ${env:AUTOPACK_RUN_KEEP_NAME} };
$ok = ([string]${env:NAME}).Equals([string]${env:AUTOPACK_RUN_KEEP_NAME});
${env:AUTOPACK_RUN_KEEP_NAME} = $null } catch { $ok = $false }; if (-not $ok) { return ''NAME'' };
' -creplace 'NAME', $each } };
$function:__AutopackRunStep = '$ok = $false; ' + ($steps -join '') + '''+'''; $lost = & $function:__AutopackRunStep;
$ok = '+' -ceq $lost; if ($lost -and -not $ok) { $n = $lost } } catch { } };
if (-not $ok) { try { Microsoft.PowerShell.Utility\\Write-Host ('autopack-run: ' + $n +
' could not be put back, so this shell would be outside the profile') } catch { }; exit 78 };
$global:__AutopackRunMark = $env:AUTOPACK_RUN_MARK; $global:__AutopackRunPrompt = $function:prompt;
$env:AUTOPACK_RUN_KEEP = $null; $env:AUTOPACK_RUN_MARK = $null };
function global:prompt { $ok = $?; Microsoft.PowerShell.Utility\\Write-Host $__AutopackRunMark -NoNewline;
if (-not $ok) { Microsoft.PowerShell.Utility\\Write-Error 'x' -ErrorAction Ignore }; & $__AutopackRunPrompt }
"""


class Session(NamedTuple):
    """How an interactive shell is started. words: what follows the program. variables: set for it in addition.

    reads: whether the shell itself reads the values and hands them on, so that its children get only what it can carry.
    longest: a value with more characters stands as it was handed over, and is not put back. most: so many characters
    may all names have together. own: variables that the session sets to something else. spoils: variables with which
    the shell would not read our file, or not to its end; a word stands for one of a list that colons separate. asks:
    words by which the program, started with `variables`, tells at the end of its output, behind a NUL, the ZDOTDIR that
    it goes by.
    """

    words: tuple[str, ...]
    variables: Mapping[str, str]
    reads: bool = True
    longest: int = sys.maxsize
    most: int = sys.maxsize
    own: frozenset[str] = frozenset()
    spoils: Mapping[str, str] = MappingProxyType({})
    asks: tuple[str, ...] = ()


def is_ours(name: str) -> bool:
    """Whether the session itself needs the variable of that name."""
    return name in (_MARK, _FILE) or name == KEEP or name.startswith(f"{KEEP}_")


def copies(session: Session, values: Mapping[str, str | None], before: Callable[[str], str | None]) -> dict[str, str]:
    """Return the variables to start the session with.

    values: what must stand, None meaning unset. before: gives what stands before the session's own variables are set;
    what they displace is copied, too, for the shell to put back.
    """
    long = {name for name, text in values.items() if text is not None and len(text) > session.longest}
    names = [name for name in values if name not in long]
    kept = {f"{KEEP}_{name}": text for name in names if (text := values[name]) is not None}
    displaced = {f"{KEEP}_{name}": text for name in session.variables if (text := before(name)) is not None}
    return {**displaced, **kept, **session.variables, KEEP: " ".join(names)}


def bash(mark: str, names: Iterable[str]) -> Session:
    """bash, which reads another file in place of ~/.bashrc."""
    own = frozenset(["PS1", "PROMPT_COMMAND"])
    # In POSIX mode it reads the file of ENV alone.
    spoils = {"FUNCNEST": "", "POSIXLY_CORRECT": "", "POSIX_PEDANTIC": "", "SHELLOPTS": "posix"}
    return Session(("--rcfile", _path("bash.sh"), "-i"), _variables(_escaped(mark), names), own=own, spoils=spoils)


def zsh(mark: str, names: Iterable[str]) -> Session:
    """zsh, which looks for its files in ZDOTDIR, unless the system's own file, the only one before them, moves it."""
    variables = {**_variables(mark.replace("%", "%%"), names), "ZDOTDIR": _path()}
    asks = ("-f", "-c", "builtin print -rn -- $'\\0'${ZDOTDIR-}")
    return Session(("-i",), variables, own=frozenset(["PS1", "PROMPT", "prompt"]), asks=asks)


def env_file(mark: str, names: Iterable[str], own: frozenset[str]) -> Session:
    """sh and those of its kin that have no other way: they read the file that ENV names, after expanding the name."""
    path = _path("sh.sh")
    plain = re.fullmatch(r"[\w./:-]+", path, re.ASCII)  # mksh expands no variable there
    variables = {**_variables(_escaped(mark), names), "ENV": path if plain else f"${_FILE}", _FILE: path}
    return Session(("-i",), variables, own=own)


def fish(mark: str, names: Iterable[str]) -> Session:
    """fish: --init-command comes after its configuration."""
    variables = {**_variables(mark, names), _FILE: _path("session.fish")}
    return Session(("-i", f"--init-command=source ${_FILE}"), variables)


def powershell(mark: str, names: Iterable[str]) -> Session:
    """PowerShell, by either name."""
    return Session(
        ("-NoLogo", "-NoExit", "-Command", " ".join(_POWERSHELL.split("\n")).strip()), _variables(mark, names)
    )


def cmd(mark: str, names: Iterable[str]) -> Session:
    """cmd, which expands the variable in its /k line: so no character of the path has to be quoted twice."""
    path = f'"{os.path.join(START, "session.cmd")}"'
    return Session(
        ("/k", f"%{_FILE}%"),
        {**_variables(mark.replace("$", "$$"), names), _FILE: path},
        reads=False,
        longest=_CMD_LONGEST,
        most=_CMD_MOST,
        own=frozenset(["PROMPT"]),
    )


def _variables(mark: str, names: Iterable[str]) -> dict[str, str]:
    return {KEEP: " ".join(names), _MARK: mark}


def _path(name: str = "") -> str:
    """A file of `start/`; a POSIX shell on Windows wants its slashes."""
    return os.path.join(START, name).rstrip(os.sep).replace(os.sep, "/")


def _escaped(text: str) -> str:
    return "".join("\\" + char if char in "\\$`" else char for char in text)
