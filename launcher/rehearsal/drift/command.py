"""`autopack-run rehearse --drift CAUSE`: each cause of drift for real, first without the launcher and then with it."""

import os
from collections.abc import Callable
from typing import NamedTuple

from launcher.errors import INTERRUPTED, WrongDataError
from launcher.output import tell
from launcher.rehearsal.drift import engines, servers, shell_syntax, variables
from launcher.rehearsal.drift.scene import Scene


class Play(NamedTuple):
    """A cause: what it is, and its two halves, each of which returns its verdict in a few words."""

    about: str
    without: Callable[[Scene], str]
    caught: Callable[[Scene], str]


class Verdict(NamedTuple):
    """What came of both halves, and what was not as it must be."""

    cause: str
    without: str
    caught: str
    wrong: list[str]

    def __str__(self) -> str:
        if self.wrong:
            return f"{self.cause}: NOT AS IT MUST BE: {'; '.join(self.wrong)}"
        return f"{self.cause}: caught: without: {self.without}; with: {self.caught}"


PLAYS = {
    "bound-engine": Play(
        "An engine is bound while a module is imported, before the program has read its .env.",
        engines.bound_without,
        engines.bound_with,
    ),
    "partial-schema": Play(
        "A component creates the tables that it knows of, before the others are imported.",
        engines.partial_without,
        engines.partial_with,
    ),
    "script-override": Play(
        "A script assigns DATABASE_URL over what the operator has chosen.",
        variables.override_without,
        variables.override_with,
    ),
    "health-check": Play(
        "A server's /health asks the configured database; its work goes to another one.",
        servers.health_without,
        servers.health_with,
    ),
    "shell-syntax": Play(
        "DATABASE_URL is set in the syntax of another shell, which sets nothing.",
        shell_syntax.shells_without,
        shell_syntax.shells_with,
    ),
    "x-file": Play(
        "DATABASE_URL_FILE is left in .env, and outranks DATABASE_URL in a program that reads it.",
        variables.file_without,
        variables.file_with,
    ),
}


def rehearse_drift(cause: str, folder: str) -> int:
    """Play the cause, or each one for "all", below the folder; return 0 where each was caught.

    cause: a key of PLAYS, or "all". folder: a new or empty one. Raises WrongDataError where the damage did not happen
    without the launcher, or was not caught with it.
    """
    verdicts = []
    try:
        for name in PLAYS if cause == "all" else (cause,):
            verdicts.append(_play(name, os.path.join(folder, name)))
    except KeyboardInterrupt:
        return INTERRUPTED
    tell("\n".join(f"{verdict}" for verdict in verdicts))
    if wrong := [verdict.cause for verdict in verdicts if verdict.wrong]:
        raise WrongDataError("rehearsal", f"not as it must be: {', '.join(wrong)}", f"look around: {folder}")
    return 0


def _play(name: str, folder: str) -> Verdict:
    play = PLAYS[name]
    tell(f"{name}: {play.about}\n\n  --- without autopack-run, in {os.path.join(folder, 'without')}")
    damaged = Scene(folder, name, launcher=False)
    without = play.without(damaged)
    tell(f"\n  --- with autopack-run, in {os.path.join(folder, 'with')}")
    kept = Scene(folder, name, launcher=True)
    caught = play.caught(kept)
    tell("")
    return Verdict(name, without, caught, damaged.wrong + kept.wrong)
