"""The command line that starts a .cmd or .bat file on Windows with its arguments unchanged.

After Rust's `make_bat_command_line` (library/std/src/sys/args/windows.rs), written for CVE-2024-24576: CreateProcess
hands batch files to cmd.exe, which parses the line by rules of its own (stackoverflow.com/a/4095133 has them).
"""

import os
from collections.abc import Iterable

from launcher.errors import NOT_EXECUTABLE, LauncherError

# Characters that cmd.exe leaves alone outside quotes. Everything else is quoted, also what is not ASCII: a no-break
# space is a separator to cmd.exe, and quotes harm nobody.
_BARE = frozenset("#$*+-./:?@\\_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
# Ctrl-Z counts as a line end where cmd.exe reads a line, and a line end ends the quotes too.
_REFUSED = "\0\r\n\x1a"
# cmd.exe takes lines of at most 8191 characters (learn.microsoft.com, "Command prompt line string limitation").
_LINE_LIMIT = 8191


def system_cmd() -> str:
    """The path of the system's own cmd.exe: COMSPEC, and the child's SYSTEMROOT, may name something else."""
    return os.path.join(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32", "cmd.exe")


def batch_command_line(script: str, arguments: list[str], variables: Iterable[str] = ()) -> str:
    """The whole line for CreateProcess.

    variables: the names that the child will find set. `"` is doubled. `%` becomes `%%cd:~,%`: the first per cent sign
    stands for itself, since the name that ends at the second is empty, and from there on an empty part of the current
    folder's name is asked for. Raises LauncherError (126) for what cmd.exe cannot carry: NUL, CR, LF, Ctrl-Z, and a
    line that is too long.
    """
    for place, word in enumerate((script, *arguments)):
        if any(character in word for character in _REFUSED):
            raise _refusal(f"argument {place} for {script} has a line end, NUL or Ctrl-Z, which cmd.exe cannot carry")
        if "%" in word and "CD" in map(str.upper, variables):
            raise _refusal(f"argument {place} for {script} has a %, and a variable CD is set, which cmd.exe would read")
    quoted = "".join(" " + _quoted(argument) for argument in arguments)
    line = f'cmd.exe /e:ON /v:OFF /d /c ""{_without_variables(script)}"{quoted}"'
    size = len(line.encode("utf-16-le", "surrogatepass")) // 2
    if size > _LINE_LIMIT:
        raise _refusal(f"the line for {script} has {size} characters; cmd.exe takes {_LINE_LIMIT}")
    return line


def _refusal(message: str) -> LauncherError:
    hint = "start the program itself instead of its .cmd file"
    return LauncherError("batch-argument", NOT_EXECUTABLE, message, hint)


def _quoted(argument: str) -> str:
    """The argument as one word for cmd.exe and for the C runtime of the program behind the batch file."""
    if argument and not argument.endswith("\\") and _BARE.issuperset(argument):
        return argument
    parts: list[str] = []
    backslashes = 0
    for character in argument:
        if character == '"':  # n backslashes before a quote are written as 2n
            parts.append("\\" * backslashes + '"')
        backslashes = backslashes + 1 if character == "\\" else 0
        parts.append(character)
    return f'"{_without_variables("".join(parts))}{chr(92) * backslashes}"'


def _without_variables(text: str) -> str:
    return text.replace("%", "%%cd:~,%")
