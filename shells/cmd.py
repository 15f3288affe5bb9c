"""The dialect of cmd.exe, for a batch file that the caller runs with `call`; SHELLS.md, "cmd.exe".

How cmd reads a line, phase by phase: https://stackoverflow.com/a/4095133. In a batch file a doubled % is one %, inside
double quotes nothing else is live, and outside of them a caret takes the meaning of the next character away.
"""

from shells.base import CannotCarry, check_name, check_unicode, check_value

# A batch line holds 8191 characters; counted in bytes and with its CRLF, which is never more than cmd allows. The
# variable limit of 32,766 lies beyond it.
LONGEST_LINE = 8_189

LIVE = '"^&|<>()'

# Our own variables while the file runs: the command that restores the code page, and the test of the new one.
RESTORE = "AUTOPACK_RUN_CHCP"
SAMPLE = "AUTOPACK_RUN_UTF8"

CHCP = r"%SystemRoot%\System32\chcp.com"  # by its path: the profile may change PATH before the restore

# With delayed expansion on, every ! would be eaten; setlocal is no way out, it discards the variables.
DELAYED_EXPANSION_PROBE = (
    '@if "!"=="" (echo autopack-run: delayed expansion is on, so nothing was set. Use cmd /v:off. 1>&2 & exit /b 1)'
)

# cmd decodes each line of a file by the console's code page, so non-ASCII values need 65001 in between. Whether the
# change reached the reader is tested, not hoped: these four UTF-16 units are more in any other page (Wine 10 reads by
# the OEM page whatever chcp says, and a process without a console has no page to change).
TO_UTF8 = (
    f'@for /f "tokens=2 delims=:." %%a in (\'{CHCP}\') do @set {RESTORE}="{CHCP}" %%a',
    f'@"{CHCP}" 65001 >nul',
    f'@set "{SAMPLE}=\u00e9\u4e2d\U0001f600"',
    f'@if not "%{SAMPLE}:~0,4%"=="%{SAMPLE}%" (%{RESTORE}% >nul & set "{RESTORE}=" & set "{SAMPLE}="'
    " & echo autopack-run: this cmd does not read UTF-8, so nothing was set. Use exec. 1>&2 & exit /b 1)",
)
FROM_UTF8 = (f"@%{RESTORE}% >nul", f'@set "{RESTORE}="', f'@set "{SAMPLE}="')

# set NAME= leaves errorlevel 1 for an absent variable, which would read as a failure.
SUCCESS = "@exit /b 0"


def careted(value: str) -> str:
    """Return the value with each live character behind a caret, so that no quote opens and nothing is an operator."""
    return "".join("^" + char if char in LIVE else char for char in value)


class Cmd:
    """cmd.exe reading a batch file. Each line begins with @, since echo may be on."""

    name = "cmd"
    newline = "\r\n"
    folds_case = True

    def comment(self, text: str) -> str:
        """Return the text as a comment line; rem expands % too, and the # keeps /? from asking for help."""
        return f"@rem # {text.replace('%', '%%')}"

    def set_env(self, name: str, value: str) -> str:
        """Return the line that sets; raise CannotCarry for what a batch line cannot hold."""
        self._check(name, value)
        doubled = value.replace("%", "%%")
        # The last quote of the line closes, so a value without quotes of its own is inert between them.
        line = f"@set {name}={careted(doubled)}" if '"' in value else f'@set "{name}={doubled}"'
        if len(line.encode()) > LONGEST_LINE:
            raise CannotCarry(self.name, (name, f"its line is longer than {LONGEST_LINE} bytes"))
        return line

    def unset_env(self, name: str) -> str:
        """Return the line that removes the variable."""
        self._check_name(name)
        return f'@set "{name}="'

    def frame(self, lines: list[str]) -> list[str]:
        """Return the lines behind the probe, in code page 65001 when one is not ASCII, ending in success."""
        if not all(line.isascii() for line in lines):
            lines = [*TO_UTF8, *lines, *FROM_UTF8]
        return [DELAYED_EXPANSION_PROBE, *lines, SUCCESS]

    def _check_name(self, name: str) -> None:
        check_name(self.name, name)
        if name.upper() in (RESTORE, SAMPLE):
            raise CannotCarry(self.name, (name, "the batch file uses this variable itself"))

    def _check(self, name: str, value: str) -> None:
        self._check_name(name)
        if not value:
            raise CannotCarry(self.name, (name, "its value is empty, which deletes the variable"))
        check_value(self.name, name, value, "\0\n\r\x1a")
        check_unicode(self.name, name, value)
        # An internal command prints its help for /? outside of quotes instead of doing its work.
        if '"' in value and "/?" in value:
            raise CannotCarry(self.name, (name, 'its value holds both U+0022 (") and /?, which asks set for its help'))
