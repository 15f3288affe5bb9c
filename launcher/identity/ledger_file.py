"""The ledger's file, `.autopack-run/ledger.toml` beside the profile file.

It is whole at any moment, since a new one takes the old one's place, and changed under a lock, so that launches side by
side lose nothing.
"""

import contextlib
import errno
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from launcher.errors import BUSY, PERMISSION, ConfigurationError, LauncherError
from launcher.own_folder import make_own_folder, own_bytes, own_folder, try_lock

_NAME = "ledger.toml"
_LOCK = "ledger.lock"
_LOCK_SECONDS = 10.0
_ERRORS = "surrogatepass" if os.name == "nt" else "surrogateescape"  # a path need not be text
_VERSION = 1
_held: set[str] = set()
"""Whose lock this process has."""
_HEAD = "# Which databases this workspace has accepted; autopack-run writes it (docs/identity.md).\nversion = 1\n"


class Entry(NamedTuple):
    """What the ledger knows of one name. db_id: "" where there is no stamp. physical: what tells it from a copy.

    high_water: what must not go back, None where there is nothing of the kind. how: `created`, `adopted`, `moved`,
    `copied`, `restored`, `accepted`, or `id`, which stands in the profile file. since, seen: ISO 8601, UTC.
    """

    db_id: str
    kind: str
    physical: Mapping[str, Any]
    high_water: int | None
    how: str
    since: str
    seen: str


def path_of(root: str) -> str:
    """The ledger of the profile file in that folder."""
    return os.path.join(own_folder(root), _NAME)


def read(root: str) -> dict[str, Entry]:
    """The entries by name; none where there is no ledger. Raises LauncherError for one that cannot be read."""
    import tomllib

    path = path_of(root)
    try:
        found = tomllib.loads(own_bytes(path).removeprefix(b"\xef\xbb\xbf").decode("utf-8", _ERRORS))
        if found.get("version", _VERSION) != _VERSION:
            raise ConfigurationError(
                "ledger", f"the ledger {path} was written by another version of autopack-run", "use that version"
            )
        return {name: _entry(table) for name, table in found.get("databases", {}).items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        if error.errno == errno.ELOOP and not os.path.isdir(own_folder(root)):
            raise _no_folder(root) from None
        raise LauncherError(
            "ledger", PERMISSION, f"the ledger {path} cannot be read: {error.strerror}", "look at its rights"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigurationError(
            "ledger",
            f"the ledger {path} is damaged: it is not what autopack-run wrote",
            "move it aside, then adopt each database again: autopack-run PROFILE adopt",
        ) from None


def _entry(table: dict[str, Any]) -> Entry:
    texts, physical = [table[key] for key in ("db_id", "kind", "how", "since", "seen")], dict(table["physical"])
    mark = table.get("high_water")
    values_are_plain = all(type(value) in (str, int) for value in physical.values())
    if not all(isinstance(text, str) for text in texts) or type(mark) not in (int, type(None)) or not values_are_plain:
        raise TypeError
    db_id, kind, how, since, seen = texts
    return Entry(db_id, kind, physical, mark, how, since, seen)


@contextlib.contextmanager
def held(root: str) -> Iterator[None]:
    """Keep other launches from changing the ledger, and be sure that it can be changed, before a stamp is written.

    Raises LauncherError where it cannot be, or somebody else holds it.
    """
    if root in _held:
        yield
        return
    with _told(root), _locked(os.path.join(make_own_folder(root), _LOCK)):
        _held.add(root)
        try:
            yield
        finally:
            _held.discard(root)


def change(root: str, by: Callable[[dict[str, Entry]], None]) -> None:
    """Read, change the entries by the function, and write, under the lock. Raises LauncherError like `held`, `read`."""
    with held(root), _told(root):
        entries = read(root)
        by(entries)
        _replace(path_of(root), _text(entries))


@contextlib.contextmanager
def _told(root: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, NotADirectoryError) and error.filename == own_folder(root):
            raise _no_folder(root) from None
        raise LauncherError(
            "ledger",
            PERMISSION,
            f"the ledger {path_of(root)} cannot be written: {error.strerror}",
            f"look at {own_folder(root)}, its rights and the room on that disk; then the same command again",
        ) from None


def _no_folder(root: str) -> LauncherError:
    return LauncherError(
        "ledger",
        PERMISSION,
        f"{own_folder(root)} is not a folder, so no ledger can be in it",
        "move it away; then the same command again",
    )


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    handle, end = os.open(path, os.O_RDWR | os.O_CREAT, 0o600), time.monotonic() + _LOCK_SECONDS
    try:
        while not try_lock(handle):
            if time.monotonic() > end:
                raise LauncherError(
                    "ledger", BUSY, f"the ledger's lock {path} is held for {_LOCK_SECONDS:.0f} s", "try again"
                )
            time.sleep(0.005)
        yield
    finally:
        os.close(handle)


def _replace(path: str, text: str) -> None:
    part, end = f"{path}.part", time.monotonic() + _LOCK_SECONDS
    try:
        # A link or a pipe of that name would be written through; whose lock this is leaves no other writer.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8", errors=_ERRORS, newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
        while True:
            try:
                return os.replace(part, path)
            except PermissionError:  # Windows, while somebody reads the old one
                if os.name != "nt" or time.monotonic() > end:
                    raise
                time.sleep(0.005)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


def _text(entries: Mapping[str, Entry]) -> str:
    lines = [_HEAD]
    for name, entry in sorted(entries.items()):
        values = entry._asdict() | {"physical": None}
        lines.append(f"[databases.{_toml(name)}]")
        lines += [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
        pairs = ", ".join(
            f"{_toml(key)} = {_toml(value)}" for key, value in entry.physical.items() if value is not None
        )
        lines.append(f"physical = {{ {pairs} }}\n")
    return "\n".join(lines)


def _toml(value: str | int) -> str:
    # JSON's strings are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
