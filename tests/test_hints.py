"""Lines to type are in the words of the shell at hand."""

import os
import subprocess
from pathlib import Path

import pytest
from parts import need
from running import LAUNCHER, clean_env, run, write

from launcher.errors import ConfigurationError
from launcher.hints import command_line, quoted, set_line, unset_line
from launcher.plan import Plan, Request
from launcher.profiles import load_profile_file
from launcher.proof import expectation

NO_DATABASE = "[profiles.p.tasks.t]\nrun = ['python', '-c', '']\nverify = true\n"
TWO = "[databases.main]\nurl = 'sqlite:///main.db'\n[profiles.p]\ndatabase = 'main'\n"


def hint(folder: Path, shell: str, words: list[str], env: dict[str, str] | None = None) -> str:
    refused = run(words, folder, {"AUTOPACK_RUN_SHELL": shell, **(env or {})})
    assert refused.returncode in (65, 78), refused.stderr
    return next(line for line in refused.stderr.splitlines() if line.startswith("hint: "))


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("powershell", "$env:DATABASE_URL = 'sqlite:///{}/NAME.db'"),
        ("pwsh", "$env:DATABASE_URL = 'sqlite:///{}/NAME.db'"),
        ("cmd", 'set "DATABASE_URL=sqlite:///{}/NAME.db"'),
        ("bash", "export DATABASE_URL='sqlite:///{}/NAME.db'"),
        ("dash", "export DATABASE_URL='sqlite:///{}/NAME.db'"),
        ("zsh", "export DATABASE_URL='sqlite:///{}/NAME.db'"),
        ("fish", "set -gx DATABASE_URL 'sqlite:///{}/NAME.db'"),
    ],
)
def test_a_missing_database_url(tmp_path: Path, shell: str, line: str) -> None:
    write(tmp_path, NO_DATABASE)
    expected = line.format(str(tmp_path).replace("\\", "/"))
    assert hint(tmp_path, shell, ["p", "t"]).endswith(f"; or in this shell: {expected}")


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("powershell", "$env:DATABASE_URL = $null"),
        ("cmd", 'set "DATABASE_URL="'),
        ("bash", "unset DATABASE_URL"),
        ("fish", "set -e DATABASE_URL"),
    ],
)
def test_a_variable_to_take_away(tmp_path: Path, shell: str, line: str) -> None:
    write(tmp_path, TWO)
    assert hint(
        tmp_path, shell, ["p", "check"], {"DATABASE_URL": f"sqlite:///{tmp_path.as_posix()}/other.db"}
    ).endswith(line)


def test_the_file_that_speaks_for_it(tmp_path: Path) -> None:
    write(tmp_path, TWO)
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path.as_posix()}/other.db")
    told = hint(tmp_path, "bash", ["p", "check"], {"DATABASE_URL_FILE": str(tmp_path / "url")})
    assert told.endswith("in this shell: unset DATABASE_URL_FILE")


ABSOLUTE = "sqlite:///C:/x y.db" if os.name == "nt" else "sqlite:////x y.db"
SAME = '"DATABASE_URL=(the same URL)"'


@pytest.mark.parametrize(
    ("url", "word"),
    [
        (ABSOLUTE, f'"DATABASE_URL={ABSOLUTE}"'),
        ("postgresql://u:s3cret@h/d", SAME),
        ("sqlite+pysqlcipher://:k@/x", SAME),
    ],
)
def test_a_hint_has_the_url_that_set_has_chosen(tmp_path: Path, url: str, word: str) -> None:
    file = load_profile_file(str(write(tmp_path, TWO)))
    plan = Plan(file, file.profile("p"), None, Request(sets=(("DATABASE_URL", "x"), ("DATABASE_URL", url))), {})
    assert plan.spoken_as("q") == f"--set {word} q"


def test_a_hint_is_typed_in_the_folder_of_whoever_started_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "sub").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    file = load_profile_file(str(write(home, TWO)))
    write(tmp_path / "other", TWO)
    monkeypatch.chdir(home)
    absolute, gone = f'-f "{home / "autopack-run.toml"}" p', tmp_path / "gone"
    for given, cases in {
        None: {home: "p", home / "sub": "p", tmp_path / "other": absolute, gone: absolute},
        "autopack-run.toml": {home: '-f "autopack-run.toml" p', home / "sub": absolute},
    }.items():
        for folder, expected in cases.items():
            variables = {"AUTOPACK_RUN_TYPED_FROM": str(folder)}
            assert Plan(file, file.profile("p"), None, Request(file=given), variables).spoken == expected


