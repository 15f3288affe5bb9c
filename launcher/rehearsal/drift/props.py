"""What stands in a scene's folder and environment before anything is played."""

import json
import os
import shutil
import sys
from importlib.resources import as_file, files

from launcher.discovery import FILE_NAME
from launcher.template import render

# What a shell or an outer launch has set must play no part.
_LEFT_OUT = ("DATABASE_URL", "DATABASE_URL_FILE", "AUTOPACK_API_URL", "PYTHONSAFEPATH", "PYTHON_DOTENV_DISABLED")


def environment(launcher: bool) -> dict[str, str]:
    """This shell's variables but for those that would decide the play; the profile file drops PYTHONPATH by itself."""
    gone = _LEFT_OUT if launcher else (*_LEFT_OUT, "PYTHONPATH")
    kept = {
        name: text
        for name, text in os.environ.items()
        if name.upper() not in gone and not name.upper().startswith("AUTOPACK_RUN_")
    }
    return {**kept, "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}


def copy_programs(cause: str, folder: str) -> None:
    """Make the folder with the client's programs: the common ones, and those of the cause over them."""
    with as_file(files("launcher.rehearsal") / "causes") as causes:
        for name in ("common", cause.replace("-", "_")):
            shutil.copytree(causes / name, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    # python-dotenv looks in the folders above as well; here its search ends.
    with open(os.path.join(folder, ".env"), "w", encoding="utf-8") as file:
        file.write("# nothing is set here\n")


def write_profile_file(cause: str, folder: str) -> None:
    """Write the profile file for the programs of a cause; Python is the one that runs the launcher."""
    python = json.dumps(sys.executable.replace("{", "{{").replace("}", "}}"), ensure_ascii=False)
    with open(os.path.join(folder, FILE_NAME), "w", encoding="utf-8", newline="\n") as file:
        file.write(render("drift.toml.j2", cause=cause, python=python))
