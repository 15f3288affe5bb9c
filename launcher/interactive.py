"""`PROFILE shell`: an interactive shell inside the profile. It is `exec` with a shell as its program."""

import os
import re
import stat
import sys

from launcher import guard, pins, tasks
from launcher.discovery import current_folder
from launcher.environment import PROCESS, Origin
from launcher.errors import USAGE, ConfigurationError, LauncherError, WrongDataError
from launcher.output import printable, say
from launcher.plan import Plan
from launcher.programs import find_program
from launcher.shell_choice import choose_shell
from shells.base import CannotCarry, Shell
from shells.detect import VARIABLE, Detection
from shells.session import KEEP, Session, copies, is_ours
from shells.unix import LONGEST_STRING

INSIDE = "AUTOPACK_RUN_SHELLS"
"""The variable with the profiles whose shells are around a program, the outermost first."""
_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_ORIGIN = Origin("launcher", "the interactive shell")


def open_shell(plan: Plan, name: str | None) -> int:
    """Start the shell named by --shell, or the one at hand, inside the plan; its exit code.

    Raises LauncherError where it cannot be told which shell (2), where standard input is no terminal (2), where the
    launch around this one has other pins (65), and where the shell would alter a value (78).
    """
    shell, found = choose_shell(name, f"autopack-run {plan.spoken} shell", at_prompt=True)
    around = _around(plan)
    _refuse_other_pins(plan, around)
    _refuse_no_terminal(plan)
    program = _program(shell, found, plan)
    profiles = [*around, plan.profile.name]
    values = _values(plan)
    session = shell.session("".join(f"({each}) " for each in profiles), list(values))
    _refuse_altered(plan, shell, session, values)
    _refuse_spoiled(plan, shell, session)
    _set_variables(plan, session, values, profiles)
    if session.asks:
        _refuse_moved(plan, program, session)
    if plan.environment.text(VARIABLE) not in (None, shell.name):  # it says what the shell around this one is
        plan.environment.set(VARIABLE, shell.name, _ORIGIN)
    if not plan.request.quiet:
        _tell(plan, program, around)
    return tasks.run_program(plan, [program, *session.words], current_folder(), interactive=True)


def _around(plan: Plan) -> list[str]:
    """The profiles whose shells are around this launch, the outermost first."""
    return [name for name in plan.outer.get(INSIDE, "").split() if _PROFILE_NAME.fullmatch(name)]


def _refuse_other_pins(plan: Plan, around: list[str]) -> None:
    try:
        pins.refuse_other_pins(plan.outer_pins, plan.environment)
    except WrongDataError as error:
        hint = f"leave the shell of {around[-1]} first: exit" if around else error.hint
        raise WrongDataError(error.slug, error.message, hint) from None


def _refuse_no_terminal(plan: Plan) -> None:
    """What is piped in is a script: `exec` runs that, and a shell waiting for a person would seem to hang."""
    if sys.stdin is not None and (sys.stdin.isatty() or _is_git_bash()):
        return
    raise LauncherError(
        "no-terminal",
        USAGE,
        "shell is for a person at a terminal, and standard input is none",
        f"for commands from a pipe or a file: autopack-run {plan.spoken} exec SHELL …",
    )


def _is_git_bash() -> bool:
    """The terminal of Git Bash (mintty) is a pipe for programs that are not its own."""
    return os.name == "nt" and "MSYSTEM" in os.environ and stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)


def _program(shell: Shell, found: Detection, plan: Plan) -> str:
    """The very program that was detected, else the first on the child's PATH that speaks the dialect."""
    path = found.path
    if os.path.isabs(path) and os.path.isfile(path):
        return str(path)
    missing: LauncherError | None = None
    for program in shell.programs:
        try:
            return find_program(program, plan.environment.text, current_folder())
        except LauncherError as error:
            missing = missing or error
    assert missing is not None
    raise missing


