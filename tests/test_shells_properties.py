"""Thousands of hostile values a shell, drawn by Hypothesis: carried byte for byte by the real one, or refused."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile import COUNT, drawn
from hostile_shells import SHELL_LINES, Altered, compare, evaluated, hold, refused, scripted

from shells.base import CannotCarry, Shell
from shells.cmd_for_f import FOR_F
from shells.table import SHELLS

WINDOWS_HAS = ("cmd", "cmd --for-f", "pwsh")
ROWS = [pytest.param(name, marks=[] if name in WINDOWS_HAS else pytest.mark.posix) for name in SHELL_LINES]


def dialect(name: str) -> Shell:
    return FOR_F if name == FOR_F.name else SHELLS[name]


def values(name: str, count: int = COUNT) -> list[str]:
    # Each start of a program takes its time in the lab, where the values of Linux come by another way already.
    return drawn("ascii" if name.startswith("cmd") else "text", count if sys.platform != "win32" else min(count, 400))


@pytest.mark.parametrize("name", ROWS)
def test_each_value_is_carried_or_refused(tmp_path: Path, name: str) -> None:
    drawn_values = values(name)
    carried = hold(tmp_path / "values", dialect(name), drawn_values)
    print(f"{name}: {len(drawn_values)} values, {carried} carried, {len(drawn_values) - carried} refused")
    assert carried > len(drawn_values) / 2


@pytest.mark.parametrize("name", ROWS)
def test_each_name_is_carried_or_refused(tmp_path: Path, name: str) -> None:
    shell, batch = dialect(name), {}
    for word in sorted(set(drawn("name", 400))):
        if word.isascii() and word.isidentifier():
            folded = {word.upper() if shell.folds_case else word: word}
            batch |= {} if refused(shell, word, "v w") else folded
        else:
            assert refused(shell, word, "v"), f"{name} takes {word!a}"
    changes = dict.fromkeys(batch.values(), "v w")
    assert len(changes) > 80
    (environ,) = evaluated(tmp_path / "names", shell, [changes])
    for word, value in changes.items():
        compare(shell, word, value, environ)


WORDS = "import sys\nwith open('words', 'a') as out:\n    print(ascii(sys.argv[1:]), file=out)\n"
# What stands before a word in a script of the shell.
CALLS = {"cmd": '"%PY%"', "pwsh": "& $env:PY", "fish": "$PY"}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("form", ["quote", "typed"])
def test_each_word_arrives_or_is_refused(tmp_path: Path, name: str, form: str) -> None:
    shell, words = dialect(name), [*COMMON, *drawn("words", 400 if sys.platform != "win32" else 50)]
    kept = [word for word in words if written(shell, form, word) and (word.isascii() or "cmd" not in name)]
    lists = [kept[i : i + 20] for i in range(0, len(kept), 20)]
    program = CALLS.get(SHELL_LINES[name][0][0], '"$PY"')
    program = f"call {program}" if "cmd" in name and form == "quote" else program  # what the scripts of templates do
    # At the prompt one % means itself; in a batch file, which stands in for it here, it is written twice.
    percent = "%%" if "cmd" in name and form == "typed" else "%"
    typed = [" ".join(written(shell, form, word) for word in line).replace("%", percent) for line in lists]
    lines = [f"{program} -ISs words.py {line}" for line in typed]
    (tmp_path / "words.py").write_text(WORDS)
    output = scripted(
        tmp_path,
        name,
        "".join(f"{'@' if 'cmd' in name else ''}{line}\r\n" for line in lines).replace("\r" * ("cmd" not in name), ""),
    )
    assert (tmp_path / "words").read_text().splitlines() == [ascii(line) for line in lists], output
    assert len(kept) > len(words) / 4


def written(shell: Shell, form: str, word: str) -> str:
    try:
        return shell.quote(word) if form == "quote" else shell.typed(["x", word]).removeprefix("x ")
    except CannotCarry:
        return ""


COMMON = [
    *"&^()!' ;,=@",
    "",
    "a b\\",
    "C:\\a b\\",
    "a^b",
    "x;y,z=1",
    "@x",
    "-x.y",
    "--",
    "/x",
    "1e3",
    "0x10",
    "1kb",
    "a&b",
    "(x)",
    "a|b>c",
    "~",
    "*",
    "~/x",
    "--%",
    "*\u00e9",
    "~/\u00e9",
]


class Mutant:
    """A dialect that writes its lines in another way."""

    def __init__(self, shell: Shell, set_env: Callable[[Shell, str], str]) -> None:
        self.shell, self.write = shell, set_env

    def set_env(self, name: str, value: str) -> str:
        self.shell.set_env(name, value)
        return self.write(self.shell, value).replace("NAME", name)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.shell, attribute)


def rewritten(old: str, new: str) -> Callable[[Shell, str], str]:
    return lambda shell, value: shell.set_env("NAME", value).replace(old, new)


# Mistakes that were made somewhere. Those that stop the shell are found by halves.
MUTANTS = {
    "bash-trailing line feeds lost": lambda shell, value: shell.set_env("NAME", value.rstrip("\n")),
    "dash-quotes not escaped": rewritten("'\\''", "'"),
    "fish-the quoting of sh": lambda shell, value: f"set -gx NAME '{value}'".replace("'", "'\\''")[:-4] + "'",
    "pwsh-typographic quotes are quotes": rewritten("[char]0x2019", "[char]0x27"),
    "cmd-per cent signs once": rewritten("%%", "%"),
    "cmd-nothing behind a caret": rewritten("^", ""),
    "cmd --for-f-per cent signs twice": rewritten("%", "%%"),
}


@pytest.mark.posix
@pytest.mark.parametrize("row", MUTANTS)
def test_the_test_sees_a_wrong_value_and_shows_it(tmp_path: Path, row: str) -> None:
    name = row.rpartition("-")[0]
    mutant = Mutant(dialect(name), MUTANTS[row])
    with pytest.raises(Altered) as caught:
        hold(tmp_path / "values", mutant, values(name, 300))
    print(caught.value)
    wrong = [
        v
        for v in values(name, 300)
        if not refused(dialect(name), "V0", v) and mutant.set_env("V0", v) != dialect(name).set_env("V0", v)
    ]
    assert any(ascii(value) in str(caught.value) for value in wrong)


@pytest.mark.parametrize("name", ROWS)
def test_a_thousand_variables(tmp_path: Path, name: str) -> None:
    many = {f"MANY_{i}": f"{i}% 'a' $b" for i in range(1_000)}
    (environ,) = evaluated(tmp_path / "many", dialect(name), [many])
    assert {key: environ.get(key) for key in many} == many


# Where Remove-Item does nothing, asks, or is somebody else's.
PREFERENCES = [
    "$WhatIfPreference = $true",
    "$ConfirmPreference = 'Low'",
    "$PSDefaultParameterValues = @{'*:WhatIf' = $true}",
    "function Remove-Item { 'mine' }",
    "Set-StrictMode -Version Latest; $ErrorActionPreference = 'Stop'",
    "$ExecutionContext.SessionState.LanguageMode = 'ConstrainedLanguage'",
]


@pytest.mark.posix
def test_powershell_unsets_and_sets_whatever_the_session_prefers(tmp_path: Path) -> None:
    shell = dialect("pwsh")
    lines = [shell.unset_env("GONE"), shell.unset_env("NEVER"), shell.set_env("KEPT", "it's \u2019")]
    show = '"[${env:GONE}] $([int][char]${env:KEPT}[-1])"'
    for preference in PREFERENCES:
        text = "\n".join([preference, "${env:GONE} = 'x'", *lines, show, ""])
        assert scripted(tmp_path, "pwsh", text) == b"[] 8217\n", preference


def test_words_that_windows_powershell_would_lose_are_refused() -> None:
    for word in ("", 'a"b', "a b\\", "--%"):
        with pytest.raises(CannotCarry):
            dialect("powershell").quote(word)
    assert dialect("pwsh").quote('a"b') == "'a\"b'"
