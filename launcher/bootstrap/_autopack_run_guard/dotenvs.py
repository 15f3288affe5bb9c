"""python-dotenv: what a `.env` file says of a pin does not count, in whatever form the program asks for it."""

import os

import _autopack_run_guard as guard
from _autopack_run_guard import attempts

TYPE_CHECKING = False  # typing costs a start five milliseconds
if TYPE_CHECKING:
    from typing import Any


def watch(module: "Any") -> None:
    """Wrap DotEnv.dict, through which load_dotenv, dotenv_values, get_key and `dotenv run` read a file."""
    real = module.DotEnv.dict
    if guard.mode == "allow" or hasattr(real, "__wrapped__"):
        return

    def read(self: "Any") -> "Any":
        values = real(self)
        if guard.active:
            for name in list(values):
                guard.safely(_keep, self, values, name)
        return values

    module.DotEnv.dict = guard.like(read, real)


def _keep(reader: "Any", values: "Any", name: str) -> None:
    folded = guard.fold(name)
    pinned, value = guard.pins.get(folded), values[name]
    if pinned is None or value == pinned or value is None:
        return
    # A test that has cleared its environment must not get the operator's value back by this door.
    if pinned and (guard.mode != "error" or folded in os.environ):
        values[name] = pinned
    else:
        del values[name]
    # Without override the environment wins by itself, unless there is nothing in it to win.
    if getattr(reader, "override", True) or folded not in os.environ:
        attempts.refused(folded, value, "a .env file", attempts.source_of(reader, folded), soft=True)
