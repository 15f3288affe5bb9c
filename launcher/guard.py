"""The parent's half of the guard: the variables by which the child's half (`bootstrap/`) learns what to keep."""

import os
from collections.abc import Sequence
from glob import escape
from typing import NamedTuple

from launcher.environment import Environment, Origin
from launcher.errors import ConfigurationError
from launcher.identity.url import options_of, server_places
from launcher.plan import Plan
from launcher.python_words import skipping_option

BOOTSTRAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap")
RUN = "AUTOPACK_RUN_RUN"
"""The variable with the run folder: also the mark by which a process is known to belong to a launch."""
OUTER = "AUTOPACK_RUN_OUTER"
PIN = "AUTOPACK_RUN_PIN_"
_ROOT = "\0root\0"  # no path has it
_ORIGIN = Origin("launcher", "the guard in the children")


class Settings(NamedTuple):
    """What the guard of one task does. pins: block, error or allow. databases: report or block. allowed: globs."""

    pins: str = "error"
    databases: str = "report"
    strict: bool = False
    fail_closed: bool = False
    allowed: tuple[str, ...] = ()


def settings(plan: Plan) -> Settings:
    """The task's settings, or those of `exec`; `--pins` stands above both."""
    if plan.task is None:
        return Settings(pins=plan.request.pins or "error")
    values = plan.task.values
    return Settings(
        plan.request.pins or values.get("pins", "block"),
        values.get("databases", "report"),
        bool(values.get("strict")),
        bool(values.get("fail_closed")),
        _allowed(plan),
    )


def _allowed(plan: Plan) -> tuple[str, ...]:
    """The globs of allow_databases, absolute; what {root} stands for is no glob, whatever is in it."""
    if plan.task is None:
        return ()
    values = plan.task.values
    root, place = escape(os.path.realpath(plan.file.root)), values.place("allow_databases")
    globs = [plan.expand(glob.replace("{root}", _ROOT), place) for glob in values.get("allow_databases", ())]
    globs = [glob.replace(_ROOT, root) for glob in globs]
    return tuple(glob if "://" in glob else os.path.normpath(os.path.join(root, glob)) for glob in globs)


def variables(plan: Plan, found: Settings, run_folder: str) -> dict[str, str]:
    """What the children's guard reads. run_folder: where it records, or "" where no verdict follows."""
    outer = plan.outer_folders
    if not run_folder and not outer and (found.pins == "allow" or not plan.pinned):
        return {}
    words = [f"pins={found.pins}", f"databases={found.databases}"]
    words += [name for name in ("strict", "fail_closed") if getattr(found, name)]
    told = {
        "AUTOPACK_RUN_GUARD": " ".join(words),
        RUN: run_folder,
        OUTER: "\n".join(outer),
        "AUTOPACK_RUN_DATABASE_PATH": plan.url.path if plan.url else "",
        "AUTOPACK_RUN_DATABASE_SERVERS": "\n".join(_servers(plan)),
        "AUTOPACK_RUN_ALLOW": "\n".join(found.allowed),
        "PYTHONPATH": _python_path(plan.environment),
    }
    pins = {PIN + name: plan.environment.text(name) or "" for name in plan.pinned}
    return {name: text for name, text in (told | pins).items() if text}


def _servers(plan: Plan) -> list[str]:
    """Where a database on a server may be, as the children's guard writes places."""
    if plan.url is None or plan.url.path:
        return []
    from urllib.parse import quote

    addresses = ",".join(options_of(plan.url).get("hostaddr", [])).split(",")
    return sorted(
        f"{dialect}://{quote(where, safe='')}:{port}/{quote(name, safe='')}"
        for dialect, host, port, name in server_places(plan.url)
        for where in (host, *filter(None, addresses))
    )


def _python_path(environment: Environment) -> str:
    """BOOTSTRAP in front of what stands there, once."""
    rest = [entry for entry in (environment.text("PYTHONPATH") or "").split(os.pathsep) if entry]
    return os.pathsep.join([BOOTSTRAP, *(entry for entry in rest if entry != BOOTSTRAP)])


def install(plan: Plan, found: Settings, run_folder: str) -> None:
    """Set these variables in the plan's environment."""
    for name, text in variables(plan, found, run_folder).items():
        plan.environment.set(name, text, _ORIGIN)


def refuse_unguarded(words: Sequence[str], place: str) -> None:
    """Raise ConfigurationError where a task's own command line leaves the guard out of its Python.

    words: the command with its program. place: where it stands, in words.
    """
    option = skipping_option(words)
    if option:
        raise ConfigurationError(
            "unguarded",
            f"{place}: {option} keeps the guard out of this Python, so nothing could be said of what it opens",
            f"leave {option} away (-P and -s keep the guard); or without a verdict: exec -- {words[0]} {option} …",
        )
