"""`quickstart` writes three scripts, never over a foreign file; `--check` tells what is stale."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from quickstarts import NAMES, rehearsal, run_here, written
from running import LAUNCHER, clean_env, last_line, run, snapshot, write

from launcher.generated import id_mark, plain

POSIX = pytest.mark.posix


def test_three_scripts_are_written_and_their_paths_printed(tmp_path: Path) -> None:
    done = written(rehearsal(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [str(tmp_path / name) for name in NAMES]
    for name in NAMES:
        data = (tmp_path / name).read_bytes()
        assert data.isascii()
        assert data.count(b"\r\n") == (0 if name.endswith("sh") else data.count(b"\n"))
        assert b"autopack-run quickstart telemetry (generated; edits are lost)" in data[:120]
        if os.name == "posix":
            assert (tmp_path / name).stat().st_mode & 0o777 == (0o755 if name.endswith("sh") else 0o644)
    assert written(tmp_path, "--check").stdout == f"fresh: {', '.join(NAMES)}\n"
    assert sorted(os.listdir(tmp_path)) == sorted([*NAMES, "autopack-run.toml"])


@pytest.mark.parametrize("kind", ["foreign", "folder", pytest.param("link", marks=POSIX), "utf-16"])
@pytest.mark.parametrize("name", [NAMES[0], NAMES[2]])
def test_nothing_is_written_over_a_foreign_file(tmp_path: Path, kind: str, name: str) -> None:
    home = rehearsal(tmp_path / "home")
    path = home / name
    outside = tmp_path / "outside"
    outside.write_text("# autopack-run quickstart telemetry (generated; edits are lost)\n")
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(outside)
    else:
        path.write_text("my own\n", encoding="utf-16" if kind == "utf-16" else "utf-8")
    before = snapshot(tmp_path)
    for words in ([], ["--check"]):
        done = written(home, *words)
        assert done.returncode == 78
        assert "foreign-file" in last_line(done)
        assert str(path) in done.stderr
        assert "my own" not in done.stdout
        assert snapshot(tmp_path) == before
    assert sorted(os.listdir(home)) == sorted([name, "autopack-run.toml"])


def test_a_script_of_another_profile_file_is_foreign(tmp_path: Path) -> None:
    home = rehearsal(tmp_path)
    shutil.copy(home / "autopack-run.toml", home / "other.toml")
    assert written(home).returncode == 0
    done = written(home, file="other.toml")
    assert (done.returncode, "foreign-file" in last_line(done)) == (78, True)


def test_marks_tell_commands_apart_and_no_two_are_one() -> None:
    names = ["a$", "a#", "a_24_", "a_5f_24_", "a_", "_2$", "_2_24_", "a--b", "a_2d__2d_b", "a-b", "a_b", "my_file 2"]
    marks = {id_mark(["autopack-run", "-f", name]) for name in names}
    assert len(marks) == len(names)
    assert not any("--" in mark for mark in marks)
    assert plain(["-f", "my file$.toml", "a_b--c_1"]) == '-f "my file_24_.toml" a_b--c_1'


def test_check_shows_what_is_stale(tmp_path: Path) -> None:
    home = rehearsal(tmp_path)
    missing = written(home, "--check")
    assert missing.returncode == 78
    assert all(f"{home / name} is missing" in missing.stdout for name in NAMES)
    assert "hint: autopack-run quickstart telemetry\n" in missing.stderr
    assert written(home).returncode == 0
    script = home / NAMES[2]
    script.write_text(script.read_text() + "echo \x1b[31mmine\n")
    before = snapshot(home)
    stale = written(home, "--check")
    assert stale.returncode == 78
    assert "stale" in last_line(stale)
    assert "-echo \\x1b[31mmine" in stale.stdout
    assert snapshot(home) == before
    assert written(home).returncode == 0  # ours, so it is written anew
    toml = (home / "autopack-run.toml").read_text()
    write(home, toml.replace("tasks.create]", "tasks.make]"))
    changed = written(home, "--check")
    assert changed.returncode == 78
    assert sum("make" in line for line in changed.stdout.splitlines() if line.startswith("+")) >= 6


def test_check_tells_line_ends_only_where_they_break_the_script(tmp_path: Path) -> None:
    home = rehearsal(tmp_path)
    assert written(home).returncode == 0
    for name in NAMES:  # what a checkout with other settings makes of them
        data = (home / name).read_bytes().replace(b"\r\n", b"\n")
        (home / name).write_bytes(data.replace(b"\n", b"\r\n") if name.endswith("sh") else data)
    done = written(home, "--check")
    assert done.returncode == 78
    assert f"{NAMES[1]} (line ends), {NAMES[2]} (line ends)" in done.stderr
    assert NAMES[0] not in done.stdout + done.stderr
    assert written(home).returncode == 0
    assert written(home, "--check").returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_check_tells_a_byte_order_mark_where_it_breaks_the_script(tmp_path: Path, name: str) -> None:
    home = rehearsal(tmp_path)
    assert written(home).returncode == 0
    data = (home / name).read_bytes()
    (home / name).write_bytes(b"\xef\xbb\xbf" + data)
    done = written(home, "--check")
    if name.endswith("ps1"):
        assert done.returncode == 0
        return
    assert (done.returncode, f"{name} (byte order mark)" in done.stderr) == (78, True)
    assert written(home).returncode == 0
    assert (home / name).read_bytes() == data


def test_the_hint_names_the_profile_file_as_it_is_reached(tmp_path: Path) -> None:
    home = rehearsal(tmp_path / "home")
    (home / "sub").mkdir()
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(home / "autopack-run.toml", home / "other.toml")
    path = home / "other.toml"
    cases = [
        (home, None, "autopack-run"),
        (home / "sub", None, "autopack-run"),
        (home, "other.toml", "autopack-run -f other.toml"),
        (home / "sub", "../other.toml", f"autopack-run -f {path}"),
        (tmp_path / "elsewhere", "../home/autopack-run.toml", f"autopack-run -f {home / 'autopack-run.toml'}"),
    ]
    for folder, file, start in cases:
        for words in (["quickstart", "telemetry"], ["onboarding"]):
            done = run_here([*(["-f", file] if file else []), *words, "--check"], folder)
            assert done.returncode == 78
            told = next(line for line in done.stderr.splitlines() if line.startswith("hint: "))
            assert re.sub("['\"]", "", told).startswith(f"hint: {start} {' '.join(words)}")


@POSIX
def test_a_full_disk_leaves_nothing_half(tmp_path: Path) -> None:
    home = rehearsal(tmp_path)
    limited = ["import resource, sys, launcher.cli", "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))"]
    code = "; ".join([*limited, "sys.exit(launcher.cli.main(['quickstart', 'telemetry']))"])
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=home,
        env=clean_env({"PYTHONPATH": os.path.dirname(LAUNCHER[1])}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 78, done.stderr
    assert "not-written" in last_line(done)
    assert os.listdir(home) == ["autopack-run.toml"]


def test_a_name_that_a_script_cannot_carry_is_refused(tmp_path: Path) -> None:
    home = rehearsal(tmp_path)
    (home / "autopack-run.toml").rename(home / "50%a%.toml")
    done = written(home, file="50%a%.toml")
    assert (done.returncode, "cannot-carry" in last_line(done)) == (78, True)
    assert os.listdir(home) == ["50%a%.toml"]


@pytest.mark.parametrize("name", ["a&ver.toml", "a^b.toml", "a(b).toml", "a,b.toml"])
def test_a_profile_file_whose_name_a_batch_shim_would_run_is_refused(tmp_path: Path, name: str) -> None:
    """PowerShell hands it over bare, and cmd reads it where a .bat stands in for the launcher."""
    home = rehearsal(tmp_path / "home")
    (home / "autopack-run.toml").rename(home / name)
    refused = written(home, file=name)
    assert (refused.returncode, last_line(refused).split()[1]) == (78, "cannot-carry:")
    assert not list(home.glob("quickstart*"))


def test_the_header_says_how_to_make_it_anew(tmp_path: Path) -> None:
    home = rehearsal(tmp_path / "home")
    words = ["quickstart", "telemetry", "--task", "drain", "--task", "drain"]
    assert run(words, home).returncode == 0
    for path in home.glob("quickstart*"):
        assert "To make it anew: autopack-run quickstart telemetry --task drain --task drain\n" in path.read_text()
