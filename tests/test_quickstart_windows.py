"""The quickstart scripts in the Windows lab: .cmd in cmd, .ps1 in PowerShell, on the rehearsal and on a launcher that notes."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from parts import need
from quickstarts import NAMES
from running import run
from windows import LAB_PROGRAMS, VENV_SCRIPTS, Windows

from launcher.template import render

pytestmark = [pytest.mark.lab, pytest.mark.posix]
SYSTEM = r"C:\windows\system32;C:\windows"
PATH = rf"{SYSTEM};{VENV_SCRIPTS}"
CMD = ["cmd", "/c", NAMES[1]]
PWSH = ["pwsh", "-NoProfile", "-ExecutionPolicy", "Bypass", "-File", rf".\{NAMES[0]}"]
STARTS = {"cmd": CMD, "ps1": PWSH}
# A shim, as pyenv-win has them: it notes its words, and ends with the code that the file of its number sets.
SHIM = r"""@echo off
setlocal
>>"%~dp0calls" echo [%*]
set "number=4"
for %%i in (3 2 1) do if not exist "%~dp0call%%i" set "number=%%i"
echo x>"%~dp0call%number%"
set "code=0"
if exist "%~dp0code%number%.cmd" call "%~dp0code%number%.cmd"
exit /b %code%
"""


@pytest.fixture(scope="module")
def lab(windows: Windows) -> Windows:
    """The lab with the venv that has this launcher."""
    need("windows-venv")
    return windows


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A workspace of a hostile name with the rehearsal's profile file for the lab, and the scripts."""
    folder = tmp_path / "O'Brien & Söhne" / "50% off! [x]"
    folder.mkdir(parents=True)
    profile(folder)
    # Written by the launcher here: they are the same on each system, as a team that commits them needs.
    assert run(["quickstart", "telemetry"], folder).returncode == 0
    return folder


def profile(folder: Path, *drain: str) -> None:
    words = "".join(f', "{word}"' for word in drain)
    text = render(
        "rehearsal.toml.j2",
        python=json.dumps(LAB_PROGRAMS["python"]),
        url='"sqlite:///autopack_telemetry_seed.db"',
    )
    text = text.replace('"launcher.rehearsal", "drain"', f'"launcher.rehearsal", "drain"{words}')
    (folder / "autopack-run.toml").write_text(text, encoding="utf-8", newline="\n")


def test_the_launcher_on_windows_writes_the_same_bytes(lab: Windows, home: Path) -> None:
    done = lab.run(["autopack-run", "quickstart", "telemetry", "--check"], home)
    assert (done.returncode, done.stdout.strip()) == (0, f"fresh: {', '.join(NAMES)}"), done.stderr
    before = {name: (home / name).read_bytes() for name in NAMES}
    assert lab.run(["autopack-run", "quickstart", "telemetry"], home).returncode == 0
    assert {name: (home / name).read_bytes() for name in NAMES} == before


