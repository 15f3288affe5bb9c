"""The actions that prove, accept or mend a profile's database."""

from typing import Any

from launcher import banner, proof
from launcher.actions import SCHEMA, plan_for, print_json
from launcher.errors import ConfigurationError, LauncherError, WrongDataError
from launcher.plan import Plan, Request
from launcher.profiles import Profile, ProfileFile


def check(file: ProfileFile, profile: Profile, request: Request, as_json: bool) -> int:
    """Print the proof of the database's identity, or raise its fault."""
    plan = plan_for(file, profile, request)
    try:
        expected, identity = proof.prove(plan)
    except LauncherError as error:
        if as_json:
            fault = {"slug": error.slug, "code": error.code, "message": error.message, "hint": error.hint}
            print_json(_report(plan, "not proven") | {"error": fault})
        raise
    if as_json:
        return print_json(_report(plan, "verified") | _facts(expected, identity))
    print("\n".join(banner.lines(plan, expected, identity)))
    return 0


def _report(plan: Plan, verdict: str) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "verdict": verdict,
        "file": plan.file.source.path,
        "profile": plan.profile.name,
        "place": plan.url.shown if plan.url else None,
        "pinned": list(plan.pinned),
        "notes": plan.notes,
    }


def _facts(expected: Any, identity: Any) -> dict[str, Any]:
    return {
        "database": expected.name,
        "stamp": identity.stamp._asdict(),
        "identity": {key: value for key, value in identity._asdict().items() if key not in ("stamp", "notes")},
        "notes": [*identity.notes],
    }


def adopt(file: ProfileFile, profile: Profile, request: Request) -> int:
    """Stamp the existing database at the profile's place; one that is stamped already stays as it is."""
    from launcher.identity.stamp import write_stamp
    from launcher.identity.verdict import inspect_database, judge, judge_tables

    plan = plan_for(file, profile, request)
    if not profile.values.get("database"):
        raise ConfigurationError(
            "profile-file", f"profile '{profile.name}' names no database to adopt", 'database = "NAME"'
        )
    expected = proof.expectation(plan)._replace(writes=True)
    identity = inspect_database(expected)
    if identity is None:
        raise WrongDataError("not-proven", f"nothing to adopt at {expected.url.shown}")
    if identity.stamp:
        judge(identity, expected)
        print(f"already '{expected.name}' (db_id {identity.stamp.db_id}): {identity.path}")
        return 0
    judge_tables(identity, expected)
    stamp = write_stamp(expected)
    print(
        f"adopted as '{stamp.database}' (db_id {stamp.db_id}): {identity.path}\n  tables  {', '.join(identity.tables)}"
    )
    return 0


def recover(file: ProfileFile, profile: Profile, request: Request) -> int:
    """Copy the files of a killed writer aside, let SQLite finish its work, and tell what is different now."""
    from launcher.identity.recover import recover as finish

    plan = plan_for(file, profile, request)
    expected = proof.expectation(plan)
    done = finish(expected)
    print(f"recovered {expected.url.shown}; copies of what was there: {done.folder}")
    for title, lines in (("before", done.before), ("changed", done.changed or ("nothing",)), ("now", (done.sound,))):
        print("\n".join(f"  {title:<8}{line}" for line in lines))
    print(f"next: autopack-run {profile.name} check")
    return 0
