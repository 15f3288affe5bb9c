"""The documented lines, typed into real interactive shells; what a child then sees, and what words arrive."""

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from parts import need
from running import LAUNCHER, clean_env, write
from shell_rows import CHILD, POSIX_ROWS
from terminal import shown_until
from windows import LAB_PROGRAMS, Windows

from shells.base import CannotCarry, Shell
from shells.cmd_for_f import FOR_F
from shells.table import SHELLS

if TYPE_CHECKING:
    import pexpect

VALUES = {
    "APOSTROPHE": "it's O'Brien's",
    "BACKSLASH": "\\\\server\\share\\",
    "BANG": "!! !x a!b ^a^b !$",
    "BYTES_PATH": "::a b::",
    "CONTROLS": "\x01\t\x1b[31m\x7f",
    "DOLLAR": "$HOME $(touch witness) `touch witness` ${X}",
    "EMPTY": "",
    "HASH": "# ; & | < > ( ) { } * ? ~ [a]",
    "LINES": "a\n\n'b\n",
    "LONG": "x y" * 10_000,
    "PERCENT": "100% %PATH% %TEMP:~0,1% %i %r %~i",
    "QUOTES": 'a "b" & "c"',
    "SMART": "\u2018; touch witness; \u2019\u201c$(touch witness)\u201d",
    "UNICODE": "S\u00f6hne \u2603 \U0001d11e",
}
WORDS = [
    *(
        "",
        "a b",
        "it's",
        "!!",
        "a!b",
        "!",
        "'!'",
        "$HOME",
        "$(touch witness)",
        "`touch witness`",
        '"',
        '\\"',
        "\\",
        "a\\",
    ),
    *(
        "#x",
        "~",
        "*",
        "=ls",
        "{a,b}",
        "-x",
        "--",
        "@x",
        "%PATH%",
        "50% off",
        "a;b",
        "a&b",
        "(x)",
        "<x",
        "|",
        "^a^b",
        "[a]",
        "x=1",
    ),
    *(
        "\u2019; touch witness",
        "\u201cx\u201d",
        "S\u00f6hne",
        "\u2028",
        "\u200b",
        "a\tb",
        "\x1b[31m",
        "\x01",
        "a\nb",
        "\x7f",
    ),
]
SHOW_WORDS = "import sys\nwith open('words.part', 'w') as out:\n    out.write(ascii(sys.argv[1:]))\n"
SHOW_WORDS += "import os\nos.replace('words.part', 'words')\n"
CHILD_AT_ONCE = CHILD + "os.replace(sys.argv[1], 'seen.json')\n"


class At(NamedTuple):
    """How the shell is started without anybody's own files; zsh: history expansion is on, as it is for people."""

    program: str
    words: tuple[str, ...]


SHELL_AT = {row.shell: At(row.program[0], (*row.program[1:], "-i")) for row in POSIX_ROWS.values()} | {
    "bash": At("bash", ("--norc", "--noprofile", "-o", "histexpand")),
    "dash": At("dash", ("-i",)),
    "fish": At("fish", ("--no-config",)),
    "ksh": At("ksh", ("-i",)),
    "pwsh": At("pwsh", ("-NoLogo", "-NoProfile")),
    "sh": At("bash", ("--posix", "--norc", "-o", "histexpand")),
    "zsh": At("zsh", ("-f", "-i", "-o", "banghist")),
}
ON_LINUX = [pytest.param(name, marks=pytest.mark.posix) for name in SHELL_AT]
# And backspaces: ksh draws its line anew, and goes back over it, when it is told how wide the terminal is.
ESCAPES = r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|\(B|[=>])|\x08"


class Prompt:
    """A shell at a pseudo terminal. PowerShell's line editor asks for the cursor's place and waits for the answer."""

    def __init__(self, child: "pexpect.spawn[str]") -> None:
        self.child = child
        self.shown = ""
        self.until(lambda: re.sub(ESCAPES, "", self.shown).rstrip().endswith(("$", "#", "%", ">")))

    def until(self, what: Path | Callable[[], object]) -> None:
        """Wait until `what` is true: a file that is there, or what a function says."""
        before, is_there = self.shown, what.exists if isinstance(what, Path) else what

        def done(more: str) -> object:
            self.shown = before + more
            return is_there()

        done(shown_until(self.child, done, 120))  # a console in the lab of a busy machine
        assert is_there(), self.shown[-2000:]

    def enter(self, line: str) -> None:
        self.child.send(line + "\r")


def at(shell: str, folder: Path) -> Prompt:
    import pexpect

    start = SHELL_AT[shell]
    (folder / "home").mkdir()
    own = {
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "GONE": "x",
        "PYTHONUTF8": "1",
        "PS1": "$ ",
    }
    child = pexpect.spawn(
        need(start.program),
        list(start.words),
        cwd=str(folder),
        env=clean_env(own),
        encoding="utf-8",
        dimensions=(50, 500),
    )
    child.delaybeforesend = None
    return Prompt(child)


