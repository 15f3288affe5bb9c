"""`PROFILE shell` in the real shells, at a real terminal: what stands inside, whatever the user's own files say."""

import contextlib
import getpass
import json
import os
import re
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from parts import need
from running import LAUNCHER, clean_env, last_line, run, wait_until, write
from runs import Project
from terminal import FILES, LONGEST, Console, Place, shells, stands

from launcher import interactive
from launcher.errors import ConfigurationError
from launcher.hints import unset_line
from launcher.plan import Plan
from shells.table import SHELLS

EVERY = shells(*FILES)


# What these shells write by themselves, whoever starts them.
OWN_FILES = {
    "bash": r"home/\.bash_history",
    "zsh": r"",
    "ksh": r"home/\.sh_history",
    "fish": r"home/\.config/fish/fish_variables|home/\.local/share/fish/fish_history"
    rf"|tmp/fish\.{re.escape(getpass.getuser())}/fish_universal_variables\.notifier",
    "pwsh": r"home/\.cache/powershell/(StartupProfileData-Interactive|telemetry\.uuid|ModuleAnalysisCache(-[0-9A-F]+)?)"
    r"|home/\.local/share/powershell/PSReadLine/ConsoleHost_history\.txt",
}


def no_trace(place: Place) -> None:
    """Assert that nobody but the shell itself has left a file, at home or among the temporary ones."""
    own = re.compile(OWN_FILES.get(place.shell, ""))
    assert {name for name in place.files() if not own.fullmatch(name)} == place.before


@pytest.mark.posix
@EVERY
def test_inside(place: Place, shell: str) -> None:
    console = place.open("telemetry", "shell", "--shell", shell)
    assert "telemetry shell: " in console.expect(r"\(telemetry\) \S*?built")
    shown = Path(f"/proc/{console.child.pid}/cmdline")
    if shown.exists():
        words = shown.read_text()
        assert shell in words
        assert "main.db" not in words
    stands(place, console.seen())
    console.expect(r"\(telemetry\) \S*?built")
    console.enter(f"{sys.executable} hold.py")
    console.until(place.folder / "held")
    console.expect("holding")
    if shell != "pwsh":
        console.child.sendcontrol("z")
        console.expect(r"\(telemetry\) \S*?built")
        console.seen()
        console.enter("fg")
        console.expect("holding")
    console.child.sendintr()
    console.expect(r"\(telemetry\) \S*?built")
    nested(console, place)
    console.enter("exit 7")
    assert console.ended() == 7
    no_trace(place)


def nested(console: Console, place: Place) -> None:
    def words(profile: str) -> str:
        return SHELLS[place.shell].typed([*LAUNCHER, profile, "shell", "--shell", place.shell])

    console.enter(words("same"))
    assert "nested: 2 deep, inside the shell of telemetry" in console.expect(r"\(telemetry\) \(same\) \S*?built")
    assert console.seen()["AUTOPACK_RUN_SHELLS"] == "telemetry same"
    console.enter("exit 0")
    console.expect(r"\(telemetry\) \S*?built")
    console.enter(words("other"))
    assert "hint: " in console.expect("autopack-run: nested: exit 65")
    console.expect(r"\(telemetry\) \S*?built")


@pytest.mark.posix
@shells("bash", "zsh", "fish")
def test_killed_it_leaves_nothing(place: Place, shell: str) -> None:
    console = place.open("telemetry", "shell", "--shell", shell)
    console.expect(r"\(telemetry\) \S*?built")
    console.child.kill(signal.SIGKILL)
    wait_until(lambda: not console.child.isalive())
    no_trace(place)


@pytest.mark.posix
@shells("bash")
def test_undetected_or_detected_at_the_prompt(place: Place, shell: str) -> None:
    console = place.open(program=[need(shell), "--norc", "-i"])
    console.enter(SHELLS[shell].typed([*LAUNCHER, "-q", "telemetry", "shell"]))
    console.expect(r"\(telemetry\) \S*?built")
    stands(place, console.seen())
    console.enter("exit 4")
    console.enter("exit $?")
    assert console.ended() == 4


