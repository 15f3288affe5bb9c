"""An attempt to change a pin: who made it, what becomes of it, and what is said of it."""

import os
import sys

import _autopack_run_guard as guard
from _autopack_run_guard import places, record

_DOTENV = ("dotenv.main", "dotenv.cli")
_told = set()  # type: set[tuple[str, str, str]]


class PinnedVariableError(RuntimeError):
    """A program tried to change a variable that autopack-run has pinned."""

    autopack_run = True  # meant for the program, unlike an error inside the guard


def refused(name: str, value: "str | None", how: str, source: str = "", soft: bool = False) -> None:
    """Tell and record the attempt to set the pin to `value` (None: to remove it), which has not been carried out.

    how: the statement, in words. source: the .env file and line that the value came from. soft: only tell, never
    raise: so with python-dotenv, whose caller often cannot know what the file says. Raises PinnedVariableError where
    the launch says `error`.
    """
    __tracebackhide__ = True
    reader = places.calling_module(_DOTENV)
    if reader is not None:
        soft, source = True, source or source_of(reader.f_locals.get("self"), name)
    raised = guard.mode == "error" and not soft
    where = places.own_place()
    if not raised and (where, name, how) in _told:
        return
    _told.add((where, name, how))
    outcome = "raised" if raised else "kept"
    event = {"event": "override", "name": name, "where": where, "how": how, "outcome": outcome}
    record.write(dict(event, value=_shown(value), source=source))
    reading = f", reading {source}," if source else ""
    by = f"{where}{reading} tried to {_wish(value)} ({how})"
    if raised:
        raise PinnedVariableError(record.masked(_explained(name, by)))
    if soft and guard.mode == "error":
        _dispute()
    record.tell(f"kept {name}: {by}")


def _dispute() -> None:
    guard.disputed = True
    databases = sys.modules.get("_autopack_run_guard.databases")
    if databases is not None:
        databases.forget()


def found_changed(name: str, value: "str | None") -> None:
    """A pin that was another when this Python started: tell it; where pins raise, end the process."""
    how = "removed" if value is None else "changed"
    where = f"before Python (pid {os.getpid()}) started"
    outcome = "raised" if guard.mode == "error" else "restored"
    event = {"event": "override", "name": name, "where": where, "how": how, "outcome": outcome, "source": ""}
    record.write(dict(event, value=_shown(value)))
    if guard.mode == "error":
        record.tell(_explained(name, f"it had been {how} {where}"))
        os._exit(1)
    record.tell(f"kept {name}: it had been {how} {where}")


def removed(name: str) -> None:
    """A pin that a test has taken away for a while, with all other variables: tell it once."""
    how = "patch.dict(os.environ, clear=True)"
    if ("", name, how) not in _told:
        _told.add(("", name, how))
        where = places.own_place()
        event = {"event": "override", "name": name, "where": where, "how": how, "outcome": "reported", "source": ""}
        record.write(dict(event, value=""))
        record.tell(f"{name} is away for a while: {where} cleared os.environ by {how}; it may do so elsewhere too")


def noticed(name: str, value: str) -> None:
    """A pin that has been changed by a way that no wrapper sees: tell where that was noticed."""
    how, where = "changed around os.environ", places.own_place()
    if (where, name, how) in _told:
        return
    _told.add((where, name, how))
    outcome = "restored" if guard.mode == "block" else "reported"
    event = {"event": "override", "name": name, "where": where, "how": how, "outcome": outcome, "source": ""}
    record.write(dict(event, value=_shown(value)))
    right = "; put right" if guard.mode == "block" else ""
    record.tell(f"{name} was changed around os.environ, as was noticed at {where}{right}")


def _wish(value: "str | None") -> str:
    if value is None:
        return "remove it"
    return "set it to " + (_shown(value) or "another value")


def _shown(value: "str | None") -> str:
    """What may be shown of a value: a SQLite URL that has no room for a secret."""
    plain = value is not None and value.startswith("sqlite:") and not set(value) & set("@?\n\r")
    return str(value) if plain else ""


def _explained(name: str, by: str) -> str:
    profile = os.environ.get("AUTOPACK_RUN_PROFILE", "PROFILE")
    action = os.environ.get("AUTOPACK_RUN_TASK") or "exec …"
    file = os.environ.get("AUTOPACK_RUN_FILE", "autopack-run.toml")
    return (
        f"{name} is pinned by autopack-run; to let this program change it: autopack-run {named(file)}--pins allow"
        f" {profile} {action} ({by}; the pin was kept; profile '{profile}' of {file})"
    )


def named(file: str) -> str:
    """The -f of the line, which is typed who knows where; FILE where quotes would not hold the path in each shell."""
    plain = all(char.isalnum() or char in " #&'()+,-./:;=@[]_{}" or (char == "\\" and os.name == "nt") for char in file)
    return f'-f "{file}" ' if plain else "-f FILE "


def source_of(reader: object, name: str) -> str:
    path = getattr(reader, "dotenv_path", None)
    return env_line(os.fspath(path), name) if path else ""


def env_line(path: str, name: str) -> str:
    """`file:line` of the variable in a .env file."""
    path = os.path.abspath(path)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                words = line.split("=", 1)[0].split()
                if "=" in line and words and guard.fold(words[-1].strip("'\"")) == guard.fold(name):
                    return f"{path}:{number}"
    except OSError:
        pass  # a pipe, or gone meanwhile: its name alone must do
    return path


def suspicious(how: str) -> None:
    """Tell and record what may change a pin where no wrapper sees it."""
    where = places.own_place()
    if (where, "", how) not in _told:
        _told.add((where, "", how))
        event = {"event": "override", "name": "", "where": where, "how": how, "outcome": "reported", "source": ""}
        record.write(dict(event, value=""))
        record.tell(f"{where}: {how}, which can change a pin unseen")
