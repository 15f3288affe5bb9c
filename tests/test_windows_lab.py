"""The Windows of the tests is what it seems: arguments, environment, exit codes and Ctrl-C pass through unchanged."""

import json
import random
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import parts
import pytest
from parts import need
from windows import Windows

SHOW_ARGS = "import json, sys; print(json.dumps(sys.argv[1:]))"
SHOW_ENV = "import json, os; print(json.dumps(dict(os.environ)))"
CHILD = """
import os, time
try:
    print("child", "ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("child", os.environ["X"], flush=True)
    raise SystemExit(5)
"""
PARENT = f"""
import signal, subprocess, sys
signal.signal(signal.SIGINT, lambda *_: None)
sys.exit(subprocess.call([sys.executable, "-ISc", {CHILD!r}]))
"""


def hostile_argument_lists(count: int) -> list[list[str]]:
    """Lists of one to four arguments, empty ones among them, of what quoting rules trip over."""
    dice = random.Random(4)
    marks = [*" \t\n\"'\\%$^&|<>()!`*?~=;,@#{}aü漢😀\x01\x1a\x7f\u2019"]
    words = ['\\"', "\\\\", "%PATH%", "a b", "--", "/c", "C:\\x y\\", "\r\n"]

    def argument() -> str:
        return "".join(dice.choices(marks + words, k=dice.randrange(7)))

    return [[argument() for _ in range(dice.randrange(1, 5))] for _ in range(count)]


def test_python_is_a_windows_python(windows: Windows, tmp_path: Path) -> None:
    show = "import sys, os; print(sys.platform, sys.version_info[:2], os.getcwd())"
    done = windows.run(["python", "-c", show], tmp_path)
    assert done.stdout.startswith("win32 (3, ")
    assert done.stdout.rstrip().endswith(windows.path(tmp_path))


def test_hostile_folder_is_the_current_folder(windows: Windows, tmp_path: Path) -> None:
    folder = tmp_path / "o'b & ü %PATH% (x)"
    folder.mkdir()
    assert windows.run(["python", "-c", "open('here', 'w')"], folder).returncode == 0
    assert (folder / "here").exists()


@pytest.mark.slow
def test_hostile_arguments_arrive(windows: Windows, tmp_path: Path) -> None:
    cases = hostile_argument_lists(100)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda case: windows.run(["python", "-ISc", SHOW_ARGS, *case], tmp_path), cases))
    assert [json.loads(d.stdout) for d in done] == cases


@pytest.mark.parametrize("case", hostile_argument_lists(10), ids=ascii)
@pytest.mark.lab
@pytest.mark.posix
def test_hostile_arguments_through_wines_own_quoting(windows: Windows, tmp_path: Path, case: list[str]) -> None:
    command = [need("windows-lab"), "run", "python3.11", "-ISc", SHOW_ARGS, *case]
    done = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert json.loads(done.stdout) == case


HOSTILE_ENV = {
    "PERCENT": "100% %PATH% %%",
    "QUOTES": "a\"b'c`d",
    "META": "^&|<>()!;$(x)",
    "LINES": "a\nb\r\nc\r",
    "CONTROL": "\x01\x1a\x1b[0m\x7f",
    "UNICODE": "ü€漢😀u\u0308\u2019",
    "BLANKS": "  a\t ",
    "TRAILING": "C:\\x y\\",
    "EQUALS": "=a=b=",
    "EMPTY": "",
    "LONG": "x" * 30_000,
    "A-B": "1",
    "A(x86) b": "2",
    "ümlaut": "3",
    # what Wine or the machine would set otherwise
    "PATH": "C:\\only;C:\\windows\\system32",
    "PATHEXT": ".EXE;.PY",
    "TEMP": "C:\\o t",
    "USERNAME": "o'neil",
    "USERPROFILE": "C:\\users\\nobody",
    "HOME": "C:\\home",
    "COMSPEC": "C:\\none.exe",
    "LC_ALL": "de_DE",
    "WINEDEBUG": "-all",
    "PWD": "/x",
}


def test_hostile_environment_arrives(windows: Windows, tmp_path: Path) -> None:
    done = windows.run(["python", "-ISc", SHOW_ENV], tmp_path, env=HOSTILE_ENV)
    seen = json.loads(done.stdout)
    assert {name: seen.get(name.upper()) for name in HOSTILE_ENV} == HOSTILE_ENV


