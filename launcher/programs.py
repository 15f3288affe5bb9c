"""Which file a program's name means on the child's PATH (SHELLS.md, "Starting a child").

Own code because shutil.which looks into the current folder on Windows and, in Python 3.12.0 to 3.12.9, prefers an
extensionless `npm` to `npm.cmd`; and because it costs 27 modules.
"""

import os
from collections.abc import Iterator

from launcher.environment import Lookup
from launcher.errors import NOT_EXECUTABLE, NOT_FOUND, LauncherError
from launcher.hints import command_line

WINDOWS = os.name == "nt"
BATCH = (".bat", ".cmd")
STARTABLE = (".com", ".exe", *BATCH)
# What starts a file that Windows itself would only open, by its extension.
_INTERPRETERS = {
    ".py": "python",
    ".pyw": "pythonw",
    ".js": "node",
    ".ps1": "powershell -NoProfile -File",
    ".sh": "bash",
}


def find_program(word: str, env: Lookup, folder: str) -> str:
    """The absolute path of the program.

    word: the first word of the command. env: the child's variables. folder: where the child will run; a word with a
    separator is relative to it. The folder itself is never searched for a bare name. Raises LauncherError: 127 not
    found, 126 found but not executable.
    """
    if not word:
        raise LauncherError("not-found", NOT_FOUND, "the program's name is empty")
    if _has_folder(word):
        return _program_at(os.path.join(folder, word), env)
    refused: LauncherError | None = None
    for entry in search_path(env, folder):
        try:
            return _program_at(os.path.join(entry, word), env)
        except LauncherError as error:
            if error.code == NOT_EXECUTABLE and refused is None:
                refused = error
    raise refused or LauncherError(
        "not-found",
        NOT_FOUND,
        f"program '{word}' is not on the child's PATH",
        "name it with its folder, or set PATH in the profile's env",
    )


def search_path(env: Lookup, folder: str) -> Iterator[str]:
    """The folders of the child's PATH, but those that mean the current folder, whatever it is, or lead to it.

    An absolute entry means one folder, wherever one is: that it happens to be the current one is no reason to skip it.
    """
    here = _folded(folder)
    for written in (env("PATH") or "").split(os.pathsep):
        entry = written.strip('"') if WINDOWS else written
        if not entry or (WINDOWS and entry.endswith(":")):  # `C:` is the current folder of that drive
            continue
        if os.path.isabs(entry) or _folded(os.path.join(folder, entry)) != here:
            yield os.path.join(folder, entry)


def _folded(path: str) -> str:
    return os.path.normcase(os.path.abspath(path))


def _has_folder(word: str) -> bool:
    return "/" in word or (WINDOWS and ("\\" in word or os.path.splitdrive(word)[0] != ""))


def _program_at(path: str, env: Lookup) -> str:
    return _windows_program(path, env) if WINDOWS else _posix_program(path)


def _posix_program(path: str) -> str:
    if not os.path.isfile(path):
        raise _missing(path)
    if not os.access(path, os.X_OK):
        raise LauncherError(
            "not-executable",
            NOT_EXECUTABLE,
            f"{path} is not executable",
            f"{command_line('chmod', '+x', path)}; or name its interpreter",
        )
    return os.path.abspath(path)


def _windows_program(path: str, env: Lookup) -> str:
    """A PATHEXT sibling before the file itself: an extensionless file is a shell script on Windows."""
    if is_startable(path) and os.path.isfile(path):
        return os.path.abspath(path)
    for extension in (env("PATHEXT") or ".COM;.EXE;.BAT;.CMD").split(";"):
        if extension and os.path.isfile(path + extension):
            if is_startable(path + extension):
                return os.path.abspath(path + extension)
            raise _not_startable(path + extension)
    if os.path.isfile(path):
        raise _not_startable(path)
    raise _missing(path)


def is_startable(path: str) -> bool:
    """Whether CreateProcess, or cmd.exe for batch files, can start it. Windows drops trailing dots and spaces."""
    return path.rstrip(". ").lower().endswith(STARTABLE)


def is_batch(path: str) -> bool:
    """Whether Windows would hand it to cmd.exe, whose parser then sees the arguments (CVE-2024-24576)."""
    return path.rstrip(". ").lower().endswith(BATCH)


def _not_startable(path: str) -> LauncherError:
    interpreter = _INTERPRETERS.get(os.path.splitext(path)[1].lower())
    return LauncherError(
        "not-executable",
        NOT_EXECUTABLE,
        f"{path} is no program that Windows can start",
        f'name its interpreter: {interpreter} "{path}"' if interpreter else "name its interpreter: python, node, …",
    )


def _missing(path: str) -> LauncherError:
    try:
        os.stat(path)
        return LauncherError("not-executable", NOT_EXECUTABLE, f"{path} is not a file", "name a program")
    except PermissionError as error:
        return LauncherError("not-executable", NOT_EXECUTABLE, f"{path} cannot be looked at: {error.strerror}")
    except (OSError, ValueError):
        return LauncherError("not-found", NOT_FOUND, f"there is no program {os.path.abspath(path)}")
