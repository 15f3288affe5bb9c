"""What the profile file says about a database, and what was found: the two sides of a verdict."""

from typing import NamedTuple

from launcher import output
from launcher.identity.url import DatabaseURL

STAMP_TABLE = "autopack_identity"


class Expectation(NamedTuple):
    """What must hold of a database before a task may start.

    name: its name in the profile file. place: where its URL stands, in words. profile: for the commands in hints.
    seed: the command that makes it, or "". creates: it may be missing or empty, since this task makes it.
    others: the other databases of the file, as (name, url, place), which must not be this one. chosen: the URL is not
    the entry's own (the shell's, a --set), so one that means another entry is a wrong choice, not a double entry.
    """

    name: str
    url: DatabaseURL
    place: str
    profile: str
    seed: str = ""
    tables: tuple[str, ...] = ()
    needs_rows: tuple[str, ...] = ()
    db_id: str = ""
    revision: str = ""
    writes: bool = True
    creates: bool = False
    allow_network: bool = False
    others: tuple[tuple[str, DatabaseURL, str], ...] = ()
    chosen: bool = False


class Stamp(NamedTuple):
    """The identity written in a database. created_at: ISO 8601, UTC."""

    db_id: str
    database: str
    created_at: str


class Identity(NamedTuple):
    """What was found at the database's place.

    size: bytes. journal: `wal` or `rollback`. change_counter: SQLite's, which moves with every commit in rollback mode.
    tables: all table names, sorted. revision: Alembic's, several heads as `a, b`. empty: of the needs_rows tables,
    those without a row. notes: what is no fault but worth a line.
    """

    path: str
    device: int
    inode: int
    size: int
    mtime_ns: int
    journal: str
    change_counter: int
    tables: tuple[str, ...]
    stamp: Stamp | None
    revision: str | None
    empty: tuple[str, ...]
    notes: tuple[str, ...] = ()


def printable(text: str) -> str:
    """Text out of a database for a terminal: no control characters, no line ends, not endless."""
    return output.printable(text[:200]) + ("…" if len(text) > 200 else "")
