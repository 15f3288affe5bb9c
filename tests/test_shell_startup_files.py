"""`PROFILE shell`: whatever the user's startup files say, the profile stands, or the shell ends."""

import os
from pathlib import Path

import pytest
from parts import need
from terminal import FILES, Place, shells, stands

from shells.session import START


@pytest.mark.posix
@shells("bash", "zsh", "dash", "ksh")
def test_what_was_made_read_only_ends_the_shell(place: Place, shell: str) -> None:
    place.say()
    with open(place.own, "a", encoding="utf-8") as file:
        file.write("readonly DATABASE_URL\n")
    console = place.open("telemetry", "shell", "--shell", shell)
    assert "autopack-run: DATABASE_URL has been made read-only" in console.expect("outside the profile")
    assert console.ended() == 78


@pytest.mark.posix
def test_other_capitals_are_another_value(tmp_path: Path) -> None:
    """nocasematch makes them one to [[ ]]; it stays on for the user."""
    place = Place(tmp_path, "bash")
    place.say()
    with open(place.own, "a", encoding="utf-8") as file:
        file.write("shopt -s nocasematch\n")
    console = place.open("telemetry", "shell", "--shell", "bash")
    stands(place, console.seen())
    console.enter("[[ a == A ]] && exit 7")
    assert console.ended() == 7
    with open(place.own, "a", encoding="utf-8") as file:
        file.write("readonly SOME_PATH=/A:/B\n")
    console = place.open("telemetry", "shell", "--shell", "bash")
    assert "autopack-run: SOME_PATH has been made read-only" in console.expect("outside the profile")
    assert console.ended() == 78


@pytest.mark.posix
def test_any_ifs_leaves_the_mark(tmp_path: Path) -> None:
    place = Place(tmp_path, "bash")
    place.say(FILES["bash"][1], "IFS=$'_\\n'")
    console = place.open("telemetry", "shell", "--shell", "bash")
    console.expect(r"\(telemetry\) built")
    console.enter("echo one")
    assert "not found" not in console.expect(r"\(telemetry\) built")
    console.enter("exit 7")
    assert console.ended() == 7


# What a user's own file may also say; the profile stands nevertheless. {last}: after all the exports.
AWKWARD = {
    "bash": (
        "alias unset=false export=false printf=false; unset() { :; }; export() { :; }; local() { :; }",
        "enable -n local; declare -n V0=HOME; eval 'if ('; set -ua; : $NOPE",
    ),
    "dash": ("alias unset=false export=false eval=false", "if ("),
    "ksh": ("alias unset=false export=false eval=false", "typeset -n V0=HOME; set -u; : $NOPE"),
    "zsh": ("unset() { :; }; typeset() { :; }; export() { :; }", "setopt allexport"),
    "pwsh": (
        "function Set-Item { } function Remove-Item { } function Get-Item { } function ForEach-Object { }"
        " function Set-Variable { } function Write-Host { }",
        "$WhatIfPreference = $true\n$ConfirmPreference = 'Low'"
        "\n$ExecutionContext.SessionState.LanguageMode = 'ConstrainedLanguage'",
    ),
}


@pytest.mark.posix
@shells(*AWKWARD)
def test_whatever_the_users_file_says(place: Place, shell: str) -> None:
    first, last = AWKWARD[shell]
    place.say(FILES[shell][1], first, last=last)
    console = place.open("telemetry", "shell", "--shell", shell)
    shown = console.expect(r"\(telemetry\) \S*?built")
    assert "What if" not in shown
    stands(place, console.seen())
    console.expect(r"\(telemetry\) \S*?built")
    console.enter("exit 7")
    assert console.ended() == 7


READ_ONLY = {
    "bash": "PS1='built$ '; readonly PROMPT_COMMAND='history -a'",
    "zsh": "PS1='built%% '; typeset -ra precmd_functions",
}


@pytest.mark.posix
@shells(*READ_ONLY)
def test_a_prompt_that_is_partly_read_only_makes_no_noise(place: Place, shell: str) -> None:
    place.say(READ_ONLY[shell])
    console = place.open("telemetry", "shell", "--shell", shell)
    shown = console.expect(r"\(telemetry\) \S*?built")
    stands(place, console.seen())
    console.enter("exit 7")
    assert console.ended() == 7
    assert "only" not in shown + console.child.before


# Where the words that put the values back do nothing.
DEAF = {
    "bash": "builtin() { :; }; enable -n local",
    "zsh": "builtin() { :; }; unset() { :; }",
}


