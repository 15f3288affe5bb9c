"""From a plan to what must hold of its database, and the proof that it does."""

import os

from launcher.errors import ConfigurationError, WrongDataError
from launcher.identity.expectation import Expectation, Identity
from launcher.identity.url import DatabaseURL, parse_database_url
from launcher.identity.verdict import inspect_database, verify_identity
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
    _refuse_not_yet(plan, entry)
    value = plan.environment.get(DATABASE_URL)
    chosen = value is not None and value.origin.kind != "database"
    return Expectation(
        name=entry.name,
        url=plan.url,
        place=value.origin.place if value else entry.place,
        profile=plan.spoken,
        seed="" if chosen else seed_command(plan, entry.name),
        tables=tuple(table.get("tables", ())),
        needs_rows=() if plan.request.allow_empty or task is None else tuple(task.get("needs_rows", ())),
        db_id=table.get("id", ""),
        revision=table.get("revision", ""),
        writes=task is not None and bool(task.get("writes", True)),
        creates=creates(plan),
        allow_network=bool(table.get("allow_network", False)),
        others=_others(plan, entry.name),
        chosen=chosen,
    )


def prove(plan: Plan) -> tuple[Expectation, Identity | None]:
    """The expectation and the proven identity, None where a task that creates the database found nothing yet."""
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
    assert plan.url is not None
    value = plan.environment.get(DATABASE_URL)
    place = value.origin.place if value else ""
    identity = inspect_database(Expectation("(any)", plan.url, place, plan.profile.name, writes=False))
    stamp = identity.stamp if identity else None
    if stamp and stamp.database in plan.file.databases:
        return plan.file.databases[stamp.database]
    bears = f"its stamp says '{stamp.database}', which the file does not know" if stamp else "it bears no stamp"
    raise WrongDataError(
        "not-proven",
        f"{plan.url.shown} ({place}) is not proven: profile '{plan.profile.name}' names no database, and {bears}",
        f'database = "NAME" in [profiles.{plan.profile.name}], with [databases.NAME] saying what it must be',
    )


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


def _refuse_not_yet(plan: Plan, entry: Database) -> None:
    place = plan.file.source.place(("databases", entry.name))
    if entry.table.get("stamp") is False:
        raise ConfigurationError(
            "not-yet",
            f"{place}: stamp = false needs the ledger, which this version does not have",
            "leave the key away",
        )
    if "schema" in entry.table:
        raise ConfigurationError(
            "not-yet",
            f"{place}: schema has an effect on PostgreSQL only, which this version cannot prove",
            "leave the key away",
        )


def _no_url(plan: Plan) -> ConfigurationError:
    from launcher.hints import set_line

    line = set_line(DATABASE_URL, f"sqlite:///{os.path.join(plan.file.root, 'NAME.db')}".replace("\\", "/"))
    return ConfigurationError(
        "no-database-url",
        f"profile '{plan.profile.name}' has no database, and DATABASE_URL is not set anywhere",
        f'database = "NAME" in [profiles.{plan.profile.name}] of {plan.file.source.path}; or in this shell: {line}',
    )
