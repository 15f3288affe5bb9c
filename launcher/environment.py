"""Layers of variables become one environment in which every value knows where it came from."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from launcher.errors import ConfigurationError

WINDOWS = os.name == "nt"

# One string of a Linux exec, its name, "=" and the closing NUL included (MAX_ARG_STRLEN, execve(2)).
LINUX_STRING_LIMIT = 131_072
# A Windows variable (CreateProcess; SetEnvironmentVariable's documentation).
WINDOWS_VALUE_LIMIT = 32_766

PROCESS = "process"
"""The kind of values that the launcher's own environment had; the other kinds are env_file, file, database, set."""


Lookup = Callable[[str], str | None]
"""Gives the text of a variable by its name, or None."""


class Origin(NamedTuple):
    """Where a value comes from: its kind, and the place in words (`autopack-run.toml:12 (defaults.env.X)`)."""

    kind: str
    place: str


class Value(NamedTuple):
    """One variable as it stands: its name as spelled by the layer that set it, its text, its origin."""

    name: str
    text: str
    origin: Origin


class Change(NamedTuple):
    """One step in the life of a variable: what a layer set it to, or None where the layer removed it."""

    name: str
    text: str | None
    origin: Origin


class Environment:
    """Variables by name; on Windows, spellings of one name are one name (SHELLS.md, "Starting a child")."""

    def __init__(self, windows: bool = WINDOWS) -> None:
        self.windows = windows
        self._values: dict[str, Value] = {}
        self.changes: dict[str, list[Change]] = {}

    def fold(self, name: str) -> str:
        """The key under which all spellings of a name are found."""
        return name.upper() if self.windows else name

    def set(self, name: str, text: str, origin: Origin) -> None:
        """Let this value stand; what stood before stays in `changes`."""
        if "\0" in text:
            raise ConfigurationError("bad-value", f"{name} ({origin.place}) has a NUL character; no program can get it")
        key = self.fold(name)
        self._values[key] = Value(name, text, origin)
        self.changes.setdefault(key, []).append(Change(name, text, origin))

    def restate(self, name: str, text: str) -> None:
        """Write the standing value in another form that means the same; it stays the value of its layer."""
        key = self.fold(name)
        value = self._values[key]
        self._values[key] = value._replace(text=text)
        self.changes[key][-1] = Change(value.name, text, value.origin)

    def remove(self, name: str, origin: Origin) -> None:
        """Take the variable out, if it is there."""
        key = self.fold(name)
        if self._values.pop(key, None) is not None:
            self.changes[key].append(Change(name, None, origin))

    def get(self, name: str) -> Value | None:
        """The value that stands, or None."""
        return self._values.get(self.fold(name))

    def text(self, name: str) -> str | None:
        """The text that stands, or None."""
        value = self.get(name)
        return value.text if value else None

    def __iter__(self) -> Iterator[Value]:
        return iter(self._values.values())

    def as_dict(self) -> dict[str, str]:
        """What a child gets. Raises ConfigurationError for a value that this system cannot hand over."""
        for value in self:
            self._check_size(value)
        return {value.name: value.text for value in self}

    def _check_size(self, value: Value) -> None:
        # No character takes more than four bytes or two UTF-16 units, so nearly every value is let through here.
        if len(value.text) <= WINDOWS_VALUE_LIMIT // 2 and len(value.name) <= WINDOWS_VALUE_LIMIT // 2:
            return
        limit, size = WINDOWS_VALUE_LIMIT, len(value.text.encode("utf-16-le", "surrogatepass")) // 2
        if not self.windows:  # macOS limits the whole only, and says so when the program is started
            if sys.platform == "darwin":
                return
            taken = len(os.fsencode(value.name)) + 2
            limit, size = LINUX_STRING_LIMIT - taken, len(os.fsencode(value.text))
        if size > limit:
            raise ConfigurationError(
                "bad-value",
                f"{value.name} ({value.origin.place}) is {size} {'characters' if self.windows else 'bytes'} long; "
                f"this system hands at most {limit} to a program",
                "put the value into a file and hand over its path",
            )


def process_variables() -> Mapping[str, str]:
    """The launcher's own environment, on Windows with the spelling that os.environ loses by folding every name."""
    if sys.platform != "win32":
        return _without_coercion(os.environ)
    import nt

    return {name: text for name, text in nt.environ.items() if not name.startswith("=")}


def _without_coercion(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Python sets LC_CTYPE in its own environment where the locale is C (PEP 538): nobody has given it that value."""
    if variables.get("LC_CTYPE") not in ("C.UTF-8", "C.utf8", "UTF-8") or variables.get("LC_ALL"):
        return variables
    try:
        with open("/proc/self/environ", "rb") as file:
            given = file.read().split(b"\0")
    except OSError:  # no such file on macOS
        return variables
    if any(entry.startswith(b"LC_CTYPE=") for entry in given):
        return variables
    return {name: text for name, text in variables.items() if name != "LC_CTYPE"}


class Layer(NamedTuple):
    """Variables of one table of the profile file: names to remove first, then texts to set.

    place: gives the place in words of one of the table's names; it is asked only for names that stand in the table.
    """

    unset: Iterable[str]
    env: Mapping[str, str]
    place: Callable[[str], str]


def apply(environment: Environment, layer: Layer, expand: Callable[[str, str], str]) -> None:
    """Remove and set what the layer says.

    expand(text, place) fills in the placeholders of a value; it sees the variables as the layers below left them,
    so that `PATH = "{root}/bin{pathsep}{env:PATH}"` means the PATH that stood before.
    """
    for name in layer.unset:
        environment.remove(name, Origin("file", layer.place("unset")))
    expanded = {name: (expand(text, layer.place(name)), layer.place(name)) for name, text in layer.env.items()}
    seen: dict[str, str] = {}
    for name, (text, place) in expanded.items():
        other = seen.setdefault(environment.fold(name), name)
        if other != name:
            raise ConfigurationError("bad-value", f"{place}: {other} and {name} are one variable on Windows")
        environment.set(name, text, Origin("file", place))
