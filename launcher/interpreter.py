"""Which Python stands behind `python` and `{python}`."""

import os
import sys
from collections.abc import Iterator
from typing import NamedTuple

from launcher.environment import Lookup
from launcher.errors import NOT_FOUND, ConfigurationError, LauncherError
from launcher.programs import WINDOWS, find_program, search_path


class Interpreter(NamedTuple):
    """path: absolute. note: "" or what a person should know about how it was chosen."""

    path: str
    note: str = ""


def find_python(key: str | None, place: str, root: str, env: Lookup) -> Interpreter:
    """The interpreter: the `python` key, an active virtual environment, `{root}/.venv`, the first on the child's PATH.

    Never the launcher's own environment, unless the project's root holds it or the key is its path: a tool installed
    by pipx or `uv tool` must not lend its Python to the project. Never the Microsoft Store alias, which opens a shop.
    Raises ConfigurationError where the key names nothing, LauncherError (127) where there is none at all.
    """
    if key is not None:
        return Interpreter(_named(key, place, root, env))
    note = ""
    if active := env("VIRTUAL_ENV"):
        active = os.path.abspath(active)
        if not os.path.isfile(program := _venv_python(active)):
            note = f"VIRTUAL_ENV names {active}, which has no Python"
        elif not _is_launchers_own(active, root):
            return Interpreter(program)
        else:
            note = f"{active} is active, but the launcher's own; python = '{program}' in the profile file uses it"
    venv = os.path.join(root, ".venv")
    if os.path.isfile(program := _venv_python(venv)) and not _is_launchers_own(venv, root):
        return Interpreter(program, note)
    for program in _on_path(root, env):
        return Interpreter(program, note)
    raise LauncherError(
        "not-found",
        NOT_FOUND,
        "no Python on the child's PATH but the launcher's own",
        "python = 'PATH of an interpreter' in [defaults] of the profile file, or python3 -m venv .venv beside it",
    )


def _named(key: str, place: str, root: str, env: Lookup) -> str:
    """A path relative to {root}, or a name on the child's PATH, where the launcher's own environment does not count."""
    allowed = os.pathsep.join(folder for folder in search_path(env, root) if not _is_excluded(folder, root))
    try:
        return find_program(key, lambda name: allowed if name == "PATH" else env(name), root)
    except LauncherError as error:
        inside = _venv_python(key)
        is_venv = os.path.isfile(os.path.join(root, inside))
        raise ConfigurationError(
            "no-python",
            f"{place}: python = '{key}' names no program: {error.message}",
            f"python = '{inside}'"
            if is_venv
            else 'python -c "import sys; print(sys.executable)" shows the path to write',
        ) from None


def _venv_python(venv: str) -> str:
    return os.path.join(venv, "Scripts", "python.exe") if WINDOWS else os.path.join(venv, "bin", "python")


def _is_launchers_own(venv: str, root: str) -> bool:
    """A virtual environment inside the project is the project's, even where the launcher is installed in it."""
    own = _real(sys.prefix)
    return _real(venv) == own and not own.startswith(_real(root) + os.sep)


def _on_path(root: str, env: Lookup) -> Iterator[str]:
    for name in ("python.exe",) if WINDOWS else ("python", "python3"):
        for folder in search_path(env, root):
            program = os.path.join(folder, name)
            if os.path.isfile(program) and os.access(program, os.X_OK) and not _is_excluded(folder, root):
                yield program


def _is_excluded(folder: str, root: str) -> bool:
    if WINDOWS and os.path.normcase(folder).rstrip("\\").endswith("\\microsoft\\windowsapps"):
        return True
    return sys.prefix != sys.base_prefix and _is_launchers_own(os.path.dirname(folder), root)


def _real(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))
