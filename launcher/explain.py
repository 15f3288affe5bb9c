"""Where each value comes from, what it hides and what would override it, with nothing secret shown."""

from typing import Any

from launcher.environment import PROCESS, Change
from launcher.errors import ConfigurationError
from launcher.nearest import did_you_mean
from launcher.pins import DATABASE_URL, file_name
from launcher.plan import Plan
from launcher.shown import announces_secret, may_show

_SHORTEST_SECRET = 4
"""Characters: a shorter value of a secret's name stands by chance in others."""


def explained(plan: Plan, name: str | None) -> list[dict[str, Any]]:
    """One row a variable: name, value (masked), origin, pinned or not, what the layers below said, what would win.

    name: the one variable to explain, or None for all that do not come from the shell as they are. Raises
    ConfigurationError for a variable that nothing ever set.
    """
    changes = plan.environment.changes
    if name is None:
        keys = [key for key, steps in changes.items() if _is_ours(steps)]
    else:
        keys = [plan.environment.fold(name)]
        if keys[0] not in changes:
            raise _unknown(plan, name)
    return [_row(plan, changes[key]) for key in sorted(keys)]


def _unknown(plan: Plan, name: str) -> ConfigurationError:
    tasks = _set_by_tasks(plan, name)
    hint = f"set by {' and '.join(tasks)}" if tasks else ""
    hint = hint or did_you_mean(name, [steps[-1].name for steps in plan.environment.changes.values()])
    return ConfigurationError(
        "unknown-variable", f"{name} is not set, neither here nor by profile '{plan.profile.name}'", hint
    )


def _is_ours(steps: list[Change]) -> bool:
    return any(step.origin.kind != PROCESS for step in steps)


def _row(plan: Plan, steps: list[Change]) -> dict[str, Any]:
    last = steps[-1]
    return {
        "name": last.name,
        "value": masked(plan, last),
        "origin": last.origin.place,
        "pinned": _is_pinned(plan, last.name),
        "over": [{"value": masked(plan, step), "origin": step.origin.place} for step in reversed(steps[:-1])],
        "overridden_by": [*_set_by_tasks(plan, last.name), *_set_by_hand(last)],
    }


def _is_pinned(plan: Plan, name: str) -> bool:
    fold = plan.environment.fold
    return fold(name) in map(fold, plan.pinned)


def _set_by_tasks(plan: Plan, name: str) -> list[str]:
    """The tasks of the profile that set or remove the variable: `explain` is asked about the profile alone."""
    fold = plan.environment.fold
    return [
        f"task {task.name}, {layer.place(written)}"
        for task in plan.profile.tasks.values()
        for layer in task.values.layers()
        for written in (*layer.env, *(["unset"] if fold(name) in map(fold, layer.unset) else []))
        if written == "unset" or fold(written) == fold(name)
    ]


def _set_by_hand(last: Change) -> list[str]:
    if last.origin.kind == "pin":
        return []  # --set is refused beside a pin
    if last.origin.kind == "env_file":
        return [f"{last.name} in the shell", f"--set {last.name}=…"]
    return [f"--set {last.name}=…"] if last.origin.kind != "set" else []


def masked(plan: Plan, change: Change) -> str:
    """The value as far as the allow list lets it be shown."""
    if change.text is None:
        return "(removed)"
    if change.text == "":
        return "(empty)"
    if plan.environment.fold(change.name) == DATABASE_URL:
        return plan.url.shown if plan.url and plan.url.text == change.text else "(hidden)"
    if may_show(change.name, change.text, plan.file.root) and not _holds_secret(plan, change.text):
        return change.text
    return f"(hidden, {len(change.text)} characters)"


def _holds_secret(plan: Plan, text: str) -> bool:
    """Whether the value repeats one whose name announces a secret, as `GREETING = "{env:API_KEY}"` does."""
    return any(
        step.text in text
        for steps in plan.environment.changes.values()
        for step in steps
        if step.text and len(step.text) >= _SHORTEST_SECRET and announces_secret(step.name)
    )


def text_lines(plan: Plan, rows: list[dict[str, Any]]) -> list[str]:
    """The rows for a person."""
    lines = [f"{plan.profile.name}, from {plan.file.source.path}"]
    for row in rows:
        lines.append(f"{row['name']} = {row['value']}{'  (pinned)' if row['pinned'] else ''}")
        lines.append(f"  from  {row['origin']}")
        lines += [f"  over  {step['value']}  from  {step['origin']}" for step in row["over"]]
        lines += [f"  would be overridden by  {what}" for what in row["overridden_by"]]
    lines += [f"skipped: {path} is not there" for path in plan.skipped]
    lines += [f"note: {note}" for note in plan.notes]
    if DATABASE_URL in plan.pinned:
        lines.append(f"{DATABASE_URL} is pinned: {file_name(DATABASE_URL)} is closed beside it")
    return lines
