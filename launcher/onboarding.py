"""`autopack-run onboarding`: a page for a team, from the profile file; nothing of this machine is in it."""

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher import generated
from launcher.asked import asked
from launcher.discovery import current_folder
from launcher.errors import ConfigurationError, LauncherError
from launcher.generated import Generated
from launcher.hints import command_line
from launcher.identity.url import parse_database_url
from launcher.output import masked, printable, tell, tell_bytes
from launcher.profiles import Profile, ProfileFile
from launcher.quickstart import script_name, scripts, spoken, typed
from launcher.quickstart_steps import Step, steps, unprovable
from launcher.template import render_through

if TYPE_CHECKING:
    from shells.base import Shell

PAGE = "ONBOARDING.md"


class Reader(NamedTuple):
    """Who stands in which shell. fence: its name for a code block; start: how a quickstart script is started."""

    title: str
    shell: str
    fence: str
    start: str
    suffix: str


READERS = (
    Reader(
        "PowerShell",
        "powershell",
        "powershell",
        "powershell -NoProfile -ExecutionPolicy Bypass -File .\\",
        "ps1",
    ),
    Reader("cmd", "cmd", "bat", ".\\", "cmd"),
    Reader("bash", "bash", "bash", "sh ./", "sh"),
)


def onboarding(file: ProfileFile, output: str | None, check: bool) -> int:
    """Write the page and print its path, or compare it; return 0.

    output: a file in place of ONBOARDING.md beside the profile file, or - for standard output. Raises
    ConfigurationError where a foreign file is in the way or (check) the page is stale.
    """
    if output == "-":
        tell_bytes(page(file).encode())
        return 0
    if output == "":
        raise ConfigurationError("not-written", "--output names no file", "leave --output away, or name a file")
    path = os.path.join(file.root, PAGE) if output is None else os.path.join(current_folder(), output)
    made = [Generated(path, page(file), _mark(file))]
    if check:
        named = ["--output", output] if output is not None else []
        generated.check(made, command_line(*typed(file), "onboarding", *named))
        tell(f"fresh: {printable(made[0].name)}")
        return 0
    generated.write(made)
    tell(printable(path))
    return 0


def page(file: ProfileFile) -> str:
    """The page. Raises ConfigurationError where a shell cannot carry the profile file's name."""
    from shells.base import CannotCarry

    profile, made = _first(file)
    extras = ",".join(_extras(file))
    try:
        return render_through(
            {"code": code, "span": span, "text": text},
            "onboarding.md.j2",
            mark=_mark(file),
            file=os.path.basename(file.source.path),
            profiles=[_row(each, file) for each in file.profiles.values()],
            profile=profile.name if profile else "",
            extras=extras,
            installed=f'".[{extras}]"' if extras else ".",
            variables=list(asked(file)),
            unprovable=bool(profile and unprovable(file, profile)),
            scripts=bool(profile and _has_scripts(file, profile, made)),
            readers=[_lines(reader, file, profile, made) for reader in READERS],
        )
    except CannotCarry as refusal:
        raise ConfigurationError(
            "cannot-carry", f"the profile file's name in a command: {refusal}", "give the file another name"
        ) from None


def code(words: str) -> str:
    """The words as code in a cell of a Markdown table, where a | would end the cell."""
    return span(words).replace("|", "\\|")


def span(words: str) -> str:
    """The words as code outside of a table, which a backslash would be a part of; backticks make the fence longer."""
    words = " ".join(printable(masked(words)).split())
    fence = "`" * (max(map(len, re.findall("`+", words)), default=0) + 1)
    blank = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{blank}{words}{blank}{fence}"


def text(words: str) -> str:
    """Free text in Markdown: one line, in which nothing has a meaning of its own."""
    line = " ".join(printable(masked(words), "\n\r\t").split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", line)


def _mark(file: ProfileFile) -> str:
    return generated.id_mark([*spoken(file), "onboarding"])


def _first(file: ProfileFile) -> tuple[Profile | None, list[Step]]:
    """The profile that the page shows the first day with: the first one that does more than make its database."""
    found: list[tuple[Profile, list[Step]]] = []
    for profile in file.profiles.values():
        with contextlib.suppress(LauncherError):
            found.append((profile, steps(file, profile)))
    useful = [(profile, made) for profile, made in found if any(_does_work(file, step) for step in made)]
    return next(iter(useful or found), (None, []))


def _does_work(file: ProfileFile, step: Step) -> bool:
    """Whether it is neither the check nor a task that makes the database."""
    task = file.profiles[step.profile].tasks.get(step.action)
    return bool(task and not task.values.get("creates"))


def _has_scripts(file: ProfileFile, profile: Profile, made: Sequence[Step]) -> bool:
    """Whether `quickstart` would write them: it refuses file names that a script cannot carry."""
    with contextlib.suppress(ConfigurationError):
        return bool(scripts(file, profile, made))
    return False


def _row(profile: Profile, file: ProfileFile) -> Mapping[str, Any]:
    name = profile.values.get("database")
    return {
        "name": profile.name,
        "about": profile.values.get("description", ""),
        "database": name,
        "place": _place(file.databases[name].table["url"]) if name else "",
        "tasks": list(profile.tasks.values()),
    }


def _place(url: str) -> str:
    """The database's place as the profile file has it, but for what may be secret."""
    scheme, _, rest = url.partition("://")
    if re.fullmatch(r"\{env:\w+\}", url):
        return url
    if scheme.startswith("sqlite"):
        return url if not set("@?") & set(rest) else f"{scheme}://***"
    try:
        return parse_database_url(url, "the profile file", None).shown
    except ConfigurationError:  # with placeholders it is no URL yet
        return f"{scheme}://***" if rest and scheme.isalnum() else "***"


def _extras(file: ProfileFile) -> list[str]:
    """The extras with the drivers of its databases; every one where the URL is a placeholder that may be any."""
    schemes = [database.table["url"].partition(":")[0].partition("+")[0] for database in file.databases.values()]
    drivers = {"postgresql": ("postgresql",), "mysql": ("mysql", "mariadb")}
    return [extra for extra, names in drivers.items() if any(name in names or "{" in name for name in schemes)]


def _set_line(shell: "Shell", name: str) -> str:
    """What sets the variable, or a comment that says why this shell cannot."""
    from shells.base import CannotCarry

    try:
        return shell.typed_set(name, "VALUE")
    except CannotCarry as refusal:
        return shell.comment(f"{name}: {refusal.reason}")


def _lines(reader: Reader, file: ProfileFile, profile: Profile | None, made: Sequence[Step]) -> Mapping[str, Any]:
    """What a reader types, in the words of the shell."""
    from shells.table import SHELLS

    shell, start = SHELLS[reader.shell], spoken(file)
    lines: dict[str, Any] = {
        "title": reader.title,
        "fence": reader.fence,
        "version": "autopack-run --version",
        "list": shell.typed([*start, "profiles"]),
        "set": [_set_line(shell, name) for name in asked(file)],
        "example": shell.typed_set("LOG_LEVEL", "debug"),
    }
    if profile:
        lines |= {
            "write": shell.typed([*start, "quickstart", profile.name]),
            "script": reader.start + script_name(profile, reader.suffix),
            "steps": [shell.typed([*start, *step.words]) for step in made],
            "apply": shell.apply([*start, profile.name, "env", "--shell", reader.shell]),
            "explain": shell.typed([*start, profile.name, "explain"]),
        }
    return lines