def test_cmd_is_given_a_path_with_one_percent_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOPACK_RUN_SHELL", "cmd")
    path = os.path.join(os.path.abspath("O'Brien & S\u00f6hne"), "50% off! [x].toml")
    assert command_line("autopack-run", "-f", path, "check") == f'autopack-run -f "{path}" check'
    assert quoted(path) == f'"{path}"'
    assert set_line("A", "50% off") == 'set "A=50% off"'
    assert set_line("A", "%PATH%", "") == ""
    assert command_line("a", "50%", "b", "5%").endswith("(no line to type: this shell cannot hold these words)")


@pytest.mark.parametrize(("name", "said"), [("x.toml", "x.toml"), ("50%%.toml", "NAME")])
def test_a_path_that_cmd_cannot_hold_is_told_in_words(monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    monkeypatch.setenv("AUTOPACK_RUN_SHELL", "cmd")
    path = os.path.join(os.path.abspath("50% %off"), name)
    assert quoted(path) == f'"(cd to its folder first) {said}"'
    line = command_line("autopack-run", "-f", path, "onboarding")
    if said == "NAME":
        assert line.endswith("(no line to type: this shell cannot hold these words)")
    else:
        assert line == "cd to the file's folder, then: autopack-run -f x.toml onboarding"


def test_the_guards_hint_names_the_profile_file(tmp_path: Path) -> None:
    write(tmp_path, TWO).rename(tmp_path / "other.toml")
    words = ["python", "-c", "import os; os.environ['DATABASE_URL'] = 'sqlite:///x.db'"]
    done = run(["-f", "other.toml", "p", "exec", *words], tmp_path)
    assert done.returncode == 1, done.stderr
    assert f'autopack-run -f "{tmp_path / "other.toml"}" --pins allow p exec …' in done.stderr


def test_a_variable_that_the_shell_keeps_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOPACK_RUN_SHELL", "bash")
    assert set_line("UID", "VALUE") == "a value for UID, which this shell cannot set"
    assert unset_line("UID") == "take UID away where it is set"


@pytest.mark.posix
@pytest.mark.parametrize(
    ("name", "shell", "line"),
    [
        ("a $HOME", "bash", ""),
        ("a\\b", "bash", ""),
        ("50% %off", "cmd", ""),
        ("50% off", "cmd", '; or in this shell: set "DATABASE_URL=sqlite:///{}/NAME.db"'),
        ("50% off", "bash", "; or in this shell: export DATABASE_URL='sqlite:///{}/NAME.db'"),
    ],
)
def test_no_line_sets_a_url_that_would_be_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shell: str, line: str
) -> None:
    monkeypatch.setenv("AUTOPACK_RUN_SHELL", shell)
    (tmp_path / name).mkdir()
    file = load_profile_file(str(write(tmp_path / name, NO_DATABASE)))
    with pytest.raises(ConfigurationError) as caught:
        expectation(Plan(file, file.profile("p"), file.profile("p").task("t"), Request(), {}))
    assert caught.value.hint.endswith(f"of {tmp_path / name / 'autopack-run.toml'}{line.format(tmp_path / name)}")


@pytest.mark.posix
@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "ksh", "fish", "pwsh"])
@pytest.mark.parametrize("name", ["plain", "O'Brien & Söhne (50% off!)", 'a $HOME `id` "b" \\'])
def test_a_hint_with_the_profile_file_can_be_pasted(tmp_path: Path, shell: str, name: str) -> None:
    """`autopack-run -f FILE p adopt`, pasted into that shell, names the same file."""
    folder = tmp_path / name
    folder.mkdir()
    write(folder, TWO)
    path = folder / "autopack-run.toml"
    program = need(shell)
    (tmp_path / "other").mkdir()
    make = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('create table t (a)'); c.commit()"
    subprocess.run([LAUNCHER[0], "-c", make, str(folder / "main.db")], check=True)
    told = hint(tmp_path / "other", shell, ["-f", str(path), "p", "check"])
    line = told.partition(": ")[2].partition(": ")[2]
    assert line.startswith("autopack-run -f ")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "autopack-run").write_text(f'#!/bin/sh\nexec {LAUNCHER[0]} {LAUNCHER[1]} "$@"\n')
    (bin_folder / "autopack-run").chmod(0o755)
    env = clean_env({"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"})
    options = {"pwsh": ["-NoProfile", "-NonInteractive", "-Command"], "fish": ["--no-config", "-c"]}
    words = [program, *options.get(shell, ["-c"]), line]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), line
    assert "adopted as 'main'" in done.stdout
