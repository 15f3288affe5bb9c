"""Every value through the real shells: set as documented, then read by a child process, byte for byte."""

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from parts import need, system
from shell_rows import CMD, OUT_STRING, POSIX_ROWS, ROWS, Row, called, evaluated, invoked, read_back, started
from shell_values import ALL, NAMES

from shells.base import CannotCarry
from shells.emit import emit
from shells.table import SHELLS

# Refusals beyond values.json, made by the emitted text itself before anything is set. Wine 10's cmd reads batch files
# by the OEM page whatever chcp says, so there every value that is not ASCII ends this way; cmd of Windows reads them by
# the console's page, which the text sets and then tests.
READS_OEM = b"this cmd does not read UTF-8, so nothing was set"
EVERY_POSIX = [pytest.param(row, id=name, marks=pytest.mark.posix) for name, row in POSIX_ROWS.items()]
BOURNE = [param for param in EVERY_POSIX if param.id != "fish"]


def carried(shell: str, values: Iterable[str]) -> dict[str, str | None]:
    """Return a variable for each value that the dialect does not refuse."""
    found: dict[str, str | None] = {}
    for i, value in enumerate(values):
        with contextlib.suppress(CannotCarry):
            SHELLS[shell].set_env(f"V{i}", value)
            found[f"V{i}"] = value
    return found


def batches(values: dict[str, str | None]) -> Iterator[dict[str, str | None]]:
    """Split so that one environment stays far below what a system allows."""
    items = iter(values.items())
    while batch := dict(itertools.islice(items, 400)):
        yield batch


@pytest.mark.parametrize("row", ROWS)
def test_values(tmp_path: Path, row: Row) -> None:
    values = carried(row.shell, ALL)
    if row.shell == "cmd":
        values = {name: value for name, value in values.items() if value and value.isascii()}
    for number, batch in enumerate(batches(values)):
        read_back(tmp_path / str(number), row, batch)


@pytest.mark.parametrize("row", [param for param in ROWS if param.id != "powershell-lines"])
def test_names_and_unset(tmp_path: Path, row: Row) -> None:
    changes: dict[str, str | None] = {"GONE": None, "NEVER_THERE": None}
    for name in NAMES:
        with contextlib.suppress(CannotCarry):
            SHELLS[row.shell].set_env(name, "v w")
            changes[name] = "v w"
    assert "DATABASE_URL" in changes
    read_back(tmp_path / "names", row, changes)


@pytest.mark.parametrize("row", [param for param in ROWS if param.id not in ("powershell-lines", "pwsh")])
def test_a_thousand_variables(tmp_path: Path, row: Row) -> None:
    read_back(tmp_path / "many", row, {f"MANY_{i:03}": f"{i} $('\"%!&" for i in range(1_000)} | {"GONE": None})


@pytest.mark.parametrize("row", [param for param in EVERY_POSIX if "-" not in str(param.id)])
def test_a_locale_in_the_middle_of_the_text_changes_no_byte_of_the_rest(tmp_path: Path, row: Row) -> None:
    for number, locale in enumerate(["C", "de_DE.UTF-8", ""]):
        changes = {"LC_ALL": locale, "LANG": locale, "V": "S\u00f6hne \u2019 \udcff", "X": "\\'"}
        seen = evaluated(tmp_path / str(number), row, emit(SHELLS[row.shell], changes))
        assert {name: seen.environ.get(name) for name in changes} == changes
        assert seen.error == b"" or b"cannot change locale" in seen.error, "bash tells of a locale that is not there"


# What an older variable of that name would do to the value. typeset -n: it would go to another variable.
OLDER = {
    "bash": "declare -i INTEGER; declare -u UPPER; ARRAY=(1 2); declare -A TABLE; declare -n NAMED=UPPER; TRACED=1",
    "ksh": "typeset -i INTEGER; typeset -u UPPER; ARRAY=(1 2); typeset -A TABLE=([a]=b); typeset -n NAMED=UPPER;"
    " typeset -L3 LEFT; typeset -Z4 ZEROS; typeset -F FLOAT=1; typeset -C COMPOUND=(a=1); typeset -b BINARY",
    "zsh": "typeset -i INTEGER; typeset -u UPPER; ARRAY=(1 2); typeset -A TABLE; typeset -TU TIED tied; typeset -L3 LEFT;"
    " typeset -Z4 ZEROS; typeset -F FLOAT; typeset -U path PATH manpath; typeset -xH HIDDEN=1",
}


