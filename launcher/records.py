"""What the guards in the children have written down, read back."""

import ast
import contextlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple


class Process(NamedTuple):
    """A guarded Python. how: `exec`, or `fork` for a copy of one. program: its script or `-m module`."""

    pid: int
    parent: int
    program: str
    python: str
    how: str


class Opening(NamedTuple):
    """A database opened, or refused before it was (blocked). place: an absolute path, or `dialect://host:port/name`.

    where: `file:line` in the program's own code. new: the file was not there before. at: nanoseconds since 1970.
    """

    pid: int
    kind: str
    place: str
    device: int
    inode: int
    where: str
    new: bool
    blocked: bool
    at: int


class Override(NamedTuple):
    """An attempt to change a pin. outcome: kept, raised, restored or reported. source: a .env file's `file:line`."""

    pid: int
    name: str
    where: str
    how: str
    outcome: str
    value: str
    source: str


class Start(NamedTuple):
    """A program that a guarded one started. child: its pid, 0 where that is not known (os.system).

    unguarded: the option that keeps the guard out of it, or "".
    """

    pid: int
    child: int
    program: str
    where: str
    unguarded: str


class Records(NamedTuple):
    """All records of a run folder. errors: what the guards could not do, in words.

    replaced: processes that have become another program in which no guard has started, with its name.
    """

    processes: list[Process]
    openings: list[Opening]
    overrides: list[Override]
    starts: list[Start]
    errors: list[tuple[int, str]]
    replaced: dict[int, str]


_KINDS: dict[str, tuple[type[Any], str]] = {
    "start": (Process, "processes"),
    "open": (Opening, "openings"),
    "override": (Override, "overrides"),
    "spawn": (Start, "starts"),
}


def read_records(folder: str) -> Records:
    """Read all records of the folder, in the order in which each process wrote them; what is broken is passed over."""
    records = Records([], [], [], [], [], {})
    for event in _events(folder):
        kind = event.get("event")
        if kind == "error":
            records.errors.append((event.get("pid", 0), str(event.get("text", ""))))
        elif kind == "exec":
            records.replaced[event.get("pid", 0)] = str(event.get("program", ""))
        elif kind in _KINDS:
            if kind == "start":
                records.replaced.pop(event.get("pid", 0), None)
            shape, name = _KINDS[kind]
            with contextlib.suppress(KeyError):
                getattr(records, name).append(shape(*(event[field] for field in shape._fields)))
    return records


def _events(folder: str) -> Iterator[dict[str, Any]]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.startswith("guard-"))
    except OSError:
        return
    for name in names:
        try:
            with open(os.path.join(folder, name), encoding="ascii", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:  # Windows: another process has it open for a moment
            continue
        for line in lines:
            try:
                event = ast.literal_eval(line)
            except (ValueError, SyntaxError, MemoryError, RecursionError):  # a line that a kill cut off
                continue
            if isinstance(event, dict):
                yield event
