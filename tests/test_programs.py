"""Which file a program's name means on the child's PATH."""

import json
import os
import sys
from pathlib import Path

import pytest
from running import last_line, run, write

from launcher.errors import LauncherError
from launcher.programs import WINDOWS, find_program, is_batch, is_startable

TOOL = "tool.exe" if WINDOWS else "tool"


def put(folder: Path, name: str = TOOL, mode: int = 0o755) -> str:
    """A file that passes for a program; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\necho found\n")
    path.chmod(mode)
    return os.path.abspath(path)


def find(word: str, path: str | None, folder: Path, **more: str) -> str:
    variables = {"PATH": path, **more} if path is not None else dict(more)
    found = find_program(word, variables.get, str(folder))
    return found[:-4] + found[-4:].lower() if WINDOWS else found  # the extension is spelled as PATHEXT has it


def refusal(word: str, path: str | None, folder: Path, **more: str) -> LauncherError:
    with pytest.raises(LauncherError) as caught:
        find(word, path, folder, **more)
    return caught.value


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The child's folder, with a program that a bare name must not mean."""
    put(tmp_path / "here")
    return tmp_path / "here"


CURRENT = ["", ".", "./", "./.", "sub/..", "../here", os.pathsep, f".{os.pathsep}{os.pathsep}."]


@pytest.mark.parametrize("path", CURRENT)
def test_current_folder_is_never_searched(here: Path, path: str) -> None:
    (here / "sub").mkdir()
    assert refusal("tool", path, here).code == 127


def test_no_path_means_no_program(here: Path) -> None:
    assert refusal("tool", None, here).code == 127


def test_first_folder_wins_and_empty_ones_are_passed_over(here: Path, tmp_path: Path) -> None:
    first, second = put(tmp_path / "first"), put(tmp_path / "second")
    assert find("tool", os.pathsep.join(["", ".", os.path.dirname(first), os.path.dirname(second)]), here) == first
    assert find("tool", os.pathsep.join([str(tmp_path / "none"), os.path.dirname(second)]), here) == second


def test_relative_entry_is_relative_to_the_childs_folder(here: Path, tmp_path: Path) -> None:
    below, beside = put(here / "bin"), put(tmp_path / "beside")
    assert find("tool", "bin", here) == below
    assert find("tool", os.path.join("..", "beside"), here) == beside


def test_absolute_entry_counts_although_one_stands_in_it(here: Path) -> None:
    assert find("tool", str(here), here) == str(here / TOOL)


