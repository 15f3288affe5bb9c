"""Which process is which shell, and which ones are where a session begins or leaves this machine."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shells.processes import Process
from shells.table import SHELLS

# Other names of shells in the table. PowerShell's ISE speaks 5.1 and is no program for a console.
ALIASES = {"ash": "sh", "rbash": "bash", "rksh": "ksh", "rzsh": "zsh", "powershell_ise": "powershell"}
# Shells that the table does not have. They are never passed over: their user would get another shell's syntax.
# mksh is one: it is neither proven nor the ksh of the table.
UNKNOWN = """
    csh tcsh mksh lksh pdksh oksh loksh yash posh hush nu nushell xonsh elvish rc es osh ysh ion murex scsh
    tcc tcc_le 4nt yori wsmprovhost
"""
# Doors through which the output leaves for a reader who is not among these processes.
DOORS = "wsl wslhost wslrelay wslservice sshd sshd-session dropbear mosh-server sessionleader"
DISTRIBUTIONS = ("ubuntu", "debian", "kali", "opensuse", "fedora", "arch", "alpine", "bash")
# Terminals, editors, services: a shell above one of these started it, and does not read what runs inside.
EDGES = """
    windowsterminal openconsole conhost conemu conemu64 conemuc conemuc64 mintty alacritty wezterm-gui
    wezterm-mux-server kitty ghostty hyper tabby warp gnome-terminal gnome-terminal- gnome-terminal-server konsole
    xterm rxvt urxvt xfce4-terminal terminator tilix terminal iterm2 code code-insiders code-oss codium vscodium cursor
    windsurf zed idea idea64 pycharm pycharm64 goland64 webstorm64 clion64 devenv eclipse spyder rstudio sublime_text
    explorer services svchost taskeng taskhostw systemd launchd cron crond atd login screen
    runner.listener runner.worker agent.listener agent.worker gitlab-runner buildkite-agent
    dockerd containerd-shim containerd-shim-runc-v2 conmon
"""
VARIANTS = ("-preview", "-lts", "-static", "-daily", "-wrapped")


class Shell(NamedTuple):
    """A process that is a shell. name: in the table, or another when the table does not have it. path: "" if unsure."""

    name: str
    arguments: tuple[str, ...] | None
    path: str


def base(path: str) -> str:
    """Return the last part of a path of any system, in lower case and without .exe."""
    name = path.replace("\\", "/").rsplit("/", 1)[-1].lower()
    return name.removesuffix(".exe")


def shell_name(program: str) -> str:
    """Return the shell that a program of this name is, in the table or not, or "". A version may follow it: zsh-5.9."""
    name = base(program).removeprefix(".")
    for variant in VARIANTS:
        name = name.removesuffix(variant)
    for each in (name, name.rstrip("0123456789.-_")):
        if each == "powershell" and not program.lower().endswith(".exe"):
            return "pwsh"  # the snap's other name for it: https://github.com/microsoft/vscode/pull/240054
        for shell in SHELLS.values():
            if each in shell.programs:
                return shell.name
        if each in ALIASES or each in UNKNOWN.split():
            return ALIASES.get(each, each)
    return ""


def identify(process: Process) -> Shell | None:
    """Return which shell the process is, or None.

    The executable comes first: a script's process has the script's name, and sh is another shell's second name. What
    it was called by (-zsh, sh) counts where the executable may not be read, and for programs of many names.
    """
    words = process.words or ()
    program = base(process.exe) or base(process.name)
    if program in ("rosetta", "rosetta-linux") or program.startswith("qemu-"):
        return _emulated(words)
    if program.rstrip("0123456789.") in ("busybox", "toybox"):
        return _applet(words)
    for found in _interpreted(program, words):
        return found
    called = words[0].removeprefix("-") if words else ""
    # A script may be named like a shell that it is not; the interpreter is then what it is called by.
    others = [process.name] if base(process.name) == base(called) else []
    for each in (process.exe, *others) if process.exe else (process.name.removeprefix("-"), called):
        if name := shell_name(each):
            startable = shell_name(process.exe) == name and base(process.exe) not in ALIASES
            return Shell(name, None if process.words is None else words[1:], process.exe if startable else "")
    return None


def _emulated(words: Sequence[str]) -> Shell | None:
    """The program that qemu or Rosetta runs: its path, then its own words, with or without the name it is called by."""
    name = shell_name(words[1]) if len(words) > 1 else ""
    called = len(words) > 2 and base(words[2].removeprefix("-")) == base(words[1])
    return Shell(name, tuple(words[3 if called else 2 :]), "") if name else None


def _applet(words: Sequence[str]) -> Shell | None:
    called = base(words[0].removeprefix("-")) if words else ""
    if called.rstrip("0123456789.") in ("busybox", "toybox"):
        return _applet(words[1:])
    if called in ("sh", "ash", "bash"):
        return Shell("sh", tuple(words[1:]), "")  # its bash is ash by another name
    return Shell(called, tuple(words[1:]), "") if called in UNKNOWN.split() else None


def _interpreted(program: str, words: Sequence[str]) -> Iterator[Shell]:
    """A shell that is an interpreter's script: xonsh (https://github.com/sarugaku/shellingham/issues/26), pwsh.dll."""
    if program.rstrip("0123456789.tw") in ("python", "pypy", "py"):
        script = next((word for word in words[1:] if not word.startswith("-")), "")
        if base(script) == "xonsh" or base(script).startswith("xonsh-"):
            yield Shell("xonsh", None, "")
    if program == "dotnet":
        for at, word in enumerate(words[:3]):
            if base(word) == "pwsh.dll":
                yield Shell("pwsh", tuple(words[at + 1 :]), "")


def is_door(process: Process) -> bool:
    """Whether what is above this process does not see our output, which leaves through it: WSL, ssh."""
    name, exe = base(process.name), process.exe.lower().replace("/", "\\")
    if (
        name.rstrip(":") in DOORS.split()
        or name.startswith("relay(")
        or "/init" in (process.exe, *(process.words or ())[:1])
    ):
        return True
    # bash.exe of System32 is WSL's: https://github.com/python-poetry/poetry/issues/3537.
    old_wsl = name == "bash" and "\\windows\\s" in exe
    return old_wsl or ("\\windowsapps\\" in exe and name.startswith(DISTRIBUTIONS))


def is_edge(process: Process) -> bool:
    """Whether the process is where a session begins: a terminal, an editor, a service."""
    return base(process.name) in EDGES.split() or base(process.name).startswith(("tmux:", "code helper"))
