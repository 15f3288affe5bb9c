"""What an operator and a child are told about a launch, with nothing secret in it."""

from launcher.environment import Environment
from launcher.errors import LauncherError
from launcher.identity.expectation import Expectation, Identity
from launcher.output import printable, say
from launcher.pins import file_name
from launcher.plan import Plan


def show(plan: Plan, expected: Expectation | None, identity: Identity | None) -> None:
    """Print, to standard error, the notes and, before a verified start, the banner. `-q` prints neither."""
    if plan.request.quiet:
        return
    for line in lines(plan, expected, identity) if expected else _unproven(plan):
        say(line)


def lines(plan: Plan, expected: Expectation, identity: Identity | None) -> list[str]:
    """The banner: profile file, profile, task; database name, place, stamp, ledger; what is pinned; the interpreter."""
    title = f"autopack-run: {plan.profile.name}{f' {plan.task.name}' if plan.task else ''}"
    told = [
        title,
        f"  file      {plan.file.source.path}",
        f"  database  {expected.name} at {expected.url.shown}",
        f"  stamp     {_stamp(identity, expected)}",
        *([f"  ledger    {_ledger(expected)}"] if identity else []),
        f"  pinned    {pinned(plan)}",
        f"  python    {_python(plan)}",
        *(f"  note      {note}" for note in (*plan.notes, *(identity.notes if identity else ()))),
    ]
    return [printable(line) for line in told]


def _unproven(plan: Plan) -> list[str]:
    told = [f"autopack-run: note: {note}" for note in plan.notes]
    if plan.task is not None and plan.url is not None:
        told.append(
            f"autopack-run: {plan.profile.name} {plan.task.name}: not proven (verify = false): {plan.url.shown}"
        )
    if "python" in vars(plan) and plan.python.note:
        told.append(f"autopack-run: note: {plan.python.note}")
    return [printable(line) for line in told]


def _stamp(identity: Identity | None, expected: Expectation) -> str:
    if identity is None:
        return "none yet: this task creates the database"
    if identity.stamp is None:
        return "none (stamp = false)" + ("" if expected.accept else "; verified: the ledger knows it")
    return f"verified: db_id {identity.stamp.db_id}, since {identity.stamp.created_at}"


def _ledger(expected: Expectation) -> str:
    """How this workspace came to know it; what speaks against it was said before, or stands among the notes."""
    from launcher.identity import ledger_file

    entry = ledger_file.read(expected.root).get(expected.name)
    if entry is None:
        return "not in it" + ("; its id stands in the profile file" if expected.db_id else "")
    return f"{entry.how} {entry.since}, last seen {entry.seen}"


def pinned(plan: Plan) -> str:
    """The pins that stand, and the `X_FILE` closed beside each."""
    names = [f"{name} ({file_name(name)} closed)" for name in plan.pinned]
    return ", ".join(names) or "nothing"


def _python(plan: Plan) -> str:
    try:
        return plan.python.path + (f"  ({plan.python.note})" if plan.python.note else "")
    except LauncherError as error:
        return f"none ({error.message})"


def facts(plan: Plan, expected: Expectation | None, identity: Identity | None) -> dict[str, str]:
    """The banner's facts as AUTOPACK_RUN_* variables for the child; "" is what is not known, and is not to be set."""
    stamp = identity.stamp if identity else None
    return {
        "AUTOPACK_RUN_FILE": plan.file.source.path,
        "AUTOPACK_RUN_ROOT": plan.file.root,
        "AUTOPACK_RUN_PROFILE": plan.profile.name,
        "AUTOPACK_RUN_TASK": plan.task.name if plan.task else "",
        "AUTOPACK_RUN_PINS": " ".join(plan.pinned),
        "AUTOPACK_RUN_DATABASE": expected.name if expected else "",
        "AUTOPACK_RUN_DATABASE_PLACE": plan.url.shown if plan.url else "",
        "AUTOPACK_RUN_DATABASE_ID": stamp.db_id if stamp else "",
        "AUTOPACK_RUN_VERIFIED": "1" if identity else "0",
        "AUTOPACK_RUN_PYTHON": _fact_python(plan, expected),
    }


def _fact_python(plan: Plan, expected: Expectation | None) -> str:
    """The interpreter where the banner names one, or the command has asked for it; looking for it costs time."""
    if expected is None and "python" not in vars(plan):
        return ""
    try:
        return plan.python.path
    except LauncherError:
        return ""


def changed(before: Environment, after: Environment) -> dict[str, str | None]:
    """What the profile changes, by name: the text to set, or None to remove."""
    changes: dict[str, str | None] = {}
    for value in after:
        old = before.get(value.name)
        if value.origin.kind == "pin":
            changes[value.name] = None
        elif old is None or old.text != value.text:
            changes[value.name] = value.text
    return changes | {value.name: None for value in before if after.get(value.name) is None}
