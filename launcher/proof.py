"""From a plan to what must hold of its database, and the proof that it does."""

import os

from launcher.errors import ConfigurationError, WrongDataError
from launcher.identity.expectation import Expectation, Identity
from launcher.identity.url import DatabaseURL, parse_database_url
from launcher.pins import DATABASE_URL
from launcher.plan import Plan
from launcher.profiles import Database


def wanted(plan: Plan) -> bool:
    """Whether the database is to be proven before the start: `verify`, or `--verify`, or that the profile has one."""
    if plan.request.verify or plan.task is None:
        return plan.request.verify
    return bool(plan.task.values.get("verify", plan.profile.values.get("database") is not None)) or creates(plan)


def creates(plan: Plan) -> bool:
    """Whether the task makes the database."""
    return bool(plan.task and plan.task.values.get("creates"))


def expectation(plan: Plan) -> Expectation:
    """What must hold of the plan's database.

    Raises ConfigurationError where there is no DATABASE_URL or nothing says which database it has to be.
    """
    if plan.url is None:
        raise _no_url(plan)
    entry = _entry(plan)
    table, task = entry.table, plan.task.values if plan.task else None
    value = plan.environment.get(DATABASE_URL)
    chosen = value is not None and value.origin.kind != "database"
    needs = tuple(task.get("needs_rows", ())) if task else ()
    empty_too = plan.request.allow_empty and not creates(plan)  # they may be empty, and must be there
    return Expectation(
        name=entry.name,
        url=plan.url,
        place=value.origin.place if value else entry.place,
        profile=_spoken(plan, entry.name),
        seed="" if chosen else seed_command(plan, entry.name),
        tables=tuple(dict.fromkeys((*table.get("tables", ()), *(needs if empty_too else ())))),
        needs_rows=() if plan.request.allow_empty else needs,
        db_id=table.get("id", ""),
        revision=table.get("revision", ""),
        writes=task is not None and bool(task.get("writes", True)),
        creates=creates(plan),
        allow_network=bool(table.get("allow_network", False)),
        others=_others(plan, entry.name),
        chosen=chosen,
        schema=table.get("schema", ""),
        stamped=table.get("stamp", True),
        accept=plan.request.accept or "",
        warns=task is not None and not task.get("writes", True),
        root=plan.file.root,
        variables=plan.environment.as_dict(),
    )


def _spoken(plan: Plan, database: str) -> str:
    """The profile for the commands in hints: of one that names no database the first other one that names this."""
    names = [plan.profile, *plan.file.profiles.values()]
    found = next((each for each in names if each.values.get("database") == database), plan.profile)
    return plan.spoken_as(found.name)


def prove(plan: Plan) -> tuple[Expectation, Identity | None]:
    """The expectation and the proven identity, None where a task that creates the database found nothing yet."""
    from launcher.identity.verdict import verify_identity

    expected = expectation(plan)
    return expected, verify_identity(expected)


def seed_command(plan: Plan, database: str) -> str:
    """The command that makes the database, or ""."""
    for profile in plan.file.profiles.values():
        for task in profile.tasks.values():
            if task.values.get("creates") and profile.values.get("database") == database:
                return f"autopack-run {plan.spoken_as(profile.name)} {task.name}"
    return ""


def _entry(plan: Plan) -> Database:
    """The entry of the profile, or, where it names none, the one whose stamp the database bears."""
    name = plan.profile.values.get("database")
    if name:
        return plan.file.databases[name]
    if creates(plan):
        raise ConfigurationError(
            "profile-file",
            f"profile '{plan.profile.name}' names no database for its task to create",
            'database = "NAME" in the profile',
        )
    return _stamped_entry(plan)


def _stamped_entry(plan: Plan) -> Database:
    from launcher.identity.verdict import inspect_database

    assert plan.url is not None
    value = plan.environment.get(DATABASE_URL)
    place = value.origin.place if value else ""
    identity = inspect_database(_anything(plan, plan.url, place))
    stamp = identity.stamp if identity else None
    if stamp and stamp.database in plan.file.databases:
        return plan.file.databases[stamp.database]
    bears = f"its stamp says '{stamp.database}', which the file does not know" if stamp else "it bears no stamp"
    raise WrongDataError(
        "not-proven",
        f"{plan.url.shown} ({place}) is not proven: profile '{plan.profile.name}' names no database, and {bears}",
        f'database = "NAME" in [profiles.{plan.profile.name}], with [databases.NAME] saying what it must be',
    )


def _anything(plan: Plan, url: DatabaseURL, place: str) -> Expectation:
    return Expectation("(any)", url, place, plan.spoken, writes=False, variables=plan.environment.as_dict())


def _others(plan: Plan, name: str) -> tuple[tuple[str, DatabaseURL, str], ...]:
    """The other databases of the file, as far as their URLs can be read here and now."""
    found: list[tuple[str, DatabaseURL, str]] = []
    for other, entry in plan.file.databases.items():
        if other == name:
            continue
        place = plan.file.source.place(("databases", other, "url"))
        try:
            found.append(
                (other, parse_database_url(plan.expand(entry.table["url"], place), place, plan.file.root), place)
            )
        except ConfigurationError:
            continue  # the fault of another profile, which says so when it is used
    return tuple(found)


def _no_url(plan: Plan) -> ConfigurationError:
    line = _line_that_sets(plan)
    return ConfigurationError(
        "no-database-url",
        f"profile '{plan.profile.name}' has no database, and DATABASE_URL is not set anywhere",
        f'database = "NAME" in [profiles.{plan.profile.name}] of {plan.file.source.path}'
        + (f"; or in this shell: {line}" if line else ""),
    )


def _line_that_sets(plan: Plan) -> str:
    """The shell's line for a database beside the profile file, or "" where the URL would be refused in a shell."""
    from launcher.hints import set_line

    path = os.path.join(plan.file.root, "NAME.db")
    url = f"sqlite:///{path.replace(chr(92), '/') if os.name == 'nt' else path}"
    try:
        parse_database_url(url, "the shell", None)
    except ConfigurationError:
        return ""
    return set_line(DATABASE_URL, url, "")
