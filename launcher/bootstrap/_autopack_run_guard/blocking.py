"""`databases = "block"`: another database than the pinned one is refused before the file exists."""

import os

import _autopack_run_guard as guard
from _autopack_run_guard import places, record


def refuse_other(place: str) -> None:
    """Raise sqlite3.OperationalError, as an unreachable database does, where the place is not the pinned one."""
    if place == ":memory:" or _is_pinned(place) or is_allowed(place, _allowed()):
        return
    where = places.own_place()
    kind = "sqlite" if "://" not in place else place.partition(":")[0]
    event = {"event": "open", "kind": kind, "place": place, "device": 0, "inode": 0, "where": where}
    record.write(dict(event, new=False, blocked=True))
    pinned = _pinned_path() or guard.channel.get("AUTOPACK_RUN_DATABASE_PLACE", "another database")
    import sqlite3

    raise sqlite3.OperationalError(
        f'autopack-run: blocked: {where} opens {place}; pinned is {pinned} (databases = "block", allow_databases)'
    )


def _pinned_path() -> str:
    return guard.channel.get("AUTOPACK_RUN_DATABASE_PATH", "")


def _allowed() -> "list[str]":
    return [glob for glob in guard.channel.get("AUTOPACK_RUN_ALLOW", "").split("\n") if glob]


def _is_pinned(place: str) -> bool:
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

    def parts(text: str) -> "tuple[str, ...]":
        from urllib.parse import urlsplit

        found = urlsplit(text)
        kind = str(found.scheme).partition("+")[0].replace("mariadb", "mysql")
        ports = {"postgresql": 5432, "mysql": 3306}  # type: dict[str, int]
        port = found.port or ports.get(kind, 0)
        return kind, (found.hostname or "").lower(), str(port), found.path.lstrip("/")

    return parts(place) == parts(pinned)


def is_allowed(place: str, globs: "list[str]") -> bool:
    """Whether one of the allow_databases globs matches the path or the server's text."""
    from fnmatch import fnmatch

    return any(fnmatch(place, glob) for glob in globs)
