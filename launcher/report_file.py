"""The file of --report: JSON of `schema` 1, also of a run that ended before its program started."""

import os
from typing import Any

from launcher import report
from launcher.errors import OUTPUT, ConfigurationError, LauncherError
from launcher.plan import Plan
from launcher.run_folder import write_json


def refuse(path: str | None) -> None:
    """Take an older one away, which must not be taken for this run's.

    Raises ConfigurationError where none can be written.
    """
    if not path:
        return
    try:
        place = os.path.realpath(path)
        if os.path.isdir(place) or not os.access(os.path.dirname(place), os.W_OK):
            raise ConfigurationError(
                "report", f"--report {path}: it cannot be written there", "--report with a file in a folder of yours"
            )
        if os.path.isfile(place):
            os.unlink(place)
    except OSError as error:  # Windows: realpath too, of a device
        raise ConfigurationError("report", f"--report {path}: {error.strerror}", "name another file") from None


def not_started(slug: str, code: object) -> dict[str, Any]:
    """What a report says of a run that ended so before its program started."""
    return {"verdict": "not started", "error": slug, "exit_code": code}


def about(plan: Plan, began: float) -> dict[str, Any]:
    """What run it is. began: seconds since 1970."""
    return {
        "schema": report.SCHEMA,
        "file": plan.file.source.path,
        "profile": plan.profile.name,
        "task": plan.task.name if plan.task else None,
        "launcher": os.getpid(),
        "began": began,
    }


def write(plan: Plan, whole: dict[str, Any]) -> None:
    """Write it where --report names a file. Raises LauncherError (74) where that fails."""
    path = plan.request.report
    if not path:
        return
    try:
        write_json(path, whole)
    except OSError as error:
        raise LauncherError(
            "output", OUTPUT, f"--report {path}: {error.strerror}", "make room, or write it elsewhere"
        ) from None
