"""Which shell reads what we print; SHELLS.md, "Detecting the shell". Unsure is an answer, a guess is none."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from shells.table import SHELLS

if TYPE_CHECKING:
    from shells.processes import Process
    from shells.programs import Shell
    from shells.started import Started
    from shells.texts import Part

VARIABLE = "AUTOPACK_RUN_SHELL"

# A parent is older than its child. Linux tells both by the time of boot in whole seconds, which may jump by one.
SLACK = 1.0 if sys.platform == "linux" else 0.0

LONGEST_SEEN = 12
"""So many processes are named in a message."""


class Detection(NamedTuple):
    """The shell's name in the table, or None when unsure, and what was seen, for the message that asks for --shell.

    seen is printable ASCII and holds no arguments, in which there may be passwords. path is the program, or "".
    """

    name: str | None
    seen: str
    path: str = ""


def detect_shell(environ: Mapping[str, str]) -> Detection:
    """Take the environment; return what its AUTOPACK_RUN_SHELL says, else who reads us. Never raises."""
    named = environ.get(VARIABLE)
    if named:
        return judged(named, f"{VARIABLE}={named!a}")
    # The process table is foreign data, read through foreign code: whatever goes wrong there means no more than that.
    try:
        from shells.processes import parents, read_script

        found = decide(parents(), read_script)
    except Exception as error:
        return second_source(environ, f"the parent processes could not be read ({type(error).__name__})")
    # Only told: Git Bash's programs leave no parents behind (https://github.com/microsoft/vscode/issues/149353), and
    # whatever is started in it inherits the variable.
    git_bash = environ.get("MSYSTEM") if found.name is None else None
    return found._replace(seen=f"{found.seen}; MSYSTEM={git_bash!a}, as in Git Bash") if git_bash else found


def detect_prompt(environ: Mapping[str, str]) -> Detection:
    """Take the environment; return what its AUTOPACK_RUN_SHELL says, else the shell in which a person types.

    Unlike the reader of our output, that is the nearest one at a prompt, whatever stands in between. Never raises.
    """
    if environ.get(VARIABLE):
        return detect_shell(environ)
    try:
        from shells.processes import parents
        from shells.programs import identify, is_edge

        for process in older(parents(), []):
            if not process.name or is_edge(process):
                break
            if (shell := identify(process)) is None:
                continue
            if shell.name not in SHELLS or shell.arguments is None:
                break
            if SHELLS[shell.name].started(shell.arguments).prompt:
                return Detection(shell.name, f"{shown(process)} (at a prompt)", shell.path)
    except Exception as error:
        return Detection(None, f"the parent processes could not be read ({type(error).__name__})")
    return detect_shell(environ)


def judged(name: str, seen: str) -> Detection:
    """Return the detection of a name, which is None for a shell that the table does not have."""
    if name in SHELLS:
        return Detection(name, seen)
    return Detection(None, f"{seen}, which is none of {', '.join(sorted(SHELLS))}")


class Passed(NamedTuple):
    """A shell that runs one command or script, and what it does with our output."""

    shell: "Shell"
    part: "Part"

    @property
    def family(self) -> str:
        """Its family: what one shell of it reads, all of them read."""
        return SHELLS[self.shell.name].family


def older(line: Iterable["Process"], seen: list[str]) -> Iterator["Process"]:
    """Yield the processes as long as each is older than the one below; a younger one has its parent's old number."""
    below = None
    for process in line:
        if below is not None and process.created > below.created + SLACK:
            seen.append(f"the parent of {shown(below)} has ended")
            return
        below = process
        yield process


