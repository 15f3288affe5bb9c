"""The scripts of `quickstart` in the real shells, with a launcher that records its calls: codes, folders, Ctrl-C."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from parts import need
from quickstarts import HOSTILE, NAMES, RECORDER, SHELLS, STEPS, Stage, executable, rehearsal, written
from terminal import LONGEST

POSIX = pytest.mark.posix


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The scripts with a launcher that only notes how it is started."""
    base = tmp_path_factory.mktemp("recorded")
    home = rehearsal(base / HOSTILE)
    assert written(home).returncode == 0
    executable(base / "bin" / "autopack-run", RECORDER.format(python=sys.executable))
    return Stage(home, base / "bin")


@POSIX
def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    home = rehearsal(tmp_path)
    (home / "autopack-run.toml").rename(home / "it's `id` $(id) $x.toml")
    assert written(home, file="it's `id` $(id) $x.toml").returncode == 0
    for shell in ("sh", "bash", "dash", "ksh"):
        done = subprocess.run(
            [need("shellcheck"), "-s", shell, home / NAMES[2]],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


@POSIX
@pytest.mark.parametrize("shell", SHELLS)
def test_steps_stop_at_the_first_code(recorded: Stage, shell: str) -> None:
    words = STEPS if shell != "pwsh" else [["-f", str(recorded.home / "autopack-run.toml"), *step] for step in STEPS]
    cases: list[int | str] = [0, "killed", 65, 130, 255]
    for number, code in enumerate(cases[: 3 if shell == "pwsh" else 5]):
        codes = ["0"] * 4
        codes[number - 1] = str(code)
        done = recorded.play(recorded.command(shell), recorded.home, " ".join(codes))
        assert done.returncode == (137 if code == "killed" else code), done.stderr
        assert recorded.calls() == words[: number or 4]
    if shell != "pwsh":
        assert recorded.folders() == {str(recorded.home)}
    assert done.stderr.count("> autopack-run ") == len(recorded.calls())


@POSIX
@pytest.mark.parametrize("name", ["app[1]", "*", "a?p1"])
def test_powershell_takes_no_folder_for_a_pattern(name: str, tmp_path: Path) -> None:
    """Elsewhere than on Windows it does so with a variable's words: all steps ran on the project beside."""
    homes = [rehearsal(tmp_path / each) for each in (name, "app1")]
    assert written(homes[0]).returncode == 0
    executable(tmp_path / "bin" / "autopack-run", RECORDER.format(python=sys.executable))
    stage = Stage(homes[0], tmp_path / "bin")
    done = stage.play(stage.command("pwsh"), homes[0])
    assert done.returncode == 0, done.stderr
    assert stage.calls() == [["-f", str(homes[0] / "autopack-run.toml"), *step] for step in STEPS]


@POSIX
@pytest.mark.parametrize("shell", ["bash", "dash", "ksh", "zsh"])
def test_a_sh_script_is_started_from_anywhere(recorded: Stage, shell: str) -> None:
    home, base = recorded.home, recorded.home.parent
    dash, decoy = base / "-x", base / "decoy"
    for folder in (dash, decoy / "sub", base / "sub"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("autopack-run.toml", NAMES[2]):
            shutil.copy(home / name, folder)
    cases = [
        (home, NAMES[2], home),
        (home, f"./{NAMES[2]}", home),
        (base, f"{home.name}/{NAMES[2]}", home),
        (base, f"./-x/{NAMES[2]}", dash),
        (base, f"sub/{NAMES[2]}", base / "sub"),
        (dash, f"../{home.name}/{NAMES[2]}", home),
    ]
    for cwd, typed, expected in cases:
        done = recorded.play([need(shell), typed], cwd, env={"CDPATH": str(decoy)})
        assert (done.returncode, recorded.folders()) == (0, {str(expected)}), done.stderr
        assert done.stdout.split("\n") == ["no tty"] * 4 + [""]
    path = f"../bin:{os.environ['PATH']}"
    done = recorded.play([need(shell), f"{home.name}/{NAMES[2]}"], base, env={"PATH": path})
    assert done.returncode == 0, done.stderr  # a relative entry is one of the script's folder, as the steps find it
    lost = base / "lost" / NAMES[2]
    lost.parent.mkdir(exist_ok=True)
    shutil.copy(home / NAMES[2], lost)
    done = recorded.play([need(shell), str(lost)], home)
    assert done.returncode == 78
    assert "autopack-run.toml is not beside this script" in done.stderr


@POSIX
@pytest.mark.parametrize("shell", ["bash", "dash", "ksh", "zsh"])
def test_a_sh_script_that_cannot_tell_its_folder_starts_nothing(recorded: Stage, shell: str, tmp_path: Path) -> None:
    """From standard input the first step would eat the others; through a link or `.` another project would be meant."""
    for name in (NAMES[2], "go.sh"):
        (tmp_path / name).symlink_to(recorded.home / NAMES[2])
    (tmp_path / "autopack-run.toml").touch()
    cases = [
        f'{shell} < "$SCRIPT"',
        f'cat "$SCRIPT" | {shell} -s',
        f"{shell} ./{NAMES[2]}",
        f"{shell} go.sh",
        f'{shell} "$SCRIPT" --help',
        '{ . "$SCRIPT"; echo on; } | grep on && exit 2',
    ]
    for line in cases:
        done = recorded.play([need(shell), "-c", line], tmp_path, env={"SCRIPT": str(recorded.home / NAMES[2])})
        assert done.returncode == 2, (line, done.stderr)
        assert "start it instead: " in done.stderr or "takes no arguments" in done.stderr
        assert not (recorded.bin / "calls").exists()


@POSIX
@pytest.mark.parametrize("shell", SHELLS)
def test_no_launcher_on_path(recorded: Stage, shell: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    done = Stage(recorded.home, tmp_path / "bin").play(
        recorded.command(shell), recorded.home, env={"PATH": str(tmp_path / "bin")}
    )
    assert done.returncode == 127
    assert "autopack-run is not on PATH. In its checkout: uv tool install ." in done.stderr
    assert "uv tool update-shell (or: pipx ensurepath)" in done.stderr.replace("  ", " ")
    assert "relative entry" not in done.stderr
    assert done.stdout == ""


@POSIX
@pytest.mark.parametrize("path", ["nowhere:{}", "{}:../nowhere"])
def test_a_relative_entry_of_path_is_told(recorded: Stage, path: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    done = Stage(recorded.home, tmp_path / "bin").play(
        recorded.command("dash"), recorded.home, env={"PATH": path.format(tmp_path / "bin")}
    )
    assert done.returncode == 127
    assert "A relative entry of PATH counts from this script's folder." in done.stderr


@POSIX
def test_a_profile_file_of_another_name_is_passed_on(tmp_path: Path) -> None:
    home = rehearsal(tmp_path / HOSTILE)
    (home / "autopack-run.toml").rename(home / "it's & an (other).toml")
    assert written(home, file="it's & an (other).toml").returncode == 0
    executable(tmp_path / "bin" / "autopack-run", RECORDER.format(python=sys.executable))
    stage = Stage(home, tmp_path / "bin")
    for shell in ("dash", "pwsh"):
        assert stage.play(stage.command(shell), home).returncode == 0
        name = "it's & an (other).toml" if shell == "dash" else str(home / "it's & an (other).toml")
        assert stage.calls() == [["-f", name, *step] for step in STEPS]


@POSIX
def test_sourced_by_mistake_a_sh_script_ends_no_shell(recorded: Stage) -> None:
    for shell in ("bash", "ksh", "zsh", "dash"):
        lines = f'cd \'{recorded.bin}\'\n. "$SCRIPT"\necho alive $?\necho "empty: <$NO_SUCH_NAME>"\n'
        done = subprocess.run(
            [need(shell), "-i"],
            input=lines,
            env=recorded.env({"SCRIPT": str(recorded.home / NAMES[2])}),
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )
        assert "alive 2" in done.stdout, done.stderr
        assert "start it instead: sh and the path of quickstart-telemetry.sh" in done.stderr
        assert "empty: <>" in done.stdout  # what it sets stays with it


# What a session has, before and after: its variables, functions, folders and environment.
PWSH_SESSION = r"""
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
Set-Location /usr
function look {
    $names = 'before', 'after', 'args', 'input', 'LASTEXITCODE', '_', 'PSItem', 'foreach', '?', '^', '$', 'script'
    @(Get-Variable -Scope Global | Where-Object { $_.Name -notin $names -and $_.Name -ne 'Error' } | ForEach-Object { $_.Name })
    @(Get-Command -CommandType Function | ForEach-Object { $_.Name })
    @(Get-ChildItem Env: | ForEach-Object { "$($_.Name)=$($_.Value)" })
    "$PWD $(@(Get-Location -Stack).Count) $ErrorActionPreference"
}
$before = look
& $env:SCRIPT
"called $LASTEXITCODE"
. $env:SCRIPT
"sourced $LASTEXITCODE"
$null = & $env:SCRIPT 2>&1
"merged $LASTEXITCODE"
$after = look
"changed: " + (@(Compare-Object $before $after) -join ',')
"""


@POSIX
def test_a_ps1_leaves_nothing_in_the_session(recorded: Stage, tmp_path: Path) -> None:
    command = [need("pwsh"), "-NoProfile", "-NonInteractive", "-Command", PWSH_SESSION]
    codes = "0 0 65 0 3 0 0 7"
    done = recorded.play(command, tmp_path, codes, {"SCRIPT": str(recorded.home / NAMES[0])})
    shown = [line for line in done.stdout.splitlines() if line != "no tty"]
    assert shown == ["called 65", "sourced 3", "merged 7", "changed: "], done.stderr


@POSIX
def test_a_ps1_that_is_no_file_says_so_and_ends_no_session(recorded: Stage, tmp_path: Path) -> None:
    code = (
        'Set-StrictMode -Version Latest; [IO.File]::ReadAllText($env:SCRIPT) | Invoke-Expression; "alive $LASTEXITCODE"'
    )
    command = [need("pwsh"), "-NoProfile", "-NonInteractive", "-Command", code]
    (recorded.bin / "calls").unlink(missing_ok=True)
    done = recorded.play(command, tmp_path, env={"SCRIPT": str(recorded.home / NAMES[0])})
    assert (done.stdout, done.returncode) == ("alive 2\n", 0), done.stderr
    assert rf"-File .\{NAMES[0]}" in done.stderr
    assert not (recorded.bin / "calls").exists()


@POSIX
def test_a_ps1_by_a_link_with_words_or_without_its_file_starts_nothing(recorded: Stage, tmp_path: Path) -> None:
    """Each in a folder of its own, since PowerShell finds no link in one that has a backslash in its name."""
    for folder in ("plain", "linked", "lost"):
        (tmp_path / folder).mkdir()
    for folder in ("plain", "linked"):
        shutil.copy(recorded.home / "autopack-run.toml", tmp_path / folder)
    for folder in ("plain", "lost"):
        shutil.copy(recorded.home / NAMES[0], tmp_path / folder)
    (tmp_path / "linked" / NAMES[0]).symlink_to(tmp_path / "plain" / NAMES[0])
    lines = [
        f"& ./linked/{NAMES[0]}; $LASTEXITCODE",
        f"& ./plain/{NAMES[0]} --help; $LASTEXITCODE",
        f"& ./lost/{NAMES[0]}; $LASTEXITCODE",
    ]
    done = recorded.play([need("pwsh"), "-NoProfile", "-NonInteractive", "-Command", "; ".join(lines)], tmp_path)
    assert done.stdout.split() == ["2", "2", "78"], done.stderr
    said = ["This is a link", "takes no arguments", "autopack-run.toml is not beside this script."]
    assert all(words in line for words, line in zip(said, done.stderr.splitlines(), strict=True)), done.stderr
    assert not (recorded.bin / "calls").exists()


@POSIX
@pytest.mark.parametrize("shell", ["bash", "dash", "ksh", "zsh"])
@pytest.mark.parametrize("code", ["0", "1"])
def test_ctrl_c_is_130_whatever_the_step_says(recorded: Stage, shell: str, code: str) -> None:
    """Python's own start ends with 1: its traceback."""
    pexpect = pytest.importorskip("pexpect")
    (recorded.bin / "codes").write_text(f"deaf{code} 0 0 0")
    (recorded.bin / "calls").unlink(missing_ok=True)
    program, *words = recorded.command(shell)
    terminal = pexpect.spawn(program, words, LONGEST, cwd=str(recorded.home), env=recorded.env(), encoding="utf-8")
    terminal.expect(r"[\r\n]tty")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert (terminal.exitstatus, terminal.signalstatus) in ((130, None), (None, 2))
    assert recorded.calls() == STEPS[:1]


@POSIX
@pytest.mark.parametrize("shell", ["dash", "ksh", "zsh"])
def test_ctrl_c_in_a_step_is_130_and_the_last_one(recorded: Stage, shell: str) -> None:
    pexpect = pytest.importorskip("pexpect")
    (recorded.bin / "codes").write_text("0 wait 0 0")
    (recorded.bin / "calls").unlink(missing_ok=True)
    program, *words = recorded.command(shell)
    terminal = pexpect.spawn(program, words, LONGEST, cwd=str(recorded.home), env=recorded.env(), encoding="utf-8")
    for _ in range(2):
        terminal.expect(r"[\r\n]tty")  # a step has the terminal itself, for its progress bar
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 130
    assert recorded.calls() == STEPS[:2]
