"""Variables that nothing may change, the `X_FILE` beside each, and the shell's DATABASE_URL against the profile's."""

import os
import re
from collections.abc import Iterable, Mapping

from launcher.environment import Environment, Origin
from launcher.errors import ConfigurationError, WrongDataError
from launcher.hints import unset_line
from launcher.identity.url import DatabaseURL, parse_database_url, same_database
from launcher.text_files import UnreadableError, read_text

DATABASE_URL = "DATABASE_URL"
_SQLITE = re.compile(r"sqlite(?:\+\w+)?")


def file_name(pin: str) -> str:
    """The variable that many programs read before `pin`: a file with its value."""
    return f"{pin}_FILE"


def shell_value(pin: str, variables: Environment) -> tuple[str, str] | None:
    """What the shell says of the pin, with its place in words; None where it says nothing.

    The content of the file that `X_FILE` names counts as the shell's `X`: programs that read it let it win. Raises
    ConfigurationError where the file cannot be read or says something else than `X`.
    """
    direct, path = variables.text(pin), variables.text(file_name(pin))
    if not path:
        return (direct, f"the shell's {pin}") if direct else None
    shown = "it holds a URL, not a path" if "://" in path else path
    place = f"the shell's {file_name(pin)} ({shown})"
    content = _read(pin, path, place)
    if not content:
        raise ConfigurationError(
            "pin-file", f"{place}: the file is empty", f"fill the file, or: {unset_line(file_name(pin))}"
        )
    if direct and not _same(pin, direct, content, place):
        raise ConfigurationError(
            "pin-file",
            f"{pin} and {place} are both set and do not mean the same; programs that read {file_name(pin)} let it win",
            f"keep one of them: {unset_line(pin)}  or  {unset_line(file_name(pin))}",
        )
    return content, place


def _read(pin: str, path: str, place: str) -> str:
    try:
        return read_text(path).rstrip("\r\n")
    except UnreadableError as error:
        hint = f"fix the path, or: {unset_line(file_name(pin))}" + (f"; {error.hint}" if error.hint else "")
        raise ConfigurationError("pin-file", f"{place}: the file {error.reason}", hint) from None


def _same(pin: str, direct: str, content: str, place: str) -> bool:
    if direct == content or pin != DATABASE_URL:
        return direct == content
    return same_database(
        parse_database_url(direct, f"the shell's {pin}", None), parse_database_url(content, place, None)
    )


def refuse_open_files(pins: Iterable[str], environment: Environment) -> None:
    """Raise ConfigurationError where the profile file or --set gives a value to the `X_FILE` of a pin."""
    for pin in pins:
        value = environment.get(file_name(pin))
        if value and value.text and value.origin.kind in ("file", "set"):
            raise ConfigurationError(
                "pin-file",
                f"{value.name} ({value.origin.place}): {pin} is pinned, so {value.name} is closed",
                f"set {pin} itself",
            )


def close_files(pins: Iterable[str], environment: Environment) -> list[str]:
    """Empty the `X_FILE` of every pin that stands; returns notes on those that a `.env` file had set."""
    notes: list[str] = []
    for pin in pins:
        if not environment.text(pin):
            continue
        value = environment.get(file_name(pin))
        if value and value.text and value.origin.kind == "env_file":
            notes.append(f"{value.origin.place}: {value.name} is ignored, since {pin} is pinned")
        environment.set(file_name(pin), "", Origin("pin", f"closed, since {pin} is pinned"))
    return notes


def decide(shell: tuple[str, str], standing: DatabaseURL, place: str, choice: str | None) -> DatabaseURL:
    """The database that counts where both the shell and the profile name one.

    choice: what --database says, or None. Raises ConfigurationError where they mean different databases and nothing
    has been decided.
    """
    if choice == "profile" or shell[0] == standing.text:  # of a folder `$x`, say: as `env` has written it
        return standing
    try:
        shells = parse_database_url(*shell, None)
    except ConfigurationError as error:
        hint = f"{error.hint}; or for once: --database profile" if error.hint else "for once: --database profile"
        raise ConfigurationError(error.slug, error.message, hint) from None
    if choice == "env":
        return shells
    if same_database(shells, standing):
        return standing
    name = file_name(DATABASE_URL) if file_name(DATABASE_URL) in shell[1] else DATABASE_URL
    raise ConfigurationError(
        "conflict",
        f"{shell[1]} and the profile mean different databases:\n  shell    {shells.shown} ({shell[1]})\n"
        f"  profile  {standing.shown} ({place})",
        f"decide for once: --database profile or --database env; or in this shell: {unset_line(name)}",
    )


def refuse_nested(pin: str, outer: Mapping[str, str], standing: DatabaseURL, place: str) -> None:
    """Raise WrongDataError where the launch around this one has pinned another database than the standing one."""
    if outer.get(pin, standing.text) == standing.text:
        return
    around = of_launch(outer[pin])
    if not same_database(around, standing):
        raise WrongDataError(
            "nested",
            f"inside a launch whose database is {around.shown}, this one wants {standing.shown} ({place})",
            "leave that launch first (exit leaves a shell), or use the outer launch's profile",
        )


def refuse_other_pins(outer: Mapping[str, str], environment: Environment) -> None:
    """Raise WrongDataError where a pin of the launch around this one would get another value, or none."""
    for pin, text in outer.items():
        inner = environment.text(pin)
        if inner == text or (pin == DATABASE_URL and inner and _same_nested(text, inner)):
            continue
        value = environment.get(pin)
        place = value.origin.place if value else "nothing sets it"
        raise WrongDataError(
            "nested",
            f"inside a launch that has pinned {pin}, this one would change it ({place})",
            "run it from a shell of its own",
        )


def _same_nested(one: str, other: str) -> bool:
    return same_database(of_launch(one), of_launch(other))


def of_launch(text: str) -> DatabaseURL:
    """The database of a DATABASE_URL that a launch has written itself: absolute and proven, whatever its path holds.

    What is refused where somebody has typed it, `$X`, `%X%` or a backslash, is here the name of a folder.
    """
    scheme, mark, path = text.partition(":///")
    if mark and _SQLITE.fullmatch(scheme) and os.path.isabs(path):
        return DatabaseURL("sqlite", text, text, os.path.abspath(path))
    return parse_database_url(text, "the launch around this one", None)


def absolute(folder: str, path: str) -> str:
    """A path of the profile file in full."""
    return os.path.abspath(os.path.join(folder, path))
