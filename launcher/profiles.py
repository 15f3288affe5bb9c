"""The profile file: read, validated, and each profile and task with what it inherits."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from launcher.discovery import FILE_NAME, current_folder
from launcher.environment import WINDOWS, Layer
from launcher.errors import USAGE, ConfigurationError, LauncherError
from launcher.hints import quoted
from launcher.nearest import did_you_mean
from launcher.schema import validate
from launcher.text_files import UnreadableError, read_text
from launcher.toml_lines import Keys, Source

# The words of the command line; a profile or task of such a name could never be reached, or would hide a command.
COMMANDS = ("init", "profiles", "quickstart", "onboarding", "scan", "doctor", "rehearse", "completion", "schema")
ACTIONS = ("exec", "env", "check", "explain", "adopt", "recover", "shell")

BUILT_COMMANDS = ("init", "profiles", "quickstart", "onboarding", "rehearse", "schema")
"""What this version has of them."""

Table = Mapping[str, Any]


class Inherited(NamedTuple):
    """The tables that one profile or task is made of, the most basic first, each with its key path."""

    source: Source
    tables: tuple[tuple[Keys, Table], ...]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of the most derived table that has the key: lists and words replace."""
        return next((table[key] for _, table in reversed(self.tables) if key in table), default)

    def place(self, key: str) -> str:
        """Where the value that `get` returns stands: `FILE:LINE (key.path)`."""
        return self.source.place(self.keys(key))

    def keys(self, key: str) -> Keys:
        """The key path of the value that `get` returns."""
        return next(((*keys, key) for keys, table in reversed(self.tables) if key in table), (*self.tables[-1][0], key))

    def layers(self) -> list[Layer]:
        """A layer a table, the most basic first: tables merge. `unset` is a list, so the most derived one counts."""
        unset_table = next((table for _, table in reversed(self.tables) if "unset" in table), None)
        return [
            Layer(table["unset"] if table is unset_table else (), table.get("env", {}), self._placer(keys))
            for keys, table in self.tables
        ]

    def _placer(self, keys: Keys) -> Any:
        return lambda name: self.source.place((*keys, name) if name == "unset" else (*keys, "env", name))


class Database(NamedTuple):
    """An entry of `[databases]`."""

    name: str
    table: Table
    place: str


class Task(NamedTuple):
    """A named program of a profile."""

    name: str
    values: Inherited

    @property
    def description(self) -> str:
        """What it is for, or ""."""
        return str(self.values.get("description", ""))


class Profile(NamedTuple):
    """A named environment with its database and tasks."""

    name: str
    values: Inherited
    tasks: Mapping[str, Task]

    def task(self, name: str) -> Task:
        """The task of that name; raises LauncherError (exit 2) with the nearest names."""
        if name not in self.tasks:
            known = f"tasks: {', '.join(self.tasks) or 'none'}; actions: {', '.join(ACTIONS)}"
            hint = did_you_mean(name, [*self.tasks, *ACTIONS]) or known
            raise LauncherError("unknown-action", USAGE, f"profile '{self.name}' has no task or action '{name}'", hint)
        return self.tasks[name]


class ProfileFile(NamedTuple):
    """A whole profile file. root: the folder that `{root}` and every relative path mean."""

    source: Source
    root: str
    defaults: Inherited
    databases: Mapping[str, Database]
    profiles: Mapping[str, Profile]

    def profile(self, name: str) -> Profile:
        """The profile of that name; raises LauncherError (exit 2) with the nearest names."""
        if name not in self.profiles:
            hint = f"autopack-run PROFILE {name}" if name in ACTIONS else ""
            hint = hint or did_you_mean(name, [*self.profiles, *BUILT_COMMANDS])
            hint = hint or f"profiles of {self.source.path}: {', '.join(self.profiles) or 'none'}"
            raise LauncherError("unknown-profile", USAGE, f"no profile or command '{name}'", hint)
        return self.profiles[name]


def load_profile_file(path: str) -> ProfileFile:
    """Read and validate the file. Raises ConfigurationError naming file, line and key path."""
    if WINDOWS and re.match(r"\\\\\?\\[A-Za-z]:", path):  # no URL of a database can have such a folder in it
        path = path[4:]
    path = os.path.abspath(os.path.join(current_folder(), path) if not os.path.isabs(path) else path)
    source = Source(path, _read(path))
    data = _parse(source)
    validate(data, source)
    raw: Table = data.get("profiles", {})
    databases = {
        name: Database(name, table, source.place(("databases", name)))
        for name, table in data.get("databases", {}).items()
    }
    for database in databases.values():
        _refuse_id_without_stamp(database, source)
    profiles = {name: _profile(name, raw, source) for name in raw}
    file = ProfileFile(
        source,
        os.path.dirname(path),
        Inherited(source, ((("defaults",), data.get("defaults", {})),)),
        databases,
        profiles,
    )
    for profile in profiles.values():
        _check_references(profile, file)
    return file


