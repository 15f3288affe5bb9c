"""Which Python stands behind `python` and `{python}`."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

from launcher.errors import NOT_FOUND, ConfigurationError, LauncherError
from launcher.programs import WINDOWS, find_program, search_path

Lookup = Callable[[str], str | None]


class Interpreter(NamedTuple):
    """path: absolute. note: "" or what a person should know about how it was chosen."""

    path: str
    note: str = ""


def find_python(key: str | None, place: str, root: str, env: Lookup) -> Interpreter:
    """The interpreter: the `python` key, an active virtual environment, `{root}/.venv`, the first on the child's PATH.

    Never the launcher's own environment, unless the project's root holds it or the key names it: a tool installed by
    pipx or `uv tool` must not lend its Python to the project. Never the Microsoft Store alias, which opens a shop.
    Raises ConfigurationError where the key names nothing, LauncherError (127) where there is none at all.
    """
    if key is not None:
        return Interpreter(_named(key, place, root, env))
    active = env("VIRTUAL_ENV")
    note = ""
    for venv in filter(None, (active, os.path.join(root, ".venv"))):
        program = _venv_python(venv)
        if not os.path.isfile(program):
            continue
        if not _is_launchers_own(venv, root):
            return Interpreter(program)
        if venv == active:
            note = f'{venv} is active, but the launcher\'s own; python = "{program}" in the profile file uses it'
    for program in _on_path(root, env):
        return Interpreter(program, note)
    raise LauncherError(
        "not-found",
        NOT_FOUND,
        "no Python on the child's PATH but the launcher's own",
        'set python = "PATH" in the profile file',
    )


def _named(key: str, place: str, root: str, env: Lookup) -> str:
    try:
        return find_program(key, env, root)
    except LauncherError as error:
        raise ConfigurationError(
            "no-python",
            f'{place}: python = "{key}" names no program: {error.message}',
            "python3 --version; then write that path",
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
