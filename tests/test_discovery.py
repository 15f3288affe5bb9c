"""Which profile file counts: the nearest one up to the checkout, the home folder or the volume, or the one of -f."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import LAUNCHER, clean_env, last_line, run, write

from launcher.discovery import CHECKOUT_MARKS, find_profile_file
from launcher.errors import CONFIGURATION, ConfigurationError
from launcher.owner import foreign_owner

PROFILE = "[profiles.{}]\n"


def folder(*parts: str | Path) -> Path:
    path = Path(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def nobody_else() -> bool:
    return sys.platform == "win32" or os.geteuid() != 0


as_root = pytest.mark.skipif(nobody_else(), reason="only root can give a file away")


def test_the_nearest_file_counts_from_any_folder_below(tmp_path: Path) -> None:
    upper, lower = write(tmp_path, "[profiles.upper]"), write(folder(tmp_path, "a", "b"), "[profiles.lower]")
    home = str(tmp_path)
    assert find_profile_file(str(folder(tmp_path, "a", "b", "c")), home) == str(lower)
    assert find_profile_file(str(tmp_path / "a"), home) == str(upper)
    assert find_profile_file(str(tmp_path), home) == str(upper)


@pytest.mark.parametrize("mark", CHECKOUT_MARKS)
@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_the_root_of_the_checkout_ends_the_search(tmp_path: Path, mark: str, kind: str) -> None:
    write(tmp_path, "[profiles.stray]")
    root, below = folder(tmp_path, "repo"), folder(tmp_path, "repo", "src", "deep")
    if kind == "folder":
        (root / mark).mkdir()
    elif kind == "file":  # a worktree's and a submodule's
        (root / mark).write_text("gitdir: ../elsewhere", encoding="utf-8")
    elif sys.platform != "win32":
        (root / mark).symlink_to("nowhere")
    else:
        pytest.skip("links need a privilege on Windows")
    with pytest.raises(ConfigurationError) as caught:
        find_profile_file(str(below), str(tmp_path))
    assert caught.value.slug == "no-profile-file"
    assert f"from {below} up to {root}" in caught.value.message
    inside = write(root, "[profiles.p]")
    assert find_profile_file(str(below), str(tmp_path)) == str(inside)  # the root itself counts


def test_the_home_folder_ends_the_search(tmp_path: Path) -> None:
    write(tmp_path, "[profiles.stray]")
    home, below = folder(tmp_path, "home"), folder(tmp_path, "home", "x")
    result = run(["p"], below, {"HOME": str(home), "USERPROFILE": str(home)})
    assert result.returncode == CONFIGURATION
    assert f"no autopack-run.toml from {below} up to {home}" in result.stderr
    assert "autopack-run init" in result.stderr
    assert "rehearse" in result.stderr
    assert last_line(result).startswith("autopack-run: no-profile-file: ")
    write(home, "[profiles.p]")
    assert run(["p"], below, {"HOME": str(home), "USERPROFILE": str(home)}).returncode == 0


@pytest.mark.posix
def test_a_home_folder_behind_a_link_ends_the_search_too(tmp_path: Path) -> None:
    write(tmp_path, "[profiles.stray]")
    below = folder(tmp_path, "real", "x")
    (tmp_path / "home").symlink_to(tmp_path / "real")
    with pytest.raises(ConfigurationError, match=f"up to {tmp_path / 'real'}"):
        find_profile_file(str(below), str(tmp_path / "home"))


def test_the_root_of_the_volume_ends_the_search(tmp_path: Path) -> None:
    top = Path(tmp_path.anchor)
    if any((parent / "autopack-run.toml").exists() or (parent / ".git").exists() for parent in tmp_path.parents):
        pytest.skip("this machine has a checkout or a profile file above the temporary folder")
    with pytest.raises(ConfigurationError) as caught:
        find_profile_file(str(tmp_path), str(tmp_path / "no home"))
    assert caught.value.message.endswith(f"up to {top}")


@pytest.mark.posix
@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link"])
def test_a_thing_of_that_name_is_an_error_and_no_reason_to_go_on(tmp_path: Path, kind: str) -> None:
    write(tmp_path, "[profiles.p]")
    there = folder(tmp_path, "sub") / "autopack-run.toml"
    if kind == "folder":
        there.mkdir()
    elif kind == "pipe":
        os.mkfifo(there)
    else:
        there.symlink_to("nowhere")
    result = run(["p"], tmp_path / "sub", timeout=60)
    assert result.returncode == CONFIGURATION
    assert str(there) in result.stderr
    assert last_line(result).startswith("autopack-run: profile-file: ")


@pytest.mark.posix
def test_a_link_to_the_folder_leads_to_the_real_ones_above(tmp_path: Path) -> None:
    write(folder(tmp_path, "real"), "[profiles.real]")
    write(folder(tmp_path, "other"), "[profiles.other]")
    folder(tmp_path, "real", "sub")
    (tmp_path / "other" / "link").symlink_to(tmp_path / "real" / "sub")
    result = run(["profiles"], tmp_path / "other" / "link", {"PWD": str(tmp_path / "other" / "link")})
    assert result.stdout.startswith("real")


@pytest.mark.posix
@pytest.mark.parametrize("arguments", [["p"], ["-f", "autopack-run.toml", "p"], ["-f", "", "p"]], ids=str)
def test_a_deleted_current_folder_is_told(tmp_path: Path, arguments: list[str]) -> None:
    gone = folder(tmp_path, "gone")
    command = ["sh", "-c", 'rmdir "$0" && exec "$@"', str(gone), *LAUNCHER, *arguments]
    result = subprocess.run(command, cwd=gone, env=clean_env(), capture_output=True, text=True, check=False)
    assert result.returncode == CONFIGURATION, result.stderr
    assert last_line(result).startswith("autopack-run: no-current-folder: ")


@pytest.mark.posix
def test_a_deleted_current_folder_does_not_matter_to_an_absolute_file(tmp_path: Path) -> None:
    gone, path = (
        folder(tmp_path, "gone"),
        write(tmp_path, f"[profiles.p.tasks.t]\nrun = ['{sys.executable}', '-c', '']"),
    )
    command = ["sh", "-c", 'rmdir "$0" && exec "$@"', str(gone), *LAUNCHER, "-f", str(path), "p", "t"]
    result = subprocess.run(command, cwd=gone, env=clean_env(), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        pytest.param("other.toml", 0, "", id="relative"),
        pytest.param("sub/../other.toml", 0, "", id="dots"),
        pytest.param("missing.toml", CONFIGURATION, "missing.toml cannot be read", id="missing"),
        pytest.param("sub", CONFIGURATION, "is a folder", id="folder"),
        pytest.param("", CONFIGURATION, "is a folder", id="empty"),
        pytest.param("sub/x/y.toml", CONFIGURATION, "cannot be read", id="missing folder"),
    ],
)
def test_files_named_with_f(tmp_path: Path, name: str, code: int, said: str) -> None:
    write(tmp_path, "[profiles.p]")
    (tmp_path / "other.toml").write_text("[profiles.other]", encoding="utf-8")
    folder(tmp_path, "sub")
    result = run(["-f", name, "other"], tmp_path)
    assert result.returncode == code, result.stderr
    assert said in result.stderr


@pytest.mark.posix
def test_a_pipe_named_with_f_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = run(["-f", "pipe", "p"], tmp_path, timeout=60)
    assert result.returncode == CONFIGURATION
    assert "is not a regular file" in result.stderr


def test_the_root_is_the_folder_of_the_file_named_with_f(tmp_path: Path) -> None:
    there = folder(tmp_path, "there")
    code = "import os; print(os.environ['HERE']); print(os.getcwd())"
    write(
        there,
        f"[profiles.p]\nenv = {{ HERE = '{{root}}/x' }}\n[profiles.p.tasks.t]\nrun = ['{sys.executable}', '-c', \"{code}\"]",
    )
    result = run(["-f", os.path.join("there", "autopack-run.toml"), "p", "t"], tmp_path)
    here, cwd = result.stdout.splitlines()
    assert here == f"{there}/x"
    assert os.path.samefile(cwd, there)


@pytest.mark.posix
@as_root
def test_a_higher_file_of_another_user_is_refused_with_the_f_that_accepts_it(tmp_path: Path) -> None:
    path, below = write(tmp_path, "[profiles.p]"), folder(tmp_path, "below")
    os.chown(path, 12345, 12345)
    result = run(["p"], below)
    assert result.returncode == CONFIGURATION
    assert f"{path} belongs to another user (uid 12345)" in result.stderr
    assert f'autopack-run -f "{path}"' in result.stderr
    assert last_line(result).startswith("autopack-run: foreign-profile-file: ")
    assert run(["-f", str(path), "p"], below).returncode == 0
    assert run(["p"], tmp_path).returncode == 0  # the folder the operator chose to stand in
    os.chown(path, 0, 0)
    assert run(["p"], below).returncode == 0


@pytest.mark.posix
@as_root
@pytest.mark.parametrize("given", ["link", "target"])
def test_a_link_counts_with_itself_and_with_what_it_points_to(tmp_path: Path, given: str) -> None:
    target, link = tmp_path / "target.toml", tmp_path / "autopack-run.toml"
    target.write_text("[profiles.p]", encoding="utf-8")
    link.symlink_to(target)
    os.chown(link if given == "link" else target, 12345, 12345, follow_symlinks=False)
    assert foreign_owner(str(link)) == "another user (uid 12345)"


def test_a_file_of_this_user_is_no_foreign_one(tmp_path: Path) -> None:
    assert foreign_owner(str(write(tmp_path, ""))) is None
    assert foreign_owner(str(tmp_path / "missing")) is not None  # what cannot be told is foreign


@pytest.mark.skipif(sys.platform != "win32", reason="Windows")
def test_system_files_belong_to_nobody_foreign() -> None:
    assert foreign_owner(os.path.join(os.environ["SYSTEMROOT"], "System32", "cmd.exe")) is None
