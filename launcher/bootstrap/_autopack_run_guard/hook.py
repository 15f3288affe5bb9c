"""`strict`: an audit hook as well. It sees what goes around the wrappers, and slows copy.deepcopy and id() down."""

import os
import sys

import _autopack_run_guard as guard
from _autopack_run_guard import attempts, databases

TYPE_CHECKING = False  # typing costs a start five milliseconds
if TYPE_CHECKING:
    from typing import Any

_SETTERS = (
    "setenv",
    "putenv",
    "unsetenv",
    "SetEnvironmentVariableW",
    "SetEnvironmentVariableA",
    "_wputenv",
    "_wputenv_s",
)


def listen() -> None:
    """Add the hook; Python has no way to take one away again."""
    sys.addaudithook(_heard)


def _heard(event: str, words: "Any") -> None:
    act = _ACTS.get(event)
    if act is not None and guard.active:
        act(words)


def _connects(words: "Any") -> None:
    place = databases.sqlite_place(words[0], True)
    if place:
        databases.record_file(place, databases.size(place))


def _changes(words: "Any") -> None:
    name = guard.fold(os.fsdecode(words[0]))
    value = os.fsdecode(words[1]) if len(words) > 1 else None
    if guard.mode != "allow" and name in guard.pins and value != guard.pins[name] and (value or guard.pins[name]):
        attempts.refused(name, value, "posix.putenv")
        raise attempts.PinnedVariableError(f"{name} is pinned by autopack-run")


def _looks_up(words: "Any") -> None:
    if words[1] in _SETTERS:
        attempts.suspicious("ctypes looked up " + str(words[1]))


_ACTS = {"sqlite3.connect": _connects, "os.putenv": _changes, "os.unsetenv": _changes, "ctypes.dlsym": _looks_up}
