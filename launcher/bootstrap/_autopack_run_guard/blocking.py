"""`databases = "block"`: another database than the pinned one is refused before the file exists."""

import os
import sys

import _autopack_run_guard as guard
from _autopack_run_guard import places, record


def refuse_other(place: str) -> None:
    """Raise sqlite3.OperationalError, as an unreachable database does, where the place is not the pinned one."""
    if place == ":memory:" or is_pinned(place) or is_allowed(place, _allowed()):
        return
    where = places.own_place()
    event = {"event": "open", "place": place, "device": 0, "inode": 0, "where": where}
    record.write(dict(event, new=False, held=False, blocked=True))
    pinned = _pinned_path() or guard.channel.get("AUTOPACK_RUN_DATABASE_PLACE", "another database")
    raise _error(f'blocked: {where} opens {place}; pinned is {pinned} (databases = "block", allow_databases)')


def refuse_disputed(place: str) -> None:
    """Raise where a test is about to work on the pinned database although its .env file names another one.

    load_dotenv has told that it kept the pin; pytest swallows that line, and the test would go on.
    """
    if "_pytest" in sys.modules and is_pinned(place):
        profile = os.environ.get("AUTOPACK_RUN_PROFILE", "PROFILE")
        raise _error(
            f"{places.own_place()} would work on the pinned database {place}, while a .env file named another one."
            f" If the tests may change DATABASE_URL: autopack-run --pins allow {profile} exec ..."
        )


def _error(text: str) -> Exception:
    import sqlite3

    error = sqlite3.OperationalError("autopack-run: " + record.masked(text))
    error.autopack_run = True  # type: ignore[attr-defined]  # meant for the program
    return error


def _pinned_path() -> str:
    return guard.channel.get("AUTOPACK_RUN_DATABASE_PATH", "")


def _allowed() -> "list[str]":
    return [glob for glob in guard.channel.get("AUTOPACK_RUN_ALLOW", "").split("\n") if glob]


def is_pinned(place: str) -> bool:
    """Whether the path, or the server's text, is the pinned database."""
    if "://" in place:
        return same_server(place, guard.channel.get("AUTOPACK_RUN_DATABASE_PLACE", ""))
    if not _pinned_path():
        return False
    if os.path.normcase(place) == os.path.normcase(_pinned_path()):
        return True
    try:
        return os.path.samefile(place, _pinned_path())
    except OSError:
        return False


def same_server(place: str, pinned: str) -> bool:
    """Whether both texts name one server and database; the pinned one may have a user, options and a driver."""
    return _parts(place) == _parts(pinned)


def _parts(text: str) -> "tuple[str, ...]":
    from urllib.parse import unquote, urlsplit

    try:
        found = urlsplit(text)
        kind = str(found.scheme).partition("+")[0].replace("mariadb", "mysql")
        host, port = found.hostname or "", found.port or {"postgresql": 5432, "mysql": 3306}.get(kind, 0)
    except ValueError:  # a port that is no number
        return (text,)
    host = "localhost" if host in ("127.0.0.1", "::1") else host
    return kind, host, str(port), unquote(found.path.lstrip("/"))


def is_allowed(place: str, globs: "list[str]") -> bool:
    """Whether one of the allow_databases globs matches the path, with links or without, or the server's text."""
    from fnmatch import fnmatch

    names = {place} if "://" in place else {place, os.path.realpath(place)}
    return any(fnmatch(name, glob) for name in names for glob in globs)