def test_word_with_a_folder_is_not_looked_up_on_path(here: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    put(other)
    assert find("./tool", str(other), here) == str(here / TOOL)
    assert find("../here/tool", None, here) == str(here / TOOL)
    assert find(str(here / "tool"), "", other) == str(here / TOOL)
    assert refusal("sub/tool", str(other), here).code == 127


def test_what_can_be_started_further_on_beats_what_cannot(here: Path, tmp_path: Path) -> None:
    name, mode = ("tool.py", 0o644) if WINDOWS else ("tool", 0o644)
    put(tmp_path / "first", name, mode)
    second = put(tmp_path / "second")
    path = os.pathsep.join([str(tmp_path / "first"), str(tmp_path / "second")])
    assert find("tool", path, here, PATHEXT=".PY;.EXE") == second
    refused = refusal("tool", str(tmp_path / "first"), here, PATHEXT=".PY;.EXE")
    assert (refused.code, refused.slug) == (126, "not-executable")
    assert str(tmp_path / "first" / name).casefold() in refused.message.casefold()


@pytest.mark.parametrize("word", [".", "..", "sub", "./sub", "sub/"])
def test_folder_is_no_program(here: Path, tmp_path: Path, word: str) -> None:
    (here / "sub").mkdir()
    assert refusal(word, str(tmp_path / "here"), here).code == 126


@pytest.mark.posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may look everywhere")
def test_folder_that_may_not_be_entered(here: Path) -> None:
    put(here / "locked")
    (here / "locked").chmod(0)
    assert refusal("./locked/tool", None, here).code == 126


@pytest.mark.posix
def test_name_with_a_backslash_or_colon_is_a_plain_name_on_posix(here: Path, tmp_path: Path) -> None:
    for name in ("C:tool", "a\\b", "tool.cmd.", " "):
        there = put(tmp_path / "bin", name)
        assert find(name, str(tmp_path / "bin"), here) == there


BATCH = {
    "a.cmd": True,
    "a.BAT": True,
    "a.bat.": True,
    "a.cmd ": True,
    "a.cmd. . ": True,
    "a.cmd.exe": False,
    "a.cmdx": False,
    "cmd": False,
    "a.exe": False,
    ".cmd": True,
}


@pytest.mark.parametrize(("name", "batch"), BATCH.items())
def test_batch_files_are_known_behind_trailing_dots_and_spaces(name: str, batch: bool) -> None:
    assert is_batch(name) == batch
    assert is_startable(name) == (batch or name.endswith("exe"))


windows_only = pytest.mark.skipif(not WINDOWS, reason="Windows' rules; the lab's suite runs them")


@windows_only
@pytest.mark.parametrize(
    ("word", "files", "found"),
    [
        ("npm", ["npm", "npm.cmd"], "npm.cmd"),
        ("npm", ["npm.bat", "npm.cmd", "npm.exe"], "npm.exe"),
        ("npm.cmd", ["npm", "npm.cmd", "npm.cmd.exe"], "npm.cmd"),
        ("NPM", ["npm.cmd"], "npm.cmd"),
        ("tool.v1", ["tool.v1", "tool.v1.exe"], "tool.v1.exe"),
        ("./npm", ["npm", "npm.cmd"], "npm.cmd"),
        (".\\npm", ["npm", "npm.cmd"], "npm.cmd"),
    ],
)
def test_pathext_sibling_before_the_file_itself(tmp_path: Path, word: str, files: list[str], found: str) -> None:
    for name in files:
        put(tmp_path / "bin", name)
    assert os.path.normcase(find(word, str(tmp_path / "bin"), tmp_path / "bin")) == os.path.normcase(
        str(tmp_path / "bin" / found)
    )


@windows_only
@pytest.mark.parametrize(
    ("name", "hint"),
    [("t.py", "python "), ("t.ps1", "powershell"), ("t.js", "node "), ("t.sh", "bash "), ("t", "python")],
)
def test_what_windows_would_only_open_is_refused_with_its_interpreter(tmp_path: Path, name: str, hint: str) -> None:
    put(tmp_path / "bin", name)
    refused = refusal(name, str(tmp_path / "bin"), tmp_path)
    assert refused.code == 126
    assert hint in refused.hint


@windows_only
def test_quoted_entry_and_one_that_is_only_a_drive(tmp_path: Path) -> None:
    there = put(tmp_path / "b in")
    assert find("tool", f'"{tmp_path}\\b in"', tmp_path) == there
    os.chdir(tmp_path / "b in")
    assert refusal("tool", f"{tmp_path.drive};{tmp_path.drive}.", tmp_path / "b in").code == 127
    os.chdir(tmp_path)


def test_path_of_the_profile_is_the_one_that_is_searched(tmp_path: Path) -> None:
    name = "tool.cmd" if WINDOWS else "tool"
    put(tmp_path / "bin")
    put(tmp_path, name)
    (tmp_path / "bin" / TOOL).unlink()
    text = "@echo found\n" if WINDOWS else "#!/bin/sh\necho found\n"
    (tmp_path / "bin" / name).write_text(text)
    (tmp_path / "bin" / name).chmod(0o755)
    write(tmp_path, '[profiles.p]\nenv = { PATH = "{root}/bin{pathsep}{env:PATH}" }\n[profiles.bare]\n')
    assert run(["p", "exec", "tool"], tmp_path).stdout.strip() == "found"
    done = run(["bare", "exec", "tool"], tmp_path)
    assert done.returncode == 127
    assert last_line(done).startswith("autopack-run: not-found: ")
    assert run(["--set", f"PATH={tmp_path / 'bin'}", "bare", "exec", "tool"], tmp_path).stdout.strip() == "found"


def test_python_in_exec_is_the_profiles(tmp_path: Path) -> None:
    write(tmp_path, f"[defaults]\npython = {json.dumps(sys.executable)}\n[profiles.p]\nenv = {{ PATH = '' }}\n")
    done = run(["p", "exec", "python", "-Ic", "import sys; print(sys.prefix)"], tmp_path)
    assert done.stdout.strip() == sys.prefix
