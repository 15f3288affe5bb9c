"""What a quickstart starts, one after the other: create where missing, check, run, check."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from launcher.errors import ConfigurationError
from launcher.hints import command_line
from launcher.profiles import Profile, ProfileFile, Task

# A placeholder may stand for any kind, and a name of another one (postgres://) is refused with the right one.
_OTHER_KIND = re.compile(r"(?!sqlite|file|postgres|pg|mysql|mariadb)\w[\w+.-]*://", re.IGNORECASE)


class Step(NamedTuple):
    """One start of the launcher: `autopack-run [--if-missing] PROFILE ACTION`."""

    profile: str
    action: str
    if_missing: bool = False

    @property
    def words(self) -> list[str]:
        """What a person types behind `autopack-run`: without the option by which a script keeps watch."""
        return [*(["--if-missing"] if self.if_missing else []), self.profile, self.action]

    @property
    def shown(self) -> str:
        """The same as text."""
        return " ".join(["autopack-run", *self.words])


class _Found(NamedTuple):
    """A task, and the profile that it is started by."""

    profile: Profile
    task: Task

    @property
    def creates(self) -> bool:
        return bool(self.task.values.get("creates"))

    def step(self, if_missing: bool = False) -> Step:
        return Step(self.profile.name, self.task.name, if_missing)

    def named(self, profile: Profile) -> str:
        """The word behind --task, for a quickstart of that profile."""
        return self.task.name if self.profile is profile else f"{self.profile.name}/{self.task.name}"


def steps(file: ProfileFile, profile: Profile, names: Sequence[str] = (), start: Sequence[str] = ()) -> list[Step]:
    """What the profile's quickstart starts.

    names: the tasks that it runs, OTHER/TASK for another profile's that creates the database; none: the profile's main
    task. start: the words that start the launcher on this file, for hints. Raises LauncherError for an unknown name,
    and ConfigurationError (main-task), which lists what there is, where none or several tasks could be meant.
    """
    start = [*(start or ["autopack-run"]), "quickstart", profile.name]
    mains = [_named(file, profile, name) for name in names] or [_Found(profile, _main_task(profile, start))]
    if not profile.values.get("database") or unprovable(file, profile):
        return [each.step() for each in mains]
    run = [each.step() for each in mains if not each.creates]
    check = Step(profile.name, "check")
    makers = [each for each in mains if each.creates] or _maker(file, profile, mains, start)
    return [*(each.step(if_missing=True) for each in makers), check, *([*run, check] if run else [])]


def unprovable(file: ProfileFile, profile: Profile) -> bool:
    """Whether its database's URL, as the file has it, is one that autopack-run cannot prove: SQL Server's, Oracle's."""
    name = profile.values.get("database")
    return bool(name and _OTHER_KIND.match(file.databases[name].table["url"]))


def _named(file: ProfileFile, profile: Profile, name: str) -> _Found:
    owner, _, action = name.partition("/")
    if name not in profile.tasks and owner in file.profiles:
        found = next((each for each in _makers(file.profiles[owner]) if each.task.name == action), None)
        if found and _same_database(found.profile, profile):
            return found
    return _Found(profile, profile.task(name))


def _main_task(profile: Profile, start: Sequence[str]) -> Task:
    """The task that is the point of the profile: its default, else the only one that can be."""
    default, makers = profile.values.get("default"), [each.task.name for each in _makers(profile)]
    if default and (default not in makers or len(makers) == len(profile.tasks)):
        return profile.tasks[default]
    candidates = list(_candidates(profile)) or (makers if len(makers) == len(profile.tasks) else [])
    if len(candidates) == 1 or "drain" in candidates:
        return profile.tasks["drain" if "drain" in candidates else candidates[0]]
    raise _unclear(profile, candidates, start)


def _candidates(profile: Profile) -> Iterator[str]:
    used = {name for task in profile.tasks.values() for name in task.values.get("with", ())}
    for task in profile.tasks.values():
        if not task.values.get("creates") and not task.values.get("health") and task.name not in used:
            yield task.name


def _maker(file: ProfileFile, profile: Profile, mains: Sequence[_Found], start: Sequence[str]) -> list[_Found]:
    """The task that creates the profile's database: the profile's own only one, else the file's only one; or none."""
    found = _makers(profile) or _others(file, profile)
    if len(found) < 2:
        return found
    words = [each.named(profile) for each in (found[0], *mains)]
    raise ConfigurationError(
        "main-task",
        f"several tasks create the database of profile '{profile.name}', and one of them has to come first: "
        + ", ".join(each.named(profile) for each in found),
        command_line(*start, *(word for name in words for word in ("--task", name))),
    )


def _makers(profile: Profile) -> list[_Found]:
    return [each for task in profile.tasks.values() if (each := _Found(profile, task)).creates]


def _others(file: ProfileFile, profile: Profile) -> list[_Found]:
    """The tasks of other profiles that create its database; one that several inherit counts once, where it stands."""
    found: dict[object, _Found] = {}
    for other in file.profiles.values():
        for each in _makers(other) if _same_database(other, profile) else ():
            keys, _ = each.task.values.tables[-1]
            if keys not in found or keys[1] == other.name:
                found[keys] = each
    return list(found.values())


def _same_database(one: Profile, other: Profile) -> bool:
    return bool(one.values.get("database") == other.values.get("database"))


def _unclear(profile: Profile, candidates: Sequence[str], start: Sequence[str]) -> ConfigurationError:
    if candidates:
        what = f"profile '{profile.name}' has several tasks that the quickstart could run: {', '.join(candidates)}"
        return ConfigurationError("main-task", what, command_line(*start, "--task", candidates[0]))
    tasks = ", ".join(profile.tasks)
    return ConfigurationError(
        "main-task",
        f"profile '{profile.name}' has no task that the quickstart could run: "
        + (f"what it has creates the database or is a server ({tasks})" if tasks else "it has none at all"),
        command_line(*start, "--task", next(iter(profile.tasks)))
        if tasks
        else f"[profiles.{profile.name}.tasks.NAME] with run = […]",
    )
