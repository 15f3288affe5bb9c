"""Was a run on its database only? What counts as drift, in words."""

import os
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import NamedTuple

from launcher.errors import WrongDataError
from launcher.usage import EMPTY, GONE, MEMORY, NONE, Content, Pinned, Used, content

_SHELF = ("Dict",)
"""What Python 3.13's dbm.sqlite3 makes, for shelve: a store of the program's own and no database of an application."""


class Problem(NamedTuple):
    """One database that is drift, or "" where something else is. text: the place with all that is known."""

    place: str
    text: str


def problems(used: Sequence[Used], pinned: Pinned, allowed: Sequence[str], folders: Sequence[str]) -> list[Problem]:
    """What is drift among the used databases: another one with required tables, a new stray one.

    allowed: globs of databases that are none. folders: {root} and the folder of the run, where no new one may appear.
    """
    folders = [os.path.realpath(folder) for folder in folders]
    found = []
    for each in used:
        if each.pinned or each.place == MEMORY or each.blocked or is_allowed(each.place, allowed):
            continue
        held = content(each.place, pinned)
        if _is_drift(each, held, folders):
            found.append(Problem(each.place, f"{each.place}: {_story(each)}{_holding(held, each)}"))
    return found


def is_allowed(place: str, globs: Sequence[str]) -> bool:
    """Whether a glob of allow_databases names the place, with its links or without."""
    names = {place} if "://" in place else {place, os.path.realpath(place)}
    return any(fnmatch(name, glob) for name in names for glob in globs)


def _is_drift(used: Used, held: Content, folders: Sequence[str]) -> bool:
    if held.ours or "://" in used.place:  # what a server holds is not asked here, so it is not taken for harmless
        return True
    if held.reason == GONE:  # a temporary one is no harm, one that was there before may have been ours
        return used.held
    if held.reason == NONE:
        return False
    if held.identity is None and held.reason != EMPTY:  # what it holds cannot be told, so it is not taken for harmless
        return used.how != "changed" or used.new
    tables = held.identity.tables if held.identity else ()
    if tables == _SHELF:
        return False
    return used.new and (not tables or (_is_inside(used.place, folders) and not _is_hidden(used.place, folders)))


def _is_inside(path: str, folders: Sequence[str]) -> bool:
    return any(_below(path, folder) is not None for folder in folders)


def _below(path: str, folder: str) -> str | None:
    """The path relative to the folder, or None where it is not below it."""
    prefix, real = os.path.join(os.path.normcase(folder), ""), os.path.realpath(path)
    return real[len(prefix) :] if os.path.normcase(real).startswith(prefix) else None


def _is_hidden(path: str, folders: Sequence[str]) -> bool:
    """Whether it is a tool's own, such as .coverage or what lies in .mypy_cache."""
    return any(
        part.startswith(".")
        for folder in folders
        for part in (_below(path, folder) or "").replace("\\", "/").split("/")
    )


def _story(used: Used) -> str:
    by = f" by {used.programs}" if used.by else ""
    if used.how == "opened":
        return f"opened{by}, first at {used.where}"
    if used.how == "open":
        return f"seen open{by}{f', first at {used.where}' if used.where else ''}"
    happened = "appeared" if used.new else "changed"
    return f"{happened} during the run, and no guard saw who did it (ATTACH, another language, a program outside)"


def _holding(held: Content, used: Used) -> str:
    if "://" in used.place:
        return "; what that server holds is not asked from here"
    if held.identity is None:
        return f"; {held.reason}"
    stamp = held.identity.stamp
    said = f"; it holds {', '.join(held.ours)}" if held.ours else ""
    said = said or f"; it is new, with {', '.join(held.identity.tables[:5]) or 'no tables'}"
    return said + (f"; it is '{stamp.database}' (db_id {stamp.db_id})" if stamp else "")


def error(what: str, found: Sequence[Problem], pinned: Pinned) -> WrongDataError:
    """The WrongDataError for the problems. what: the program, as `telemetry drain`."""
    lines = "".join(f"\n  {each.text}" for each in found)
    return WrongDataError(
        "drift",
        f"{what} did not stay on {pinned.shown}:{lines}",
        "let that line use DATABASE_URL; a database that is meant to be there: allow_databases in the task",
    )
