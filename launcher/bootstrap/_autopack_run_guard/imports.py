"""Acting when a module is imported, and not before: nothing is loaded that the program does not load itself."""

import sys
from typing import Any

from _autopack_run_guard import state


def _subprocess(module: Any) -> None:
    from _autopack_run_guard import children

    children.watch_subprocess(module)


def _sqlite(module: Any) -> None:
    from _autopack_run_guard import databases

    databases.watch_sqlite(module)


def _sqlalchemy(module: Any) -> None:
    from _autopack_run_guard import databases

    databases.watch_servers(module)


def _aiosqlite(module: Any) -> None:
    from _autopack_run_guard import databases

    databases.watch_aiosqlite(module)


def _dotenv(module: Any) -> None:
    from _autopack_run_guard import dotenvs

    dotenvs.watch(module)


_AFTER = {
    "subprocess": _subprocess,
    "_sqlite3": _sqlite,
    "sqlite3.dbapi2": _sqlite,
    "sqlite3": _sqlite,
    "sqlalchemy": _sqlalchemy,
    "aiosqlite.core": _aiosqlite,
    "dotenv.main": _dotenv,
    "dynaconf.vendor.dotenv.main": _dotenv,
}


def watch() -> None:
    """Act on what is imported already (coverage's .pth file comes before sitecustomize), and wait for the rest."""
    for name in _AFTER:
        if name in sys.modules:
            _act(name, sys.modules[name])
    sys.meta_path.insert(0, _Finder())


def _act(name: str, module: Any) -> None:
    if not state.active:
        return
    try:
        _AFTER[name](module)
    except Exception as error:
        from _autopack_run_guard import record

        record.failed("cannot watch " + name, error)


class _Finder:
    """Finds nothing itself: it asks the others, and has the loader call us afterwards."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _AFTER:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                _follow(name, spec.loader)
                return spec
        return None


def _follow(name: str, loader: Any) -> None:
    real = getattr(loader, "exec_module", None)
    if real is None or isinstance(loader, type):  # a built-in module's loader is one class for all of them
        return

    def exec_module(module: Any) -> Any:
        result = real(module)
        if module.__name__ == name:  # a zip file's loader is one object for all its modules
            _act(name, module)
        return result

    loader.exec_module = exec_module
