"""`PROFILE shell` at a console of Windows: PowerShell and cmd."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from parts import need
from running import write
from terminal import CHILD, HOLD, HOUSE, VALUES, Console
from windows import LAB_PROGRAMS, Windows

from shells.session import START, copies
from shells.table import SHELLS

WINDOWS_PROFILES = """
[databases.main]
url = "sqlite:///main.db"
[profiles.telemetry]
database = "main"
unset = ["TESTING"]
[profiles.telemetry.env]
PATH = "Z:\\\\opt\\\\powershell\\\\pwsh{pathsep}{env:PATH}"
VALUE = "it's \\u2019 \\" !v! %PATH% & calc\\nsecond"
"""


@pytest.mark.lab
@pytest.mark.posix
@pytest.mark.parametrize("shell", ["cmd", "pwsh"])
def test_at_a_windows_console(windows: Windows, tmp_path: Path, shell: str) -> None:
    need("windows-pwsh")
    write(tmp_path, WINDOWS_PROFILES)
    (tmp_path / "child.py").write_text(CHILD)
    words = ["autopack-run", "telemetry", "shell", "--shell", shell]
    console = Console(windows.tty(words, tmp_path, {"TESTING": "outer"}), tmp_path)
    console.expect(r"\(telemetry\)")
    python = LAB_PROGRAMS["python"]
    seen = console.seen(python)
    assert seen["DATABASE_URL"] == f"sqlite:///{windows.path(tmp_path)}\\main.db".replace("\\", "/")
    assert seen["VALUE"] == "it's \u2019 \" !v! %PATH% & calc\nsecond"
    assert "TESTING" not in seen
    assert [name for name in seen if name.startswith(HOUSE)] == []
    if shell == "pwsh":  # Wine 10.0's cmd, started with /k, ends of Ctrl-C by itself; Windows' does not
        (tmp_path / "hold.py").write_text(HOLD)
        console.enter(f"{python} hold.py")
        console.until(tmp_path / "held")
        console.expect("holding")
        console.child.sendintr()
        console.expect(r"KeyboardInterrupt")
        console.expect(r"\(telemetry\)")
    console.enter("exit 7")
    assert console.ended() == 7


def autorun(
    windows: Windows, folder: Path, values: dict[str, str | None], script: Path = Path(START) / "session.cmd"
) -> "subprocess.CompletedProcess[str]":
    """Run what /k runs, in a cmd where every value has been changed, and then a child, which writes `seen.json`.

    AutoRun comes before /k, so here a batch file is its stand-in: the registry is everybody's.
    """
    standing = {name: text for name, text in values.items() if text is not None}
    kept = copies(SHELLS["cmd"].session("(telemetry) ", list(values)), values, lambda name: None)
    kept["AUTOPACK_RUN_START"] = f'"{windows.path(script)}"'
    (folder / "child.py").write_text(CHILD)
    bad = "".join(f"@set {name}=bad\r\n" for name in values)
    (folder / "run.cmd").write_bytes(f"{bad}@call %AUTOPACK_RUN_START%\r\n@%PY% child.py seen.json\r\n".encode())
    python = sys.executable if windows.direct else LAB_PROGRAMS["python"]
    need("cmd" if windows.direct else "windows-venv")
    return windows.run(["cmd", "/d", "/c", "run.cmd"], folder, {**kept, **standing, "PY": f'"{python}"'})


EDGES = [
    ";",
    ";x",
    "; a;b",
    "=x",
    "  x",
    "\tx ",
    ":x",
    "@x",
    "rem",
    "^",
    "!",
    "!x!^",
    "%x%",
    '"',
    '"x" "y"',
    ")",
    "x\\",
    "*",
]
HOSTILE = 'a"&echo x>witness&rem "%PATH%!PATH!'


def test_cmd_puts_back_what_autorun_changed(windows: Windows, tmp_path: Path) -> None:
    carried = [value for value in VALUES if value and not set(value) & set("\r\n\x1a")]
    longest = SHELLS["cmd"].session("", []).longest
    values = {f"V{number}": value for number, value in enumerate([*EDGES, *carried]) if len(value) <= longest}
    values |= {"LONG": "x" * longest, "PROMPT": HOSTILE}
    done = autorun(windows, tmp_path, {**values, "TESTING": None})
    assert (done.returncode, done.stderr) == (0, "")
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert {name: seen.get(name) for name in values} == {**values, "PROMPT": f"(telemetry) {HOSTILE}"}
    assert "TESTING" not in seen
    assert [name for name in seen if name.startswith(HOUSE)] == []
    assert not (tmp_path / "witness").exists()


def test_what_cmd_cannot_put_back_ends_it(windows: Windows, tmp_path: Path) -> None:
    """Here the one way that is known to lose a value: it begins with the character of eol."""
    script = tmp_path / "session.cmd"
    script.write_bytes((Path(START) / "session.cmd").read_bytes().replace(b"eol=%AUTOPACK_RUN_EOL%", b"eol=x"))
    done = autorun(windows, tmp_path, {"A": "1", "LOST": "x", "Z": "2"}, script)
    assert done.returncode == 78
    assert "AutoRun of cmd has changed LOST, so" in done.stderr
    assert not (tmp_path / "seen.json").exists()


def test_cmd_needs_its_line_ends() -> None:
    """Labels are lost in batch files with bare LFs."""
    data = (Path(START) / "session.cmd").read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > 0
    assert data.isascii()
