"""What a finished rehearsal left behind, looked at from outside."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.identity.expectation import Expectation
from launcher.identity.sqlite_path import file_uri
from launcher.identity.url import DatabaseURL

if TYPE_CHECKING:
    from sqlalchemy import Connection

EVENTS = ("llm_usage_events", "token_estimation_v2_events", "token_budget_escalation_events")


class Evidence(NamedTuple):
    """lines: name and text, for a person. complete: COMPLETE phases. wrong: what must not be, in words."""

    lines: list[tuple[str, str]]
    complete: int
    wrong: list[str]


def collect(
    folder: str, check: dict[str, Any], drained: dict[str, Any], run: str, database: DatabaseURL | None = None
) -> Evidence:
    """Look at the folder and the one database.

    check: the report of `telemetry check`; drained: that of the drain with its server; database: where it is, None for
    the file in the folder. Nothing is written.
    """
    identity, stamp = check["identity"], check["stamp"]
    files, on_server = database_files(folder), database is not None and not database.path
    server = next((each["text"] for each in drained["servers"] if each["verdict"] == "proven"), "not proven")
    wrong = [] if len(files) <= (0 if on_server else 1) else [f"database files in the folder: {', '.join(files)}"]
    if drained["verdict"] != "proven":
        wrong.append(f"the drain is {drained['verdict']}: {'; '.join(drained['drift'] + drained['not_proven'])}")
    if server == "not proven":
        wrong.append("the server is not proven")
    phases, complete, events = _on_server(database, run) if database and on_server else _in_file(identity["path"], run)
    number = f"{len(files) or 'no'} database file in {folder}"
    lines = [
        ("database", f"{database.shown if database and on_server else identity['path']} ({number})"),
        ("identity", f"'{stamp['database']}', db_id {stamp['db_id']}, {_physical(identity)}"),
        ("server", server),
        ("drain", f"{drained['verdict']}: nothing else was opened"),
        ("phases", f"{complete} of {phases} COMPLETE"),
        ("events", ", ".join(f"{number} {table}" for table, number in events.items())),
    ]
    return Evidence(lines, complete, wrong)


def _physical(identity: dict[str, Any]) -> str:
    """What tells it from a copy."""
    if "device" in identity:
        return f"device {identity['device']}, inode {identity['inode']}"
    return ", ".join(f"{name} {value}" for name, value in identity["physical"].items() if value is not None)


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


Counts = tuple[int, int, dict[str, int]]
"""Phases of the run, COMPLETE ones, rows of each table of events."""


def _in_file(path: str, run: str) -> Counts:
    # Looking must not leave a -wal and -shm behind, nor write into one (IDENTITY.md).
    options = "mode=ro&readonly_shm=1" if os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(f"{file_uri(path)}?{options}", uri=True)) as connection:
        return _counts(lambda query, values: connection.execute(query, values).fetchone()[0], run)


def _on_server(database: DatabaseURL, run: str) -> Counts:
    from sqlalchemy import text

    expected = Expectation("(rehearsal)", database, "--url", "telemetry", variables=os.environ)
    with _connected(expected) as connection:
        return _counts(lambda query, values: connection.scalar(text(query), values), run)


@contextlib.contextmanager
def _connected(expected: Expectation) -> "Iterator[Connection]":
    if expected.url.dialect == "postgresql":
        from launcher.identity import postgresql_connect

        with postgresql_connect.connected(expected) as connection:
            yield connection
    else:
        from launcher.identity import mysql_connect

        with mysql_connect.connected(expected) as (connection, _notes):
            yield connection


def _counts(ask: Callable[[str, dict[str, str]], Any], run: str) -> Counts:
    phases = int(ask("SELECT count(*) FROM phases WHERE run_id = :run", {"run": run}))
    complete = int(ask("SELECT count(*) FROM phases WHERE run_id = :run AND state = 'COMPLETE'", {"run": run}))
    return phases, complete, {table: int(ask(f"SELECT count(*) FROM {table}", {})) for table in EVENTS}  # noqa: S608 (constants)
