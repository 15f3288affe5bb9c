"""The dialect of cmd.exe at its prompt: lines that `for /f` runs one by one, as `env --for-f` prints them.

    for /f "usebackq delims=" %i in (`autopack-run PROFILE env --for-f`) do @%i

A line comes out of the FOR variable when the phases that read % and the special characters are over
(https://stackoverflow.com/a/4095133, phase 4 behind 1 and 2): so nothing is doubled and nothing careted, `set` takes
all up to the last quote of the line, and no value can begin a command. What those phases alone know (if, for, a
redirection) is not to be had; that rules out the probes of the batch file.
"""

from collections.abc import Mapping, Sequence

from shells.base import CannotCarry, check_name
from shells.cmd import Cmd, for_f_line

# What a FOR variable becomes may be 8191 characters long; some are left for the @ and for luck.
LONGEST_LINE = 8_100

# set NAME= leaves errorlevel 1 for an absent variable; cd says 0 and does nothing (https://stackoverflow.com/a/34968021).
SUCCESS = "cd ."


class CmdForF(Cmd):
    """cmd.exe running each line out of a FOR variable."""

    name = "cmd --for-f"

    def comment(self, text: str) -> str:
        """Return the text behind the ; that `for /f` drops a line for (its eol); Wine does not, and runs the rem."""
        return f";rem # {text}"

    def set_env(self, name: str, value: str) -> str:
        """Return the line that sets; raise CannotCarry for what the file may hold and this line may not, too."""
        self._check(name, value)
        line = f'set "{name}={value}"'
        if len(line) > LONGEST_LINE:
            raise CannotCarry(self.name, (name, f"its line is longer than {LONGEST_LINE} characters"))
        return line

    def unset_env(self, name: str) -> str:
        """Return the line that removes the variable."""
        self._check_name(name)
        return f'set "{name}="'

    def frame(self, lines: list[str], changes: Mapping[str, str | None]) -> list[str]:
        """Return the lines, ending in success."""
        return [*lines, SUCCESS]

    def apply(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the line for the prompt; a batch file has %%i in it."""
        return (for_f_line(self.typed(words)),)

    def _check_name(self, name: str) -> None:
        check_name(self.name, name)

    def _check(self, name: str, value: str) -> None:
        super()._check(name, value)
        if "!" in value:
            reason = "its value holds U+0021 (!), which delayed expansion eats, and no line of this form can ask for it"
            raise CannotCarry(self.name, (name, f"{reason}; env without --for-f carries it"))
        if not value.isascii():
            reason = "its value is not ASCII, and for /f reads by the console's code page"
            raise CannotCarry(self.name, (name, f"{reason}; env without --for-f carries it"))


FOR_F = CmdForF()
