"""What the guards in the children have written down, read back."""

import ast
import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple


class Process(NamedTuple):
    """A guarded Python. how: `exec`, or `fork` for a copy of one. program: its script or `-m module`.

    python: its sys.executable; parent: on Windows the process that started it, elsewhere 0.
    """

    pid: int
    program: str
    how: str
    python: str
    parent: int


class Opening(NamedTuple):
    """A database opened, or refused before it was (blocked). place: an absolute path, or `dialect://host:port/name`.

    where: `file:line` in the program's own code. new: the file was not there before; held: it was, and not empty.
    at: nanoseconds since 1970. address, port: the numeric ones that a connection to a server has led to, "" and 0 where
    they are not known.
    """

    pid: int
    place: str
    device: int
    inode: int
    where: str
    new: bool
    held: bool
    blocked: bool
    at: int
    address: str = ""
    port: int = 0


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
    """A program that a guarded one started. child: its pid, 0 where that is not known (os.system)."""

    child: int
    program: str
    where: str


class Records(NamedTuple):
    """All records of a run folder. errors: what the guards could not do, in words.

    replaced: processes that have become another program in which no guard has started, with its name. system: children
    that only tell about the system, such as uname.
    """

    processes: list[Process]
    openings: list[Opening]
    overrides: list[Override]
    starts: list[Start]
    errors: list[tuple[int, str]]
    replaced: dict[int, str]
    system: set[int]


_KINDS: dict[str, tuple[type[Any], str]] = {
    "start": (Process, "processes"),
    "open": (Opening, "openings"),
    "override": (Override, "overrides"),
    "spawn": (Start, "starts"),
}


class Reader:
    """Reads a run folder's records, each once, however often it is asked."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._offsets: dict[str, int] = {}
        self._records = Records([], [], [], [], [], {}, set())
        self._reading = threading.Lock()

    def read(self) -> Records:
        """All records up to now, in the order in which each process wrote them; what is broken is passed over."""
        with self._reading:
            for event in self._new_events():
                _keep(event, self._records)
            return self._records

    def _new_events(self) -> Iterator[dict[str, Any]]:
        try:
            names = sorted(name for name in os.listdir(self._folder) if name.startswith("guard-"))
        except OSError:
            return
        for name in names:
            for line in self._new_lines(name):
                try:
                    event = ast.literal_eval(line)
                except (ValueError, SyntaxError, MemoryError, RecursionError):  # a line that a kill cut off
                    continue
                if isinstance(event, dict):
                    yield event

    def _new_lines(self, name: str) -> list[str]:
        offset = self._offsets.get(name, 0)
        try:
            with open(os.path.join(self._folder, name), "rb") as file:
                # The first line is written over when the disk is full, so it is read again.
                first = file.readline() if offset else b""
                file.seek(offset)
                data = file.read()
        except OSError as error:
            return [repr({"event": "error", "text": f"{name} could not be read ({error.strerror})"})]
        whole = data[: data.rfind(b"\n") + 1]
        self._offsets[name] = offset + len(whole)
        return (first + whole).decode("ascii", "replace").splitlines()


def _keep(event: dict[str, Any], records: Records) -> None:
    kind, pid = event.get("event"), event.get("pid", 0)
    if kind == "error":
        said = (pid, str(event.get("text", "")))
        if said not in records.errors:
            records.errors.append(said)
    elif kind == "exec":
        records.replaced[pid] = str(event.get("program", ""))
    elif kind == "system":
        records.system.add(event.get("child", 0))
    elif kind in _KINDS:
        if kind == "start":
            records.replaced.pop(pid, None)
        shape, name = _KINDS[kind]
        with contextlib.suppress(TypeError):  # a field is missing
            getattr(records, name).append(shape(**{field: event[field] for field in shape._fields if field in event}))
