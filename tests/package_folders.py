"""Packages from PyPI for tests: each set in a folder of its own that goes on PYTHONPATH, or as an unpacked source."""

import functools
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from parts import need

# Removed when the tests end; uv's own cache keeps what was downloaded.
_SESSION = tempfile.TemporaryDirectory(prefix="autopack-run-packages.", ignore_cleanup_errors=True)


@functools.cache
def installed(*requirements: str, python: str = sys.executable) -> Path:
    """A folder with the packages and what they need, for this Python. Skips or fails where PyPI is out of reach."""
    need("pypi")
    # What lies below "site-packages" is nobody's own code: the guard looks past it for the line to name.
    folder = Path(tempfile.mkdtemp(dir=_SESSION.name)) / "site-packages"
    _do([*_installer(python), "--target", str(folder), *requirements])
    return folder


@functools.cache
def environment(*requirements: str, python: str = sys.executable) -> Path:
    """The Python of a new virtual environment with the packages: the one place where .pth files are read."""
    folder = Path(tempfile.mkdtemp(dir=_SESSION.name)) / "venv"
    _do([python, "-m", "venv", "--without-pip", str(folder)])
    (program,) = (path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists())
    if requirements:
        need("pypi")
        uv = shutil.which("uv")
        pip = (
            [uv, "pip", "install", "--compile-bytecode"]
            if uv
            else [sys.executable, "-m", "pip", "--python", str(program), "install"]
        )
        _do([*pip, "-q", *(["--python", str(program)] if uv else []), *requirements])
    return program


@functools.cache
def source(name: str, version: str) -> Path:
    """The unpacked source distribution of a release."""
    need("pypi")
    folder = Path(tempfile.mkdtemp(dir=_SESSION.name))
    options = ["--no-deps", "--no-binary", ":all:", "-d", str(folder)]
    _do([*_pip(), "download", "-q", "--disable-pip-version-check", *options, f"{name}=={version}"])
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


def pypi() -> str | None:
    """What installs from PyPI, once it has installed a small package; None where it cannot. For parts.need()."""
    program = shutil.which("uv") or sys.executable
    with tempfile.TemporaryDirectory() as folder:
        done = _run([*_installer(sys.executable), "--target", folder, "iniconfig==2.3.0"])
    return program if done.returncode == 0 else None


def _installer(python: str) -> list[str]:
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "-q", "--compile-bytecode", "--python", python]
    return [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]


def _pip() -> list[str]:
    # A virtual environment made by uv has no pip; uv brings one for the moment, but downloads nothing itself.
    done = _run([sys.executable, "-m", "pip", "--version"])
    if done.returncode == 0:
        return [sys.executable, "-m", "pip"]
    return [shutil.which("uv") or "uv", "tool", "run", "--python", sys.executable, "pip"]


def _do(words: list[str]) -> None:
    done = _run(words)
    if done.returncode != 0:
        pytest.fail(f"{' '.join(words)}:\n{done.stdout}{done.stderr}", pytrace=False)


def _run(words: list[str]) -> "subprocess.CompletedProcess[str]":
    # PYTHONPATH and an active environment are the test's own; only the proxy and the index settings are needed.
    env = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
