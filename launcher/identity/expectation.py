"""What the profile file says about a database, and what was found: the two sides of a verdict."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from launcher import output
from launcher.identity.url import DatabaseURL

STAMP_TABLE = "autopack_identity"


class Expectation(NamedTuple):
    """What must hold of a database before a task may start.

    name: its name in the profile file. place: where its URL stands, in words. profile: for the commands in hints.
    seed: the command that makes it, or "". creates: it may be missing or empty, since this task makes it.
    others: the other databases of the file, as (name, url, place), which must not be this one. chosen: the URL is not
    the entry's own (the shell's, a --set), so one that means another entry is a wrong choice, not a double entry.
    schema: where a PostgreSQL database must have its tables, "" for where its stamp is. stamped: False where the
    profile file says `stamp = false`. accept: the db_id that `--accept` names, for this once. warns: what has gone back
    is told and no reason to refuse. root: the folder whose ledger counts, "" for none. variables: the environment that
    the program gets, of which libpq reads its PG… names.
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
    schema: str = ""
    stamped: bool = True
    accept: str = ""
    warns: bool = False
    root: str = ""
    variables: Mapping[str, str] = {}

    @property
    def spot(self) -> str:
        """Where it is and where that is said, with nothing secret."""
        return f"{self.url.shown} ({self.place})"

    def __repr__(self) -> str:
        """Without the environment and what else may be secret."""
        return f"Expectation('{self.name}', {self.url}, {self.place})"


class Stamp(NamedTuple):
    """The identity written in a database. created_at: ISO 8601, UTC."""

    db_id: str
    database: str
    created_at: str


class FileIdentity(NamedTuple):
    """What was found in a SQLite file.

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

    @property
    def kind(self) -> str:
        """`sqlite`."""
        return "sqlite"

    @property
    def spot(self) -> str:
        """Where it is, for a person."""
        return self.path

    @property
    def physical(self) -> dict[str, Any]:
        """What tells it from a copy: path, device, inode."""
        return {"path": self.path, "device": self.device, "inode": self.inode}

    @property
    def high_water(self) -> int | None:
        """A number that never goes back while this database lives; None where there is none."""
        return self.change_counter

    @property
    def settled(self) -> int | None:
        """The part of it that the ledger may hold against the database later, since no crash can take it back."""
        return self.change_counter


class ServerIdentity(NamedTuple):
    """What was found on a server. kind: `postgresql` or `mysql` (MariaDB too).

    spot: its URL, masked. database: as the server calls it. physical: what tells it from a copy (PostgreSQL:
    system_identifier, oid, timeline, stamp_oid, None where this role may not know; MySQL: host, port, database).
    high_water: PostgreSQL's next transaction, settled: what of it no crash takes back; both None elsewhere
    and on a replica. schema: where the tables are. replica, read_only: as the server says. tables, revision, empty,
    notes: as in FileIdentity, but tables are those of this schema, not all where there are hundreds. scarce: whether
    the role or the database allows only few connections (5 or fewer), or the server has as few left, so that none is to
    be kept beside the program's. answered: which host and database it was, as a guard writes it, where the URL names
    several hosts of PostgreSQL; else "". address: the numeric one that the probe was connected to, "" for none.
    """

    kind: str
    spot: str
    database: str
    physical: dict[str, Any]
    version: str
    schema: str | None
    replica: bool
    read_only: bool
    high_water: int | None
    settled: int | None
    tables: tuple[str, ...]
    stamp: Stamp | None
    revision: str | None
    empty: tuple[str, ...]
    notes: tuple[str, ...] = ()
    scarce: bool = False
    answered: str = ""
    address: str = ""


Identity = FileIdentity | ServerIdentity


def printable(text: str) -> str:
    """Text out of a database for a terminal: no control characters, no line ends, not endless."""
    return output.printable(text[:200]) + ("…" if len(text) > 200 else "")
