"""A shell at a real terminal, in a folder with profiles and a home with the user's own startup file."""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from running import LAUNCHER, clean_env, write

from shells.base import CannotCarry
from shells.table import SHELLS

DATA = Path(__file__).parent / "data"
VALUES = [row["value"] for row in json.loads((DATA / "values.json").read_text("utf-8"))["vectors"]]
VALUES = [value for value in VALUES if value.isprintable() or "\ud800" > value > ""]
CHILD = "import json, os, sys\nwith open(sys.argv[1] + '.part', 'x') as out:\n    json.dump(dict(os.environ), out)\n"
CHILD += "os.rename(sys.argv[1] + '.part', sys.argv[1])\n"
HOLD = "import time\nopen('held', 'x').close()\nwhile True:\n    print('holding', flush=True)\n    time.sleep(0.2)\n"
HOUSE = ("AUTOPACK_RUN_KEEP", "AUTOPACK_RUN_MARK", "AUTOPACK_RUN_START", "AUTOPACK_RUN_FILE_OF_ENV")

# Where the user's own file is, and what a theme does there.
FILES = {
    "bash": (".bashrc", "PS1='user$ '\nPROMPT_COMMAND='PS1=\"built$ \"'\nIFS=/\nset -u\n"),
    "zsh": (
        ".zshrc",
        "PS1='user%% '\nprecmd() { PS1='built%% ' }\nsetopt ksh_arrays sh_word_split nounset\nprecmd_functions=()\n",
    ),
    "dash": ("of env", "PS1='built$ '\nIFS=/\n"),
    "ksh": (".kshrc", "PS1='built$ '\nset -u\n"),
    "fish": (".config/fish/config.fish", "function fish_prompt; echo 'built> '; end\nset -g fish_greeting\n"),
    "pwsh": (
        ".config/powershell/profile.ps1",
        "Set-StrictMode -Version Latest\n$ErrorActionPreference = 'Stop'\nfunction prompt { 'built> ' }\n",
    ),
}
LONGEST = 60
"""Seconds that a loaded machine may need for one step."""


class Console:
    """A program at a terminal of its own, which answers the terminal's questions (PowerShell asks for the cursor)."""

    def __init__(self, child: Any, folder: Path) -> None:
        self.child, self.folder = child, folder
        self.dumps = 0

    def expect(self, *patterns: str, timeout: float = LONGEST) -> str:
        """Wait for one of the patterns; returns what came before and with it, without terminal sequences."""
        shown = ""
        while True:
            found = self.child.expect([r"\x1b\[6n", *patterns], timeout=timeout)
            shown += self.child.before + self.child.after
            if found:
                return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])|\r", "", shown)
            self.child.send("\x1b[1;1R")

    def enter(self, line: str) -> None:
        self.child.send(line + "\r")

    def seen(self, python: str = sys.executable) -> dict[str, str]:
        """What a child of the shell sees."""
        self.dumps += 1
        path = self.folder / f"{self.dumps}.json"
        self.enter(f"{python} child.py {path.name}")
        self.until(path)
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))

    def until(self, path: Path) -> None:
        """Wait until the file is there."""
        import pexpect

        end = time.monotonic() + LONGEST
        while not path.exists():
            assert time.monotonic() < end, self.child.before
            with contextlib.suppress(pexpect.TIMEOUT):
                self.child.expect(r"\x1b\[6n", timeout=0.05)
                self.child.send("\x1b[1;1R")

    def ended(self, timeout: float = LONGEST) -> int:
        """Its exit code."""
        import pexpect

        with contextlib.suppress(OSError):
            while self.child.expect([r"\x1b\[6n", pexpect.EOF], timeout=timeout) == 0:
                self.child.send("\x1b[1;1R")
        self.child.close()
        assert self.child.signalstatus is None, self.child.signalstatus
        return int(self.child.exitstatus)


def shown_until(child: Any, done: Callable[[str], object], seconds: float = LONGEST) -> str:
    """Read what the program shows until that is done, and tell it, as a terminal does, where its cursor is."""
    import pexpect

    end = time.monotonic() + seconds
    shown = ""
    while time.monotonic() < end and not done(shown):
        try:
            chunk = child.read_nonblocking(4096, 0.05)
        except pexpect.TIMEOUT:
            continue
        except pexpect.EOF:
            break
        shown += chunk
        child.send("\x1b[1;1R" * chunk.count("\x1b[6n"))
    return shown


