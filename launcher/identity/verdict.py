"""Is what was found what the profile file means? Another database's name first, then its tables, then its stamp."""

import os
from collections.abc import Callable

from launcher.errors import WrongDataError
from launcher.hints import unset_line
from launcher.identity import ledger_file
from launcher.identity.expectation import STAMP_TABLE, Expectation, Identity
from launcher.identity.sqlite_header import fold
from launcher.identity.standing import for_good, judge_standing, refuse_two_names
from launcher.identity.url import DatabaseURL, same_database


def verify_identity(expected: Expectation) -> Identity | None:
    """The proven identity of the expected database; None where a task that creates it found nothing yet.

    Raises LauncherError with the fault's code and words (IDENTITY.md, "Faults").
    """
    identity = inspect_database(expected)
    if identity is None or (expected.creates and not identity.tables):
        return None
    return judged(identity, expected)


def inspect_database(expected: Expectation) -> Identity | None:
    """What stands at the expected place, whatever it is: the ladder without the verdict."""
    refuse_two_urls(expected)
    if expected.url.dialect != "sqlite":
        from launcher.identity import server

        return server.inspect(expected)
    from launcher.identity import sqlite

    return sqlite.inspect(expected)


def refuse_two_urls(expected: Expectation) -> None:
    """Raise WrongDataError where another entry of the profile file means the same place."""
    for name, url, place in expected.others:
        if not same_database(url, expected.url):
            continue
        if expected.chosen:
            raise WrongDataError(
                "wrong-database",
                f"{expected.spot} is '{name}' ({place}); the profile asks for '{expected.name}'",
                f"{_taken_away(expected)}, or run a profile whose database is '{name}'",
            )
        raise WrongDataError(
            "two-names",
            f"'{expected.name}' ({expected.place}) and '{name}' ({place}) are one database: {expected.url.shown}",
            "keep one of the two entries",
        )


def _taken_away(expected: Expectation) -> str:
    return unset_line("DATABASE_URL") if expected.place == "the shell" else f"take it away from {expected.place}"


def judged(identity: Identity, expected: Expectation) -> Identity:
    """The identity with its notes; raises WrongDataError where it is not the expected one."""
    return identity._replace(notes=(*identity.notes, *judge(identity, expected)))


def judge(identity: Identity, expected: Expectation) -> tuple[str, ...]:
    """Notes for the operator; raises WrongDataError where the identity is not the expected one."""
    judge_name(identity, expected)
    judge_tables(identity, expected)
    if identity.stamp is None and (expected.stamped or expected.db_id):
        raise unstamped(identity, expected)
    notes = judge_standing(identity, expected)
    _judge_content(identity, expected)
    return notes


def judge_name(identity: Identity, expected: Expectation) -> None:
    """Raise WrongDataError where the stamp bears another database's name: nothing overrides that."""
    stamp = identity.stamp
    if stamp is None or stamp.database == expected.name:
        return
    if expected.root:
        refuse_two_names(identity, expected, ledger_file.read(expected.root))
    where = next((f" ({place})" for name, _, place in expected.others if name == stamp.database), "")
    raise WrongDataError(
        "wrong-database",
        f"this is '{stamp.database}'{where} (db_id {stamp.db_id}); the profile asks for '{expected.name}':"
        f" {identity.spot} ({expected.place})",
        f"fix the url of [databases.{expected.name}];"
        f" autopack-run {expected.profile} explain DATABASE_URL tells where it comes from",
    )


def unstamped(identity: Identity, expected: Expectation) -> WrongDataError:
    """The fault of a database without a stamp; where the ledger knows one by this name, accepting it is named."""
    entry = ledger_file.read(expected.root).get(expected.name) if expected.root else None
    known = f"; the ledger knows '{expected.name}' by db_id {entry.db_id}" if entry and entry.db_id else ""
    return WrongDataError(
        "unstamped",
        f"{identity.spot} ({expected.place}) has {_owned(identity, expected)} but no stamp, so nothing says that it is"
        f" '{expected.name}'{known}",
        f"if it is: {for_good(identity, expected) if known else f'autopack-run {expected.profile} adopt'}",
    )


def _owned(identity: Identity, expected: Expectation) -> str:
    if expected.tables:
        return "the tables"
    return f"{len(identity.tables)} tables ({', '.join(identity.tables[:5])})" if identity.tables else "no tables and"


def judge_tables(identity: Identity, expected: Expectation) -> None:
    """Raise WrongDataError where required tables are missing: those of `tables`, and of `needs_rows`, which a task that
    creates the database may still have to make."""
    folded = _FOLDS[identity.kind]
    have = {folded(name) for name in identity.tables}
    required = expected.tables if expected.creates else tuple(dict.fromkeys((*expected.tables, *expected.needs_rows)))
    missing = [name for name in required if folded(name) not in have]
    spot, lacking = f"{identity.spot} ({expected.place})", ", ".join(missing)
    own = [name for name in identity.tables if folded(name) != folded(STAMP_TABLE)]
    present = [name for name in required if folded(name) in have]
    aside = "move it aside" if identity.kind == "sqlite" else "drop the tables that it has, or take an empty database"
    seed = f"{aside}, then: {expected.seed}" if expected.seed else "create all tables in one call"
    unseeded = seed if identity.kind == "sqlite" or not expected.seed else expected.seed
    if not own:
        raise WrongDataError("no-tables", f"{spot} has no tables{f'. Missing: {lacking}' if missing else ''}", unseeded)
    if not missing:
        return
    if not present and expected.tables:
        raise WrongDataError(
            "other-program",
            f"{spot} has none of our tables; found {', '.join(own[:5])}: another program's database",
            f"fix the url of [databases.{expected.name}]",
        )
    raise WrongDataError(
        "partial-schema",
        f"{spot}. Missing: {lacking}. Present: {', '.join(present or own[:5])}"
        " (a component ran create_all before importing the models?)",
        seed,
    )


def _each_lower(name: str) -> str:
    """Letter by letter and to one letter each, as MySQL does it: neither is ß two, nor does a last Σ get its own form.

    Where its server tells capitals apart, names in other capitals are not among those found.
    """
    return "".join(map(str.lower, name))


_FOLDS: dict[str, Callable[[str], object]] = {
    "postgresql": str,  # https://www.postgresql.org/docs/current/sql-syntax-lexical.html: it tells capitals apart
    "mysql": _each_lower,
    "sqlite": fold,
}


def _judge_content(identity: Identity, expected: Expectation) -> None:
    spot, revision = f"{identity.spot} ({expected.place})", expected.revision
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


def look_at(path: str) -> Identity | None:
    """What stands at the path, whatever it is; None where nothing does. Raises LauncherError with the fault."""
    from launcher.identity import sqlite

    if not os.path.lexists(path):
        return None
    url = DatabaseURL("sqlite", "", path, path)
    return sqlite.inspect(Expectation("(any)", url, "looked at again", "PROFILE", writes=False, allow_network=True))
