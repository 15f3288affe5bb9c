"""The dialect of ksh93, and of an sh that may be one."""

import re

from shells import kept
from shells.base import CannotCarry
from shells.posix import BUILTIN, PLAIN, Posix

# ksh93 takes no locale that its own tables lack: "unknown locale", and the text ends there. These it knows on every
# system, with and without their files; one with another character set would change how it reads the rest of the text.
LOCALES = re.compile(
    r"|C|POSIX|(C|(de_(AT|CH|DE)|en_(AU|CA|GB|US)|es_ES|fr_(CA|FR)|it_IT|ja_JP|ko_KR|nl_NL|pl_PL|pt_(BR|PT)|ru_RU|sv_SE"
    r"|zh_(CN|TW)))\.(UTF-8|utf8)"
)
LOCALE_NAMES = re.compile(r"LANG|LC_[A-Z]+")


class Sh(Posix):
    """An sh, which may be dash, bash, ksh or busybox: what one of them would break is refused."""

    own = frozenset(["PS1", "IFS"])  # an interactive ksh sets IFS anew after its ENV file

    def __init__(self, name: str = "sh", keeps: str = kept.SH, *, is_ksh: bool = False) -> None:
        """Take the name in the table, the variables that it keeps, and whether it is a ksh for certain."""
        says = PLAIN if is_ksh else BUILTIN
        super().__init__(name, keeps, escapes=is_ksh, references=is_ksh, says=says)

    def set_env(self, name: str, value: str) -> str:
        """Return the line; raise CannotCarry for a locale that ksh may not know, too."""
        line = super().set_env(name, value)
        if LOCALE_NAMES.fullmatch(name) and not LOCALES.fullmatch(value):
            raise CannotCarry(self.name, (name, "its value is no locale that every ksh knows"))
        return line


class Ksh(Sh):
    """ksh93."""

    def __init__(self) -> None:
        """Take nothing."""
        super().__init__("ksh", kept.KSH, is_ksh=True)
        self.programs = ("ksh", "ksh93")
