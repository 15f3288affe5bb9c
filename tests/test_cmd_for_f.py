"""cmd's lines for `for /f`, and the two lines that a person pastes at cmd's prompt."""

import json
import re
from pathlib import Path

import pytest
from hostile_shells import scripted
from parts import need
from running import write
from windows import VENV_SCRIPTS, Windows

from shells.base import CannotCarry
from shells.cmd_for_f import FOR_F, LONGEST_LINE
from shells.emit import emit
from shells.table import SHELLS

CMD = SHELLS["cmd"]
DATA = Path(__file__).parent / "data"
VALUES = json.loads((DATA / "values.json").read_text("utf-8"))["vectors"]
# What the file form carries and this one cannot prove.
MORE = {
    "bang",
    "double-bang",
    "backslash-bang",
    "bang-in-quotes",
    "dburl-postgres",
    "every-ascii-punctuation",
    "long-8000",
}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("100%", 'set "N=100%"'),
        ("%PATH%", 'set "N=%PATH%"'),
        ('a"&calc', 'set "N=a"&calc"'),
        ("a^b", 'set "N=a^b"'),
        ("  ;=, \t", 'set "N=  ;=, \t"'),
        ("C:\\", 'set "N=C:\\"'),
        ("/?", 'set "N=/?"'),
    ],
)
def test_nothing_is_doubled_or_careted(value: str, line: str) -> None:
    assert FOR_F.set_env("N", value) == line


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a!b", "delayed expansion eats"),
        ("^!", "delayed expansion eats"),
        ("caf\u00e9", "code page"),
        ("a\nb", "line feed"),
        ("a\rb", "carriage return"),
        ("a\x1ab", "Ctrl-Z"),
        ("a\0b", "NUL"),
        ("", "empty"),
        ('a" /?', "help"),
        ("x" * LONGEST_LINE, "longer than"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_what_is_refused_and_why(value: str, why: str) -> None:
    with pytest.raises(CannotCarry, match=why) as caught:
        FOR_F.set_env("TOKEN", value)
    assert (caught.value.shell, caught.value.name) == ("cmd --for-f", "TOKEN")


def test_it_refuses_of_the_list_what_cmd_refuses_and_little_more() -> None:
    refused = {row["id"] for row in VALUES if not carried(row["value"])}
    more = {row["id"] for row in VALUES if "cmd" not in row["refuse"]} & refused
    assert {row["id"] for row in VALUES if "cmd" in row["refuse"]} <= refused
    assert {row["id"] for row in VALUES if row["id"] in more and row["value"].isascii()} <= MORE


def carried(value: str) -> bool:
    try:
        return bool(FOR_F.set_env("N", value))
    except CannotCarry:
        return False


def test_the_text_begins_with_what_for_f_drops_and_ends_in_success() -> None:
    text = emit(FOR_F, {"B": "1", "A": None}).decode()
    comment, *lines = text.split("\r\n")
    assert comment.startswith(";")  # the eol of for /f, which drops the line
    assert lines == ['set "A="', 'set "B=1"', "cd .", ""]


def test_values_reach_a_child_and_an_absent_variable_leaves_no_error(tmp_path: Path) -> None:
    changes = {f"V{i}": row["value"] for i, row in enumerate(VALUES) if carried(row["value"])}
    changes |= {f"MANY{i}": f"{i}%" for i in range(1_000)}
    gone = {"GONE": None, "ZZZ_NEVER_THERE": None}
    (tmp_path / "env.txt").write_bytes(emit(FOR_F, {**changes, **gone}))
    (tmp_path / "child.py").write_text("import json, os\njson.dump(dict(os.environ), open('seen.json', 'x'))\n")
    lines = ["set GONE=x", 'for /f "usebackq delims=" %%i in (`type env.txt`) do @%%i', "if errorlevel 1 echo x>failed"]
    script = "".join(f"@{line}\r\n" for line in [*lines, '"%PY%" -ISs child.py'])
    assert scripted(tmp_path, "cmd", script) == b""
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert {name: seen.get(name.upper()) for name in [*changes, *gone]} == {**changes, **gone}
    assert not (tmp_path / "failed").exists()


def test_the_lines_to_type() -> None:
    words = ["autopack-run", "two words", "env"]
    first, second = CMD.apply(words)
    assert FOR_F.apply(words) == (first,)
    assert first == 'for /f "usebackq delims=" %i in (`autopack-run "two words" env --for-f`) do @%i'
    assert '(autopack-run "two words" env > "%~Q\\env.cmd" && call "%~Q\\env.cmd" & rd /s /q %Q)' in second
    assert '(`^""C:\\a b\\x.exe" p env --for-f^"`)' in CMD.apply(["C:\\a b\\x.exe", "p", "env"])[0]
    with pytest.raises(CannotCarry, match="the prompt would read"):
        CMD.apply(["autopack-run", "100%", "env"])


@pytest.mark.parametrize("word", ["a%b", 'a"b', "a^b", "a!b", "\u00e9", "a\nb", "/?"])
def test_what_call_would_read_anew_is_refused_in_a_script(word: str) -> None:
    with pytest.raises(CannotCarry):
        CMD.quote(word)


@pytest.mark.slow
@pytest.mark.lab
def test_both_lines_at_the_prompt(windows: Windows, tmp_path: Path) -> None:
    need("windows-venv")
    values = {"PER": "100% %PATH%", "QUOTE": 'a "b" & ^c', "SPACES": "  a  ", "LINES": "ok"}
    listed = "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
    write(
        tmp_path, f"[profiles.dev]\nunset = ['GONE']\n[profiles.dev.env]\n{listed}\n[profiles.bad.env]\nA = \"x\\ny\"\n"
    )
    (tmp_path / "autopack-run.toml").rename(tmp_path / "two & (three).toml")
    (tmp_path / "show.py").write_text(
        f"import os\nprint('<' + ascii([os.environ.get(n) for n in {[*values, 'GONE']}]) + '>')\n"
    )
    temp = tmp_path / "temp x"
    temp.mkdir()
    set_up = ["set GONE=x", f"set PATH={VENV_SCRIPTS};%PATH%", f"set TEMP={windows.path(temp)}"]
    for_f, file = CMD.apply(["autopack-run", "-f", "two & (three).toml", "dev", "env", "--shell", "cmd"])
    show = ["python show.py", "echo ^<%errorlevel%^>"]
    for line in (for_f, file):
        assert at_the_prompt(windows, tmp_path, [*set_up, line, *show]) == [ascii([*values.values(), None]), "0"]
    bad = [line.replace(" dev ", " bad ") for line in (for_f, file)]
    assert at_the_prompt(windows, tmp_path, [*set_up, *bad, show[1], show[0]]) == [
        "78",
        ascii([*[None] * len(values), "x"]),
    ]
    assert list(temp.iterdir()) == []


def at_the_prompt(windows: Windows, folder: Path, lines: list[str]) -> list[str]:
    """What stands in lines of its own between < and > in the answers of one interactive cmd."""
    console, said = windows.tty(["cmd", "/d"], folder), ""
    for line in [*lines, "exit"]:
        console.expect(r"Z:[^\r\n]*>")
        said += str(console.before)
        console.send(f"{line}\r")
    said += console.read()
    return re.findall(r"^<(.*)>\r*$", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said), re.MULTILINE)
