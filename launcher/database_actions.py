"""The actions that prove, accept or mend a profile's database."""

from typing import Any

from launcher import banner, proof
from launcher.actions import SCHEMA, plan_for, print_json
from launcher.errors import ConfigurationError, LauncherError, WrongDataError
from launcher.identity.expectation import Expectation, Identity
from launcher.output import printable, tell
from launcher.plan import Plan, Request
from launcher.profiles import Profile, ProfileFile


def check(file: ProfileFile, profile: Profile, request: Request, as_json: bool) -> int:
    """Print the proof of the database's identity, or raise its fault; with --json both are told as an object."""
    report: dict[str, Any] = {"schema": SCHEMA, "file": file.source.path, "profile": profile.name}
    try:
        plan = plan_for(file, profile, request)
        report |= {"place": plan.url.shown if plan.url else None, "pinned": list(plan.pinned), "notes": plan.notes}
        expected, identity = proof.prove(plan)
    except LauncherError as error:
        if as_json:
            fault = {"slug": error.slug, "code": error.code, "message": error.message, "hint": error.hint}
            print_json(report | {"verdict": "not proven", "error": fault})
        raise
    assert identity is not None  # only a task that creates the database may find none
    if as_json:
        return print_json(report | {"verdict": "verified"} | _facts(plan, expected, identity))
    tell("\n".join(banner.lines(plan, expected, identity)))
    return 0


def _facts(plan: Plan, expected: Expectation, identity: Identity) -> dict[str, Any]:
    found = {key: value for key, value in identity._asdict().items() if key not in ("stamp", "notes")}
    return {
        "database": expected.name,
        "stamp": identity.stamp._asdict() if identity.stamp else None,
        "identity": found,
        "notes": [*plan.notes, *identity.notes],
    }


def _expectation(file: ProfileFile, profile: Profile, request: Request, action: str) -> Expectation:
    """The expectation of an action that writes, and so must know which database is meant."""
    if not profile.values.get("database"):
        raise ConfigurationError(
            "profile-file",
            f"profile '{profile.name}' names no database to {action}",
            f'database = "NAME" in [profiles.{profile.name}] of {file.source.path}',
        )
    return proof.expectation(plan_for(file, profile, request))


def adopt(file: ProfileFile, profile: Profile, request: Request) -> int:
    """Stamp the existing database at the profile's place; one that is stamped already stays as it is."""
    from launcher.identity.stamp import write_stamp
    from launcher.identity.verdict import inspect_database, judge, judge_tables

    expected = _expectation(file, profile, request, "adopt")._replace(writes=True)
    identity = inspect_database(expected)
    if identity is None:
        raise WrongDataError("not-proven", f"nothing to adopt at {expected.url.shown}")
    if identity.stamp:
        judge(identity, expected)
        tell(printable(f"already '{expected.name}' (db_id {identity.stamp.db_id}): {identity.path}"))
        return 0
    judge_tables(identity, expected)
    stamp = write_stamp(expected)
    tell(printable(f"adopted as '{stamp.database}' (db_id {stamp.db_id}): {identity.path}"))
    tell(f"  tables  {', '.join(identity.tables)}")
    return 0


def recover(file: ProfileFile, profile: Profile, request: Request) -> int:
    """Copy the files of a killed writer aside, let SQLite finish its work, and tell what is different now."""
    from launcher.identity.recover import recover as finish
    from launcher.identity.verdict import refuse_unproven

    expected = _expectation(file, profile, request, "recover")
    refuse_unproven(expected)
    done = finish(expected)
    tell(printable(f"recovered {expected.url.shown}; copies of what was there: {done.folder}"))
    for title, lines in (("before", done.before), ("changed", done.changed or ("nothing",)), ("now", (done.sound,))):
        tell("\n".join(printable(f"  {title:<8}{line}") for line in lines))
    tell(f"next: autopack-run {expected.profile} check")
    return 0
