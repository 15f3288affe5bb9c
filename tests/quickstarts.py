"""A folder with the quickstart scripts, and a launcher on PATH that only notes how it is started."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from parts import need
from running import LAUNCHER, clean_env, write

from launcher.template import render

SHELLS = ("bash", "dash", "ksh", "zsh", "pwsh")
HOSTILE = "O'Brien & Söhne\\50% off! [x] $HOME"
NAMES = tuple(f"quickstart-telemetry.{suffix}" for suffix in ("ps1", "cmd", "sh"))
STEPS = [
    ["--if-missing", "seed", "create"],
    ["telemetry", "check"],
    ["telemetry", "drain"],
    ["telemetry", "check"],
]
# Notes its words, its parent and its folder, and ends with the next of the codes that the file `codes` has.
# It sleeps in short pieces: a signal that comes just before a sleep would be heard at its end.
RECORDER = """#!{python} -S
import json, os, sys, time

def wait():
    for _ in range(1200):
        time.sleep(0.05)

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "calls"), "a") as file:
    print(json.dumps([os.getcwd(), os.getppid(), *sys.argv[1:]]), file=file)
codes = open(os.path.join(here, "codes")).read().split()
number = len(open(os.path.join(here, "calls")).readlines()) - 1
print("tty" if sys.stdout.isatty() else "no tty", flush=True)
if codes[number] == "wait":
    wait()
if codes[number].startswith("deaf"):
    try:
        wait()
    except KeyboardInterrupt:
        sys.exit(int(codes[number][4:]))
if codes[number] == "killed":
    os.kill(os.getpid(), 9)
sys.exit(int(codes[number]))
"""


def rehearsal(folder: Path, drain: Sequence[str] = ()) -> Path:
    """The rehearsal's profile file in the folder, its drain with further words."""
    folder.mkdir(parents=True, exist_ok=True)
    text = render("rehearsal.toml.j2", python=json.dumps(sys.executable), url='"sqlite:///autopack_telemetry_seed.db"')
    words = "".join(f', "{word}"' for word in drain)
    write(folder, text.replace('"launcher.rehearsal", "drain"', f'"launcher.rehearsal", "drain"{words}'))
    return folder


def run_here(words: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the launcher in this very process: a start of its own takes seconds in the Windows lab."""
    from launcher.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
        out.flush()
        err.flush()
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(list(words), code, *texts)


def written(folder: Path, *words: str, file: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run `quickstart telemetry` with the words."""
    return run_here([*(["-f", file] if file else []), "quickstart", "telemetry", *words], folder)


class Stage(NamedTuple):
    """A folder with the scripts, and a launcher on PATH."""

    home: Path
    bin: Path

    def command(self, shell: str) -> list[str]:
        """How the script is started in the shell, in its folder."""
        if shell == "pwsh":  # which finds no script by a path that has a backslash
            return [need("pwsh"), "-NoProfile", "-NonInteractive", "-File", f"./{NAMES[0]}"]
        return [need(shell), NAMES[2]]

    def env(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The launcher first on PATH."""
        return clean_env({"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"} | dict(extra or {}))

    def play(
        self, command: Sequence[str], cwd: Path, codes: str = "0 0 0 0", env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Start the script; the recorder ends with the codes."""
        (self.bin / "codes").write_text(codes)
        (self.bin / "calls").unlink(missing_ok=True)
        return subprocess.run(
            command, cwd=cwd, env=self.env(env), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    def calls(self) -> list[list[str]]:
        """The words of each start, without those by which it ends with the script: these must name the script."""
        return [_words(*json.loads(line)[1:]) for line in (self.bin / "calls").read_text().splitlines()]

    def folders(self) -> set[str]:
        """Where they were started."""
        return {json.loads(line)[0] for line in (self.bin / "calls").read_text().splitlines()}


def _words(parent: int, *given: str) -> list[str]:
    words = [part for word in given for part in (word.split("=") if word.startswith("--end-with=") else [word])]
    at = words.index("--end-with")
    assert words[at + 1] == str(parent), words
    return words[:at] + words[at + 2 :]


def executable(path: Path, text: str) -> None:
    """Write a program."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, newline="\n")
    path.chmod(0o755)


def launcher_on_path(folder: Path) -> Path:
    """A folder for PATH with this very launcher, started as by an installed script: in the place of its shell."""
    words = " ".join(f"'{word}'" for word in LAUNCHER)
    executable(folder / "autopack-run", f'#!/bin/sh\nexec {words} "$@"\n')
    return folder
