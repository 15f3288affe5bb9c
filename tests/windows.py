"""Windows programs for tests: in the lab when the tests run on Linux, directly when they run on Windows."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from parts import LAB_SCRIPT, need, system

if TYPE_CHECKING:
    import pexpect

CREATE_NO_WINDOW = 0x08000000
VENV_SCRIPTS = PureWindowsPath(r"C:\autopack-venv\Scripts")
LAB_PROGRAMS = {
    "python": str(VENV_SCRIPTS / "python.exe"),
    "autopack-run": str(VENV_SCRIPTS / "autopack-run.exe"),
    "pwsh": r"Z:\opt\powershell\pwsh\pwsh.exe",
}
# What a Windows program finds set without anybody's doing; the rest of the machine's environment stays outside.
SYSTEM_VARIABLES = """
    ALLUSERSPROFILE APPDATA COMMONPROGRAMFILES COMMONPROGRAMFILES(X86) COMMONPROGRAMW6432 COMPUTERNAME COMSPEC
    HOMEDRIVE HOMEPATH LOCALAPPDATA LOGONSERVER NUMBER_OF_PROCESSORS OS PATH PATHEXT PROCESSOR_ARCHITECTURE
    PROGRAMDATA PROGRAMFILES PROGRAMFILES(X86) PROGRAMW6432 PUBLIC SYSTEMDRIVE SYSTEMROOT TEMP TMP USERDOMAIN
    USERNAME USERPROFILE WINDIR WINEDEBUG
"""
Args = Sequence[str | Path]


class Windows:
    """What tests do with Windows: run a program, drive one at a console, name a file.

    Output is decoded as UTF-8 with surrogateescape and keeps its line ends, so `.encode("utf-8", "surrogateescape")`
    gives the very bytes. Exit codes are unsigned, as Windows has them.
    """

    def __init__(self) -> None:
        self.direct = sys.platform == "win32"
        if not self.direct:
            need("windows-lab")

    def path(self, path: str | Path) -> str:
        """The Windows path of a file here."""
        full = os.path.abspath(path)
        return full if self.direct else "Z:" + full.replace("/", "\\")

    def run(
        self,
        args: Args,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        input: str | bytes | None = None,  # noqa: A002  (the name it has in subprocess.run)
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program with pipes. It sees Windows' own variables and `env`, nothing else of this process."""
        data = input.encode("utf-8", "surrogateescape") if isinstance(input, str) else input or b""
        words = self._words(args)
        call = self._run_here if self.direct else self._run_in_lab
        code, out, err = call(words, cwd, dict(env or {}), data, timeout)
        return subprocess.CompletedProcess(
            words, code % 2**32, out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape")
        )

    def tty(
        self, args: Args, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> "pexpect.spawn[str]":
        """Start a program at a console (Linux only): `sendintr()` is Ctrl-C. Exit codes here have eight bits.

        Variables that Wine sets itself (PATH, TEMP, USERNAME …) cannot be given here.
        """
        import pexpect

        pairs = [word for name, value in (env or {}).items() for word in ("-e", f"{name}={value}")]
        command = ["tty", *pairs, *self._words(args)]
        wide = (50, 200)  # so that long lines stay whole
        return pexpect.spawn(str(LAB_SCRIPT), command, timeout, cwd=str(cwd), encoding="utf-8", dimensions=wide)

    def _words(self, args: Args) -> list[str]:
        program, *rest = args
        name = str(program)
        if name in ("python", "autopack-run"):
            name = self._installed(name)
        elif name == "pwsh":
            found = need("pwsh" if self.direct else "windows-pwsh")
            name = found if self.direct else LAB_PROGRAMS[name]
        elif isinstance(program, Path):
            name = self.path(program)
        return [name, *(self.path(a) if isinstance(a, Path) else a for a in rest)]

    def _installed(self, name: str) -> str:
        if self.direct:
            return sys.executable if name == "python" else str(Path(sys.executable).with_name("autopack-run.exe"))
        need("windows-venv")
        return LAB_PROGRAMS[name]

    def _run_here(
        self, words: list[str], cwd: Path, env: dict[str, str], data: bytes, timeout: float
    ) -> tuple[int, bytes, bytes]:
        kept = set(SYSTEM_VARIABLES.split()) - {name.upper() for name in env}  # one entry a folded name
        base = {name: value for name, value in os.environ.items() if name.upper() in kept}
        # PowerShell without a console says nothing under Wine; everybody else keeps the console, which Ctrl-C needs.
        flags = CREATE_NO_WINDOW if system() == "wine" and _is_powershell(words[0]) else 0
        done = _piped(words, cwd, data, timeout, env=base | env, creationflags=flags)
        return done.returncode, done.stdout, done.stderr

    def _run_in_lab(
        self, words: list[str], cwd: Path, env: dict[str, str], data: bytes, timeout: float
    ) -> tuple[int, bytes, bytes]:
        with tempfile.TemporaryDirectory(prefix="windows-lab.", dir="/tmp") as folder:
            job = Path(folder) / "job.json"
            job.write_text(json.dumps({"args": words, "env": env, "no_window": _is_powershell(words[0])}))
            starter = ["python3.11", "-ISu", self.path(LAB_SCRIPT.with_name("start.py")), self.path(job)]
            done = _piped([str(LAB_SCRIPT), "run", *starter], cwd, data, timeout)
            code = Path(f"{job}.code")
            if not code.exists():
                raise RuntimeError(f"the lab started nothing (exit code {done.returncode}): {done.stderr!r}")
            return int(code.read_text()), done.stdout, done.stderr


def _piped(
    words: list[str], cwd: Path, data: bytes, timeout: float, env: dict[str, str] | None = None, creationflags: int = 0
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        words,
        cwd=cwd,
        env=env,
        input=data,
        timeout=timeout,
        creationflags=creationflags,
        capture_output=True,
        check=False,
    )


def _is_powershell(program: str) -> bool:
    return PureWindowsPath(program).stem.lower() in ("pwsh", "powershell")