@pytest.mark.parametrize("row", [param for param in BOURNE if param.id in OLDER])
def test_an_older_variable_does_nothing_to_the_value(tmp_path: Path, row: Row) -> None:
    names = [*re.findall(r"\b[A-Z]{4,}\b", OLDER[row.shell]), "NEW"]
    changes = dict.fromkeys(names, "a[$(touch witness)]:b:b") | {"MANPATH": "/b::/b", "LEFT": "  a"}
    changes |= {"PATH": "/usr/bin:/bin:/usr/bin"} if row.shell == "zsh" else {}
    assert {"INTEGER", "ARRAY"} <= set(changes)
    read_back(tmp_path / "older", row, changes, OLDER[row.shell])


@pytest.mark.parametrize("row", BOURNE)
@pytest.mark.parametrize("local", ["local V=old\n", "local V=old\nexport V\n"])
def test_a_local_variable_does_not_hide_the_value(tmp_path: Path, row: Row, local: str) -> None:
    opening = "f() {"
    if row.program[0] == "ksh":
        opening, local = "function f {", local.replace("local", "typeset")
    read_back(tmp_path / "f", row, {"V": "new", "GONE": None}, f"{opening}\n{local}".replace("{", "{{") + "{}\n}}\nf")


@pytest.mark.posix
def test_a_local_variable_of_fish_does_not_hide_the_value(tmp_path: Path) -> None:
    local = "function f\nset -f V old\nset -l GONE old\nbegin\nset -lx V older\n{}\nend\nend\nset -gx GONE x\nf"
    read_back(tmp_path / "local", POSIX_ROWS["fish"], {"V": "new", "GONE": None}, local)


@pytest.mark.parametrize(("name", "sets"), [("SHARED", True), ("PLAIN", True), ("GONE", False)])
@pytest.mark.posix
def test_a_universal_variable_of_fish_is_hidden_or_nothing_is_set(tmp_path: Path, name: str, sets: bool) -> None:
    changes = {"NEW": "n", "SHARED": "2"} if name == "SHARED" else {"NEW": "n", name: None, "NEVER_THERE": None}
    (tmp_path / "env.txt").write_bytes(emit(SHELLS["fish"], changes))
    folders = {f"XDG_{which}_HOME": str(tmp_path / which) for which in ("CONFIG", "DATA", "STATE")}
    # --no-config has no universal variables; this fish finds its folders empty.
    code = (
        "set -Ux SHARED 1; set -U PLAIN 1; set -Ux GONE y; set -eg GONE; source env.txt; echo $status; env; set -S GONE"
    )
    done = started(tmp_path, need("fish"), "-c", code, **folders)
    status, *lines = done.stdout.decode().splitlines()
    assert (status, "NEW=n" in lines) == ("0" if sets else "1", sets)
    assert "$GONE[1]: |y|" in lines, "it is the user's to erase"
    if sets:
        assert [line for line in lines if line.startswith(f"{name}=")] == ([f"{name}=2"] if name == "SHARED" else [])
    else:
        assert b"exports GONE or NEVER_THERE, which only set -eU removes, so nothing was set" in done.stderr


@pytest.mark.parametrize("row", BOURNE)
def test_a_read_only_variable_stops_the_text_before_anything_is_set(tmp_path: Path, row: Row) -> None:
    """bash would keep the old value, set the others, and end with status 0."""
    text = emit(SHELLS[row.shell], {"A": "new", "FIXED": "new", "Z": "new", "GONE": None})
    seen = evaluated(tmp_path / "fixed", row, text, "readonly FIXED=old; export FIXED")
    assert seen.code == 1
    assert b"FIXED" in seen.error
    assert b"cannot unset what is named above (a read-only variable?), so nothing was set" in seen.error
    assert seen.environ == {}, "|| exit"


# What a user's own file may have done to the words of the text.
ALIASES = "alias unset='echo mine' export='echo mine' command='echo mine' echo=false"
FUNCTIONS = "unset() { :; }; export() { :; }; command() { :; }"
WORDS = {
    "bash": f"{FUNCTIONS}; set -k",
    "bash-options": f"shopt -s expand_aliases; {ALIASES}",
    "dash": ALIASES,
    "ksh": ALIASES,
    "sh-bash": ALIASES,
    "sh-dash": ALIASES,
    "sh-ksh": ALIASES,
    "zsh": f"{ALIASES}; alias -g V='| cat' export=x",
    "zsh-options": FUNCTIONS,
}


