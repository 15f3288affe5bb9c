"""Which processes of Windows only start a Python, where nobody saw them in time: put together from what is known."""

from pathlib import Path

import pytest

from launcher import observed as observed_module
from launcher import seen
from launcher.child import Command
from launcher.evidence import Watch
from launcher.observed import Observed

ROOT, REDIRECTOR, REAL = 10, 20, 30


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "venv" / "Scripts").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    for module in (observed_module, seen):
        monkeypatch.setattr(module, "WINDOWS", True)
    return str(tmp_path / "venv" / "Scripts" / "python.exe")


def guarded(
    folder: Path,
    pid: int,
    python: str,
    parent: int,
    started: tuple[int, ...] = (),
    program: str = "x.py",
    starts: str = "",
) -> None:
    """What the guard of a Python writes; started: processes that it starts itself, by the name `starts`."""
    event = {"pid": pid, "program": program, "how": "exec", "python": python, "parent": parent, "at": 1}
    spawn = {"event": "spawn", "pid": pid, "program": starts or "python.exe", "where": "x.py:1"}
    lines = [repr(event | {"event": "start"}), *(repr(spawn | {"child": child}) for child in started)]
    (folder / f"guard-{pid}-1.txt").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def observed(folder: Path, python: str) -> Observed:
    found = Observed("drain", str(folder), Watch())
    found.begin(ROOT, Command(python, [python, "x.py"], {}, str(folder)))
    return found


def test_the_first_one_over_before_it_could_be_asked(tmp_path: Path, venv: str) -> None:
    """psutil had its number and no name (a look at the very moment of its end): the launcher knows what it started."""
    run = observed(tmp_path, venv)
    run.watch._seen.admit(seen.Process(ROOT, 1, "a program that was over at once", seen.UNKNOWN, 1.0))
    assert run.harmless() == set()
    guarded(tmp_path, REAL, venv, ROOT)
    assert run.harmless() == {ROOT}


@pytest.mark.parametrize("looked", [None, seen.UNKNOWN, seen.PYTHON, seen.OTHER])
def test_one_that_a_guarded_python_started(tmp_path: Path, venv: str, looked: str | None) -> None:
    """Its Python says whose child it is, and by which file it was started; a real python.exe is none."""
    run = observed(tmp_path, venv)
    guarded(tmp_path, 11, venv, ROOT, started=(REDIRECTOR,))
    if looked:
        run.watch._seen.admit(seen.Process(REDIRECTOR, 11, "python", looked, 1.0))
    assert run.harmless() == {ROOT}
    guarded(tmp_path, REAL, venv, REDIRECTOR)
    assert run.harmless() == ({ROOT, REDIRECTOR} if looked in (None, seen.UNKNOWN) else {ROOT})


def test_one_with_a_python_of_no_virtual_environment(tmp_path: Path, venv: str) -> None:
    run = observed(tmp_path, venv)
    guarded(tmp_path, 11, venv, ROOT, started=(REDIRECTOR,))
    (tmp_path / "python311.dll").touch()
    guarded(tmp_path, REAL, str(tmp_path / "python.exe"), REDIRECTOR)
    assert run.harmless() == {ROOT}


def test_a_console_is_nobody_s_python(tmp_path: Path, venv: str) -> None:
    run = observed(tmp_path, venv)
    guarded(tmp_path, 11, venv, ROOT)
    run.watch._seen.admit(seen.Process(REDIRECTOR, 11, "python", seen.STARTER, 1.0))
    run.watch._seen.admit(seen.Process(40, REDIRECTOR, "conhost", seen.CONSOLE, 1.0))
    assert run.harmless() == {ROOT, 40}
    run.watch._seen.admit(seen.Process(REAL, REDIRECTOR, "python", seen.PYTHON, 1.0))
    assert run.harmless() == {ROOT, REDIRECTOR, 40}


def test_a_script_s_launcher_is_told_by_the_python_that_runs_it(tmp_path: Path, venv: str) -> None:
    """As many as have run: two were started by that name, so one of them may have been another program."""
    tool = Path(venv).with_name("tool.exe")
    tool.write_bytes(b"MZ" + bytes(100) + b"PK\5\6" + bytes(18))
    run = observed(tmp_path, venv)
    guarded(tmp_path, 11, venv, ROOT, started=(50, 60), starts="Tool")
    assert run.harmless() == {ROOT}
    guarded(tmp_path, REAL, venv, REDIRECTOR, program=str(tool))
    assert run.harmless() == {ROOT, 50}
    guarded(tmp_path, 31, venv, 21, program=str(tool))
    assert run.harmless() == {ROOT, 50, 60}


@pytest.mark.parametrize("program", ["tool.py", "other.exe", "tool.exe"])
def test_what_is_no_script_s_launcher(program: str, tmp_path: Path, venv: str) -> None:
    path = Path(venv).with_name(program)
    path.write_bytes(b"MZ" + bytes(100) + (b"" if program == "tool.exe" else b"PK\5\6" + bytes(18)))
    run = observed(tmp_path, venv)
    guarded(tmp_path, 11, venv, ROOT, started=(50,), starts="tool.exe")
    guarded(tmp_path, REAL, venv, REDIRECTOR, program=str(path))
    assert run.harmless() == {ROOT}