def test_own_environment_stays_outside(windows: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///of-the-machine.db")
    monkeypatch.setenv("WINDOWS_LAB_PASS", "DATABASE_URL")
    seen = json.loads(windows.run(["python", "-ISc", SHOW_ENV], tmp_path).stdout)
    assert "DATABASE_URL" not in seen
    assert {"SYSTEMROOT", "PATH", "TEMP", "USERPROFILE"} <= set(seen)


@pytest.mark.parametrize("code", [0, 9, 255, 256, 3221225786, 2**32 - 1])
def test_exit_code_is_the_whole_unsigned_one(windows: Windows, tmp_path: Path, code: int) -> None:
    leave = f"import ctypes; ctypes.windll.kernel32.ExitProcess(ctypes.c_uint32({code}))"
    assert windows.run(["python", "-ISc", leave], tmp_path).returncode == code


def test_bytes_pass_through_the_pipes(windows: Windows, tmp_path: Path) -> None:
    every = bytes(range(256)) * 300
    copy = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d); sys.stderr.buffer.write(d[::-1])"
    done = windows.run(["python", "-ISc", copy], tmp_path, input=every)
    assert done.stdout.encode("utf-8", "surrogateescape") == every
    assert done.stderr.encode("utf-8", "surrogateescape") == every[::-1]


def test_no_input_is_an_empty_input(windows: Windows, tmp_path: Path) -> None:
    done = windows.run(["python", "-ISc", "import sys; print(len(sys.stdin.read()))"], tmp_path)
    assert done.stdout.strip() == "0"


def test_cmd_and_powershell_answer_through_pipes(windows: Windows, tmp_path: Path) -> None:
    assert windows.run(["cmd", "/d", "/c", "exit 7"], tmp_path).returncode == 7
    done = windows.run(["pwsh", "-NoProfile", "-Command", "'ok ' + $env:X; exit 6"], tmp_path, env={"X": "it's"})
    assert (done.stdout.strip(), done.returncode) == ("ok it's", 6)


@pytest.mark.lab
@pytest.mark.posix
def test_timeout_ends_the_whole_tree(windows: Windows, tmp_path: Path) -> None:
    tick = "import time\nwhile True: open('tick', 'a').write('x'); time.sleep(0.1)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-ISc', {tick!r}])"
    with pytest.raises(subprocess.TimeoutExpired):
        windows.run(["python", "-ISc", parent], tmp_path, timeout=4)
    time.sleep(1)
    size = (tmp_path / "tick").stat().st_size
    time.sleep(1)
    assert size == (tmp_path / "tick").stat().st_size > 0


@pytest.mark.lab
@pytest.mark.posix
def test_ctrl_c_at_a_console_reaches_the_child_of_the_child(windows: Windows, tmp_path: Path) -> None:
    console = windows.tty(["python", "-ISc", PARENT], tmp_path, env={"X": "ü & %X%"})
    console.expect_exact("child ready")
    console.sendintr()
    console.expect_exact("child ü & %X%")
    console.wait()
    assert console.exitstatus == 5


@pytest.mark.lab
@pytest.mark.posix
def test_programs_run_side_by_side(windows: Windows, tmp_path: Path) -> None:
    def leave(code: int) -> int:
        return windows.run(["python", "-ISc", f"raise SystemExit({code})"], tmp_path).returncode

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(leave, range(12))) == list(range(12))


def test_launcher_starts_as_an_exe(windows: Windows, tmp_path: Path) -> None:
    done = windows.run(["autopack-run", "--help"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: autopack-run ")


@pytest.mark.parametrize(
    ("ci", "lacks", "listed", "outcome"),
    [
        ("", "", True, "no-such-part: not installed"),
        ("true", "", True, "no-such-part: missing, and CI must have it"),
        ("true", "other no-such-part", True, "no-such-part: not installed"),
        ("true", "", False, "no-such-part: not to be had on"),
    ],
    ids=["laptop skips", "CI fails", "CI says it lacks it", "not of this system"],
)
def test_missing_part(monkeypatch: pytest.MonkeyPatch, ci: str, lacks: str, listed: bool, outcome: str) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("CI_LACKS", lacks)
    monkeypatch.setitem(parts.MUST_HAVE, parts.system(), ("no-such-part",) if listed else ())
    kind = pytest.fail.Exception if "CI must" in outcome else pytest.skip.Exception
    with pytest.raises(kind, match=outcome):
        parts.need("no-such-part")