def _values(plan: Plan) -> dict[str, str | None]:
    """What the user's startup files must not change, by name: the value, or None for what is to be unset."""
    standing = {value.name: value.text for value in plan.environment if value.origin.kind != PROCESS}
    standing |= {name: plan.environment.text(name) or "" for name in plan.pinned}
    python_path = guard.variables(plan, guard.settings(plan), "verify" if plan.request.verify else "").get("PYTHONPATH")
    if python_path:
        standing["PYTHONPATH"] = python_path
    removed = [step[-1].name for step in plan.environment.changes.values() if step[-1].text is None]
    removed += [name for values in plan.tables for layer in values.layers() for name in layer.unset]
    gone = {name: None for name in removed if plan.environment.get(name) is None}
    # No shell can name others, so no startup file can change them.
    return {name: text for name, text in {**gone, **standing}.items() if name.isascii() and name.isidentifier()}


def _refuse_altered(plan: Plan, shell: Shell, session: Session, values: dict[str, str | None]) -> None:
    refused: list[tuple[str, str]] = []
    for name, text in values.items():
        try:
            shell.set_env(name, text if session.reads else "x") if text else shell.unset_env(name)
        except CannotCarry as error:
            refused += error.refused
        else:
            reason = _altered(session, name, text)
            refused += [(name, reason)] if reason else []
    if len(session.variables.get(KEEP, "")) > session.most:
        refused.append((f"{len(values)} variables", f"their names together are longer than {session.most} characters"))
    if refused:
        raise ConfigurationError(
            "cannot-carry",
            str(CannotCarry(shell.name, *sorted(refused))),
            f"another shell (--shell NAME), or autopack-run {plan.spoken} exec CMD, which carries every value",
        )


def _refuse_spoiled(plan: Plan, shell: Shell, session: Session) -> None:
    """Wherever such a variable comes from, the user's own files would then have the last word."""
    from launcher.hints import unset_line

    for name, word in session.spoils.items():
        text = plan.environment.text(name)
        if text is not None and (not word or word in text.split(":")):
            raise ConfigurationError(
                "cannot-carry",
                f"{shell.name} would start outside the profile: {name} is set{f' and has {word}' if word else ''}",
                f"{unset_line(name)}; or another shell (--shell NAME), or autopack-run {plan.spoken} exec CMD",
            )


def _altered(session: Session, name: str, text: str | None) -> str:
    """Why the session cannot keep this variable as it is, or ""."""
    if is_ours(name if session.reads else name.upper()):
        return "the interactive shell is started with a variable of this name"
    # A child of cmd gets all that cmd itself has, so there it cannot be unset either.
    if (name if session.reads else name.upper()) in session.own and (text is not None or not session.reads):
        return "the interactive shell sets it itself, so its children would get another value"
    size = len(f"{KEEP}_{name}={text or ''}".encode("utf-8", "surrogateescape"))
    if session.reads and size > LONGEST_STRING:
        return f"the interactive shell gets a copy under a longer name: {size} bytes, of at most {LONGEST_STRING}"
    return ""


def _refuse_moved(plan: Plan, program: str, session: Session) -> None:
    """The system's zshenv, which alone comes before our file, may send zsh elsewhere: then ours is never read."""
    import subprocess

    words, environment = [program, *session.asks], plan.environment.as_dict()
    try:
        done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:  # the start itself tells why
        return
    folder = done.stdout.rpartition(b"\0")[2]
    if folder != os.fsencode(session.variables["ZDOTDIR"]):
        raise ConfigurationError(
            "cannot-carry",
            f"zsh would start outside the profile: its system-wide file (/etc/zsh/zshenv or /etc/zshenv) sets ZDOTDIR"
            f" to {os.fsdecode(folder)!a}",
            'let that file keep a ZDOTDIR that is set: : "${ZDOTDIR:=…}"; or take another shell (--shell NAME), or'
            f" autopack-run {plan.spoken} exec CMD",
        )


def _set_variables(plan: Plan, session: Session, values: dict[str, str | None], profiles: list[str]) -> None:
    for name, text in copies(session, values, plan.environment.text).items():
        plan.environment.set(name, text, _ORIGIN)
    plan.environment.set(INSIDE, " ".join(profiles), _ORIGIN)


def _tell(plan: Plan, program: str, around: list[str]) -> None:
    what = f"autopack-run: {plan.profile.name} shell: {program}; exit leaves it"
    say(printable(what))
    if around:
        inside = ", inside ".join(f"the shell of {name}" for name in reversed(around))
        say(printable(f"autopack-run: nested: {len(around) + 1} deep, inside {inside}; each exit leaves one"))
