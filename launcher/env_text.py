"""What `env` prints, for a shell or in a format, and how it is applied."""

import os
import sys

from launcher import banner
from launcher.errors import USAGE, ConfigurationError, LauncherError
from launcher.plan import EnvForm, Plan
from launcher.shell_choice import choose_shell
from launcher.shown import may_show
from shells.base import CannotCarry, Shell


def for_form(plan: Plan, wanted: EnvForm) -> tuple[bytes, list[str]]:
    """The text, and lines for the person who looks at it.

    Raises LauncherError for a shell that is not known, and where a value cannot be carried: then there is no text.
    """
    try:
        return _formatted(plan, wanted.format) if wanted.format else _for_shell(plan, wanted)
    except CannotCarry as refusal:
        raise ConfigurationError(
            "cannot-carry",
            f"{refusal}; nothing was printed",
            f"autopack-run {plan.spoken} exec CMD carries every value",
        ) from None


def _for_shell(plan: Plan, wanted: EnvForm) -> tuple[bytes, list[str]]:
    from shells.cmd_for_f import FOR_F
    from shells.emit import emit

    name, changes = wanted.shell, _as_bytes(banner.changed(plan.shell, plan.environment))
    if wanted.for_f and name not in (None, "cmd"):
        raise LauncherError("unknown-shell", USAGE, f"--for-f is a form for cmd, not for '{name}'", "leave it away")
    shell, _ = choose_shell("cmd" if wanted.for_f else name, f"autopack-run {plan.spoken} env")
    text = emit(FOR_F if wanted.for_f else shell, changes)
    return text, _applied(plan, shell, name, changes) if sys.stdout.isatty() else []


def _as_bytes(changes: dict[str, str | None]) -> dict[str, str | None]:
    """The values as the bytes that `exec` hands over, told as UTF-8, which every shell's text is written in.

    They differ in a locale of another encoding: there Python has read the shell's variables and all paths by that one.
    A format is text, and whoever reads it encodes it by the locale again.
    """
    if os.name != "posix" or sys.getfilesystemencoding() == "utf-8":
        return changes
    try:
        return {
            name: None if value is None else os.fsencode(value).decode("utf-8", "surrogateescape")
            for name, value in changes.items()
        }
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            "bad-value",
            f"a variable has a character that this locale's encoding ({error.encoding}) lacks:"
            f" {error.object[error.start]!a}; nothing was printed",
            "use a UTF-8 locale, or set PYTHONUTF8=1",
        ) from None


def _formatted(plan: Plan, name: str) -> tuple[bytes, list[str]]:
    from shells.formats import FORMATS

    closed = {value.name for value in plan.environment if value.origin.kind == "pin"}
    return FORMATS[name](banner.changed(plan.shell, plan.environment), closed), []


def _applied(plan: Plan, shell: Shell, name: str | None, changes: dict[str, str | None]) -> list[str]:
    """What to type, for a person who sees the text and not its effect."""
    options, left_out = _options(plan)
    words = ["autopack-run", *options, plan.profile.name, "env", *(["--shell", name] if name else [])]
    try:
        lines = shell.apply(words)
    except CannotCarry:
        return [f"nothing is set yet; its lines are for {shell.name} to evaluate"]
    if shell.name == "cmd" and not _fits_prompt(changes):
        lines = lines[1:]
    told = [f"nothing is set yet; in {shell.name}: {lines[0]}", *(f"  or: {line}" for line in lines[1:])]
    return told + [f"  write --set {name}=… there: its value is not repeated here" for name in left_out]


def _fits_prompt(changes: dict[str, str | None]) -> bool:
    """Whether cmd's form for the prompt, which carries less than the one through a file, would print them."""
    from shells.cmd_for_f import FOR_F
    from shells.emit import emit

    try:
        emit(FOR_F, changes)
    except CannotCarry:
        return False
    return True


def _options(plan: Plan) -> tuple[list[str], list[str]]:
    """The options that the text depends on, again, and the names whose values, maybe secrets, are left out of them.

    As it stands, the line then ends with a usage error that asks for the value.
    """
    request, words, left_out = plan.request, list[str](), list[str]()
    for option, value in (("-f", request.file), ("--database", request.database), ("--port", request.port)):
        words += [option, str(value)] if value is not None else []
    for name, text in request.sets:
        shown = may_show(name, text, plan.file.root)
        words += ["--set", f"{name}={text}" if shown else name]
        left_out += [] if shown else [name]
    return words, left_out