@pytest.mark.posix
def test_verified_it_ends_in_a_verdict(tmp_path: Path) -> None:
    import pexpect

    need("bash")
    project, report = Project(tmp_path), tmp_path / "report.json"
    words = ["--verify", "--report", str(report), "p", "shell", "--shell", "bash"]
    env = clean_env({"HOME": str(tmp_path), "TERM": "xterm"})
    child = pexpect.spawn(LAUNCHER[0], [*LAUNCHER[1:], *words], LONGEST, cwd=str(tmp_path), env=env, encoding="utf-8")
    console = Console(child, tmp_path)
    assert "stamp     verified" in console.expect(r"\(p\) ")
    console.enter(f"{sys.executable} -c 'import client; client.work()'")
    console.expect(r"\(p\) ")
    child.sendintr()
    console.expect(r"\(p\) ")
    console.enter("exit 5")
    assert console.ended() == 5
    assert project.rows() == 1
    found = json.loads(report.read_text())
    assert found["verdict"] != "drift"
    assert found["exit_code"] == 5
    assert str(tmp_path / "main.db") in json.dumps(found["databases"])


@pytest.mark.posix
@pytest.mark.parametrize("shell", ["bash", "ksh", "zsh"])
def test_suspended_it_gives_the_terminal_back(tmp_path: Path, shell: str) -> None:
    """The shell around it would wait for the launcher, which waits for the shell inside."""
    import pexpect

    program = need(shell)
    Project(tmp_path)
    (tmp_path / ".zshrc").touch()  # else zsh asks a new user
    env = clean_env({"HOME": str(tmp_path), "TERM": "dumb", "PS1": "", "OUTER": "outer"})
    child = pexpect.spawn(need("bash"), ["--norc", "-i"], LONGEST, cwd=str(tmp_path), env=env, encoding="utf-8")
    console = Console(child, tmp_path)
    console.enter("PS1=$OUTER:")
    console.expect("outer:")
    console.enter(SHELLS["bash"].typed([*LAUNCHER, "--verify", "p", "shell", "--shell", shell]))
    assert f"p shell: {program}" in console.expect(r"\(p\) ")
    for again in "12":
        console.enter("suspend")
        console.expect("outer:")
        console.enter("fg")
        console.enter(f"echo $OUTER again {again}")
        console.expect(f"outer again {again}")
    console.enter("exit 7")
    console.expect("outer:")
    console.enter("exit $?")
    assert console.ended() == 7


