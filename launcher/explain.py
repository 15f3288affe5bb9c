"""Where each value comes from and what it hides, with nothing secret shown."""

from typing import Any

from launcher.environment import PROCESS, Change
from launcher.errors import ConfigurationError
from launcher.nearest import did_you_mean
from launcher.pins import DATABASE_URL, file_name
from launcher.plan import Plan

# Words in a variable's name that announce a secret, wherever its value stands.
_SECRET = ("AUTH", "CREDENTIAL", "DSN", "KEY", "PASS", "PRIVATE", "PWD", "SECRET", "TOKEN", "URL", "URI")


def explained(plan: Plan, name: str | None) -> list[dict[str, Any]]:
    """One row a variable: name, value (masked), origin, whether it is pinned, and what the layers below said.

    name: the one variable to explain, or None for all that do not come from the shell as they are. Raises
    ConfigurationError for a variable that nothing ever set.
    """
    environment = plan.environment
    keys = [environment.fold(name)] if name else [key for key, steps in environment.changes.items() if _is_ours(steps)]
    if name and keys[0] not in environment.changes:
        hint = did_you_mean(name, [steps[-1].name for steps in environment.changes.values()])
        raise ConfigurationError(
            "unknown-variable", f"{name} is not set, neither here nor by profile '{plan.profile.name}'", hint
        )
    return [_row(plan, environment.changes[key]) for key in sorted(keys)]


def _is_ours(steps: list[Change]) -> bool:
    return any(step.origin.kind != PROCESS for step in steps)


def _row(plan: Plan, steps: list[Change]) -> dict[str, Any]:
    last = steps[-1]
    return {
        "name": last.name,
        "value": masked(plan, last),
        "origin": last.origin.place,
        "pinned": last.name in plan.pinned,
        "over": [{"value": masked(plan, step), "origin": step.origin.place} for step in reversed(steps[:-1])],
    }


def masked(plan: Plan, change: Change) -> str:
    """The value where it may be shown: it stands in the profile file itself, and its name announces no secret."""
    if change.text is None:
        return "(removed)"
    if change.text == "":
        return "(empty)"
    if change.name == DATABASE_URL:
        return plan.url.shown if plan.url and plan.url.text == change.text else "(hidden)"
    secret = any(word in change.name.upper() for word in _SECRET) or "://" in change.text
    if change.origin.kind == "file" and not secret:
        return change.text
    return f"(hidden, {len(change.text)} characters)"


def text_lines(plan: Plan, rows: list[dict[str, Any]]) -> list[str]:
    """The rows for a person."""
    lines = [f"{plan.profile.name}, from {plan.file.source.path}"]
    for row in rows:
        lines.append(f"{row['name']} = {row['value']}{'  (pinned)' if row['pinned'] else ''}")
        lines.append(f"  from  {row['origin']}")
        lines += [f"  over  {step['value']}  from  {step['origin']}" for step in row["over"]]
    lines += [f"skipped: {path} is not there" for path in plan.skipped]
    if DATABASE_URL in plan.pinned:
        lines.append(f"a child that sets DATABASE_URL itself would override this; {file_name(DATABASE_URL)} is closed")
    return lines
