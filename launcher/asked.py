"""The variables that a profile file asks of whoever starts the launcher."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from launcher.pins import DATABASE_URL
from launcher.profiles import Profile, ProfileFile

# The keys whose values are expanded.
EXPANDED = frozenset({"url", "run", "cwd", "health", "env", "env_files", "python", "allow_databases"})
# What a system or a login sets: nobody has to, and whoever does breaks the window.
SYSTEM = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|LANG|TERM|TMPDIR|HOSTNAME|USERPROFILE|USERNAME|USERDOMAIN|"
    r"COMPUTERNAME|HOMEDRIVE|HOMEPATH|TEMP|TMP|APPDATA|LOCALAPPDATA|ALLUSERSPROFILE|PUBLIC|"
    r"SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|OS|NUMBER_OF_PROCESSORS|PROCESSOR_ARCHITECTURE|"
    r"PROGRAMFILES|PROGRAMW6432|PROGRAMDATA|COMMONPROGRAMFILES",
    re.IGNORECASE,
)


def asked(file: ProfileFile) -> Iterator[str]:
    """The variables that somebody has to set: those of `{env:NAME}`, and a DATABASE_URL that nothing gives."""
    tables = [file.defaults.tables[0][1], *(each.table for each in file.databases.values())]
    for profile in file.profiles.values():
        tables += [table for _, table in profile.values.tables]
        tables += [table for task in profile.tasks.values() for _, table in task.values.tables]
    found = {name for table in tables for name in _named(table) if not SYSTEM.fullmatch(name)}
    if any(_lacks_url(profile, file) for profile in file.profiles.values()):
        found.add(DATABASE_URL)
    yield from sorted(found)


def _named(table: Mapping[str, Any]) -> Iterator[str]:
    """The names in what is expanded; one that a variable is set from itself with is there already."""
    for key in EXPANDED & table.keys():
        for value in table[key] if isinstance(table[key], list) else [table[key]]:
            pairs = value.items() if isinstance(value, Mapping) else [("", value)]
            yield from (name for own, words in pairs for name in _placeholders(words) if name != own)


def _placeholders(words: str) -> list[str]:
    return re.findall(r"\{env:([A-Za-z_][A-Za-z0-9_]*)\}", words.replace("{{", "").replace("}}", ""))


def _lacks_url(profile: Profile, file: ProfileFile) -> bool:
    if profile.values.get("database") or not any(task.values.get("verify") for task in profile.tasks.values()):
        return False
    tables = [file.defaults.tables[0][1], *(table for _, table in profile.values.tables)]
    return not any(DATABASE_URL in table.get("env", {}) for table in tables)
