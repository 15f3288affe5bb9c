"""The built wheel and an editable install, each in a bare environment: what a user gets, not what the checkout has."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from parts import need
from running import clean_env

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="the sources are not beside the tests")


def uv(*words: str | Path, cwd: Path) -> None:
    done = subprocess.run([need("uv"), *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is packaged: building leaves folders behind."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("launcher", "shells", "templates"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("autopack_run.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module", params=["wheel", "editable"])
def bare(request: pytest.FixtureRequest, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the package, the extra `rehearsal`, and nothing else."""
    home = tmp_path_factory.mktemp(f"bare {request.param}")
    uv("venv", "--python", sys.executable, home / "venv", cwd=home)
    python = home / "venv" / SCRIPTS / ("python.exe" if os.name == "nt" else "python")
    if request.param == "wheel":
        uv("build", "--wheel", "--out-dir", home / "dist", checkout, cwd=home)
        (wheel,) = (home / "dist").glob("*.whl")
        uv("pip", "install", "--python", python, f"{wheel}[rehearsal]", cwd=home)
    else:
        uv("pip", "install", "--python", python, "-e", f"{checkout}[rehearsal]", cwd=home)
    return python


def start(
    python: Path, words: list[str], cwd: Path, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(python.with_name("autopack-run")), *words],
        cwd=cwd,
        env=clean_env(env),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def test_help(bare: Path, tmp_path: Path) -> None:
    shown = start(bare, ["--help"], tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "PROFILE ACTION" in shown.stdout


def test_version(bare: Path, tmp_path: Path) -> None:
    assert start(bare, ["--version"], tmp_path).stdout.startswith("autopack-run 0.")


def test_a_template_is_read(bare: Path, tmp_path: Path) -> None:
    assert start(bare, ["init"], tmp_path).returncode == 0
    listed = start(bare, ["profiles"], tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "seed" in listed.stdout


def test_rehearse(bare: Path, tmp_path: Path) -> None:
    played = start(bare, ["rehearse", "--in", str(tmp_path / "new")], tmp_path)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "10 of 10 COMPLETE" in played.stdout


def test_module_and_hostile_client(bare: Path, tmp_path: Path) -> None:
    for package in ("launcher", "shells", "templates"):
        (tmp_path / package).mkdir()
        for name in ("__init__.py", "cli.py", "base.py"):
            (tmp_path / package / name).write_text("raise SystemExit('the client was imported')\n")
    hostile = {"PYTHONPATH": str(tmp_path)}
    assert start(bare, ["init"], tmp_path, hostile).returncode == 0
    assert start(bare, ["telemetry", "env", "--shell", "bash"], tmp_path, hostile).returncode == 0
    played = start(bare, ["rehearse", "--in", str(tmp_path / "new")], tmp_path, hostile)
    assert played.returncode == 0, played.stdout + played.stderr
    module = subprocess.run(
        [str(bare), "-m", "autopack_run", "profiles"],
        cwd=tmp_path,
        env=clean_env(hostile),
        capture_output=True,
        text=True,
        check=False,
    )
    assert module.returncode == 0, module.stderr


def test_the_wheel_has_what_is_listed_and_nothing_else(checkout: Path, tmp_path: Path) -> None:
    uv("build", "--wheel", "--out-dir", tmp_path, checkout, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    tops = {name.split("/")[0] for name in names}
    assert tops == {"autopack_run.py", "launcher", "shells"}
    packed = {name for name in names if name.endswith(".py")}
    assert packed == {
        str(path.relative_to(checkout)).replace("\\", "/").replace("templates/", "launcher/templates/")
        for folder in ("launcher", "shells", "templates")
        for path in (checkout / folder).rglob("*.py")
    } | {"autopack_run.py"}
    assert {f"shells/start/{path.name}" for path in (checkout / "shells" / "start").iterdir()} <= names
    assert {f"launcher/templates/{path.name}" for path in (checkout / "templates").glob("*.j2")} <= names
    assert {"launcher/autopack-run.schema.json", "launcher/py.typed"} <= names
