"""What the launcher said of this launch. The environment is the only channel; it is read once."""

import os

WINDOWS = os.name == "nt"
PREFIX = "AUTOPACK_RUN_"
BOOTSTRAP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

active = False
mode = "allow"
"""What an attempt to change a pin does: `block`, `error` or `allow`."""
block_databases = False
strict = False
fail_closed = False
pins = {}  # type: dict[str, str]
"""The value of each pin by its folded name; `X_FILE` beside each, closed by an empty value."""
folders = []  # type: list[str]
"""The run folders that records go to: this launch's, and those of the launches around it."""
database_path = ""
allowed = []  # type: list[str]
channel = {}  # type: dict[str, str]
"""The variables that a child must find for its own guard to start."""


def fold(name: str) -> str:
    """One name for all spellings of a variable."""
    return name.upper() if WINDOWS else name


def read() -> None:
    """Read the channel from os.environ."""
    global active, mode, block_databases, strict, fail_closed, database_path  # noqa: PLW0603 (a process has one launch)
    environ = os.environ
    words = environ["AUTOPACK_RUN_GUARD"].split()
    options = dict(word.partition("=")[::2] for word in words)
    mode = options.get("pins", "block")
    block_databases = options.get("databases") == "block"
    strict, fail_closed = "strict" in options, "fail_closed" in options
    for name in environ.get("AUTOPACK_RUN_PINS", "").split():
        value = environ.get("AUTOPACK_RUN_PIN_" + name)
        if value is not None:
            pins[fold(name)] = value
            pins[fold(name + "_FILE")] = ""
    folders[:] = [
        folder
        for name in ("AUTOPACK_RUN_RUN", "AUTOPACK_RUN_OUTER")
        for folder in environ.get(name, "").split("\n")
        if folder
    ]
    database_path = environ.get("AUTOPACK_RUN_DATABASE_PATH", "")
    allowed[:] = environ.get("AUTOPACK_RUN_ALLOW", "").split("\n") if environ.get("AUTOPACK_RUN_ALLOW") else []
    channel.update((name, value) for name, value in environ.items() if fold(name).startswith(PREFIX))
    active = True
