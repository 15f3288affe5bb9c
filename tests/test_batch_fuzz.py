"""Thousands of hostile argument lists to a .cmd file: unchanged in its child, or refused; nothing in them runs."""

import itertools
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import COUNT, IN_CI, drawn
from running import write
from test_batch import hold_to_the_rules
from windows import Windows

LONG_RUN = COUNT > IN_CI  # then each list has a cmd of its own
LISTS = 5_000
WORDS = 4_000
STARTS = 5_000 if LONG_RUN else 60
# A line for cmd.exe may hold 8191 characters: a short run hands several lists over at once, with this between them.
BETWEEN = "<>&|^"
CMD = '@"%PY%" -ISs record.py %*\r\n'
RECORD = "import sys\nwith open(f'seen{sys.argv[1]}', 'x') as out:\n    out.write(ascii(sys.argv[2:]))\n"
# Runs inside Windows, by the launcher's own code, without a start of the launcher for each list.
DRIVE = """
import json, os, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
from launcher.batch import batch_command_line, system_cmd
from launcher.errors import LauncherError
def start(number, words):
    try:
        line = batch_command_line("100% & (x)^.cmd", [str(number), *words], env)
    except LauncherError as refused:
        return refused.slug
    return subprocess.run(line, executable=system_cmd(), env=env, stdin=subprocess.DEVNULL).returncode
env = dict(os.environ, PY=sys.executable)
with open("lists.json") as file, ThreadPoolExecutor(2) as pool:
    codes = list(pool.map(start, *zip(*enumerate(json.load(file)))))
with open("codes.json", "w") as out:
    json.dump(codes, out)
"""


def lists(count: int) -> list[list[str]]:
    """The drawn words, in lists of none to five."""
    words, dice = drawn("arguments", WORDS if sys.platform != "win32" else 100), random.Random(6)
    return [dice.choices(words, k=dice.randrange(6)) for _ in range(count)]


def is_refused(words: list[str]) -> bool:
    return any(character in word for word in words for character in "\0\r\n\x1a")


def packed(given: list[list[str]]) -> Iterator[list[str]]:
    """Several lists as one; a refused one by itself."""
    one: list[str] = []
    for words in given:
        if is_refused(words):
            yield words
        else:
            # Quoting makes a word longer: 8 characters for each %, 2 for a quote.
            if one and sum(map(room, [*one, *words])) > 7_500:
                yield one
                one = []
            one += [*words, BETWEEN]
    yield one


def room(word: str) -> int:
    return len(word.encode("utf-16-le")) // 2 + 8 * word.count("%") + 2 * word.count('"') + 2 * word.count("\\") + 4


def started(windows: Windows, folder: Path, given: list[list[str]]) -> None:
    """Start one cmd a list inside Windows; assert that each child got its words, or was never started."""
    (folder / "100% & (x)^.cmd").write_bytes(CMD.encode())
    (folder / "record.py").write_text(RECORD)
    (folder / "drive.py").write_text(DRIVE)
    (folder / "lists.json").write_text(json.dumps(given))
    before = {path.name for path in folder.iterdir()}
    done = windows.run(["python", "drive.py"], folder, timeout=3_000)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    codes = json.loads((folder / "codes.json").read_text())
    for number, words in enumerate(given):
        seen = folder / f"seen{number}"
        expected = ("batch-argument", None) if is_refused(words) else (0, ascii(words))
        assert (codes[number], seen.read_text() if seen.exists() else None) == expected
    ran = {path.name for path in folder.iterdir()} - before - {"codes.json"}
    assert ran == {f"seen{number}" for number, words in enumerate(given) if not is_refused(words)}


@pytest.mark.posix  # the rules are the same everywhere, and it takes its time
def test_no_list_is_altered_or_run_under_the_real_cmds_rules() -> None:
    for words in lists(LISTS):
        hold_to_the_rules("C:\\a b\\100%PATH%\\t&x^(y).cmd", words)


@pytest.mark.slow
def test_each_list_reaches_the_child_of_a_batch_file_or_is_refused(windows: Windows, tmp_path: Path) -> None:
    given = lists(STARTS if sys.platform != "win32" else 20)
    started(windows, tmp_path, given)
    print(f"{len(given)} lists, {sum(map(is_refused, given))} refused")


@pytest.mark.slow
@pytest.mark.lab
def test_all_lists_reach_it_in_few_starts(windows: Windows, tmp_path: Path) -> None:
    given = list(packed([words for words in lists(LISTS) if not is_refused(words)]))
    started(windows, tmp_path, given)
    print(f"{sum(words.count(BETWEEN) for words in given)} lists in {len(given)} starts")


@pytest.mark.lab
def test_lists_reach_it_through_the_launchers_exe(windows: Windows, tmp_path: Path) -> None:
    write(tmp_path, "[profiles.p]\n")
    (tmp_path / "child.cmd").write_bytes(b'@"%PY%" -ISc "import sys; print(ascii(sys.argv[1:]))" %*\r\n')
    python = windows.run(["python", "-c", "import sys; print(sys.executable)"], tmp_path).stdout.strip()
    for words in itertools.islice(packed([words for words in lists(300) if not is_refused(words)]), 3):
        done = windows.run(["autopack-run", "p", "exec", ".\\child.cmd", *words], tmp_path, env={"PY": python})
        assert done.stdout.splitlines() == [ascii(words)], done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["autopack-run.toml", "child.cmd"]
