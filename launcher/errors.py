"""The one exception that the launcher raises for people, and the exit codes it uses (sysexits.h)."""

USAGE = 2
WRONG_DATA = 65
UNREACHABLE = 69
OUTPUT = 74
BUSY = 75
PERMISSION = 77
CONFIGURATION = 78
NOT_EXECUTABLE = 126
NOT_FOUND = 127
INTERRUPTED = 130
BROKEN_PIPE = 141  # 128 + SIGPIPE: what a program that does not ignore it ends with


class LauncherError(Exception):
    """Something the operator has to know, worded for them.

    slug: the heading in docs/faults.md; code: the exit code; message: what, with the value and where it came
    from, never a password; hint: the exact command or line that helps, or "".
    """

    def __init__(self, slug: str, code: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.slug = slug
        self.code = code
        self.message = message
        self.hint = hint


class ConfigurationError(LauncherError):
    """What is asked for cannot be right: the profile file, a value, the command line's meaning (exit 78)."""

    def __init__(self, slug: str, message: str, hint: str = "") -> None:
        super().__init__(slug, CONFIGURATION, message, hint)


class WrongDataError(LauncherError):
    """The database is not what the profile file means, or a child was on another one (exit 65)."""

    def __init__(self, slug: str, message: str, hint: str = "") -> None:
        super().__init__(slug, WRONG_DATA, message, hint)
