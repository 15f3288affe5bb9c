"""Which shell is detected: what the environment says, what real shells are, and that unsure stays unsure."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import shellingham
from parts import need

import shells
from shells.detect import detect_shell
from shells.table import SHELLS

ROOT = Path(shells.__file__).parents[1]
ASK = "import os; from shells.detect import detect_shell; print(detect_shell(os.environ))"


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No parent process may be asked, unless the test says what it answers."""
    monkeypatch.setattr(shellingham, "detect_shell", lambda: pytest.fail("the parent processes were read"))
    return monkeypatch


@pytest.mark.parametrize("name", SHELLS)
def test_the_variable_comes_first(parent: pytest.MonkeyPatch, name: str) -> None:
    assert detect_shell({"AUTOPACK_RUN_SHELL": name}) == (name, f"AUTOPACK_RUN_SHELL='{name}'")


@pytest.mark.parametrize("name", ["tcsh", "BASH", "/bin/bash", "\x1b[2J"])
def test_an_unknown_name_in_the_variable_is_no_reason_to_look_further(parent: pytest.MonkeyPatch, name: str) -> None:
    found = detect_shell({"AUTOPACK_RUN_SHELL": name})
    assert found == (None, f"AUTOPACK_RUN_SHELL={name!a}, which is none of {', '.join(sorted(SHELLS))}")


@pytest.mark.parametrize("environ", [{}, {"AUTOPACK_RUN_SHELL": ""}, {"SHELL": "/bin/bash", "PSModulePath": "x"}])
@pytest.mark.parametrize("name", ["bash", "cmd", "powershell", "pwsh"])
def test_then_the_parent_process(parent: pytest.MonkeyPatch, environ: dict[str, str], name: str) -> None:
    parent.setattr(shellingham, "detect_shell", lambda: (name, f"/bin/{name}"))
    assert detect_shell(environ) == (name, f"the parent process '/bin/{name}'")


@pytest.mark.parametrize("name", ["tcsh", "nu", "csh"])
def test_a_shell_that_the_table_does_not_have(parent: pytest.MonkeyPatch, name: str) -> None:
    parent.setattr(shellingham, "detect_shell", lambda: (name, f"/bin/{name}"))
    found = detect_shell({})
    assert found.name is None
    assert found.seen.startswith(f"the parent process '/bin/{name}', which is none of bash, ")


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (shellingham.ShellDetectionFailure(), "no shell among the parent processes"),
        (TypeError("x"), "the parent processes could not be read (TypeError)"),
        (IndexError("x"), "the parent processes could not be read (IndexError)"),
        (OSError("x"), "the parent processes could not be read (OSError)"),
        (RuntimeError("x"), "the parent processes could not be read (RuntimeError)"),
    ],
)
def test_a_failing_detection_is_unsure(parent: pytest.MonkeyPatch, error: Exception, seen: str) -> None:
    def fail() -> None:
        raise error

    parent.setattr(shellingham, "detect_shell", fail)
    assert detect_shell({}) == (None, seen)


@pytest.mark.skipif(sys.platform == "win32", reason="asked in cmd there")
@pytest.mark.parametrize(
    ("part", "arguments", "name"),
    [
        ("bash", ["--norc", "-c", '"$TEST_PYTHON" ask.py; :'], "bash"),
        ("pwsh", ["-NoProfile", "-Command", "& $env:TEST_PYTHON ask.py"], "pwsh"),
    ],
)
def test_real_shells(tmp_path: Path, part: str, arguments: list[str], name: str) -> None:
    (tmp_path / "ask.py").write_text(ASK)
    env = {**os.environ, "TEST_PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "AUTOPACK_RUN_SHELL": ""}
    done = subprocess.run([need(part), *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Detection(name='{name}', seen=\"the parent process '")


def test_real_cmd(tmp_path: Path) -> None:
    (tmp_path / "ask.py").write_text(ASK)
    shutil.copytree(ROOT / "shells", tmp_path / "shells")
    shutil.copytree(Path(shellingham.__file__).parent, tmp_path / "shellingham")
    (tmp_path / "ask.cmd").write_bytes(b'@"%TEST_PYTHON%" ask.py\r\n')
    driver = (
        "import os, subprocess, sys\nenv = {**os.environ, 'TEST_PYTHON': sys.executable}\n"
        "print(subprocess.run(['cmd', '/d', '/c', 'ask.cmd'], env=env, capture_output=True, text=True).stdout)\n"
    )
    (tmp_path / "driver.py").write_text(driver)
    start = [sys.executable] if sys.platform == "win32" else [need("windows-lab"), "run", "python3.11"]
    env = {**os.environ, "AUTOPACK_RUN_SHELL": ""}
    done = subprocess.run([*start, "driver.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Detection(name='cmd', seen=\"the parent process '")
