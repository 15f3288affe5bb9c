"""What each dialect writes, refuses and promises, without a shell; test_shells_real.py asks the shells."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shells.base import CannotCarry
from shells.cmd import LONGEST_LINE
from shells.cmd_for_f import FOR_F
from shells.emit import emit
from shells.powershell import LONGEST_VALUE
from shells.table import SHELLS, known_shells, shell_named
from shells.unix import LONGEST_STRING

DATA = Path(__file__).parent / "data"
VALUES = json.loads((DATA / "values.json").read_text("utf-8"))["vectors"]
NAMES = json.loads((DATA / "names.json").read_text("utf-8"))
# How values.json calls a shell that differs from its siblings.
REFUSAL_KEY = {"powershell": "powershell-before-7.5"}


@pytest.mark.parametrize(
    ("shell", "value", "line"),
    [
        ("bash", "", "\\builtin unset -v N; \\builtin export 'N='"),
        ("bash", "it's $HOME\n", "\\builtin unset -v N; \\builtin export 'N=it'\\''s $HOME\n'"),
        ("dash", "a", "\\unset -v N; \\export 'N=a'"),
        ("pwsh", "", "${env:N} = ''"),
        ("powershell", "a`$b", "${env:N} = 'a`$b'"),
        ("powershell", "it's \u2019\nb", "${env:N} = 'it''s '+[char]0x2019+[char]10+'b'"),
        ("powershell", "\u2018; x", "${env:N} = ''+[char]0x2018+'; x'"),
        ("powershell", "\n", "${env:N} = ''+[char]10"),
        ("powershell", "\U0001f600", "${env:N} = ''+[char]0xd83d+[char]0xde00"),
        ("cmd", "a&b^c!(d)", '@set "N=a&b^c!(d)"'),
        ("cmd", "%PATH%", '@set "N=%%PATH%%"'),
        ("cmd", 'a"&b^%', '@set N=a^"^&b^^%%'),
        ("cmd", "/?", '@set "N=/?"'),
        ("zsh", "=ls", "\\builtin \\unset -v 'N'; \\builtin \\export 'N==ls'"),
        ("fish", "it's C:\\", "while set -ql N; set -e N; end; set -gx N 'it\\'s C:\\\\'"),
    ],
)
def test_set_env(shell: str, value: str, line: str) -> None:
    assert SHELLS[shell].set_env("N", value) == line


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "\\builtin unset -v N"),
        ("fish", "while set -ql N; set -e N; end; set -eg N; or true"),
        ("powershell", "${env:N} = $null"),
        ("cmd", '@set "N="'),
    ],
)
def test_unset_env(shell: str, line: str) -> None:
    assert SHELLS[shell].unset_env("N") == line


@pytest.mark.parametrize(
    ("shell", "value", "why"),
    [
        *((shell, "a\0b", r"U\+0000 \(NUL\)") for shell in SHELLS),
        *((shell, "\ud800", "half of a surrogate pair") for shell in SHELLS),
        ("powershell", "a\udcffb", "not UTF-8"),
        ("pwsh", "\udcff", "not UTF-8"),
        ("cmd", "\udcff", "not UTF-8"),
        ("powershell", "", "empty"),
        ("cmd", "", "empty"),
        ("cmd", "a\nb", r"U\+000A \(line feed\)"),
        ("cmd", "a\r", r"U\+000D \(carriage return\)"),
        ("cmd", "a\x1a", r"U\+001A \(Ctrl-Z\)"),
        ("cmd", '"a /?"', "help"),
        ("cmd", "%" * (LONGEST_LINE // 2), "longer than"),
        ("cmd", "\u4e2d" * (LONGEST_LINE // 3), "longer than"),
        *((shell, "x" * (LONGEST_STRING - 5), "bytes long") for shell in ("bash", "dash", "fish", "ksh", "sh", "zsh")),
        ("powershell", "\U0001f600" * (LONGEST_VALUE // 2 + 1), "longer than"),
    ],
)
def test_a_refusal_names_shell_variable_and_reason_and_shows_no_value(shell: str, value: str, why: str) -> None:
    with pytest.raises(CannotCarry, match=why) as caught:
        SHELLS[shell].set_env("TOKEN", value)
    error = caught.value
    assert (error.shell, error.name, error.refused) == (shell, "TOKEN", (("TOKEN", error.reason),))
    assert str(error) == f"{shell} cannot carry 'TOKEN': {error.reason}"
    assert str(error).isascii()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_refused_values_are_those_of_the_list(shell: str) -> None:
    refused = set()
    for row in VALUES:
        try:
            SHELLS[shell].set_env("N", row["value"])
        except CannotCarry:
            refused.add(row["id"])
    assert refused == {row["id"] for row in VALUES if REFUSAL_KEY.get(shell, shell) in row["refuse"]}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", [row["name"] for row in NAMES["names"] if not row["accept"]])
def test_names_refused_everywhere(shell: str, name: str) -> None:
    for attempt in (lambda: SHELLS[shell].set_env(name, "v"), lambda: SHELLS[shell].unset_env(name)):
        with pytest.raises(CannotCarry) as caught:
            attempt()
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("shell", "name"),
    [
        *((shell, name) for shell, names in NAMES["read_only"].items() if shell in SHELLS for name in names),
        ("bash", "_"),
        ("bash", "RANDOM"),
        ("cmd", "autopack_run_chcp"),
    ],
)
def test_names_a_shell_keeps(shell: str, name: str) -> None:
    for attempt in (lambda: SHELLS[shell].set_env(name, "v"), lambda: SHELLS[shell].unset_env(name)):
        with pytest.raises(CannotCarry):
            attempt()


@pytest.mark.parametrize(
    ("shell", "name", "refused", "carried"),
    [
        # An empty element would become a dot: asked of fish 3.6.
        ("fish", "PATH", ["", "/a::/b", ":/a", "/a:"], ["/a", "/a:b c:/d"]),
        ("fish", "CDPATH", ["", "a::b"], ["a:b"]),
        ("fish", "MANPATH", [], ["", "/a::/b", "/a:"]),
        # "unknown locale": asked of ksh93u+m.
        ("ksh", "LC_ALL", ["xx_YY.UTF-8", "C ", "de_DE"], ["", "C", "POSIX", "C.UTF-8", "en_US.UTF-8"]),
        ("sh", "LANG", ["pro be", "$(x)"], ["C.utf8", "de_CH.UTF-8"]),
        ("bash", "LANG", [], ["pro be"]),
    ],
)
def test_values_that_a_name_takes_in_a_shell(shell: str, name: str, refused: list[str], carried: list[str]) -> None:
    for value in refused:
        with pytest.raises(CannotCarry, match=name):
            SHELLS[shell].set_env(name, value)
    for value in carried:
        assert name in SHELLS[shell].set_env(name, value)


def test_zsh_keeps_the_tie_of_path_and_drops_no_folder_twice_there() -> None:
    """`unset PATH` ended the tie before 5.9, and `typeset -U path` would take the second of two folders away."""
    assert SHELLS["zsh"].set_env("PATH", "/a:/a") == "\\builtin \\export +U 'PATH=/a:/a'"


def test_posix_asks_for_read_only_variables_first() -> None:
    lines = emit(SHELLS["zsh"], {"PATH": "/a", "B": None, "A": "a"}).decode().splitlines()
    assert lines[1:5] == [
        "if (\\builtin \\unset -v 'A' 'B' 'PATH'); then",
        "\\builtin \\unset -v 'A'; \\builtin \\export 'A=a'",
        "\\builtin \\unset -v 'B'",
        "\\builtin \\export +U 'PATH=/a'",
    ]
    assert "unset -n A B 2>/dev/null || :" in emit(SHELLS["bash"], {"A": "a", "B": None}).decode()
    assert "unset -n" not in emit(SHELLS["sh"], {"A": "a"}).decode(), "dash ends there"


@pytest.mark.parametrize(
    ("shell", "words", "line"),
    [
        ("bash", ["autopack-run", "p", "it's", ""], "autopack-run p 'it'\\''s' ''"),
        ("bash", ["x", "a!b"], "x 'a'\\!'b'"),
        ("zsh", ["x", "=ls", "a\tb!"], "x '=ls' $'a\\011b\\041'"),
        ("ksh", ["x", "\u200b1"], "x $'\\342\\200\\2131'"),
        ("fish", ["x", "it's\t\\"], "x 'it\\'s'\\X09'\\\\'"),
    ],
)
def test_typed(shell: str, words: list[str], line: str) -> None:
    assert SHELLS[shell].typed(words) == line


@pytest.mark.parametrize("shell", ["sh", "dash"])
def test_a_control_character_cannot_be_typed_where_nothing_escapes_it(shell: str) -> None:
    with pytest.raises(CannotCarry, match="typed at the prompt"):
        SHELLS[shell].typed(["x", "a\tb"])


@pytest.mark.parametrize("shell", ["powershell", "pwsh"])
def test_powershell_is_ascii_and_one_line_a_variable(shell: str) -> None:
    text = emit(SHELLS[shell], {f"V{i}": row["value"] or "x" for i, row in enumerate(VALUES)})
    assert text.isascii()
    assert b"\r" not in text
    assert text.count(b"\n") == 1 + len(VALUES)


def test_pwsh_stops_an_older_powershell_before_an_empty_value() -> None:
    comment, guard, *rest = emit(SHELLS["pwsh"], {"A": "a", "B": ""}).decode().splitlines()
    assert comment.startswith("# ")
    assert " -lt 705) { throw " in guard
    assert rest == ["${env:A} = 'a'", "${env:B} = ''"]


def test_cmd_changes_the_code_page_only_for_what_is_not_ascii() -> None:
    assert b"chcp" not in emit(SHELLS["cmd"], {"A": "a"})
    lines = emit(SHELLS["cmd"], {"A": "caf\u00e9", "PATH": None}).decode().split("\r\n")
    changes = [i for i, line in enumerate(lines) if "65001" in line or line.startswith("@%AUTOPACK_RUN_CHCP%")]
    assert changes[0] < lines.index('@set "A=caf\u00e9"') < lines.index('@set "PATH="') < changes[1]


@pytest.mark.parametrize("shell", SHELLS)
def test_emit_begins_with_a_comment_is_sorted_and_ends_each_line(shell: str) -> None:
    dialect = SHELLS[shell]
    text = emit(dialect, {"B": "2", "A": None, "C": "3"}).decode()
    lines = text.split(dialect.newline)
    assert lines[0].lstrip("@rem ").startswith("# ")
    assert lines[-1] == ""
    order = [lines.index(line) for line in (dialect.unset_env("A"), dialect.set_env("B", "2"))]
    assert order == sorted(order)
    assert "\n" not in text.replace(dialect.newline, "")
    assert emit(dialect, {}), "Invoke-Expression fails on nothing"


def test_emit_names_every_refused_variable_and_returns_nothing() -> None:
    with pytest.raises(CannotCarry) as caught:
        emit(SHELLS["cmd"], {"B": "", "OK": "v", "A": "x\ny"})
    assert [name for name, _ in caught.value.refused] == ["A", "B"]
    assert caught.value.name == "A, B"
    assert str(caught.value).startswith("cmd cannot carry 'A', 'B': 'A': its value holds U+000A (line feed); 'B': ")


@pytest.mark.parametrize("shell", ["cmd", "powershell", "pwsh"])
def test_emit_refuses_two_names_that_windows_holds_for_one(shell: str) -> None:
    with pytest.raises(CannotCarry, match="same variable"):
        emit(SHELLS[shell], {"Path": "a", "PATH": None})
    emit(SHELLS["bash"], {"Path": "a", "PATH": None})


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has variables that are not text")
def test_bash_gets_the_bytes_of_a_value_that_is_not_utf_8() -> None:
    assert b"\n\\builtin unset -v A; \\builtin export 'A=a\xff\xc3'\n" in emit(SHELLS["bash"], {"A": "a\udcff\udcc3"})


def test_the_table() -> None:
    assert known_shells() == sorted(SHELLS)
    assert all(shell.name == name for name, shell in SHELLS.items())
    assert shell_named("bash") is SHELLS["bash"]
    assert shell_named("Bash") is None


def test_importing_the_shells_imports_nothing_heavy_and_nothing_of_the_launcher() -> None:
    code = (
        "import sys, shells.emit, shells.detect;"
        "print(sorted({'launcher', 'shellingham', 'click', 'dataclasses', 'pathlib', 'inspect'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["ERRORLEVEL", "ErrorLevel", "CD", "RANDOM", "TIME", "CMDEXTVERSION"])
def test_cmd_refuses_to_hide_what_it_computes(name: str) -> None:
    with pytest.raises(CannotCarry, match="computes"):
        SHELLS["cmd"].set_env(name, "5")
    with pytest.raises(CannotCarry, match="computes"):
        FOR_F.set_env(name, "5")
    SHELLS["cmd"].unset_env(name)


def test_zsh_refuses_to_unset_what_children_would_still_get() -> None:
    with pytest.raises(CannotCarry, match="IFS"):
        SHELLS["zsh"].unset_env("IFS")
