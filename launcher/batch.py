"""The command line that starts a .cmd or .bat file on Windows with its arguments unchanged.

After Rust's `make_bat_command_line` (library/std/src/sys/args/windows.rs), written for CVE-2024-24576: CreateProcess
hands batch files to cmd.exe, which parses the line by rules of its own.
"""

import os

from launcher.errors import NOT_EXECUTABLE, LauncherError

# Characters that cmd.exe leaves alone outside quotes; everything else of ASCII is quoted.
_BARE = "#$*+-./:?@\\_"
# cmd.exe takes lines of at most 8191 characters (learn.microsoft.com, "Command prompt line string limitation").
_LINE_LIMIT = 8191


def system_cmd(env: dict[str, str]) -> str:
    """The path of the system's own cmd.exe; COMSPEC may name something else."""
    root = next((text for name, text in env.items() if name.upper() == "SYSTEMROOT"), "C:\\Windows")
    return os.path.join(root, "System32", "cmd.exe")


def batch_command_line(script: str, arguments: list[str]) -> str:
    """The whole line for CreateProcess.

    `%` becomes `%%cd:~,%`, which expands to nothing but a per cent sign's place; `"` is doubled. Raises LauncherError
    (126) for what cmd.exe cannot carry: NUL, CR, LF, and a line that is too long.
    """
    for argument in arguments:
        if any(character in argument for character in "\0\r\n"):
            raise LauncherError(
                "batch-argument",
                NOT_EXECUTABLE,
                f"an argument for {script} has a line end or NUL, which cmd.exe cannot carry: {argument!r}",
                "start the program itself instead of its .cmd file",
            )
    line = f'cmd.exe /e:ON /v:OFF /d /c ""{script}"{"".join(" " + _quoted(argument) for argument in arguments)}"'
    if len(line) > _LINE_LIMIT:
        raise LauncherError(
            "batch-argument",
            NOT_EXECUTABLE,
            f"the line for {script} has {len(line)} characters; cmd.exe takes {_LINE_LIMIT}",
        )
    return line


def _quoted(argument: str) -> str:
    quote = argument == "" or argument.endswith("\\") or any(_needs_quotes(character) for character in argument)
    parts: list[str] = []
    backslashes = 0
    for character in argument:
        if character == "\\":
            backslashes += 1
        else:
            if character == '"':
                parts.append("\\" * backslashes + '"')
            elif character == "%":
                parts.append("%%cd:~,")
            backslashes = 0
        parts.append(character)
    body = "".join(parts)
    return f'"{body}{chr(92) * backslashes}"' if quote else body


def _needs_quotes(character: str) -> bool:
    if character.isascii():
        return not (character.isalnum() or character in _BARE)
    return "\x80" <= character <= "\xa0"
