"""The stamp's table, the same on every kind of database: its keys, what its rows say, and what is no stamp."""

from collections.abc import Callable, Iterable
from typing import Any

from launcher.errors import WrongDataError
from launcher.identity.expectation import STAMP_TABLE, Expectation, Stamp, printable

KEYS = ("db_id", "database", "created_at")
LIMIT = 200
"""Characters of db_id and database; what is longer would be compared by its beginning."""


def parse(rows: Iterable[tuple[Any, ...]], fault: Callable[[str], Exception]) -> Stamp:
    """The stamp in these rows of key and value; raises `fault` of the reason where they are none."""
    rows = list(rows)
    fields = dict(rows)
    if len(fields) != len(rows):
        raise fault("it says one thing twice")
    texts = [fields.get(key) for key in KEYS]
    if not all(isinstance(text, str) and text for text in texts):
        raise fault("it does not say db_id, database and created_at")
    if any(len(str(text)) > LIMIT for text in texts[:2]):
        raise fault(f"its db_id or database has more than {LIMIT} characters")
    return Stamp(*(printable(str(text)) for text in texts))


def bad_stamp(spot: str, why: str, rename: str, expected: Expectation, kind: str = "a table") -> WrongDataError:
    """The fault of a table, or of what `kind` says, with the stamp's name that is none.

    rename: the command that takes it out of the way.
    """
    return WrongDataError(
        "bad-stamp",
        f"{spot} has {kind} {STAMP_TABLE} that is not a stamp: {why}",
        f"if it is '{expected.name}': {rename} then: autopack-run {expected.profile} adopt",
    )


def no_table(name: str, what: str, expected: Expectation) -> WrongDataError:
    """The fault of a required table that is a view or the like; what: of which kind it is, with its article."""
    return WrongDataError(
        "partial-schema",
        f"{expected.spot}: {printable(name)} is {what}, and a table is required: its rows may be another database's",
        f"make it a table; or leave it out of tables of [databases.{expected.name}] and needs_rows of the task",
    )


def holds_tables(names: Iterable[str]) -> bool:
    """Whether there is a table beside the stamp's, whoever made it: a task that creates the database wants it empty."""
    return any(name.casefold() != STAMP_TABLE for name in names)
