"""Starting the program: in the launcher's place, or below it and waited for."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple, NoReturn, Protocol

from launcher.errors import NOT_EXECUTABLE, NOT_FOUND, ConfigurationError, LauncherError
from launcher.hints import command_line

# One string of a Linux exec, its closing NUL included (MAX_ARG_STRLEN, execve(2)).
_STRING_LIMIT = 131_072


class Command(NamedTuple):
    """A program ready to start. program: absolute path. words: what it sees as argv, its own name first.

    interactive: Ctrl-C is one of its keys and does not end it, so its exit code counts whatever keys came.
    """

    program: str
    words: list[str]
    env: dict[str, str]
    folder: str
    interactive: bool = False


class Running(Protocol):
    """A started program. Its calls may come from any thread."""

    pid: int

    def poll(self) -> int | None:
        """The exit code as `run` returns it, but for the 130 of Ctrl-C; None while it runs."""

    def stop(self, grace: float = 10.0) -> int:
        """Ask it, and all of it where it is whole, to end as an operator would; by force after `grace` seconds.

        Returns its exit code, when nothing of it runs any more; may be called again. A `run` of it returns then.
        """


def run(
    command: Command, replace: bool, whole: bool = False, started: Callable[[Running], object] | None = None
) -> int:
    """Start the program and return its exit code as the launcher's: 128+N for a signal, 130 after Ctrl-C.

    replace: nothing has to happen afterwards, so on POSIX the program takes the launcher's place and this does not
    return; Windows always waits, since os.exec* there gives the prompt back at once (cpython#101191).
    The program ends with the launcher, however that ends; whole: with all that it has started, which also ends after
    the program's own end. started: called once the program runs; what it raises ends the program.
    Raises LauncherError where it cannot be started.
    """
    enter(command.folder)
    _flush()
    with _told_of_encoding(command):
        if sys.platform == "win32":
            from launcher import child_windows

            return child_windows.run(command, whole, started)
        from launcher import child_posix

        if replace:
            child_posix.replace(command)
        return child_posix.run(command, whole, started)


def start(command: Command, output: str) -> Running:
    """Start a server beside the task and return at once; it ends with the launcher, with all that it has started.

    It runs in the command's folder, reads nothing, appends what it writes to the file `output`, and the terminal's
    keys do not reach it: stopping it is the caller's. Raises LauncherError where it cannot be started.
    """
    output = os.path.abspath(output)
    try:
        open(output, "ab").close()
    except OSError as error:  # told here, as the child's own failure would look like the program's
        raise _not_executable(f"cannot write its output to {output}: {error.strerror}") from None
    _flush()
    with _told_of_encoding(command):
        if sys.platform == "win32":
            from launcher import child_windows

            return child_windows.start(command, output)
        from launcher import child_posix

        return child_posix.start(command, output)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by the shell (`>&-`)
            with contextlib.suppress(OSError, ValueError):  # a full disk, a broken pipe: the child finds it as it is
                stream.flush()


@contextlib.contextmanager
def _told_of_encoding(command: Command) -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            "bad-value",
            f"a word or variable for {command.words[0]!a} has a character that this locale's encoding"
            f" ({error.encoding}) lacks: {error.object[error.start : error.end]!a}",
            "use a UTF-8 locale, or set PYTHONUTF8=1",
        ) from None


def enter(folder: str) -> None:
    """Make the folder the current one; raises ConfigurationError where that is not possible."""
    with contextlib.suppress(OSError):  # the launcher's may have been deleted
        if folder == os.getcwd():  # one may be in a folder that one may not enter again
            return
    try:
        os.chdir(folder)
    except OSError as error:
        raise _no_folder(folder, error) from None


def _no_folder(folder: str, error: OSError) -> ConfigurationError:
    return ConfigurationError("no-folder", f"cannot run in {folder}: {error.strerror}", "fix cwd in the task")


def raise_start_error(error: OSError, command: Command) -> NoReturn:
    """Turn the system's refusal to start the program into 126 or 127."""
    import errno

    program, windows_code = command.program, getattr(error, "winerror", 0)
    if error.filename == command.folder or windows_code == 267:  # ERROR_DIRECTORY
        raise _no_folder(command.folder, error)
    if error.errno == errno.E2BIG or windows_code == 206:
        raise _not_executable(f"{program}: {_too_large(command.words)}", "hand it over in a file, or in parts")
    if error.errno == errno.ENOENT and os.path.exists(program):
        raise _not_executable(f"{program}: {_no_interpreter(program)}", "fix its first line, or name the interpreter")
    if error.errno == errno.ENOENT:
        raise LauncherError("not-found", NOT_FOUND, f"there is no program {program}")
    if error.errno == errno.ENOEXEC or windows_code == 193:
        hint = (
            ""
            if sys.platform == "win32"
            else f"give it a first line (#!/bin/sh), or name its interpreter: {command_line('sh', program)}"
        )
        raise _not_executable(f"{program} is no program that this system can start", hint)
    raise _not_executable(f"{program} cannot be started: {error.strerror}")


def _not_executable(message: str, hint: str = "") -> LauncherError:
    return LauncherError("not-executable", NOT_EXECUTABLE, message, hint)


def _too_large(words: list[str]) -> str:
    if sys.platform == "win32":
        return f"{sum(map(len, words))} characters of arguments; a Windows command line takes 32767"
    sizes = [len(os.fsencode(word)) for word in words]
    if sys.platform == "linux" and max(sizes) >= _STRING_LIMIT:
        place = sizes.index(max(sizes))
        return f"argument {place} has {max(sizes)} bytes; this system hands at most {_STRING_LIMIT - 1} to a program"
    return f"{sum(sizes)} bytes of arguments, with the environment, are too many for this system"


def _no_interpreter(program: str) -> str:
    """Which interpreter the script asks for: the system says only that something is not there."""
    first = b""
    with contextlib.suppress(OSError), open(program, "rb") as file:  # what may be executed need not be readable
        first = file.readline(200)
    if not first.startswith(b"#!"):
        return "its interpreter (the loader) is not there"
    name = first[2:].decode("utf-8", "replace").strip()
    if first.endswith(b"\r\n"):
        return f"its first line ends in CR LF, so that {name!r} with a CR is asked for; save it with LF"
    return f"its interpreter {name} is not there"
