"""Which Python stands behind `python` and `{python}`: the key, an active venv, {root}/.venv, the child's PATH."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import LAUNCHER, clean_env, last_line, run, write

from launcher import interpreter
from launcher.errors import CONFIGURATION, NOT_FOUND

WINDOWS = os.name == "nt"
# Not the launcher's own environment, where the tests run in one: a venv is never lent to a project.
BASE = os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def fake(folder: Path, *parts: str) -> Path:
    """A program that says its own path and the words it got."""
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('#!/bin/sh\necho "$0" "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def task(python: str = "", word: str = "python") -> str:
    return f"[profiles.p]\n{python}\n[profiles.p.tasks.t]\nrun = ['{word}', 'x']\n"


def started(folder: Path, text: str, env: dict[str, str] | None = None) -> str:
    write(folder, text)
    result = run(["p", "t"], folder, env)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()[0]


@pytest.mark.posix
def test_the_order(tmp_path: Path) -> None:
    root = tmp_path / "root"
    named, active, own, first, second = (
        fake(tmp_path, "named", "py"),
        fake(tmp_path, "active", "bin", "python"),
        fake(root, ".venv", "bin", "python"),
        fake(tmp_path, "first", "python"),
        fake(tmp_path, "second", "python"),
    )
    path = f"{first.parent}:{second.parent}:/usr/bin:/bin"
    env = {"VIRTUAL_ENV": str(tmp_path / "active"), "PATH": path}
    assert started(root, task(f"python = '{named}'"), env) == str(named)
    assert started(root, task(), env) == str(active)
    del env["VIRTUAL_ENV"]
    assert started(root, task(), env) == str(own)
    own.unlink()
    assert started(root, task(), env) == str(first)
    first.unlink()
    assert started(root, task(), env) == str(second)


@pytest.mark.posix
@pytest.mark.parametrize("table", ["defaults", "profiles.p"])
@pytest.mark.parametrize("word", ["python", "{python}"])
def test_the_key_and_the_placeholder_are_one(tmp_path: Path, table: str, word: str) -> None:
    named = fake(tmp_path, "named", "py")
    text = f"[{table}]\npython = '{{root}}/named/py'\n[profiles.p.tasks.t]\nrun = ['{word}']\n"
    assert started(tmp_path, text) == str(named)


@pytest.mark.posix
def test_the_key_of_the_profile_beats_that_of_defaults(tmp_path: Path) -> None:
    mine = fake(tmp_path, "mine")
    assert started(tmp_path, f"[defaults]\npython = '/nowhere'\n{task(f'''python = '{mine}' ''')}") == str(mine)


@pytest.mark.posix
@pytest.mark.parametrize(
    ("key", "said"),
    [
        pytest.param("/nowhere/python", "there is no program /nowhere/python", id="absolute"),
        pytest.param("no/python", "no/python", id="relative"),
        pytest.param("no-such-python", "not on the child's PATH", id="bare"),
        pytest.param("folder/", "names no program", id="folder"),
        pytest.param("./plain", "not executable", id="not executable"),
        pytest.param("~/python", "~/python", id="tilde"),
        pytest.param("{env:EMPTY}", "empty", id="empty"),
        pytest.param("{python}", "{python} has no value here", id="itself"),
    ],
)
@pytest.mark.parametrize("word", ["python", "{python}"])
def test_a_key_that_names_nothing(tmp_path: Path, key: str, said: str, word: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("", encoding="utf-8")
    write(tmp_path, task(f"python = '{key}'", word))
    result = run(["p", "t"], tmp_path, {"EMPTY": ""})
    assert result.returncode == CONFIGURATION
    assert f"{tmp_path / 'autopack-run.toml'}:2 (profiles.p.python): " in result.stderr
    assert said in result.stderr
    assert last_line(result).startswith(("autopack-run: no-python: ", "autopack-run: placeholder: "))


@pytest.mark.posix
def test_a_key_that_names_an_environment_gets_the_line_to_write(tmp_path: Path) -> None:
    fake(tmp_path, "my env", "bin", "python")
    write(tmp_path, task("python = 'my env'"))
    result = run(["p", "t"], tmp_path)
    assert result.returncode == CONFIGURATION
    assert "hint: python = 'my env/bin/python'" in result.stderr


@pytest.mark.posix
def test_relative_keys_are_relative_to_the_root_and_bare_ones_are_names_on_the_childs_path(tmp_path: Path) -> None:
    relative, bare = fake(tmp_path, "tools", "py"), fake(tmp_path, "bin", "mypython")
    below = tmp_path / "below"
    below.mkdir()
    home = {"HOME": str(tmp_path)}
    write(tmp_path, task("python = 'tools/py'"))
    assert run(["p", "t"], below, home).stdout.split()[0] == str(relative)
    write(tmp_path, task("python = 'mypython'\nenv = { PATH = '{root}/bin{pathsep}{env:PATH}' }"))
    assert run(["p", "t"], below, home).stdout.split()[0] == str(bare)


@pytest.mark.posix
def test_the_childs_path_and_venv_count_even_for_a_variable_of_a_lower_layer(tmp_path: Path) -> None:
    program = fake(tmp_path, "venv", "bin", "python")
    text = """
