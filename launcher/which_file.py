"""Which file would the child open? Its own interpreter is asked, since SQLAlchemy 2.0 and 2.1 differ (IDENTITY.md)."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from launcher.own_folder import own_bytes, own_folder

_SECONDS = 4.0  # below server.DEADLINE_SECONDS: no look at a database takes longer than five
_CACHE = "sqlalchemy.json"
# What the dialect hands to sqlite3.connect() is asked, not the version: a program may pin or patch what it likes.
_ASK = """
import json, sqlalchemy
from sqlalchemy.engine import make_url
url = make_url("sqlite:////a%20b.db")
words, _ = url.get_dialect()().create_connect_args(url)
print(json.dumps([sqlalchemy.__version__, sqlalchemy.__file__, words[0].endswith("a b.db")]))
"""


class Reader(NamedTuple):
    """How an interpreter's SQLAlchemy reads `%20` in the path of a SQLite URL. version: as it says itself."""

    version: str
    decodes: bool


def reader_of(python: str, variables: Mapping[str, str], root: str) -> Reader | None:
    """What the interpreter at that path says, cached until it or its SQLAlchemy changes; None where it has none,
    or does not say so in a few seconds.

    variables: its environment. root: the folder of the profile file, where the answer is kept if the launcher has its
    own folder there: looking makes none.
    """
    key = f"{python} {variables.get('PYTHONPATH', '')}".rstrip()  # which decides what it imports
    kept = not _is_script(python)
    known = _load(root).get(key) if kept else None
    if known and known["stamps"] == _stamps(python, known["sqlalchemy"]):
        return Reader(known["version"], known["decodes"])
    answer = _ask(python, variables, root)
    if answer is None:
        return None
    version, place, decodes = answer
    entry = {"version": version, "sqlalchemy": place, "decodes": decodes, "stamps": _stamps(python, place)}
    if kept:
        with contextlib.suppress(OSError):
            _store(root, _load(root) | {key: entry})
    return Reader(version, decodes)


def _is_script(python: str) -> bool:
    """Whether it begins with #!, as pyenv's shims do: the interpreter that it starts is another one tomorrow."""
    try:
        with open(python, "rb") as file:
            return file.read(2) == b"#!"
    except (OSError, ValueError):
        return False


def _stamps(*paths: str) -> list[list[int]]:
    """Size in bytes and modification time in nanoseconds of each file; nothing for one that is not there."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError, ValueError):  # ValueError: what is kept need not be a path
            state = os.stat(path)
            found.append([state.st_size, state.st_mtime_ns])
    return found


def _ask(python: str, variables: Mapping[str, str], root: str) -> Any:
    try:
        version, place, decodes = json.loads(_output([python, "-c", _ASK], variables, root))
    except (OSError, subprocess.SubprocessError, ValueError):  # no SQLAlchemy there, or none of this kind
        return None
    return str(version), str(place), bool(decodes)


def _output(words: list[str], variables: Mapping[str, str], folder: str) -> bytes:
    """What the program writes; one that does not come to an end is ended, with all that it has started.

    Raises OSError, and subprocess.TimeoutExpired after _SECONDS.
    """
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        from launcher.child_job import CREATE_SUSPENDED

        apart = {"creationflags": CREATE_SUSPENDED}  # until it is in its job
    streams: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.DEVNULL,
    }
    with subprocess.Popen(words, cwd=folder, env=dict(variables), **streams, **apart) as process:
        end = _ender(process)
        try:
            return bytes(process.communicate(timeout=_SECONDS)[0])
        except BaseException:  # Ctrl-C, too, which does not reach what has a session of its own
            end()
            raise


def _ender(process: "subprocess.Popen[bytes]") -> Callable[[], None]:
    """What ends the process, which nobody has waited for yet, and all that it has started."""
    if sys.platform == "win32":
        from launcher.child_job import Job

        job = Job(whole=True)
        job.take(int(process._handle))
        return job.end

    def end() -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    return end


def _load(root: str) -> dict[str, Any]:
    try:
        found = json.loads(own_bytes(os.path.join(own_folder(root), _CACHE)))
        return {key: entry for key, entry in found.items() if _fits(entry)}
    except (OSError, ValueError, AttributeError, RecursionError):  # not there, or not ours: it is asked again
        return {}


def _fits(entry: Any) -> bool:
    kinds = {"version": str, "sqlalchemy": str, "decodes": bool, "stamps": list}
    return isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in kinds.items())


def _store(root: str, entries: dict[str, Any]) -> None:
    path = os.path.join(own_folder(root), _CACHE)
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "w", encoding="utf-8") as file:
            json.dump(entries, file, indent=1)
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)
