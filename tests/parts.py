"""The real programs that tests need: found, or the test is skipped; in CI never skipped where the system has it."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LAB_SCRIPT = Path(__file__).parent / "windows_lab" / "windows-lab"
LAB = Path(os.environ.get("WINDOWS_LAB", "/opt/windows-lab"))
VENV = LAB / "opt/home/.wine/drive_c/autopack-venv"

# "wine" is the lab itself, where the suite runs under Windows Python.
MUST_HAVE = {
    "linux": (
        "bash",
        "dash",
        "fish",
        "ksh",
        "zsh",
        "pwsh",
        "postgresql",
        "pgbouncer",
        "mariadb",
        "pypi",
        "locales",
        "windows-lab",
        "windows-venv",
        "windows-pwsh",
    ),
    "darwin": ("bash", "zsh", "pwsh", "pypi"),
    "win32": ("cmd", "powershell", "pwsh", "pypi", "windows-uv"),
    "wine": ("cmd", "pwsh", "windows-uv"),
}


def system() -> str:
    """The key of MUST_HAVE."""
    return "wine" if os.environ.get("WINDOWS_LAB_INSIDE") else sys.platform


def need(part: str) -> str:
    """The path of a real part. Without it the test is skipped by the part's name, or fails in CI where it is due."""
    path = _find(part)
    if path is not None:
        return path
    here = system()
    if part not in MUST_HAVE.get(here, ()):
        pytest.skip(f"{part}: not to be had on {here}")
    # CI names what its machine cannot have (the lab on a hosted runner), so that it is lost in the open.
    if os.environ.get("CI") and part not in os.environ.get("CI_LACKS", "").split():
        pytest.fail(f"{part}: missing, and CI must have it on {here}", pytrace=False)
    pytest.skip(f"{part}: not installed")


@functools.cache
def _find(part: str) -> str | None:
    match part:
        case "windows-lab":
            return str(LAB_SCRIPT) if _lab_is_there() else None
        case "windows-pwsh":
            there = LAB / "opt/powershell/pwsh/pwsh.exe"
            return str(there) if _lab_is_there() and there.exists() else None
        case "windows-venv":
            return _venv() if _lab_is_there() else None
        case "locales":  # Debian's package, for its sources; localedef itself is libc's
            return shutil.which("localedef") if Path("/usr/share/i18n/charmaps").is_dir() else None
        case "windows-uv":  # of the dev group
            return shutil.which("uv", path=os.path.dirname(sys.executable)) if sys.platform == "win32" else None
        case "uv" if system() == "wine":  # for what it would have to fetch
            return None
        case "pypi":
            return None if system() == "wine" else _pypi()
        case "bash" if sys.platform == "win32":
            # System32\bash.exe is the door to WSL, another system; Git's bash is what people use.
            return shutil.which("bash", path=os.path.expandvars(r"%ProgramFiles%\Git\bin"))
        case "pgbouncer":  # /usr/sbin is not in every PATH
            return shutil.which(part) or shutil.which(part, path="/usr/sbin")
        case "postgresql":  # Debian keeps its programs out of PATH, by version
            found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
            return str(found[-1].parent) if found else None
        case "mariadb":  # Debian's mariadb-server; /usr/sbin is not in every PATH
            return shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
        case _:
            return shutil.which(part)


def _lab_is_there() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0 and (LAB / "opt/home/.wine/system.reg").exists()


def _pypi() -> str | None:
    from package_folders import pypi

    return pypi()


def _venv() -> str:
    # The venv must hold this checkout's code: an older wheel would pass or fail for it.
    refresh = [str(LAB_SCRIPT.with_name("suite")), "--refresh"]
    made = subprocess.run(refresh, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.fail(f"the lab's venv cannot be made:\n{made.stderr}", pytrace=False)
    return str(VENV)
