"""The real shells of this machine: a line in another shell's syntax, and what `env` writes for them."""

import functools
import os
import shutil
import subprocess
from typing import NamedTuple

# Programs come by variables, so that no path has to be quoted in three syntaxes to be shown.
PYTHON, LAUNCHER = "PLAY_PYTHON", "PLAY_LAUNCHER"


class Shell(NamedTuple):
    """A shell and its lines. argv: before the script; suffix: of a script file, "" where the script is an argument.

    Of the lines, `wrong` sets DATABASE_URL as another shell does and seeds; `right` takes what `env` writes and
    drains. In them `python` and `autopack-run` at the beginning of a command stand for the programs, as `program`
    writes them.
    """

    name: str
    argv: tuple[str, ...]
    wrong: tuple[str, ...]
    right: tuple[str, ...]
    program: str
    suffix: str = ""

    def script(self, lines: tuple[str, ...]) -> str:
        """The lines with the programs filled in."""
        python = self.program.format(PYTHON)
        launcher = f"{python} {self.program.format(LAUNCHER).removeprefix('& ')}"
        text = (os.linesep if self.suffix else "\n").join(lines)
        return text.replace("{python}", python).replace("{launcher}", launcher)


def shown(lines: tuple[str, ...]) -> str:
    """The lines as a person types them."""
    return "\n".join(lines).replace("{python}", "python").replace("{launcher}", "autopack-run")


_POWERSHELL = ("-NoLogo", "-NoProfile", "-NonInteractive", "-Command")
_BASH_WRONG = ('$env:DATABASE_URL = "{url}"', "{python} seed.py")
_POWERSHELL_WRONG = ('export DATABASE_URL="{url}"', "set DATABASE_URL={url}", "{python} seed.py")
# Wine's cmd reads batch files by the OEM page: the emitted text then sets nothing and says "Use exec".
USE_EXEC, BY_EXEC = "Use exec", ("{launcher} telemetry exec python drain.py",)
_CMD_WRONG = ('export DATABASE_URL="{url}"', '$env:DATABASE_URL="{url}"', "{python} seed.py")


def known(url: str) -> dict[str, Shell | None]:
    """Each shell by its name; None where this machine has none that runs."""
    table = (_bash, _powershell, _pwsh, _cmd) if os.name == "nt" else (_bash, _pwsh)
    return {build.__name__.strip("_"): _with_url(build(), url) for build in table}


def _with_url(shell: Shell | None, url: str) -> Shell | None:
    return shell and shell._replace(wrong=tuple(line.replace("{url}", url) for line in shell.wrong))


def _bash() -> Shell | None:
    # On Windows, System32\bash.exe is the door to WSL, another system; Git's bash is what people use.
    folder = os.path.expandvars(r"%ProgramFiles%\Git\bin") if os.name == "nt" else None
    path = shutil.which("bash", path=folder)
    right = ('eval "$({launcher} telemetry env --shell bash)"', "{python} drain.py")
    return Shell("bash", (path, "--noprofile", "--norc", "-c"), _BASH_WRONG, right, '"${}"') if path else None


def _powershell() -> Shell | None:
    return _any_powershell("powershell")


def _pwsh() -> Shell | None:
    return _any_powershell("pwsh")


def _any_powershell(name: str) -> Shell | None:
    path = shutil.which(name)
    if path is None or not _runs(path):
        return None
    line = f"{{launcher}} telemetry env --shell {name} | Out-String | Invoke-Expression"
    return Shell(name, (path, *_POWERSHELL), _POWERSHELL_WRONG, (line, "{python} drain.py"), "& $env:{}")


@functools.cache
def _runs(path: str) -> bool:
    """Whether it does what it is told: Wine has a powershell.exe that ends with 0 and does nothing."""
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    words = [path, *_POWERSHELL, "'ali' + 've'"]
    try:
        said = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, creationflags=flags, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"alive" in said


def _cmd() -> Shell | None:
    path = shutil.which("cmd")
    right = ("{launcher} telemetry env --shell cmd > env.cmd", "call env.cmd && {python} drain.py")
    return Shell("cmd", (path, "/d", "/c"), _CMD_WRONG, right, '"%{}%"', ".cmd") if path else None
