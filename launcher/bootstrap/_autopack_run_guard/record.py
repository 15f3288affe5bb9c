"""Telling people what happened, on standard error; the records themselves are written by the package."""

import os
import sys

import _autopack_run_guard as guard
from _autopack_run_guard import begin, masked, write

__all__ = ["begin", "captured", "failed", "lost", "masked", "tell", "write"]

FAILED = 70  # sysexits.h, EX_SOFTWARE: the code of a process that a fail_closed guard ends

_write, _fstat = os.write, os.fstat  # what a program replaces in `os` must not reach what is told
captured = []  # type: list[tuple[str, tuple[int, int]]]
"""What has been told, each line with the file that standard error was then."""


def lost(path: str, error: Exception) -> None:
    """A record could not be written: mark it, and tell; nothing where the run is over and its folder cleared away."""
    folder = os.path.dirname(path)
    if os.path.isdir(folder):
        _mark_lost(path)
        failed("cannot write its record in " + folder, error)


def _mark_lost(path: str) -> None:
    """Write over the line that `begin` has kept for this: it needs no room on the disk."""
    try:
        handle = os.open(path, os.O_RDWR)
        try:
            if os.read(handle, len(guard.SPARE)) == guard.SPARE:
                os.lseek(handle, 0, os.SEEK_SET)
                _write(handle, guard.LOST)
        finally:
            os.close(handle)
    except OSError:
        pass  # then there is no record at all, which says the same


def failed(what: str, error: Exception) -> None:
    """The guard itself failed: tell it, in the record too."""
    said = getattr(error, "strerror", None) or type(error).__name__
    text = f"the guard {what} ({said}): what this process opens is not proven"
    write({"event": "error", "text": text})  # where that is what fails, its folder is not among them any more
    tell(text)
    if guard.fail_closed:
        tell("fail_closed: this process is ended")
        os._exit(FAILED)


def tell(text: str) -> None:
    """One line for a person on standard error; again at the end where it had been captured, as pytest does."""
    line = "autopack-run: " + masked(text) + "\n"
    if not captured:
        import atexit

        atexit.register(_repeat)
    captured.append((line, _stderr()))
    _say(line)


def _say(line: str) -> None:
    stream = sys.__stderr__
    try:
        if stream is not None:
            text = "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in line)
            stream.flush()
            # Not through the stream: what it could not write would fail again at the end and make the exit code 120.
            _write(stream.fileno(), text.encode(stream.encoding or "ascii", "backslashreplace"))
    except (OSError, ValueError):
        pass  # a closed or full standard error changes nothing for the program


def _stderr() -> "tuple[int, int]":
    """Which file standard error is right now."""
    try:
        found = _fstat(2)
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


def _repeat() -> None:
    now = _stderr()
    for line, where in captured:
        if where != now:
            _say(line)
