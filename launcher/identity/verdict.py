"""Is what was found what the profile file means? Another database's name first, then its tables, then its stamp."""

import os

from launcher.errors import ConfigurationError, WrongDataError
from launcher.identity.expectation import STAMP_TABLE, Expectation, Identity, Stamp
from launcher.identity.url import DatabaseURL, same_database


def verify_identity(expected: Expectation) -> Identity | None:
    """The proven identity of the expected database; None where a task that creates it found nothing yet.

    Raises LauncherError with the fault's code and words (IDENTITY.md, "Faults").
    """
    identity = inspect_database(expected)
    if identity is None or (expected.creates and not identity.tables):
        return None
    judge(identity, expected)
    return identity


def inspect_database(expected: Expectation) -> Identity | None:
    """What stands at the expected place, whatever it is: the ladder without the verdict."""
    refuse_unproven(expected)
    from launcher.identity import sqlite

    return sqlite.inspect(expected)


def refuse_unproven(expected: Expectation) -> None:
    """Raise LauncherError for what no look at the database can prove here: a server, or one database of two names."""
    _refuse_two_names(expected)
    if expected.url.dialect != "sqlite":
        # PostgreSQL, MySQL and MariaDB get their own module beside sqlite; until then nothing may pass for proven.
        raise ConfigurationError(
            "not-yet",
            f"{expected.url.shown} ({expected.place}): this version proves SQLite databases only; it was not contacted",
            "" if expected.creates else "a task with verify = false starts unproven",
        )


def _refuse_two_names(expected: Expectation) -> None:
    for name, url, place in expected.others:
        if not same_database(url, expected.url):
            continue
        if expected.chosen:
            raise WrongDataError(
                "wrong-database",
                f"{expected.url.shown} ({expected.place}) is '{name}' ({place});"
                f" the profile asks for '{expected.name}'",
                f"unset it, or run a profile whose database is '{name}'",
            )
        raise WrongDataError(
            "two-names",
            f"'{expected.name}' ({expected.place}) and '{name}' ({place}) are one database: {expected.url.shown}",
            "keep one of the two entries",
        )


def judge(identity: Identity, expected: Expectation) -> None:
    """Raise WrongDataError where the identity is not the expected one."""
    spot, entry = f"{identity.path} ({expected.place})", f"[databases.{expected.name}]"
    stamp = identity.stamp
    if stamp and stamp.database != expected.name:
        raise WrongDataError(
            "wrong-database",
            f"this is '{stamp.database}' (db_id {stamp.db_id}); the profile asks for '{expected.name}': {spot}",
            f"fix the url of {entry}; autopack-run {expected.profile} explain DATABASE_URL tells where it comes from",
        )
    judge_tables(identity, expected)
    if stamp is None:
        raise WrongDataError(
            "unstamped",
            f"{spot} has {_owned(identity, expected)} but no stamp, so nothing says that it is '{expected.name}'",
            f"if it is: autopack-run {expected.profile} adopt",
        )
    if expected.db_id and stamp.db_id.casefold() != expected.db_id.casefold():
        raise WrongDataError(
            "wrong-database",
            f"{spot} is a '{expected.name}' with db_id {stamp.db_id}; the profile file says id {expected.db_id}",
            f"fix the url or the id of {entry}",
        )
    _judge_content(identity, expected)


def _owned(identity: Identity, expected: Expectation) -> str:
    if expected.tables:
        return "the tables"
    return f"{len(identity.tables)} tables ({', '.join(identity.tables[:5])})" if identity.tables else "no tables and"


def judge_tables(identity: Identity, expected: Expectation) -> None:
    """Raise WrongDataError where required tables are missing."""
    have = {name.casefold() for name in identity.tables}
    missing = [name for name in expected.tables if name.casefold() not in have]
    spot, lacking = f"{identity.path} ({expected.place})", ", ".join(missing)
    own = [name for name in identity.tables if name != STAMP_TABLE]
    present = [name for name in expected.tables if name.casefold() in have]
    seed = f"move it aside, then: {expected.seed}" if expected.seed else "create all tables in one call"
    if not own:
        raise WrongDataError("no-tables", f"{spot} has no tables{f'. Missing: {lacking}' if missing else ''}", seed)
    if not missing:
        return
    if not present:
        raise WrongDataError(
            "other-program",
            f"{spot} has none of our tables; found {', '.join(own[:5])}: another program's database",
            f"fix the url of [databases.{expected.name}]",
        )
    raise WrongDataError(
        "partial-schema",
        f"{spot}. Missing: {lacking}. Present: {', '.join(present)}"
        " (a component ran create_all before importing the models?)",
        seed,
    )


def _judge_content(identity: Identity, expected: Expectation) -> None:
    spot, revision = f"{identity.path} ({expected.place})", expected.revision
    if revision and identity.revision != revision:
        raise WrongDataError(
            "wrong-revision",
            f"{spot} is at Alembic revision {identity.revision or '(none)'}, the profile file says {revision}",
            f"upgrade the database (alembic upgrade {revision}), or use the code that belongs to it",
        )
    if identity.empty:
        raise WrongDataError(
            "nothing-to-do",
            f"{spot} has no rows in {', '.join(identity.empty)}, which this task needs (needs_rows)",
            f"{f'seed it: {expected.seed}; ' if expected.seed else ''}or go on for once: --allow-empty",
        )


def refuse_swapped(identity: Identity) -> None:
    """Raise WrongDataError where the path does not lead to the proven database any more."""
    try:
        found = os.stat(identity.path)
    except OSError as error:
        raise WrongDataError(
            "swapped", f"{identity.path} was proven, and is gone now: {error.strerror}", "check it, then run again"
        ) from None
    same = (found.st_dev, found.st_ino) == (identity.device, identity.inode)
    # A deleted file's inode number is the next new file's (measured on ext4), so a changed file is looked at again.
    if same and (found.st_size, found.st_mtime_ns) != (identity.size, identity.mtime_ns):
        same = _stamp_now(identity.path) == identity.stamp
    if not same:
        raise WrongDataError(
            "swapped", f"{identity.path} was proven, and is another file now", "check it, then run again"
        )


def _stamp_now(path: str) -> Stamp | None:
    found = look_at(path)
    return found.stamp if found else None


def look_at(path: str) -> Identity | None:
    """What stands at the path, whatever it is; None where nothing does. Raises LauncherError with the fault."""
    from launcher.identity import sqlite

    if not os.path.lexists(path):
        return None
    url = DatabaseURL("sqlite", "", path, path)
    return sqlite.inspect(Expectation("(any)", url, "looked at again", "PROFILE", writes=False, allow_network=True))
