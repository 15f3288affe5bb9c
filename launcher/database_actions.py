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
        "ledger": _known(expected),
        "identity": found,
        "notes": [*plan.notes, *identity.notes],
    }


def _known(expected: Expectation) -> dict[str, Any] | None:
    """The ledger's entry of the name."""
    from launcher.identity import ledger_file

    entry = ledger_file.read(expected.root).get(expected.name)
    return entry._asdict() | {"physical": dict(entry.physical)} if entry else None


def _expectation(file: ProfileFile, profile: Profile, request: Request, action: str) -> Expectation:
    """The expectation of an action that writes, and so must know which database is meant."""
    if not profile.values.get("database"):
        raise ConfigurationError(
            "profile-file",
            f"profile '{profile.name}' names no database to {action}",
            f'database = "NAME" in [profiles.{profile.name}] of {file.source.path}',
        )
    return proof.expectation(plan_for(file, profile, request))


def adopt(file: ProfileFile, profile: Profile, request: Request, how: str | None) -> int:
    """Accept the existing database at the profile's place: stamp and ledger. how: `moved`, `copy`, `restored`, None."""
    from launcher.acceptance import adopt as accept

    expected = _expectation(file, profile, request, "adopt")._replace(writes=True)
    accepted = accept(expected, how)
    tell(printable(f"{accepted.words}: {accepted.identity.spot}"))
    tell(printable(f"  tables  {', '.join(accepted.identity.tables)}"))
    return 0


def recover(file: ProfileFile, profile: Profile, request: Request) -> int:
    """Copy the files of a killed writer aside, let SQLite finish its work, and tell what is different now.

    Raises WrongDataError where SQLite calls the file damaged afterwards.
    """
    from launcher.identity.recover import recover as finish
    from launcher.identity.verdict import refuse_two_urls

    expected = _expectation(file, profile, request, "recover")
    refuse_two_urls(expected)
    if expected.url.dialect != "sqlite":
        raise ConfigurationError(
            "nothing-to-recover",
            f"{expected.url.shown} ({expected.place}): a server recovers its databases by itself",
            f"autopack-run {expected.profile} check",
        )
    done = finish(expected)
    words = "finished what a writer had left in" if done.damaged else "recovered"
    tell(printable(f"{words} {expected.url.shown}; copies of what was there: {done.folder}"))
    for title, lines in (("before", done.before), ("changed", done.changed or ("nothing",)), ("now", (done.sound,))):
        tell("\n".join(printable(f"  {title:<8}{line}") for line in lines))
    if done.damaged:
        raise WrongDataError(
            "corrupt",
            f"{expected.spot}: SQLite still calls it damaged: {done.sound}",
            f"restore a backup; the files as they were are in {done.folder}",
        )
    tell(f"next: autopack-run {expected.profile} check")
    return 0
