"""The dialect of cmd.exe, for a batch file that the caller runs with `call`; SHELLS.md, "cmd.exe".

How cmd reads a line, phase by phase: https://stackoverflow.com/a/4095133. In a batch file a doubled % is one %, inside
double quotes nothing else is live, and outside of them a caret takes the meaning of the next character away.
"""

from collections.abc import Mapping, Sequence

from shells import kept, session, started
from shells.base import CannotCarry, check_name, check_unicode, check_value, is_bare
from shells.session import Session
from shells.started import Started

# A batch line holds 8191 characters; counted in bytes and with its CRLF, which is never more than cmd allows. The
# variable limit of 32,766 lies beyond it.
LONGEST_LINE = 8_189

LIVE = '"^&|<>()'

# In quotes such a word is looked for as a program (phase 7).
INTERNAL = """
    assoc break call cd chdir cls color copy date del dir echo endlocal erase exit for ftype goto if md mkdir mklink
    move path pause popd prompt pushd rd rem ren rename rmdir set setlocal shift start time title type ver verify vol
"""

# Our own variables while the file runs: the command that restores the code page, and the test of the new one.
RESTORE = "AUTOPACK_RUN_CHCP"
SAMPLE = "AUTOPACK_RUN_UTF8"

CHCP = r"%SystemRoot%\System32\chcp.com"  # by its path: the profile may change PATH before the restore

# Without the extensions, set would keep the quotes, as it does here then; exit is not one of them (cmd /?).
EXTENSIONS_PROBE = (
    f'@set "{SAMPLE}=1"',
    f'@if not "%{SAMPLE}%"=="1" (echo autopack-run: command extensions are off, so nothing was set. Use cmd /e:on.'
    " 1>&2 & exit /b 1)",
    f'@set "{SAMPLE}="',
)

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


def quoted(word: str) -> str:
    """Return the word between quotes, as cmd and then the C runtime of a program read it: \\" would be a quote."""
    return f'"{word}{chr(92) * (len(word) - len(word.rstrip(chr(92))))}"'


def is_program(word: str) -> bool:
    """Whether a line may begin with the bare word: no label, no switch of what stands before a /, no word of cmd."""
    return is_bare(word, ":/") and word.lower() not in INTERNAL.split()


def for_f_line(line: str) -> str:
    """Return what evaluates the --for-f output of the command line, at the prompt.

    `for /f` gives the command to `cmd /c`, which takes the first and the last quote away when the first character is
    one: so it gets two more, which the prompt does not see as quotes (`cmd /?`).
    """
    command = f'^"{line} --for-f^"' if line.startswith('"') else f"{line} --for-f"
    return f'for /f "usebackq delims=" %i in (`{command}`) do @%i'


def file_line(line: str) -> str:
    """Return what calls the command line's output, at the prompt: a file in a new folder, which goes away again.

    md fails for a folder that another console has made. Nothing is called when the command failed, and its exit code
    stays: rd is the one command that removes something and leaves errorlevel alone when it succeeds
    (https://stackoverflow.com/a/34968021). The number comes through for /f, which fixes it for the whole line.
    The letters are such as hardly stand behind a % in a value: Wine's cmd expands them in the file that is called, too.
    """
    file = '"%~Q\\env.cmd"'
    return (
        "for /f %J in ('echo %RANDOM%') do @for %Q in (\"%TEMP%\\autopack-run-%J\") do "
        f"@(md %Q && ({line} > {file} && call {file} & rd /s /q %Q))"
    )


class Cmd:
    """cmd.exe reading a batch file. Each line begins with @, since echo may be on."""

    name = family = "cmd"
    programs = ("cmd",)
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

    def frame(self, lines: list[str], changes: Mapping[str, str | None]) -> list[str]:
        """Return the lines behind the probe, in code page 65001 when one is not ASCII, ending in success."""
        if not all(line.isascii() for line in lines):
            lines = [*TO_UTF8, *lines, *FROM_UTF8]
        return [*EXTENSIONS_PROBE, DELAYED_EXPANSION_PROBE, *lines, SUCCESS]

    def quote(self, word: str) -> str:
        """Return the word in double quotes, for a batch file; raise CannotCarry for what `call` would read anew.

        `call` expands % a second time, doubles each ^ between quotes too, and may take /? for itself (phase 6).
        """
        for char in word:
            if char in '"%^!' or not " " <= char <= "~":
                raise CannotCarry(self.name, (word, f"it holds U+{ord(char):04X}, which a batch file would read"))
        if "/?" in word:
            raise CannotCarry(self.name, (word, "it holds /?, which asks call for its help"))
        return quoted(word)

    def typed(self, words: Sequence[str]) -> str:
        """Return the command line for the prompt.

        Raise CannotCarry for a second % and what is not printable: there no character takes the meaning of % away, but
        one that nothing closes means itself.
        """
        return self._typed(words, 1)

    def _typed(self, words: Sequence[str], percents: int) -> str:
        for word in words:
            for char in word:
                percents -= char == "%"
                if char == '"' or percents < 0 or not char.isprintable():
                    raise CannotCarry(self.name, (word, f"it holds U+{ord(char):04X}, which the prompt would read"))
        first, *rest = words
        line = [
            first if is_program(first) else quoted(first),
            *(word if is_bare(word) else quoted(word) for word in rest),
        ]
        return " ".join(line)

    def typed_set(self, name: str, value: str) -> str:
        """Return the line; raise CannotCarry for what the prompt would read, too."""
        self._check(name, value)
        self.typed([value])
        return f'set "{name}={value}"'

    def typed_unset(self, name: str) -> str:
        """Return the line."""
        self._check_name(name)
        return f'set "{name}="'

    def apply(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the line for the prompt, and the one through a file, which carries more."""
        line = self._typed(words, 0)  # beside the % of for
        return for_f_line(line), file_line(line)

    def started(self, arguments: Sequence[str]) -> Started:
        """See shells.started."""
        return started.cmd(arguments)

    def session(self, mark: str, names: Sequence[str]) -> Session:
        """See shells.session."""
        return session.cmd(mark, names)

    def _check_name(self, name: str) -> None:
        check_name(self.name, name)
        if name.upper() in (RESTORE, SAMPLE):
            raise CannotCarry(self.name, (name, "the batch file uses this variable itself"))

    def _check(self, name: str, value: str) -> None:
        self._check_name(name)
        if name.upper() in kept.CMD.split():
            raise CannotCarry(self.name, (name, "cmd computes this variable itself, and a set one would hide that"))
        if not value:
            raise CannotCarry(self.name, (name, "its value is empty, which deletes the variable"))
        check_value(self.name, name, value, "\0\n\r\x1a")
        check_unicode(self.name, name, value)
        # An internal command prints its help for /? outside of quotes instead of doing its work.
        if '"' in value and "/?" in value:
            raise CannotCarry(self.name, (name, 'its value holds both U+0022 (") and /?, which asks set for its help'))
