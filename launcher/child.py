"""Starting the program: in the launcher's place, or below it and waited for."""

import os
import sys
from typing import NamedTuple, NoReturn

from launcher.errors import NOT_EXECUTABLE, NOT_FOUND, ConfigurationError, LauncherError


class Command(NamedTuple):
    """A program ready to start. program: absolute path. words: what it sees as argv, its own name first."""

    program: str
    words: list[str]
    env: dict[str, str]
    folder: str


def run(command: Command, replace: bool) -> int:
    """Start the program and return its exit code as the launcher's: 128+N for a signal, 130 after Ctrl-C.

    replace: nothing has to happen afterwards, so on POSIX the program takes the launcher's place and this does not
    return; Windows always waits, since os.exec* there gives the prompt back at once (cpython#101191).
    Raises LauncherError where it cannot be started.
    """
    enter(command.folder)
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform == "win32":
        from launcher import child_windows

        return child_windows.run(command)
    from launcher import child_posix

    if replace:
        child_posix.replace(command)
    return child_posix.run(command)


def enter(folder: str) -> None:
    """Make the folder the current one; raises ConfigurationError where that is not possible."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise ConfigurationError(
            "no-folder", f"cannot run in {folder}: {error.strerror}", "fix cwd in the task"
        ) from None


def raise_start_error(error: OSError, command: Command) -> NoReturn:
    """Turn the system's refusal to start the program into 126 or 127."""
    import errno

    program = command.program
    if error.errno == errno.E2BIG or getattr(error, "winerror", 0) == 206:
        raise LauncherError(
            "not-executable", NOT_EXECUTABLE, f"{program}: arguments and environment are too large for this system"
        )
    if error.errno == errno.ENOENT and os.path.exists(program):
        raise LauncherError(
            "not-executable",
            NOT_EXECUTABLE,
            f"{program}: its interpreter {_shebang(program)} is not there",
            "fix its first line, or name the interpreter",
        )
    if error.errno == errno.ENOENT:
        raise LauncherError("not-found", NOT_FOUND, f"there is no program {program}")
    if error.errno == errno.ENOEXEC or getattr(error, "winerror", 0) == 193:
        raise LauncherError(
            "not-executable",
            NOT_EXECUTABLE,
            f"{program} is no program that this system can start",
            f'name its interpreter: sh "{program}"',
        )
    raise LauncherError("not-executable", NOT_EXECUTABLE, f"{program} cannot be started: {error.strerror}")


def _shebang(program: str) -> str:
    with open(program, "rb") as file:
        first = file.readline(200)
    return first[2:].decode("utf-8", "replace").strip() if first.startswith(b"#!") else "(the loader)"
