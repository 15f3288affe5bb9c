"""`databases = "block"`: another database than the pinned one is refused before the file exists."""

import os
import sys

import _autopack_run_guard as guard
from _autopack_run_guard import databases, places, record


def refuse_other(place: str, kind: "type[Exception] | None" = None) -> None:
    """Raise what an unreachable database does, where the place is not the pinned one.

    kind: the driver's OperationalError; None is sqlite3's.
    """
    if place == ":memory:" or is_pinned(place) or is_allowed(place, _allowed()):
        return
    where = places.own_place()
    event = {"event": "open", "place": place, "device": 0, "inode": 0, "where": where}
    record.write(dict(event, new=False, held=False, blocked=True))
    pinned = _pinned_path() or guard.channel.get("AUTOPACK_RUN_DATABASE_PLACE", "another database")
    raise _error(f'blocked: {where} opens {place}; pinned is {pinned} (databases = "block", allow_databases)', kind)


def refuse_disputed(place: str, kind: "type[Exception] | None" = None) -> None:
    """Raise where a test is about to work on the pinned database although its .env file names another one.

    load_dotenv has told that it kept the pin; pytest swallows that line, and the test would go on.
    """
    if "_pytest" in sys.modules and is_pinned(place):
        from _autopack_run_guard import attempts

        profile = os.environ.get("AUTOPACK_RUN_PROFILE", "PROFILE")
        file = attempts.named(os.environ.get("AUTOPACK_RUN_FILE", "autopack-run.toml"))
        raise _error(
            f"{places.own_place()} would work on the pinned database {place}, while a .env file named another one."
            f" If the tests may change DATABASE_URL: autopack-run {file}--pins allow {profile} exec ...",
            kind,
        )


def _error(text: str, kind: "type[Exception] | None" = None) -> Exception:
    if kind is None:
        import sqlite3

        kind = sqlite3.OperationalError
    error = kind("autopack-run: " + record.masked(text))
    error.autopack_run = True  # type: ignore[attr-defined]  # meant for the program
    return error


def _pinned_path() -> str:
    return guard.channel.get("AUTOPACK_RUN_DATABASE_PATH", "")


def _allowed() -> "list[str]":
    return [glob for glob in guard.channel.get("AUTOPACK_RUN_ALLOW", "").split("\n") if glob]


def is_pinned(place: str) -> bool:
    """Whether the path, or the server's text, is the pinned database."""
    if "://" in place:
        pinned = {_parts(text) for text in guard.channel.get("AUTOPACK_RUN_DATABASE_SERVERS", "").split("\n")}
        return all(_parts(each) in pinned for each in _each_host(place))
    if not _pinned_path():
        return False
    if os.path.normcase(place) == os.path.normcase(_pinned_path()):
        return True
    try:
        return os.path.samefile(place, _pinned_path())
    except OSError:
        return False


def _each_host(place: str) -> "list[str]":
    """The places of a connection that tries several hosts: `postgresql://h1:1,h2:2/d`."""
    kind, _, rest = place.partition("://")
    hosts, _, name = rest.partition("/")
    return [f"{kind}://{host}/{name}" for host in hosts.split(",")]


def _parts(place: str) -> "tuple[str, ...]":
    """Dialect, host, port and name of a place, as launcher/identity/url.py has them of a URL."""
    from urllib.parse import unquote

    kind, _, rest = place.partition("://")
    kind = kind.partition("+")[0].replace("mariadb", "mysql")
    address, _, name = rest.partition("/")
    host, _, port = address.rpartition(":") if address.rpartition(":")[2].isdigit() else (address, "", "")
    host = unquote(host.strip("[]"))
    if host.startswith("/"):
        return kind, os.path.realpath(host), "" if kind == "mysql" else port or "5432", unquote(name)
    host = host.lower()[: -1 if host.endswith(".") else None]
    host = host[7:] if host.startswith("::ffff:") and "." in host else host
    host = "localhost" if host in ("127.0.0.1", "::1") else host
    return kind, host, port or {"postgresql": "5432", "mysql": "3306"}.get(kind, ""), unquote(name)


def is_allowed(place: str, globs: "list[str]") -> bool:
    """Whether one of the allow_databases globs matches the path, with links or without, or the server's text."""
    from fnmatch import fnmatch

    names = {place} if "://" in place else {place, databases.real_path(place)}
    return any(fnmatch(name, glob) for name in names for glob in globs)