def carried(dialect: Shell) -> dict[str, str]:
    found = {}
    for name, value in VALUES.items():
        try:
            dialect.set_env(name, value)
        except CannotCarry:
            continue
        found[name] = value
    return found


def profile_file(folder: Path, values: dict[str, str]) -> Path:
    """A profile file whose own name has to be quoted."""
    lines = [f"{name} = {toml(value)}" for name, value in values.items()]
    write(folder, "\n".join(["[profiles.dev]", "unset = ['GONE']", "[profiles.dev.env]", *lines, ""]))
    (folder / "autopack-run.toml").rename(folder / "it's a !x $y (1).toml")
    return folder / "it's a !x $y (1).toml"


def toml(value: str) -> str:
    """The value as a TOML string, which takes \\uXXXX for controls and no surrogates; braces are placeholders."""
    text = json.dumps(value.replace("{", "{{").replace("}", "}}"), ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")


def check_session(prompt: Prompt, folder: Path, lines: Sequence[str], child: str, values: dict[str, str]) -> None:
    """Type the lines, start the child, and compare."""
    (folder / "child.py").write_text(CHILD_AT_ONCE)
    for line in lines:
        prompt.enter(line)
    prompt.enter(child)
    prompt.until(folder / "seen.json")
    seen = json.loads((folder / "seen.json").read_text())
    assert {name: seen.get(name) for name in values} == values, prompt.shown[-2000:]
    assert "GONE" not in seen
    assert not (folder / "witness").exists()


@pytest.mark.parametrize("shell", ON_LINUX)
def test_the_line_that_applies_a_profile(tmp_path: Path, shell: str) -> None:
    values = carried(SHELLS[shell])
    assert len(values) >= len(VALUES) - 1
    file = profile_file(tmp_path, values)
    dialect = SHELLS[shell]
    (line,) = dialect.apply([*LAUNCHER, "-f", file.name, "dev", "env", "--shell", shell])
    prompt = at(shell, tmp_path)
    check_session(prompt, tmp_path, [line], dialect.typed([sys.executable, "child.py", "part.json"]), values)
    prompt.child.close(force=True)


@pytest.mark.parametrize("shell", ON_LINUX)
def test_what_is_typed_arrives_as_these_words(tmp_path: Path, shell: str) -> None:
    words = [word for word in WORDS if can_be_typed(shell, word)]
    assert len(words) >= len(WORDS) - 7
    (tmp_path / "words.py").write_text(SHOW_WORDS)
    prompt = at(shell, tmp_path)
    prompt.enter(SHELLS[shell].typed([sys.executable, "words.py", *words]))
    prompt.until(tmp_path / "words")
    assert (tmp_path / "words").read_text() == ascii(words)
    assert not (tmp_path / "witness").exists()
    prompt.child.close(force=True)


def can_be_typed(shell: str, word: str) -> bool:
    try:
        SHELLS[shell].typed(["x", word])
    except CannotCarry:
        return False
    return True


@pytest.mark.lab
@pytest.mark.posix
@pytest.mark.parametrize(("shell", "form"), [("pwsh", 0), ("cmd", 0), ("cmd", 1)])
def test_at_a_windows_console(windows: Windows, tmp_path: Path, shell: str, form: int) -> None:
    need("windows-venv")
    # What is not ASCII Wine's cmd reads by the OEM page; a long value is a matter of the text, not of the console.
    values = carried(FOR_F if (shell, form) == ("cmd", 0) else SHELLS[shell])
    values = {name: text for name, text in values.items() if name != "LONG" and (shell != "cmd" or text.isascii())}
    assert len(values) > 5
    file = profile_file(tmp_path, values)
    dialect = SHELLS[shell]
    line = dialect.apply([LAB_PROGRAMS["autopack-run"], "-f", file.name, "dev", "env", "--shell", shell])[form]
    start = ["cmd", "/d"] if shell == "cmd" else ["pwsh", "-NoLogo", "-NoProfile"]
    prompt = Prompt(windows.tty(start, tmp_path, {"GONE": "x"}))
    temporary = [f"set TEMP={windows.path(tmp_path)}"] if shell == "cmd" else []
    child = dialect.typed([LAB_PROGRAMS["python"], "child.py", "part.json"])
    check_session(prompt, tmp_path, [*temporary, line], child, values)
    prompt.enter("exit")
    prompt.child.close(force=True)


def test_the_shells_here_are_those_of_the_table() -> None:
    assert {*SHELL_AT, "cmd", "powershell"} == set(SHELLS)
    assert os.path.isabs(LAUNCHER[0])