def _read(path: str) -> str:
    try:
        return read_text(path).replace("\r\n", "\n")
    except UnreadableError as error:
        hint = error.hint or ("" if os.path.lexists(path) else "autopack-run init writes a first one")
        if os.path.isfile(inside := os.path.join(path, FILE_NAME)):
            hint = f"autopack-run -f {quoted(inside)} PROFILE ACTION"
        where = f"{path}:{error.line}" if error.line else path
        raise ConfigurationError("profile-file", f"{where} {error.reason}", hint) from None


def _parse(source: Source) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).partition(" (at line ")
        line = f":{place.partition(',')[0]}" if place[:1].isdigit() else ""
        hint = "Windows paths stand in 'single quotes', or with \\\\ for \\" if "\\" in what else ""
        raise ConfigurationError("profile-file", f"{source.path}{line} is not TOML: {what}", hint) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, thousands of nested lists
        raise ConfigurationError(
            "profile-file", f"{source.path} is not a profile file: it is nested too deeply, or a number is too long"
        ) from None


def _profile(name: str, raw: Table, source: Source) -> Profile:
    _refuse_reserved(name, ("profiles", name), source)
    chain = _chain(name, raw, source)
    tables = tuple((("profiles", link), raw[link]) for link in chain)
    names = dict.fromkeys(task for _, table in tables for task in table.get("tasks", {}))
    return Profile(name, Inherited(source, tables), {task: _task(task, tables, source) for task in names})


def _chain(name: str, raw: Table, source: Source) -> list[str]:
    """The profile and what it extends, the most basic first."""
    chain = [name]
    while (base := raw[chain[0]].get("extends")) is not None:
        place = source.place(("profiles", chain[0], "extends"))
        if base not in raw:
            raise _no_such("profile", base, raw, place)
        if base in chain:
            circle = " extends ".join([*reversed(chain[: chain.index(base) + 1]), base])
            raise ConfigurationError("profile-file", f"{place}: a circle: {circle}")
        chain.insert(0, base)
    return chain


def _task(name: str, tables: Iterable[tuple[Keys, Table]], source: Source) -> Task:
    found = tuple(
        ((*keys, "tasks", name), table["tasks"][name]) for keys, table in tables if name in table.get("tasks", {})
    )
    _refuse_reserved(name, found[-1][0], source)
    values = Inherited(source, found)
    if not values.get("run"):
        raise ConfigurationError(
            "profile-file", f"{source.place(found[-1][0])}: the key 'run' is missing", 'run = ["python", "…"]'
        )
    return Task(name, values)


def _refuse_reserved(name: str, keys: Keys, source: Source) -> None:
    if name in (*COMMANDS, *ACTIONS):
        raise ConfigurationError(
            "profile-file", f"{source.place(keys)}: '{name}' is a word of the command line", "give it another name"
        )


def _refuse_id_without_stamp(database: Database, source: Source) -> None:
    if "id" in database.table and not database.table.get("stamp", True):
        raise ConfigurationError(
            "profile-file",
            f"{source.place(('databases', database.name, 'stamp'))}: stamp = false and an id: without a stamp nothing"
            " can bear the id",
            "take one of the two keys away",
        )


def _check_references(profile: Profile, file: ProfileFile) -> None:
    _refer(profile.values, "database", file.databases, "database")
    _refer(profile.values, "default", profile.tasks, "task")
    for task in profile.tasks.values():
        for name in task.values.get("with", ()):
            if name not in profile.tasks:
                raise _no_such("task", name, profile.tasks, task.values.place("with"))


def _refer(values: Inherited, key: str, known: Mapping[str, Any], kind: str) -> None:
    name = values.get(key)
    if name is not None and name not in known:
        raise _no_such(kind, name, known, values.place(key))


def _no_such(kind: str, name: str, known: Iterable[str], place: str) -> ConfigurationError:
    if "://" in name:  # which may hold a password
        return ConfigurationError(
            "profile-file",
            f"{place}: a URL stands where a {kind}'s name is meant",
            "[databases.NAME], below it url = …",
        )
    hint = did_you_mean(name, known) or f"{kind}s: {', '.join(known) or 'none'}"
    return ConfigurationError("profile-file", f"{place}: there is no {kind} '{name}'", hint)