@pytest.mark.posix
@pytest.mark.parametrize("name", WORDS)
def test_the_users_own_words_change_nothing(tmp_path: Path, name: str) -> None:
    read_back(tmp_path / "words", POSIX_ROWS[name], {"V": "~/a b:~", "GONE": None, "W": "(x)"}, WORDS[name])


@pytest.mark.parametrize("row", EVERY_POSIX)
def test_the_shell_itself_looks_for_programs_in_the_new_path(tmp_path: Path, row: Row) -> None:
    for folder, text in (("old", "1"), ("new", "2")):
        program = tmp_path / folder / "which-one"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho {text}\n")
        program.chmod(0o755)
    text = emit(SHELLS[row.shell], {"PATH": f"{tmp_path / 'new'}:/usr/bin:/bin"})
    (tmp_path / "env.txt").write_bytes(text)
    apply = "cat env.txt | source" if row.shell == "fish" else 'eval "$(cat env.txt)"'
    code = f"which-one; {apply}; which-one; sh -c which-one"
    path = f"{tmp_path / 'old'}:/usr/bin:/bin"
    done = started(tmp_path, need(row.program[0]), *row.program[1:], "-c", code, PATH=path)
    assert (done.stdout, done.stderr) == (b"1\n2\n2\n", b"")


def test_cmd_carries_what_is_not_ascii_or_sets_nothing(tmp_path: Path) -> None:
    values = {name: value for name, value in carried("cmd", ALL).items() if value and not value.isascii()}
    if system() == "win32":
        for number, batch in enumerate(batches(values)):
            read_back(tmp_path / str(number), CMD, batch)
        return
    seen = evaluated(tmp_path / "wine", CMD, emit(SHELLS["cmd"], {**values, "ASCII": "a", "GONE": None}))
    assert (seen.code, seen.output) == (1, b"")
    assert READS_OEM in seen.error
    assert seen.environ["GONE"] == "still here"
    assert not {"ASCII", *values} & set(seen.environ)


def test_cmd_sets_nothing_under_delayed_expansion(tmp_path: Path) -> None:
    seen = evaluated(tmp_path / "v-on", called("/v:on"), emit(SHELLS["cmd"], {"V0": "a!b!", "GONE": None}))
    assert (seen.code, seen.output) == (1, b"")
    assert b"delayed expansion is on, so nothing was set" in seen.error
    assert seen.environ["GONE"] == "still here"
    assert "V0" not in seen.environ


def test_cmd_restores_the_code_page(tmp_path: Path) -> None:
    evaluated(tmp_path / "ascii", CMD, emit(SHELLS["cmd"], {"A": "a"}))
    seen = evaluated(tmp_path / "not", CMD, emit(SHELLS["cmd"], {"A": "\u00e9", "PATH": None}))
    page = (tmp_path / "not" / "page.txt").read_text()
    assert page
    assert page == (tmp_path / "ascii" / "page.txt").read_text()
    assert not [name for name in seen.environ if name.startswith("AUTOPACK_RUN_")]


def test_powershell_survives_a_value_without_any_ascii(tmp_path: Path) -> None:
    """As one chain of 16,000 [char]s it ends the process (7.6.9)."""
    read_back(tmp_path / "long", invoked(OUT_STRING), {"A": "\u00e9" * 17_000})


@pytest.mark.parametrize("pipe", ["Invoke-Expression", OUT_STRING])
def test_an_older_powershell_stops_before_an_empty_value(tmp_path: Path, pipe: str) -> None:
    text = emit(SHELLS["pwsh"], {"A": "a", "B": ""}).replace(b"$PSVersionTable", b"$older")
    seen = evaluated(tmp_path / "older", invoked(pipe, "$older = @{PSVersion = [version]'7.4.6'}\n"), text)
    # PowerShell colours its errors and wraps them at the width of the console.
    assert b"before 7.5 cannot carry an empty value" in flat(seen.error)
    # A script goes on after a pipeline that failed; what counts is that A was not set either.
    assert not {"A", "B"} & set(seen.environ)


def flat(error: bytes) -> bytes:
    return re.sub(rb"[\s|]+", b" ", re.sub(rb"\x1b\[[0-9;]*m", b"", error))
