"""What is in the database files of a scene, read from outside."""

import contextlib
import os
import sqlite3
from typing import NamedTuple

from launcher.identity.sqlite_path import file_uri

PHASES = 6
EVENT_TABLES = ("llm_usage_events", "token_estimation_v2_events")
EVENTS = PHASES * len(EVENT_TABLES)  # what a whole drain records


class Contents(NamedTuple):
    """One database file. complete: COMPLETE phases of `phases`, None where there is no such table."""

    name: str
    size: int
    tables: frozenset[str]
    phases: int | None
    complete: int
    events: int

    def __str__(self) -> str:
        if not self.size:
            return "0 bytes: nothing but the name"
        if not self.tables:
            return "no tables"
        queue = "no table phases" if self.phases is None else f"{self.complete} of {self.phases} phases COMPLETE"
        return f"{queue}, {self.events} events"


def databases(folder: str) -> list[Contents]:
    """Each `*.db` in the folder, sorted by name."""
    return [contents(os.path.join(folder, name)) for name in sorted(os.listdir(folder)) if name.endswith(".db")]


def contents(path: str) -> Contents:
    """What is in the file, which nobody writes to any more; one that is not there has size 0 and no tables."""
    name = os.path.basename(path)
    size = os.path.getsize(path) if os.path.exists(path) else 0
    if not size:
        return Contents(name, 0, frozenset(), None, 0, 0)
    # immutable: looking must not leave a journal behind.
    with contextlib.closing(sqlite3.connect(f"{file_uri(path)}?mode=ro&immutable=1", uri=True)) as connection:
        tables = frozenset(row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"))
        phases = _count(connection, "phases") if "phases" in tables else None
        complete = _count(connection, "phases WHERE state = 'COMPLETE'") if phases else 0
        events = sum(_count(connection, table) for table in EVENT_TABLES if table in tables)
    return Contents(name, size, tables, phases, complete, events)


def _count(connection: sqlite3.Connection, what: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])  # noqa: S608 (constants)
