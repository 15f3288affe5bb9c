"""The processes above us, read through psutil."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from shells.texts import Part, part_of

if TYPE_CHECKING:
    import psutil

LONGEST = 64
"""How many processes are looked at: nested shells and tools stay far below it."""

SCRIPT_BYTES = 256 * 1024
"""A longer script is not read."""


class Process(NamedTuple):
    """One process. words: its command line with the name it was called by, None where it may not be read."""

    pid: int
    name: str
    words: tuple[str, ...] | None
    exe: str
    created: float


def line_up(pid: int | None = None) -> Iterator["psutil.Process"]:
    """Yield the process of that number, else this one, and those above it, nearest first, up to one that has ended.

    It may have no end, where numbers are used again. Not by psutil's own parents(): that takes the process with the
    lowest number for the top, which under Wine may be any (measured: its number 40 is free once Wine is up). Raises
    psutil.Error for a process that may not be asked.
    """
    import psutil

    process = psutil.Process(pid)
    yield process
    while True:
        try:
            parent = process.ppid()
            if not parent:
                return
            process = psutil.Process(parent)
        except psutil.NoSuchProcess:
            return
        yield process


def parents() -> Iterator[Process]:
    """Yield this process and the ones above it, nearest first; one that may not be read ends it, and has no name.

    Raises what psutil raises when not even this process can be read.
    """
    import psutil

    line = line_up()
    process = next(line)
    yield _read(process)
    try:
        for above, process in enumerate(line):
            if above == LONGEST:
                break
            yield _read(process)
        else:
            return
    except psutil.NoSuchProcess:
        return
    except (psutil.Error, OSError):
        pass
    yield Process(process.pid, "", None, "", 0.0)


def _read(process: "psutil.Process") -> Process:
    import psutil

    words, exe = None, ""
    with contextlib.suppress(psutil.Error, OSError):
        words = tuple(process.cmdline())
    with contextlib.suppress(psutil.Error, OSError):
        exe = process.exe()
    return Process(process.pid, process.name(), words, exe, process.create_time())


def _open_script(process: Process, path: str) -> str:
    """Return the path of the process's open file with the script's name, or ""; asked on POSIX, where it is kept."""
    import psutil

    if os.name != "posix":
        return ""
    name = os.path.basename(path)
    with contextlib.suppress(psutil.Error, OSError):
        for file in psutil.Process(process.pid).open_files():
            if os.path.basename(file.path) == name:
                return str(file.path)
    return ""


def read_script(process: Process, path: str) -> str | None:
    """Return the text of the script that the process runs, or None.

    A shell keeps its script open, so that is the file itself. Otherwise a relative path starts at a folder that the
    shell may have left since: then no more is believed of it than that it reads our output.
    """
    import stat

    import psutil

    # These would be this process's own.
    if path.startswith(("/dev/", "/proc/")):
        return None
    try:
        opened = _open_script(process, path)
        # On Windows a script is not kept open. One that has gone where another of its name lies is believed there.
        sure = bool(opened) or os.path.isabs(path) or os.name != "posix"
        path = opened or path
        if not os.path.isabs(path):
            path = os.path.join(psutil.Process(process.pid).cwd(), path)
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_size > SCRIPT_BYTES:
            return None
        with open(path, "rb") as file:
            text = file.read().decode("utf-8", "replace").replace("\0", "")
        return text if sure or part_of(text) is Part.READS else None
    except (psutil.Error, OSError, ValueError):
        return None
