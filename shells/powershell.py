"""The dialect of Windows PowerShell 5.1 and PowerShell 7; SHELLS.md, "PowerShell (5.1 and 7)".

Pure ASCII and one physical line a variable, so that neither the console code page, nor a file without a BOM, nor
Out-String, nor Invoke-Expression line by line can change it. Printable ASCII stands in single quotes; every other
UTF-16 unit is a [char]: smart single quotes end a string too
(https://github.com/PowerShell/PowerShell/blob/master/src/System.Management.Automation/engine/parser/CharTraits.cs).
"""

from collections.abc import Mapping, Sequence

from shells import session, started_powershell
from shells.base import CannotCarry, check_name, check_unicode, check_value, is_bare
from shells.session import Session
from shells.started import Started

# Windows keeps no longer value (SetEnvironmentVariableW), and the same text may be read there.
LONGEST_VALUE = 32_766

# The parser calls itself for each + of a chain: measured in 7.6.9, 8,000 pass and 16,000 end the process.
LONGEST_CHAIN = 200

# From 7.5 on (.NET 9: https://learn.microsoft.com/dotnet/core/compatibility/core-libraries/9.0/empty-env-variable)
# an empty variable stays; before, it is deleted. Thrown in front of all variables: the name pwsh tells no version.
EMPTY_GUARD = (
    "if ($PSVersionTable.PSVersion.Major * 100 + $PSVersionTable.PSVersion.Minor -lt 705)"
    " { throw 'autopack-run: PowerShell before 7.5 cannot carry an empty value; nothing was set' }"
)


KEYWORDS = """
    begin break catch class clean configuration continue data do dynamicparam else elseif end enum exit filter finally
    for foreach from function hidden if in inlinescript parallel param process return sequence static switch throw trap
    try until using var while workflow
"""


def units(value: str) -> list[int]:
    """Return the value's UTF-16 units: an astral character is its two surrogates."""
    data = value.encode("utf-16-le")
    return [data[i] | data[i + 1] << 8 for i in range(0, len(data), 2)]


def pieces(value: str) -> list[str]:
    """Return the string literals and [char]s whose sum is the value; the first is a literal, or + would add numbers."""
    found: list[str] = []
    text = ""
    for unit in units(value):
        if 0x20 <= unit < 0x7F:
            text += chr(unit)
            continue
        if text or not found:
            found.append(literal(text))
        text = ""
        found.append(f"[char]{unit}" if unit < 0x80 else f"[char]0x{unit:04x}")
    if text or not found:
        found.append(literal(text))
    return found


def literal(text: str) -> str:
    """Return printable ASCII as a single-quoted string, in which only the quote itself has a meaning."""
    return "'" + text.replace("'", "''") + "'"


def expanded(word: str) -> str:
    """Return the word in double quotes, pure ASCII: each other unit is a subexpression."""
    text = "".join(f"`{chr(unit)}" if chr(unit) in '"`$' else ascii_unit(unit) for unit in units(word))
    return f'"{text}"'


def ascii_unit(unit: int) -> str:
    """Return the UTF-16 unit as it stands between double quotes."""
    return chr(unit) if 0x20 <= unit < 0x7F else f"$([char]0x{unit:04x})"


def is_program(word: str) -> bool:
    """Whether a line may begin with the bare word."""
    return is_bare(word, ":@") and (word[0].isalpha() or word[0] in "./\\") and word.lower() not in KEYWORDS.split()


def quote(value: str) -> str:
    """Return one expression for the value; a long chain becomes a sum of shorter ones."""
    parts = pieces(value)
    if len(parts) <= LONGEST_CHAIN:
        return "+".join(parts)
    chains = [parts[i : i + LONGEST_CHAIN] for i in range(0, len(parts), LONGEST_CHAIN)]
    return "+".join(f"(''+{'+'.join(chain)})" for chain in chains)


class PowerShell:
    """PowerShell by one of its names; whether an empty value can be carried depends on the version."""

    family = "PowerShell"
    newline = "\n"
    folds_case = True

    def __init__(self, name: str, *, carries_empty: bool) -> None:
        """Take the name in the table; carries_empty trusts EMPTY_GUARD to stop what is older than 7.5."""
        self.name = name
        self.programs = (name,)
        self.carries_empty = carries_empty

    def comment(self, text: str) -> str:
        """Return the text as a comment line; the space keeps it from being a #Requires."""
        return f"# {text}"

    def set_env(self, name: str, value: str) -> str:
        """Return the line that sets; raise CannotCarry for NUL, bytes, a value too long, and empty before 7.5."""
        check_name(self.name, name)
        check_value(self.name, name, value)
        check_unicode(self.name, name, value)
        if not value and not self.carries_empty:
            raise CannotCarry(self.name, (name, "its value is empty, which deletes it before PowerShell 7.5"))
        if len(units(value)) > LONGEST_VALUE:
            raise CannotCarry(self.name, (name, f"its value is longer than {LONGEST_VALUE} characters"))
        return f"${{env:{name}}} = {quote(value)}"

    def unset_env(self, name: str) -> str:
        """Return the line that removes the variable, absent or not.

        No Remove-Item: it does nothing under $WhatIfPreference and asks under $ConfirmPreference, and anybody may
        have defined a function of that name.
        """
        check_name(self.name, name)
        return f"${{env:{name}}} = $null"

    def frame(self, lines: list[str], changes: Mapping[str, str | None]) -> list[str]:
        """Return the lines, behind the guard when one of them sets an empty value."""
        return [EMPTY_GUARD, *lines] if "" in changes.values() else lines

    def quote(self, word: str) -> str:
        """Return the word as one argument; raise CannotCarry for what this PowerShell hands over otherwise.

        A sum would be no literal any more, and its ~ and * be expanded (measured in 7.6.9): so what is not printable
        ASCII stands in double quotes. 5.1 puts a word with spaces in quotes and does no more for it (its
        NativeCommandParameterBinder), 7.3 and later write what the C runtime reads back.
        """
        check_value(self.name, word, word)
        check_unicode(self.name, word, word)
        if word == "--%":
            raise CannotCarry(self.name, (word, "it makes PowerShell pass the rest of the line as it stands"))
        if not self.carries_empty and (
            not word or '"' in word or (word.endswith("\\") and any(map(str.isspace, word)))
        ):
            reason = 'PowerShell 5.1 loses empty words, " in words, and spaces before a backslash at the end'
            raise CannotCarry(self.name, (word, reason))
        return literal(word) if all(" " <= char <= "~" for char in word) else expanded(word)

    def typed(self, words: Sequence[str]) -> str:
        """Return the command line; what could be a keyword, a number or a text needs the call operator."""
        first, *rest = words
        line = [] if is_program(first) else ["&"]
        line += [first if is_program(first) else self.quote(first)]
        return " ".join([*line, *(word if is_bare(word, ":@") else self.quote(word) for word in rest)])

    def typed_set(self, name: str, value: str) -> str:
        """Return the line."""
        self.set_env(name, value)
        return f"$env:{name} = {quote(value)}"

    def typed_unset(self, name: str) -> str:
        """Return the line, which removes it in every version."""
        check_name(self.name, name)
        return f"$env:{name} = $null"

    def apply(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the line; Out-String, or each line would be evaluated by itself."""
        return (f"{self.typed(words)} | Out-String | Invoke-Expression",)

    def started(self, arguments: Sequence[str]) -> Started:
        """See shells.started_powershell."""
        return started_powershell.powershell(arguments)

    def session(self, mark: str, names: Sequence[str]) -> Session:
        """See shells.session."""
        return session.powershell(mark, names)
