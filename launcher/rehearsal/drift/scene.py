"""One half of a play: a folder with a client's programs, the commands played in it, and what came of them."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from launcher.output import tell
from launcher.rehearsal.drift.contents import Contents, contents, databases
from launcher.rehearsal.drift.props import copy_programs, environment, write_profile_file

PINNED = "autopack_telemetry_seed.db"
OTHER = "autopack.db"
URL = f"sqlite:///{PINNED}"
SECONDS = 120  # for one command; a launcher that hangs is a failed play, too
TIMED_OUT = 124  # as timeout(1) has it

# A banner is the same each time; what follows of it is about the run.
_BANNER = re.compile(r"autopack-run: \w+ \w+$|  (file|database|stamp|pinned|python) {2,}")


class Outcome(NamedTuple):
    """What a command ended with, and both of its streams as one text."""

    code: int
    text: str


class Scene:
    """A folder of its own with the client's programs. `wrong` collects what was not as it must be."""

    def __init__(self, folder: str, cause: str, launcher: bool) -> None:
        import autopack_run

        self.folder = os.path.join(os.path.realpath(folder), "with" if launcher else "without")
        self.wrong: list[str] = []
        # The entry point by its path: this very launcher, whatever else is on PATH or in the folder.
        self.launcher = [sys.executable, os.path.abspath(autopack_run.__file__)]
        self.env = environment(launcher)
        copy_programs(cause, self.folder)
        if launcher:
            write_profile_file(cause, self.folder)

    def write(self, name: str, text: str) -> None:
        """Put a text file into the folder, and show it as a person would make it."""
        with open(os.path.join(self.folder, name), "w", encoding="utf-8", newline="\n") as file:
            file.write(f"{text}\n")
        tell(f"  {name}: {text}")

    def export(self, name: str, text: str) -> None:
        """Set a variable for the commands that follow."""
        self.env[name] = text
        tell(f"  $ export {name}={text}" if os.name != "nt" else f"  > set {name}={text}")

    def python(self, *words: str) -> Outcome:
        """Run one of the client's programs, as an operator without a launcher does."""
        return self.play([sys.executable, *words], f"python {' '.join(words)}")

    def run(self, words: str) -> Outcome:
        """Run `autopack-run WORDS`."""
        return self.play([*self.launcher, *words.split()], f"autopack-run {words}")

    def play(self, words: Sequence[str], shown: str, extra: Mapping[str, str] | None = None) -> Outcome:
        """Show the command, run it in the folder, show what it said; `extra` are variables beside the scene's own."""
        for line in shown.splitlines():
            tell(f"  {'>' if os.name == 'nt' else '$'} {line}")
        done = _run(words, self.folder, {**self.env, **(extra or {})})
        for line in shown_lines(done.text):
            tell(f"      {line}")
        if done.code:
            tell(f"      (exit {done.code})")
        return done

    def look(self) -> None:
        """Show what is in each database file."""
        for each in databases(self.folder):
            tell(f"  {each.name:<28}{each}")

    def pinned(self) -> Contents:
        """What is in the database that the operator means."""
        return contents(os.path.join(self.folder, PINNED))

    def other(self) -> Contents:
        """What is in the one that nobody asked for."""
        return contents(os.path.join(self.folder, OTHER))

    def has_other(self) -> bool:
        """Whether there is such a file at all, be it empty."""
        return os.path.exists(os.path.join(self.folder, OTHER))

    def must(self, holds: bool, otherwise: str) -> None:
        """Note what was not as it must be."""
        if not holds:
            self.wrong.append(f"{os.path.basename(self.folder)}: {otherwise}")

    def place(self, text: str, beside: str = "") -> str:
        """The first `file:line` of a program of this scene that the text names; "" where it names none.

        beside: a word; a line of the text that has it comes first.
        """
        pattern = re.compile(re.escape(self.folder + os.sep) + r"[\w./\\-]+\.py:\d+")
        for each in sorted(text.splitlines(), key=lambda line: beside not in line):
            if found := pattern.search(each):
                return str(found[0])
        return ""


def source(place: str) -> str:
    """The line that a `file:line` means; "" where there is none."""
    path, _, number = place.rpartition(":")
    if not path:
        return ""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    return lines[int(number) - 1] if int(number) <= len(lines) else ""


def shown_lines(text: str) -> list[str]:
    """A command's words without the parts that are the same each time."""
    return [line for line in text.splitlines() if line.strip() and not _BANNER.match(line)]


def _run(words: Sequence[str], folder: str, env: Mapping[str, str]) -> Outcome:
    # PowerShell without a console of its own says nothing; an unseen one does. Elsewhere there is no such flag.
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    # A file, not a pipe: a server that was left behind would hold that open, and its end is waited for.
    with tempfile.TemporaryFile() as output:
        try:
            code = subprocess.run(
                words,
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                creationflags=flags,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = TIMED_OUT
        output.seek(0)
        return Outcome(code, output.read().decode("utf-8", "replace"))