def toml(values: Mapping[str, str]) -> str:
    def text(value: str) -> str:
        escaped = json.dumps(value.replace("{", "{{").replace("}", "}}"), ensure_ascii=False)
        return "".join(f"\\u{ord(char):04x}" if 0x7F <= ord(char) < 0xA0 else char for char in escaped)

    return ", ".join(f"{name} = {text(value)}" for name, value in values.items())


class Place:
    """A folder with profiles, a home with the user's own file, and an empty folder for temporary files."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.shell = shell
        self.folder, self.home, self.temporary = folder / "o'b & x", folder / "home", folder / "tmp"
        for each in (self.folder, self.home, self.temporary):
            each.mkdir()
        self.values = dict(carried(shell))
        self.more = {"ENV": "$HOME/of env"} if shell == "dash" else {}
        write(
            self.folder,
            '[databases.main]\nurl = "sqlite:///main.db"\n[databases.other]\nurl = "sqlite:///other.db"\n'
            f'[profiles.telemetry]\ndatabase = "main"\nunset = ["TESTING", "NEVER"]\nenv = {{ {toml(self.values)} }}\n'
            '[profiles.same]\ndatabase = "main"\n[profiles.other]\ndatabase = "other"\n',
        )
        (self.folder / "child.py").write_text(CHILD)
        (self.folder / "hold.py").write_text(HOLD)
        name, theme = FILES[shell]
        self.own = self.home / name
        self.own.parent.mkdir(parents=True, exist_ok=True)
        self.say(theme)
        if shell == "fish":  # which otherwise writes a thousand completions behind everybody's back
            for data in (".local/share", ".cache"):
                (self.home / data / "fish/generated_completions").mkdir(parents=True)
        self.before = self.files()

    def say(self, *lines: str, last: str = "") -> None:
        """Write the user's own file: it exports other values, between these lines and the last."""
        names = ["DATABASE_URL", "TESTING", "NEVER", "PYTHONPATH", *self.values]
        bad = [SHELLS[self.shell].set_env(name, "bad") for name in names]
        self.own.write_text("\n".join([*lines, *bad, last, ""]))

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/main.db"

    def environment(self) -> dict[str, str]:
        named = {"HOME": str(self.home), "TMPDIR": str(self.temporary), "TERM": "xterm", "LANG": "C.UTF-8"}
        return clean_env({**named, **self.more, "TESTING": "outer", "PYTHONUTF8": "1", "PYTHONPATH": str(self.folder)})

    def open(self, *words: str, program: list[str] = LAUNCHER) -> Console:
        import pexpect

        first, *rest = program
        child = pexpect.spawn(
            first,
            [*rest, *words],
            LONGEST,
            cwd=str(self.folder),
            env=self.environment(),
            encoding="utf-8",
            dimensions=(50, 200),
        )
        return Console(child, self.folder)

    def files(self) -> set[str]:
        """Every file at home and among the temporary ones."""
        return {
            f"{top.name}/{path.relative_to(top).as_posix()}"
            for top in (self.home, self.temporary)
            for path in top.rglob("*")
            if not path.is_dir()
        }


def carried(shell: str) -> Iterator[tuple[str, str]]:
    for number, value in enumerate(VALUES):
        with contextlib.suppress(CannotCarry):
            SHELLS[shell].set_env(f"V{number}", value)
            yield f"V{number}", value
    yield "SOME_PATH", "/a:/b"
    yield "n", "of a short name"


def shells(*names: str) -> pytest.MarkDecorator:
    """The same test in each of these shells."""
    return pytest.mark.parametrize("shell", names)


def stands(place: Place, seen: Mapping[str, str]) -> None:
    """Assert that the profile stands, and that nothing of ours is left."""
    assert {name: seen.get(name) for name in place.values} == place.values
    assert seen["DATABASE_URL"] == place.url
    assert seen["PYTHONPATH"].endswith(f"bootstrap{os.pathsep}{place.folder}")
    assert not {"TESTING", "NEVER"} & set(seen)
    assert [name for name in seen if name.startswith(HOUSE)] == []
    assert "ZDOTDIR" not in seen
    assert seen.get("ENV") == place.environment().get("ENV")