def decide(line: Iterable["Process"], read: Callable[["Process", str], str | None]) -> Detection:
    """Take the processes from ours upwards and a reader of scripts; return the shell that reads our output.

    It is the nearest shell at a prompt, or a nearer one that runs a text in which our output is evaluated. Another one
    that runs a single command or script is passed over, unless it may be the reader and speaks another language.
    """
    from shells.programs import identify, is_door, is_edge
    from shells.texts import Part

    seen = list[str]()
    passed = list[Passed]()
    for process in older(line, seen):
        if not process.name:
            return unsure(seen, f"process {process.pid} could not be read")
        seen.append(shown(process))
        if is_door(process):
            return unsure(seen, f"what is printed leaves through {shown(process)}")
        if is_edge(process):
            break
        if (shell := identify(process)) is None:
            continue
        if shell.name not in SHELLS:
            return unsure(seen, f"{shell.name} is none of {', '.join(sorted(SHELLS))}")
        if shell.arguments is None:
            return unsure(seen, f"the arguments of {shell.name} could not be read")
        begun = SHELLS[shell.name].started(shell.arguments)
        if begun.prompt:
            seen[-1] += " (at a prompt)"
            return at_prompt(shell, passed, seen)
        passed.append(Passed(shell, part_in(process, begun, read)))
        if passed[-1].part is Part.READS:
            seen[-1] += " (reads it)"
            return Detection(shell.name, told(seen), shell.path)
        seen[-1] += " (runs one command)"
    return without_prompt(passed, seen)


def part_in(process: "Process", begun: "Started", read: Callable[["Process", str], str | None]) -> "Part":
    """Judge a shell that does not stand at a prompt, by its command and by the script that it runs."""
    from shells.texts import Part, part_of

    part = part_of(begun.text)
    if begun.script:
        text = read(process, begun.script)
        part = max(part, Part.UNCLEAR if text is None else part_of(text))
    return part


def at_prompt(shell: "Shell", passed: list[Passed], seen: list[str]) -> Detection:
    """Return the shell at a prompt, if no other below it, of another family, may be the reader."""
    from shells.texts import Part

    own = SHELLS[shell.name].family
    others = [each for each in passed if each.part is Part.UNCLEAR and each.shell.name != shell.name]
    other = next((each for each in others if each.family != own), None)
    if other is not None:
        return unsure(seen, f"{other.shell.name} or {shell.name} may be the one that reads it")
    if others and own == "POSIX":
        return Detection("sh", told(seen))  # what both can read
    return Detection(shell.name, told(seen), shell.path)


def without_prompt(passed: list[Passed], seen: list[str]) -> Detection:
    """Return the nearest of the shells that run one command, where all are of one family."""
    from shells.texts import Part

    families = {each.family for each in passed}
    if not families:
        return Detection(None, f"no shell among the parent processes: {told(seen)}")
    if len(families) > 1:
        return unsure(seen, "none of these shells is at a prompt, and they read different languages")
    if families == {"POSIX"} and len({each.shell.name for each in passed}) > 1 and passed[0].part is Part.UNCLEAR:
        return Detection("sh", told(seen))
    return Detection(passed[0].shell.name, told(seen), passed[0].shell.path)


def second_source(environ: Mapping[str, str], seen: str) -> Detection:
    """Return what shellingham finds where psutil cannot read the process table.

    It takes the nearest shell, whatever it was started for, so sh and cmd, which wrappers are made of, are not
    believed (https://github.com/sarugaku/shellingham/issues/65 and 87), nor is SHELL, which it returns for a login
    shell (issue 86).
    """
    try:
        import shellingham

        name, path = shellingham.detect_shell()
    except Exception as error:
        return Detection(None, f"{seen}; shellingham: {type(error).__name__}")
    if name not in SHELLS or name in ("sh", "cmd") or path == environ.get("SHELL"):
        return Detection(None, f"{seen}; shellingham: {name!a}, which is not certain")
    return Detection(name, f"{seen}; shellingham: {name!a}")


def unsure(seen: list[str], reason: str) -> Detection:
    """Return the detection of nothing, and why."""
    return Detection(None, f"{reason}; {told(seen)}" if seen else reason)


def told(seen: list[str]) -> str:
    """Return the processes as one text."""
    more = [f"{len(seen) - LONGEST_SEEN} more"] if len(seen) > LONGEST_SEEN else []
    return f"from here up: {', '.join([*seen[:LONGEST_SEEN], *more])}"


def shown(process: "Process") -> str:
    """Return the process's name in printable ASCII."""
    return ascii(process.name[:40])[1:-1]