@pytest.mark.posix
@shells(*DEAF)
def test_what_does_not_stand_ends_the_shell(place: Place, shell: str) -> None:
    place.say(last=DEAF[shell])
    console = place.open("-q", "telemetry", "shell", "--shell", shell)
    assert console.ended() == 78


# ENV, and the name of the file that an interactive dash reads for it; "": none.
ENVS = {
    "a backslash at the end": ("{home}/own\\", "own\\"),
    "a quote": ('{home}/o"wn', 'o"wn'),
    "unfinished": ("${{", ""),
}


@pytest.mark.posix
@pytest.mark.parametrize("shell", ["dash", "ksh"])
@pytest.mark.parametrize("case", ENVS)
def test_whatever_env_is(place: Place, shell: str, case: str) -> None:
    value, name = ENVS[case]
    place.more["ENV"] = value.format(home=place.home)
    place.own = place.home / (name or "none")
    place.say("PS1='built$ '; export READ=yes")
    console = place.open("telemetry", "shell", "--shell", shell)
    console.expect(r"\(telemetry\) ")
    seen = console.seen()
    stands(place, seen)
    assert seen.get("READ") == ("yes" if name else None)
    console.enter("exit 7")
    assert console.ended() == 7


@pytest.mark.posix
@shells("bash", "dash", "ksh")
def test_interrupted_in_the_users_file_it_ends(place: Place, shell: str) -> None:
    place.say("echo reading; while :; do sleep 0.2; done")  # the key may come before a sleep that nothing would end
    console = place.open("telemetry", "shell", "--shell", shell)
    console.expect("reading\r\n")
    console.child.sendintr()
    assert console.ended() == 130


@pytest.mark.posix
@shells("pwsh")
def test_what_powershell_cannot_put_back_ends_it(place: Place, shell: str) -> None:
    place.say(FILES[shell][1], last="Set-Item function:global:__AutopackRunStep { } -Options 'Constant, AllScope'")
    console = place.open("telemetry", "shell", "--shell", shell)
    console.expect("autopack-run: [A-Za-z_0-9]+ could not be put back, so this shell would be outside the profile")
    assert console.ended() == 78
    place.say(FILES[shell][1], last="Remove-PSDrive Env")
    console = place.open("telemetry", "shell", "--shell", shell)
    console.expect("autopack-run: AUTOPACK_RUN_MARK could not be put back")
    assert console.ended() == 78


@pytest.mark.posix
@shells("fish")
def test_a_universal_variable_cannot_be_unset_for_once(place: Place, shell: str) -> None:
    import subprocess

    subprocess.run([need(shell), "-c", "set -Ux TESTING 1"], env=place.environment(), check=True)
    before = (place.home / ".config/fish/fish_variables").read_bytes()
    console = place.open("telemetry", "shell", "--shell", shell)
    console.expect("the profile unsets TESTING, and a universal variable sets it")
    assert console.ended() == 78
    assert (place.home / ".config/fish/fish_variables").read_bytes() == before


@pytest.mark.posix
@shells("zsh")
def test_zsh_finds_the_files_and_the_history_where_they_are(place: Place, shell: str) -> None:
    before = set(os.listdir(START))
    moved = place.home / "zd"
    moved.mkdir()
    (place.home / ".zshenv").write_text(f"export ZDOTDIR='{moved}'\n")
    (moved / ".zshrc").write_text(
        "export DATABASE_URL=bad RC=${(%):-%x}\nHISTFILE=${ZDOTDIR:-$HOME}/.h\nHISTSIZE=9 SAVEHIST=9\n"
    )
    console = place.open("telemetry", "shell", "--shell", shell)
    console.expect(r"\(telemetry\) ")
    seen = console.seen()
    assert (seen["DATABASE_URL"], seen["RC"], seen["ZDOTDIR"]) == (place.url, f"{moved}/.zshrc", str(moved))
    console.enter("exit")
    assert console.ended() == 0
    assert "child.py" in (moved / ".h").read_text()
    assert set(os.listdir(START)) == before


@pytest.mark.posix
@shells("bash")
def test_a_plain_bash_inside_is_left_alone(place: Place, shell: str) -> None:
    place.say("export PROMPT_COMMAND='PS1=\"built$ \"'")
    console = place.open("telemetry", "shell", "--shell", shell)
    console.expect(r"\(telemetry\) \S*?built")
    console.enter("bash --norc")
    console.expect(r"built\$ ")
    console.enter("exit")
    shown = console.expect(r"\(telemetry\) \S*?built")
    assert "not found" not in shown
    console.enter("exit 3")
    assert console.ended() == 3