def test_from_nothing_to_the_end_and_again(lab: Windows, home: Path) -> None:
    done = lab.run(CMD, home, {"PATH": PATH}, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10 phases COMPLETE" in done.stdout
    assert done.stderr.count("> autopack-run") == 4
    again = lab.run(PWSH, home, {"PATH": PATH}, timeout=120)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing to create" in again.stderr
    assert "nothing to drain" in again.stdout


@pytest.mark.parametrize("kind", STARTS)
def test_steps_stop_at_the_first_code(lab: Windows, home: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "shims"
    folder.mkdir()
    (folder / "autopack-run.bat").write_text(SHIM, newline="\r\n")
    path = f"{SYSTEM};{lab.path(folder)}"
    steps = ["seed create", "telemetry check", "telemetry drain", "telemetry check"]
    cases = [(4, 0), (3, 3221225786), (1, 65), (2, 1)]  # 1 is what cmd's call says of a program that is not there
    for number, code in cases[: 4 if kind == "cmd" else 2]:
        for old in folder.glob("c*"):
            old.unlink()
        signed = code - 2**32 if code >= 2**31 else code
        (folder / f"code{number}.cmd").write_text(f"@set code={signed}\n", newline="\r\n")
        done = lab.run(STARTS[kind], home, {"PATH": path, "ERRORLEVEL": "7"})
        assert done.returncode == code, done.stdout + done.stderr
        calls = [line.strip("[]\r").replace('"', "") for line in (folder / "calls").read_text().splitlines()]
        assert [" ".join(line.split()[-2:]) for line in calls] == steps[:number]
        watch = "--end-with-parent " if kind == "cmd" else "--end-with "
        assert all(watch in line for line in calls)
        assert [line.startswith("--if-missing") for line in calls] == [True, False, False, False][:number]
        assert "not on PATH" not in done.stderr


@pytest.mark.parametrize("kind", STARTS)
def test_no_launcher_on_path(lab: Windows, home: Path, kind: str) -> None:
    done = lab.run(STARTS[kind], home, {"PATH": SYSTEM})
    assert done.returncode == 127, done.stdout + done.stderr
    assert "autopack-run is not on PATH. In its checkout: uv tool install ." in done.stderr


@pytest.mark.parametrize("kind", STARTS)
def test_started_elsewhere_a_hint_names_the_file_and_words_are_refused(lab: Windows, tmp_path: Path, kind: str) -> None:
    project, other = tmp_path / "my project", tmp_path / "other"
    for folder in (project, other):
        folder.mkdir()
        profile(folder)
    assert run(["quickstart", "telemetry"], project).returncode == 0
    with closing(sqlite3.connect(project / "autopack_telemetry_seed.db")) as database:
        for table in ("runs", "tiers", "phases", "llm_usage_events", "token_estimation_v2_events"):
            database.execute(f"create table {table} (id)")
        database.execute("create table token_budget_escalation_events (id)")
        database.commit()
    *start, script = STARTS[kind]
    command = [*start, f"..\\my project\\{script.rpartition(chr(92))[2]}"]
    done = lab.run(command, other, {"PATH": PATH})
    assert done.returncode == 65, done.stdout + done.stderr
    assert f'autopack-run -f "{lab.path(project)}\\autopack-run.toml" seed adopt' in done.stderr
    done = lab.run([*command, "--help"], other, {"PATH": PATH})
    assert (done.returncode, "takes no arguments" in done.stderr) == (2, True), done.stderr
    assert ">" not in done.stderr


def test_a_cmd_that_was_renamed_and_one_without_its_profile_file_say_so(lab: Windows, home: Path) -> None:
    shutil.copy(home / NAMES[1], home / "go.cmd")
    (home / "autopack-run.toml").unlink()
    done = lab.run(CMD, home, {"PATH": PATH})
    assert (done.returncode, '"autopack-run.toml" is not beside this script.' in done.stderr) == (78, True)
    (home / NAMES[1]).unlink()
    done = lab.run(["cmd", "/c", "go.cmd"], home, {"PATH": PATH})
    assert (done.returncode, f'There is no "{NAMES[1]}" here: this script was renamed' in done.stderr) == (78, True)


def test_a_cmd_is_called_from_another_folder_and_leaves_the_callers_session(
    lab: Windows, home: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "a & b" / "O'Brien & Söhne [x]"  # Wine's cmd loses a % of a path
    plain.parent.mkdir()
    home.rename(plain)
    (tmp_path / "caller.cmd").write_text(
        '@echo off\r\nset > before\r\ncall "a & b\\O\'Brien & S\u00f6hne [x]\\quickstart-telemetry.cmd"\r\n'
        "set code=%errorlevel%\r\ncd\r\necho ended %code%\r\nset code=\r\nset > after\r\nexit /b 0\r\n",
        encoding="cp437",
        newline="",
    )
    with_code_page = lab.run(["cmd", "/c", "caller.cmd"], tmp_path, {"PATH": SYSTEM})
    assert "ended 127" in with_code_page.stdout, with_code_page.stdout + with_code_page.stderr
    assert lab.path(tmp_path) in with_code_page.stdout
    assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes()


def test_killed_in_the_middle_they_leave_nothing(lab: Windows, home: Path, tmp_path: Path) -> None:
    profile(home, "--seconds-per-phase", "8")
    shutil.copytree(home, tmp_path / "second")
    (tmp_path / "kill.py").write_text(KILL, encoding="utf-8")
    starts = [[CMD, lab.path(home)], [[LAB_PROGRAMS["pwsh"], *PWSH[1:]], lab.path(tmp_path / "second")]]
    env = {"PATH": PATH, "PYTHONUTF8": "1"}
    done = lab.run(["python", "kill.py", json.dumps(starts)], tmp_path, env, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in map(json.loads, done.stdout.splitlines()):
        assert said["before"] >= 3, said  # launcher, server, drain
        assert said["after"] == [], said


# Starts the scripts, ends each one's shell by TerminateProcess while its drain works, and looks for what is left.
KILL = r"""
import json, subprocess, sys, time
import psutil

def text(log):
    return open(log, encoding="utf-8", errors="replace").read()

scripts = []
for number, (words, cwd) in enumerate(json.loads(sys.argv[1])):
    log = f"log{number}"
    stream = open(log, "w")
    flags = 0x08000000 if "pwsh" in words[0] else 0  # CREATE_NO_WINDOW: see windows.py
    script = subprocess.Popen(
        words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, creationflags=flags
    )
    scripts.append((script, log))
for script, log in scripts:
    end = time.monotonic() + 120
    while "offline builder" not in text(log):
        assert script.poll() is None and time.monotonic() < end, text(log)
        time.sleep(0.2)
    # Wine's own come up with the first window of a session.
    before = [
        process
        for process in psutil.Process(script.pid).children(recursive=True)
        if process.name().lower() not in ("explorer.exe", "conhost.exe")
    ]
    words = {process.pid: " ".join(process.cmdline()) for process in before if process.is_running()}
    script.kill()
    script.wait(10)
    after, end = before, time.monotonic() + 8
    while after and time.monotonic() < end:
        time.sleep(0.3)
        after = [process for process in before if process.is_running()]
    print(json.dumps({"before": len(before), "after": [words.get(process.pid, process.pid) for process in after]}))
"""
