"""`autopack-run quickstart PROFILE`: scripts that create, check, run and check, in each shell's own words."""

import contextlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from launcher import generated
from launcher.discovery import FILE_NAME, current_folder, find_profile_file
from launcher.errors import ConfigurationError
from launcher.generated import Generated
from launcher.hints import command_line
from launcher.output import printable, tell
from launcher.profiles import Profile, ProfileFile
from launcher.quickstart_steps import Step, steps, unprovable
from launcher.template import render_through


class Script(NamedTuple):
    """One kind of script. shell: whose `quote` its words go through."""

    suffix: str
    shell: str
    newline: str
    mode: int = 0o644
    only_newline: bool = True


SCRIPTS = (
    Script("ps1", "powershell", "\r\n", only_newline=False),  # PowerShell takes either
    Script("cmd", "cmd", "\r\n"),  # with LF alone, cmd loses labels
    Script("sh", "sh", "\n", 0o755),  # with CR, each line's last word has one
)


def quickstart(file: ProfileFile, profile: Profile, tasks: Sequence[str], check: bool) -> int:
    """Write the profile's scripts beside the profile file and print their paths, or compare them; return 0.

    tasks: see `steps`. Raises LauncherError where that cannot be told, a foreign file is in the way, or (check) one is
    stale.
    """
    named = [word for name in tasks for word in ("--task", name)]
    start = typed(file)
    files = scripts(file, profile, steps(file, profile, tasks, start), named)
    if check:
        generated.check(files, command_line(*start, "quickstart", profile.name, *named))
        tell(f"fresh: {', '.join(each.name for each in files)}")
        return 0
    generated.write(files)
    tell("\n".join(printable(each.path) for each in files))
    return 0


def scripts(file: ProfileFile, profile: Profile, made: Sequence[Step], named: Sequence[str] = ()) -> list[Generated]:
    """The scripts as they are to be, with those steps. named: the options that tell the tasks, for the header.

    Raises ConfigurationError where a shell cannot carry the profile file's name.
    """
    from shells.base import CannotCarry

    try:
        _refuse_name(os.path.basename(file.source.path))
        return [_script(kind, file, profile, made, named) for kind in SCRIPTS]
    except CannotCarry as refusal:
        raise ConfigurationError(
            "cannot-carry", f"the profile file's name in a script: {refusal}", "give the file another name"
        ) from None


def _refuse_name(name: str) -> None:
    """PowerShell hands a word without blanks over bare, and where a .bat stands in for the launcher, cmd reads it."""
    from shells.base import CannotCarry

    for char in name:
        if char in "&|<>^(),;=" and " " not in name:
            raise CannotCarry("powershell", (name, f"it holds U+{ord(char):04X}, which cmd would read"))


def script_name(profile: Profile, suffix: str) -> str:
    """The name of the profile's script of that kind."""
    return f"quickstart-{profile.name}.{suffix}"


def typed(file: ProfileFile) -> list[str]:
    """The words that start the launcher on this profile file from the current folder: `-f` where it finds another."""
    folder, path = current_folder(), file.source.path
    with contextlib.suppress(ConfigurationError):
        if os.path.normcase(find_profile_file(folder)) == os.path.normcase(path):
            return ["autopack-run"]
    return ["autopack-run", "-f", os.path.basename(path) if os.path.dirname(path) == folder else path]


def spoken(file: ProfileFile) -> list[str]:
    """The same from the file's own folder: `-f` where it has another name than the usual one."""
    name = os.path.basename(file.source.path)
    return ["autopack-run"] if name == FILE_NAME else ["autopack-run", "-f", name]


def _script(kind: Script, file: ProfileFile, profile: Profile, made: Sequence[Step], named: Sequence[str]) -> Generated:
    from shells.table import SHELLS

    name = script_name(profile, kind.suffix)
    mark = generated.id_mark([*spoken(file), "quickstart", profile.name])
    text = render_through(
        {"quote": SHELLS[kind.shell].quote},
        f"quickstart.{kind.suffix}.j2",
        mark=mark,
        script=name,
        made=generated.plain([*spoken(file), "quickstart", profile.name, *named]),
        file=os.path.basename(file.source.path),
        named=os.path.basename(file.source.path) != FILE_NAME,
        steps=made,
        unprovable=unprovable(file, profile),
    )
    return Generated(os.path.join(file.root, name), text, mark, kind.newline, kind.mode, kind.only_newline)
