"""What a finished rehearsal left behind, looked at from outside."""

import contextlib
import os
import sqlite3
from typing import Any, NamedTuple

from launcher.identity.sqlite_path import file_uri

_EVENTS = ("llm_usage_events", "token_estimation_v2_events", "token_budget_escalation_events")


class Evidence(NamedTuple):
    """lines: name and text, for a person. complete: COMPLETE phases. wrong: what must not be, in words."""

    lines: list[tuple[str, str]]
    complete: int
    wrong: list[str]


def collect(folder: str, check: dict[str, Any], drained: dict[str, Any], run: str) -> Evidence:
    """Look at the folder and the one database in it.

    check: the report of `telemetry check`; drained: that of the drain with its server. Nothing is written.
    """
    identity, stamp = check["identity"], check["stamp"]
    files = database_files(folder)
    server = next((each["text"] for each in drained["servers"] if each["verdict"] == "proven"), "not proven")
    wrong = [] if len(files) <= 1 else [f"more than one database in the folder: {', '.join(files)}"]
    if drained["verdict"] != "proven":
        wrong.append(f"the drain is {drained['verdict']}: {'; '.join(drained['drift'] + drained['not_proven'])}")
    if server == "not proven":
        wrong.append("the server is not proven")
    phases, complete, events = _counts(identity["path"], run)
    lines = [
        ("database", f"{identity['path']} ({len(files)} database file in {folder})"),
        (
            "identity",
            f"'{stamp['database']}', db_id {stamp['db_id']}, device {identity['device']}, inode {identity['inode']}",
        ),
        ("server", server),
        ("drain", f"{drained['verdict']}: nothing else was opened"),
        ("phases", f"{complete} of {phases} COMPLETE"),
        ("events", ", ".join(f"{number} {table}" for table, number in events.items())),
    ]
    return Evidence(lines, complete, wrong)


def database_files(folder: str) -> list[str]:
    """The files below the folder that begin as SQLite databases do, whatever they are called."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError), open(path, "rb") as file:
                if file.read(16) == b"SQLite format 3\0":
                    found.append(path)
    return sorted(found)


def _counts(path: str, run: str) -> tuple[int, int, dict[str, int]]:
    # Looking must not leave a -wal and -shm behind, nor write into one (IDENTITY.md).
    options = "mode=ro&readonly_shm=1" if os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(f"{file_uri(path)}?{options}", uri=True)) as connection:
        phases = _count(connection, "phases WHERE run_id = ?", run)
        complete = _count(connection, "phases WHERE run_id = ? AND state = 'COMPLETE'", run)
        return phases, complete, {table: _count(connection, table) for table in _EVENTS}


def _count(connection: sqlite3.Connection, what: str, *values: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {what}", values).fetchone()[0])  # noqa: S608 (constants)