[defaults]
env = { PY = "{python} {port}", PORT = "{port}" }
[profiles.p]
env = { VIRTUAL_ENV = "{root}/venv" }
[profiles.p.tasks.t]
run = ["sh", "-c", 'echo "$PY" "$PORT" "$0"', "{python}"]
"""
    write(tmp_path, text)
    result = run(["p", "t"], tmp_path)
    python, port, again, last = result.stdout.split()
    assert (python, last) == (str(program), str(program))
    assert port == again


@pytest.mark.posix
def test_a_stale_virtual_environment_is_passed_over_and_told(tmp_path: Path) -> None:
    own = fake(tmp_path, ".venv", "bin", "python")
    write(tmp_path, task())
    result = run(["p", "t"], tmp_path, {"VIRTUAL_ENV": str(tmp_path / "deleted")})
    assert result.stdout.split()[0] == str(own)
    assert f"VIRTUAL_ENV names {tmp_path / 'deleted'}, which has no Python" in result.stderr


@pytest.mark.posix
def test_a_relative_virtual_environment_becomes_absolute(tmp_path: Path) -> None:
    program, sub = fake(tmp_path, "venv", "bin", "python"), tmp_path / "sub"
    sub.mkdir()
    write(tmp_path, task() + "cwd = 'sub'\n")
    assert run(["p", "t"], tmp_path, {"VIRTUAL_ENV": "venv"}).stdout.split()[0] == str(program)


@pytest.fixture(scope="module")
def launchers_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that the launcher runs in, with the packages of this one."""
    venv = tmp_path_factory.mktemp("launcher") / "venv"
    subprocess.run([BASE, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = program_of(venv)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    ours = [path for path in sys.path if path.endswith("site-packages")]
    Path(site, "ours.pth").write_text("\n".join(ours), encoding="utf-8")
    return venv


def program_of(venv: Path) -> str:
    return str(venv / "Scripts" / "python.exe" if WINDOWS else venv / "bin" / "python")


def run_in(venv: Path, folder: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [program_of(venv), LAUNCHER[-1], "p", "t"]
    return subprocess.run(command, cwd=folder, env=clean_env(env), capture_output=True, text=True, check=False)


SAY = "import sys; print(sys.prefix)"


def say(python: str = "") -> str:
    return f"[profiles.p]\n{python}\n[profiles.p.tasks.t]\nrun = ['python', '-c', '{SAY}']\n"


def test_never_the_launchers_own_environment(tmp_path: Path, launchers_venv: Path) -> None:
    write(tmp_path, say())
    scripts = os.path.dirname(program_of(launchers_venv))
    path = os.pathsep.join([scripts, os.path.dirname(BASE), os.environ["PATH"]])
    result = run_in(launchers_venv, tmp_path, {"VIRTUAL_ENV": str(launchers_venv), "PATH": path})
    assert result.returncode == 0, result.stderr
    assert not os.path.samefile(result.stdout.strip(), launchers_venv)
    assert "is active, but the launcher's own" in result.stderr


def test_a_bare_key_does_not_mean_the_launchers_own_environment(tmp_path: Path, launchers_venv: Path) -> None:
    write(tmp_path, say("python = 'python'"))
    scripts = os.path.dirname(program_of(launchers_venv))
    result = run_in(launchers_venv, tmp_path, {"PATH": scripts})
    assert result.returncode == CONFIGURATION
    assert "no-python" in result.stderr.splitlines()[-1]
    result = run_in(launchers_venv, tmp_path, {"PATH": scripts + os.pathsep + os.environ["PATH"]})
    assert result.returncode == 0, result.stderr
    assert not os.path.samefile(result.stdout.strip(), launchers_venv)


def test_the_key_may_name_it_by_its_path(tmp_path: Path, launchers_venv: Path) -> None:
    write(tmp_path, say(f"python = '{program_of(launchers_venv)}'"))
    result = run_in(launchers_venv, tmp_path, {})
    assert os.path.samefile(result.stdout.strip(), launchers_venv)


def test_inside_the_root_it_is_the_projects(launchers_venv: Path) -> None:
    root = launchers_venv.parent
    path = write(root, say())
    try:
        result = run_in(launchers_venv, root, {"VIRTUAL_ENV": str(launchers_venv)})
        assert os.path.samefile(result.stdout.strip(), launchers_venv)
    finally:
        path.unlink()


def test_no_python_at_all(tmp_path: Path, launchers_venv: Path) -> None:
    write(tmp_path, say())
    result = run_in(launchers_venv, tmp_path, {"PATH": os.path.dirname(program_of(launchers_venv))})
    assert result.returncode == NOT_FOUND
    assert "no Python on the child's PATH but the launcher's own" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("autopack-run: not-found: ")


@pytest.mark.parametrize("key", [None, "python"], ids=["PATH", "bare key"])
def test_never_the_microsoft_store_alias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """On Windows for real; elsewhere the folder's name is judged by the rules of Windows."""
    folders = [tmp_path / "Microsoft" / "WindowsApps", tmp_path / "real"]
    for folder in folders:
        program = fake(folder, "python.exe")
    if not WINDOWS:
        monkeypatch.setattr(interpreter, "WINDOWS", True)
        monkeypatch.setattr("launcher.programs.WINDOWS", True)
        monkeypatch.setattr(os.path, "normcase", lambda path: path.replace("/", "\\").lower())
    env = {"PATH": os.pathsep.join(map(str, folders)), "PATHEXT": ".exe"}
    found = interpreter.find_python(key, "here", str(tmp_path / "root"), env.get)
    assert os.path.samefile(found.path, program)