REFUSED = {
    "an unknown shell": (["telemetry", "shell", "--shell", "tcsh"], 2, "unknown-shell"),
    "not detected": (["telemetry", "shell"], 2, "unknown-shell"),
    "no terminal": (["telemetry", "shell", "--shell", "cmd" if os.name == "nt" else "bash"], 2, "no-terminal"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_and_nothing_started(tmp_path: Path, case: str) -> None:
    words, code, slug = REFUSED[case]
    write(tmp_path, "[profiles.telemetry]\n")
    env = {"AUTOPACK_RUN_SHELL": "tcsh"} if case == "not detected" else {}
    done = run(words, tmp_path, env, input="echo x >witness\n")
    assert (done.returncode, done.stdout) == (code, "")
    assert last_line(done).startswith(f"autopack-run: {slug}: exit {code}")
    assert not (tmp_path / "witness").exists()


@pytest.mark.posix
def test_a_name_that_the_shell_keeps_is_refused(tmp_path: Path) -> None:
    write(tmp_path, '[profiles.telemetry]\nenv = { UID = "secret", A = "1" }\n')
    import pexpect

    need("bash")
    words = [*LAUNCHER, "telemetry", "shell", "--shell", "bash"]
    child = pexpect.spawn(words[0], words[1:], LONGEST, cwd=str(tmp_path), env=clean_env(), encoding="utf-8")
    console = Console(child, tmp_path)
    assert "bash cannot carry 'UID'" in console.expect("cannot-carry: exit 78")
    assert console.ended() == 78


def test_inside_a_launch_with_other_pins(tmp_path: Path) -> None:
    text = '[databases.{0}]\nurl = "sqlite:///{0}.db"\n[profiles.{0}]\ndatabase = "{0}"\n'
    write(tmp_path, text.format("a") + text.format("b"))
    done = run(["a", "exec", "--", *LAUNCHER, "b", "shell", "--shell", "bash"], tmp_path)
    assert done.returncode == 65
    assert last_line(done).startswith("autopack-run: nested: exit 65")


def test_more_names_than_one_line_of_cmd_holds_are_refused() -> None:
    """Real cmd would end the file that puts them back, and the shell would go on outside the profile."""
    values: dict[str, str | None] = {f"A_NAME_OF_SOME_LENGTH_{i:04}": "v" for i in range(400)}
    plan = cast(Plan, SimpleNamespace(spoken="telemetry"))
    for name, fits in (("cmd", False), ("bash", True)):
        shell = SHELLS[name]
        session = shell.session("(telemetry) ", list(values))
        with contextlib.nullcontext() if fits else pytest.raises(ConfigurationError, match="400 variables"):
            interactive._refuse_altered(plan, shell, session, values)


@pytest.mark.parametrize(
    ("name", "variable", "text", "fits"),
    [
        ("bash", "PS1", "p> ", False),
        ("bash", "PS1", None, True),
        ("bash", "PROMPT_COMMAND", ":", False),
        ("dash", "PS1", "p> ", False),
        ("ksh", "IFS", ":", False),
        ("dash", "IFS", ":", True),
        ("zsh", "PROMPT", "p> ", False),
        ("cmd", "Prompt", "$G", False),
        ("cmd", "PROMPT", None, False),
        ("bash", "AUTOPACK_RUN_KEEP_A", "x", False),
        ("cmd", "autopack_run_mark", "x", False),
        ("dash", "AUTOPACK_RUN_START", "x", False),
        ("bash", "AUTOPACK_RUN_KEEPER", "x", True),
        ("bash", "G", "x" * 131_060, False),
        ("bash", "G", "x" * 131_050, True),
    ],
)
def test_what_the_session_itself_would_alter_is_refused_by_name(
    name: str, variable: str, text: str | None, fits: bool
) -> None:
    plan, shell = cast(Plan, SimpleNamespace(spoken="telemetry")), SHELLS[name]
    session = shell.session("(telemetry) ", [variable])
    with contextlib.nullcontext() if fits else pytest.raises(ConfigurationError, match=f"'{variable}'") as caught:
        interactive._refuse_altered(plan, shell, session, {variable: text})
    assert fits or (caught and "exec CMD" in (caught.value.hint or ""))


@pytest.mark.posix
@pytest.mark.parametrize(
    ("name", "text", "refused"),
    [
        ("POSIXLY_CORRECT", "", True),
        ("FUNCNEST", "1", True),
        ("SHELLOPTS", "braceexpand:posix", True),
        ("SHELLOPTS", "braceexpand:hashall", False),
    ],
)
@shells("bash")
def test_a_bash_that_would_not_read_our_file_is_refused(
    place: Place, shell: str, name: str, text: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOPACK_RUN_SHELL", "bash")
    more = place.environment() | {name: text}
    monkeypatch.setattr(Place, "environment", lambda _place: more)
    console = place.open("telemetry", "shell", "--shell", shell)
    if refused:
        said = console.expect("cannot-carry: exit 78")
        assert f"bash would start outside the profile: {name} is set" in said
        assert f"hint: {unset_line(name)}; or another shell" in said
        return
    console.expect(r"\(telemetry\) ")
    stands(place, console.seen())


@pytest.mark.parametrize(
    ("folder", "said"), [("/a/b", "/a/b/sh.sh"), ("/a b", "$AUTOPACK_RUN_START"), ("/$a", "$AUTOPACK_RUN_START")]
)
def test_env_names_the_file_itself_where_nothing_in_it_is_expanded(
    folder: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mksh expands nothing there."""
    monkeypatch.setattr("shells.session.START", folder)
    assert SHELLS["sh"].session("(telemetry) ", ["A"]).variables["ENV"] == said


@pytest.mark.posix
@pytest.mark.parametrize(("line", "fits"), [("ZDOTDIR=/elsewhere", False), (": ${ZDOTDIR:=/elsewhere}", True)])
def test_a_zsh_that_the_system_sends_elsewhere_is_refused(tmp_path: Path, line: str, fits: bool) -> None:
    """The system's file cannot be changed here: a zsh that says so before it begins."""
    program = tmp_path / "zsh"
    program.write_text(f'#!/bin/sh\n{line}\nexport ZDOTDIR\nexec {need("zsh")} "$@"\n')
    program.chmod(0o755)
    session = SHELLS["zsh"].session("(telemetry) ", [])
    environment = SimpleNamespace(as_dict=lambda: {**os.environ, **session.variables})
    plan = cast(Plan, SimpleNamespace(spoken="telemetry", environment=environment))
    with contextlib.nullcontext() if fits else pytest.raises(ConfigurationError, match=r"zshenv.* to '/elsewhere'"):
        interactive._refuse_moved(plan, str(program), session)
