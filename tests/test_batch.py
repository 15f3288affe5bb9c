"""Arguments for .cmd files, held to the documented rules of the real cmd.exe, which no lab on Linux has.

The rules: stackoverflow.com/a/4095133 (how cmd.exe parses, phases 1 and 2) and learn.microsoft.com, "Parsing C
command-line arguments". test_windows_children.py runs the same lists in the cmd.exe at hand.
"""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_exec import hostile_argument_lists

from launcher.batch import batch_command_line
from launcher.child import Command
from launcher.errors import LauncherError

# What an attacker would like to see expanded.
VARIABLES = {"PATH": '"&calc&"', "X": "^&calc", "CD": "C:\\here", "A": "%X%", "CMDCMDLINE": '"&calc&"'}


def percent_phase(line: str) -> str:
    """Phase 1 of a line given to `cmd /c`, extensions on: what is no variable stays, and the scan goes on behind it."""
    done, at = "", 0
    while at < len(line):
        found = re.compile(r"%([^%:]*(?::(?=%))?)(%|:[^%]*%)").match(line, at) if line[at] == "%" else None
        value = VARIABLES.get(found[1].upper()) if found else None
        if found is None or value is None:
            done, at = done + line[at], at + 1
            continue
        cut = re.fullmatch(r":~(-?\d*)(?:,(-?\d*))?%", found[2])
        if found[2] == "%":
            done += value
        elif cut:
            first = int(cut[1] or 0)
            done += value[first:] if cut[2] is None else value[first : first + int(cut[2] or 0)]
        at = found.end()
    return done


def live_characters(line: str) -> str:
    """Phase 2: the characters outside quotes that cmd.exe takes for its own."""
    quoted, live = False, ""
    for character in line:
        if character == '"':
            quoted = not quoted
        elif character in "\n\r\x1a" or (not quoted and character in "&|<>()^@,;=\t\x0b\x0c\xa0"):
            live += character
    return live + ("unclosed" if quoted else "")


def c_arguments(line: str) -> list[str]:
    """How the C runtime of a Windows program splits its command line (since Visual C++ 2008)."""
    words: list[str] = []
    rest = line.lstrip(" \t")
    while rest:
        word, quoted = "", False
        while rest and (quoted or rest[0] not in " \t"):
            slashes = len(rest) - len(rest.lstrip("\\"))
            rest = rest[slashes:]
            if not rest.startswith('"'):
                word += "\\" * slashes + rest[:1] if (quoted or rest[:1] not in " \t") else "\\" * slashes
                rest = rest[1:] if (quoted or rest[:1] not in " \t") else rest
                continue
            word += "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            elif quoted and rest.startswith('""'):
                word, rest = word + '"', rest[1:]
            else:
                quoted = not quoted
            rest = rest[1:]
        words.append(word)
        rest = rest.lstrip(" \t")
    return words


def hold_to_the_rules(script: str, arguments: list[str]) -> None:
    try:
        line = batch_command_line(script, arguments)
    except LauncherError:
        assert re.search("[\0\r\n\x1a]", "".join(arguments)) or len("".join(arguments)) > 500
        return
    before, _, command = line.partition(" /c ")
    assert before == "cmd.exe /e:ON /v:OFF /d"
    assert (command[0], command[-1]) == ('"', '"')  # these two are taken off, since there are more than two
    inner = percent_phase(command)[1:-1]
    assert "calc" not in inner or "calc" in "".join(arguments)
    # `@` and `(` within words are cmd.exe's own only where a command begins.
    assert live_characters(inner).strip("@") == ""
    assert c_arguments(inner) == [script, *arguments]


def test_the_rules_see_what_ordinary_quoting_would_run() -> None:
    for argument in ('"a"&calc', "%PATH%", "%CMDCMDLINE:~0,9%", 'a"^&calc'):
        line = percent_phase(subprocess.list2cmdline(["x.cmd", argument]))
        assert live_characters(line) or c_arguments(line) != ["x.cmd", argument]


SCRIPT = "C:\\a b\\100%PATH%\\t&x^(y).cmd"
HOSTILE = st.text(st.sampled_from([*' "\\%^&|<>()!@,;=:~*?PATHXCDa0\t\xa0ü漢\u3000😀\n\r\x1a\0'])) | st.text()


@given(st.lists(HOSTILE, max_size=4))
def test_no_argument_is_altered_or_run_under_the_real_cmds_rules(arguments: list[str]) -> None:
    hold_to_the_rules(SCRIPT, arguments)


@pytest.mark.parametrize("arguments", hostile_argument_lists(), ids=lambda words: ascii(words)[:40])
def test_hostile_lists_under_the_real_cmds_rules(arguments: list[str]) -> None:
    hold_to_the_rules(SCRIPT, arguments)


@pytest.mark.parametrize(
    ("argument", "written"),
    [
        ("", '""'),
        ("plain-1.0/x", "plain-1.0/x"),
        ("C:\\x", "C:\\x"),
        ("C:\\x\\", '"C:\\x\\\\"'),
        ("a b", '"a b"'),
        ('a"b', '"a""b"'),
        ('a\\"b', '"a\\\\""b"'),
        ("100%", '"100%%cd:~,%"'),
        ("ü", '"ü"'),
        ("\u00a0", '"\u00a0"'),
    ],
)
def test_argument_as_it_is_written(argument: str, written: str) -> None:
    assert batch_command_line("x.cmd", [argument]) == f'cmd.exe /e:ON /v:OFF /d /c ""x.cmd" {written}"'


@pytest.mark.parametrize("character", ["\0", "\r", "\n", "\x1a"], ids=["NUL", "CR", "LF", "Ctrl-Z"])
def test_what_cmd_cannot_carry_is_refused_with_a_way_out(character: str) -> None:
    with pytest.raises(LauncherError, match="line end, NUL or Ctrl-Z") as caught:
        batch_command_line("x.cmd", ["ok", f"a{character}b"])
    assert (caught.value.code, caught.value.slug) == (126, "batch-argument")
    assert "instead of its .cmd file" in caught.value.hint


@pytest.mark.parametrize("name", ["CD", "cd"])
def test_variable_cd_would_take_the_place_of_the_current_folder(name: str) -> None:
    batch_command_line("x.cmd", ["100"], {name: ""})
    with pytest.raises(LauncherError, match="variable CD"):
        batch_command_line("x.cmd", ["100%"], {name: ""})


def test_length_counts_as_windows_counts_it() -> None:
    empty = len(batch_command_line("x.cmd", ['"'])) - 2
    batch_command_line("x.cmd", ["é" * (8191 - empty)])
    for longer in ("é" * (8192 - empty), "😀" * ((8191 - empty) // 2 + 1), "%" * 1100):
        with pytest.raises(LauncherError, match="takes 8191"):
            batch_command_line("x.cmd", [longer])


@pytest.mark.skipif(sys.platform != "win32", reason="how a program is started on Windows")
def test_batch_file_in_a_network_folder_is_refused() -> None:
    """cmd.exe would run it in the Windows folder instead."""
    from launcher.child_windows import run

    with pytest.raises(LauncherError, match="network folder") as caught:
        run(Command("C:\\x.cmd", ["x"], {"SYSTEMROOT": "C:\\Windows"}, "\\\\server\\share"))
    assert caught.value.code == 126
