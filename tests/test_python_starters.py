"""Windows' programs that only start a Python: the real ones, made by CPython, pip and uv; and a run of such a script."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from parts import need
from runs import Project

from launcher import seen
from launcher.python_starters import is_starter
from launcher.seen import describe

windows = pytest.mark.skipif(sys.platform != "win32", reason="starters are Windows'")
WHEEL = {
    "tool.py": "def main():\n    from client import work\n    work()\n",
    "tool-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: tool\nVersion: 1\n",
    "tool-1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "tool-1.dist-info/entry_points.txt": "[console_scripts]\ntool = tool:main\n",
    "tool-1.dist-info/RECORD": "",
}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A console script that uv has made in a virtual environment of its own."""
    uv, folder = need("windows-uv"), tmp_path_factory.mktemp("uv")
    wheel = folder / "tool-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        for name, text in WHEEL.items():
            file.writestr(name, text)
    at = ["--offline", "--no-config", "--cache-dir", str(folder / "cache")]
    for words in (
        ["venv", "--no-project", "--python", sys._base_executable, str(folder / "venv")],
        ["pip", "install", "--no-deps", "--python", str(folder / "venv" / "Scripts" / "python.exe"), str(wheel)],
    ):
        done = subprocess.run([uv, *at, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder / "venv" / "Scripts" / "tool.exe"


@windows
def test_real_files(script: Path) -> None:
    scripts = Path(sys.executable).parent
    starters = [script, script.with_name("python.exe"), sys.executable, scripts / "pytest.exe", r"C:\Windows\py.exe"]
    assert [str(path) for path in starters if not is_starter(str(path))] == []
    others = [sys._base_executable, shutil.which("cmd"), need("windows-uv"), script.with_name("activate.bat"), "python"]
    assert [str(path) for path in others if is_starter(str(path))] == []


@windows
@pytest.mark.parametrize("tool", ["of uv", "of pip"])
def test_a_console_script_as_a_task(script: Path, tool: str, tmp_path: Path) -> None:
    """Three processes, of which only the last has a guard, and nothing else ran."""
    project = Project(tmp_path)
    if tool == "of uv":
        words = [str(script)]
    else:
        project.program("test_it.py", "from client import work\n\n\ndef test_it():\n    work()\n")
        words = [str(Path(sys.executable).with_name("pytest.exe")), "-q", "-p", "no:cacheprovider"]
    project.task("drain", words)
    done = project.run("p", "drain", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert project.report()["verdict"] == "proven", done.stderr
    assert project.rows() == 1


@windows
def test_a_script_that_a_task_starts(script: Path, tmp_path: Path) -> None:
    project = Project(tmp_path)
    code = f"import subprocess\nsubprocess.run([{json.dumps(str(script))}], check=True)\n"
    project.task("drain", code)
    done = project.run("p", "drain", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert (project.report()["verdict"], project.rows()) == ("proven", 1), done.stderr


@pytest.mark.parametrize(
    ("names", "starts"),
    [
        (["python.exe", "python311.dll", "python3.dll"], False),
        (["python.exe", "libpython3.12.dll"], False),
        (["python.exe", "libpypy3.11-c.dll"], False),
        (["python.exe", "msys-python3.12.dll"], False),
        (["python.exe", "Lib/os.py"], False),  # of 2.7 and 3.4 for all users the DLL is in System32
        (["python.exe", "python3.exe.__target__", "vcruntime140.dll"], True),
        (["python.exe", "pythonnet.dll"], True),
    ],
)
def test_a_python_without_its_library(
    names: list[str], starts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one has it beside itself; a shim of the Python install manager, scoop or uv has not."""
    monkeypatch.setattr(seen, "WINDOWS", True)
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    program = os.path.join(tmp_path, "python.exe")
    assert is_starter(program) is starts
    assert describe(program, [program, "x.py"])[1] == ("starter" if starts else "python")
    assert not is_starter(os.path.join(tmp_path, "gone", "python.exe"))
