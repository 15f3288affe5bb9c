"""`autopack-run init`: a first profile file."""

import os

from launcher.discovery import FILE_NAME
from launcher.errors import ConfigurationError
from launcher.template import render


def write_profile_file(folder: str) -> str:
    """Write the file into the folder and return its path; raises ConfigurationError where there is one already."""
    path = os.path.join(folder, FILE_NAME)
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(render("init.toml.j2"))
    except FileExistsError:
        raise ConfigurationError(
            "profile-file", f"{path} is there already; it was not touched", "autopack-run profiles"
        ) from None
    except OSError as error:
        raise ConfigurationError("profile-file", f"cannot write {path}: {error.strerror}") from None
    return path
