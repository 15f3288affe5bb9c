"""Writing down what happened, in the run folder and, for people, on standard error."""

import os
import sys
import time

import _autopack_run_guard as guard

FAILED = 70  # sysexits.h, EX_SOFTWARE: the code of a process that a fail_closed guard ends
LIMIT = 2000
"""Records of one process; a test suite that opens a new file a test must not fill the disk."""

# What a program replaces in `os` (a fake file system, a fake clock) must not reach the records.
_open, _write, _close, _fstat, _getpid = os.open, os.write, os.close, os.fstat, os.getpid
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
# The first line of a record, and what is written over it when a later one finds no room.
_LOST = (ascii({"event": "error", "text": "records were lost: the folder took no more"}) + "\n").encode("ascii")
_SPARE = b"#" * (len(_LOST) - 1) + b"\n"
_name = ""
_count = 0
_captured = []  # type: list[tuple[str, tuple[int, int]]]


def begin(how: str) -> None:
    """Start this process's record. how: `exec`, or `fork` for a copy of a guarded process."""
    global _name, _count  # noqa: PLW0603 (a process has one record)
    _name = f"guard-{_getpid()}-{time.time_ns():x}.txt"
    _count = 0
    write({"event": "start", "program": _program(), "python": sys.executable, "how": how}, _SPARE)


def forked() -> None:
    """After a fork, in the child."""
    _captured.clear()
    databases = sys.modules.get("_autopack_run_guard.databases")
    if databases is not None:
        databases.forget()
    begin("fork")


def _program() -> str:
    """The script or module of the command line; its arguments may hold secrets."""
    words = getattr(sys, "orig_argv", None)  # Python 3.10
    if words is None:
        return ""
    rest = iter(words[1:])
    for word in rest:
        if word in ("-X", "-W"):
            next(rest, "")
        elif word == "-m":
            return "-m " + next(rest, "")
        elif word.startswith("-"):
            if word == "-c":
                return "-c"
        else:
            return str(word)
    return ""


def write(event: "dict[str, object]", before: bytes = b"") -> None:
    """Append the event to this process's record: one Python literal a line. before: a line in front of it."""
    global _count  # noqa: PLW0603
    if not guard.folders or _count > LIMIT:
        return
    _count += 1
    if _count > LIMIT:
        event = {"event": "error", "text": f"more than {LIMIT} records; the rest is not recorded"}
    shown = {name: masked(value) if isinstance(value, str) else value for name, value in event.items()}
    line = ascii(dict(shown, pid=_getpid(), at=time.time_ns())) + "\n"
    for folder in list(guard.folders):
        path = os.path.join(folder, _name)
        try:
            _append(path, before + line.encode("ascii"))
        except OSError as error:
            guard.folders.remove(folder)
            if os.path.isdir(folder):  # else the run is over and its folder has been cleared away
                _mark_lost(path)
                failed("cannot write its record in " + folder, error)


def _append(path: str, data: bytes) -> None:
    handle = _open(path, _FLAGS, 0o600)
    try:
        if _write(handle, data) != len(data):
            raise OSError(28, "No space left on device")
    finally:
        _close(handle)


def _mark_lost(path: str) -> None:
    """Write over the line that `begin` has kept for this: it needs no room on the disk."""
    try:
        handle = _open(path, os.O_RDWR)
        try:
            if os.read(handle, len(_SPARE)) == _SPARE:
                os.lseek(handle, 0, os.SEEK_SET)
                _write(handle, _LOST)
        finally:
            _close(handle)
    except OSError:
        pass  # then there is no record at all, which says the same


def masked(text: str) -> str:
    """The text without what stands between the :// and the last @ of a word."""
    if ":/" not in text or "@" not in text:
        return text
    return " ".join(map(_masked_word, text.split(" ")))


def _masked_word(word: str) -> str:
    start, end = word.find(":/"), word.rfind("@")
    return word[: start + 2] + "***" + word[end:] if -1 < start < end else word


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
    if not _captured:
        import atexit

        atexit.register(_repeat)
    _captured.append((line, _stderr()))
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
    for line, where in _captured:
        if where != now:
            _say(line)
