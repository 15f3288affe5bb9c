"""Which profile file counts for the folder at hand."""

import os
from collections.abc import Iterator

from launcher.errors import ConfigurationError
from launcher.hints import quoted

FILE_NAME = "autopack-run.toml"
# A checkout's root has one of these; a worktree's or submodule's .git is a file.
CHECKOUT_MARKS = (".git", ".hg", ".svn", ".jj", "_darcs", ".fslckout")


def find_profile_file(start: str, home: str | None = None) -> str:
    """The path of the nearest profile file, from the folder `start` upwards.

    The search ends, inclusively, at the root of the version control checkout, the home folder or the volume, so that
    a file that somebody left in /tmp or C:\\ cannot decide over a project. Raises ConfigurationError where there is
    none, and where the one in a higher folder belongs to another user (git's safe.directory is the model).
    """
    stop_home = os.path.normcase(os.path.realpath(home or os.path.expanduser("~")))
    searched = list(_folders(os.path.abspath(start), stop_home))
    for folder in searched:
        path = os.path.join(folder, FILE_NAME)
        if os.path.lexists(path):  # a folder, a pipe or a dangling link of that name is an error, not a reason to go on
            if folder != searched[0]:
                _refuse_foreign(path)
            return path
    raise ConfigurationError(
        "no-profile-file",
        f"no {FILE_NAME} from {searched[0]} up to {searched[-1]}",
        "autopack-run init writes one here; autopack-run rehearse shows a whole run in a fresh folder",
    )


def _folders(start: str, stop_home: str) -> Iterator[str]:
    folder = start
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder or os.path.normcase(os.path.realpath(folder)) == stop_home or _is_checkout(folder):
            return
        folder = parent


def _is_checkout(folder: str) -> bool:
    return any(os.path.lexists(os.path.join(folder, mark)) for mark in CHECKOUT_MARKS)


def _refuse_foreign(path: str) -> None:
    from launcher.owner import foreign_owner

    owner = foreign_owner(path)
    if owner is not None:
        raise ConfigurationError(
            "foreign-profile-file",
            f"{path} belongs to {owner}, and what it says would be run as you",
            f"read it, then accept it: autopack-run -f {quoted(path)} PROFILE ACTION",
        )


def current_folder() -> str:
    """The current folder; raises ConfigurationError where it has been deleted."""
    try:
        return os.getcwd()
    except OSError as error:
        raise ConfigurationError(
            "no-current-folder",
            f"the current folder cannot be told: {error.strerror} (was it deleted?)",
            "cd to a folder that exists",
        ) from None
