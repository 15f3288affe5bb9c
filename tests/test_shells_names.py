"""Every name that a shell knows, or its manual: carried byte for byte, or refused by name."""

import os
from pathlib import Path

import pytest
from parts import need
from shell_rows import POSIX_ROWS, Row, started
from shell_values import DOCUMENTED, NAMES

from shells.base import CannotCarry, check_name
from shells.emit import emit
from shells.table import SHELLS

MODULES = (
    "complete complist computil curses datetime langinfo mapfile parameter sched stat system termcap terminfo watch"
)
# zsh loads its modules when they are used; what they bring is asked for, and is there when the value is set.
BEFORE = {"zsh": "".join(f"zmodload zsh/{name};" for name in [*MODULES.split(), "zle", "zleparameter", "zutil"])}
KNOWS = {  # where `set` does not tell all
    "bash": "compgen -v; compgen -e",
    "fish": "set --names",
    "ksh": "set; typeset",
    "zsh": "print -l ${(k)parameters}",
}
VALUES = ["pro be", "", "a::b", ":a:", "7", "007", "rel/x", "$(touch witness)"]
TOGETHER = 12  # names in one text
PLAIN = [name for name in POSIX_ROWS if "options" not in name]
# The loader of ld.so would tell each child what it thinks of the value.
NOT_ASKED = {"LD_PRELOAD"}


def known(row: Row) -> list[str]:
    """The names of the shell itself, of all manuals, of names.json, and those that any shell keeps."""
    shell = row.program[0]
    done = started(Path.cwd(), need(shell), *row.program[1:], "-c", BEFORE.get(shell, "") + KNOWS.get(shell, "set"))
    words = {word.partition("=")[0] for word in done.stdout.decode().split()} | {*DOCUMENTED.split(), *NAMES}
    words |= {name for dialect in SHELLS.values() for name in getattr(dialect, "keeps", ())}
    return sorted(word for word in words - NOT_ASKED if is_name(word))


def is_name(word: str) -> bool:
    try:
        check_name("", word)
    except CannotCarry:
        return False
    return True


def is_carried(shell: str, name: str, value: str) -> bool:
    try:
        SHELLS[shell].set_env(name, value)
    except CannotCarry as error:
        return (error.name, error.shell) != (name, shell)
    return True


def environments(folder: Path, row: Row, texts: list[bytes]) -> list[list[bytes]]:
    """What a child sees after each text; each text has a process of its own, which the shell forks, or its first one."""
    shell = row.program[0]
    for number, text in enumerate(texts):
        (folder / str(number)).write_bytes(text)
    each, code = '(eval "$(/bin/cat {})"; exec /usr/bin/env -0)', BEFORE.get(shell, "") + "\n"
    if shell == "fish":
        each = "fish --no-config -c 'source $argv; exec /usr/bin/env -0' {}"
    code += "".join(f"printf @@; {each.format(number)}\n" for number in range(len(texts)))
    (folder / "run").write_text(code)
    program = ("sh",) if shell == "fish" else row.program
    done = started(folder, need(program[0]), *program[1:], "run")
    return [part.split(b"\0") for part in done.stdout.split(b"@@")[1:]]


@pytest.mark.posix
@pytest.mark.parametrize("name", PLAIN)
def test_each_name_is_carried_or_refused(tmp_path: Path, name: str) -> None:
    row = POSIX_ROWS[name]
    names = known(row)
    groups: list[dict[str, str]] = []
    for value in VALUES:
        kept = [key for key in names if is_carried(row.shell, key, value)]
        groups += [dict.fromkeys(kept[i : i + TOGETHER], value) for i in range(0, len(kept), TOGETHER)]
    seen = environments(tmp_path, row, [emit(SHELLS[row.shell], group) for group in groups])
    assert len(seen) == len(groups)
    altered = [
        (key, got)
        for group, environ in zip(groups, seen, strict=True)
        for key, value in group.items()
        if (got := [entry for entry in environ if entry.startswith(f"{key}=".encode())]) != [f"{key}={value}".encode()]
    ]
    assert altered == []
    assert not (tmp_path / "witness").exists()
    refused = [key for key in names if not any(is_carried(row.shell, key, value) for value in VALUES)]
    print(f"{name}: {len(names)} names, {len(names) - len(refused)} carried, refused: {' '.join(refused)}")
    assert not {"PATH", "HOME", "LANG", "PYTHONPATH"} & set(refused)


@pytest.mark.posix
@pytest.mark.parametrize("shell", ["bash", "zsh", "ksh", "dash"])
def test_what_the_shell_computes_is_still_computed(tmp_path: Path, shell: str) -> None:
    """A name that is carried by unsetting it first loses its meaning to the shell; so these are refused."""
    row = POSIX_ROWS[shell]
    carried = {key: "1" for key in known(row) if is_carried(shell, key, "1")}
    carried = {key: value for key, value in carried.items() if key not in os.environ and not key.startswith("LC_")}
    (tmp_path / "env.txt").write_bytes(emit(SHELLS[shell], carried))
    code = 'eval "$(/bin/cat env.txt)" 2>/dev/null; echo "$RANDOM $RANDOM $RANDOM $LINENO $PPID"'
    done = started(tmp_path, need(shell), *row.program[1:], "-c", code)
    *dice, line, parent = done.stdout.decode().split()
    assert (line, parent) == ("1", str(os.getpid()))
    assert len(set(dice)) > 1 or shell == "dash"
