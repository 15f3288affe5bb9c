"""The edge of the command line: run it, and turn every end of it into an exit code and words that help."""

import errno
import io
import os
import sys
from collections.abc import Sequence

import click

from launcher import errors
from launcher.commands import root
from launcher.errors import LauncherError
from launcher.output import OutputLost, printable, say

INTERNAL = 70  # sysexits.h, EX_SOFTWARE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code. The one place that turns an error into text."""
    _prepare_output()
    try:
        # windows_expand_args: click would expand * and %X% in the child's arguments on Windows.
        result = root.main(arguments, "autopack-run", standalone_mode=False, windows_expand_args=False)
        return int(result or 0)
    except LauncherError as error:
        return _tell(error)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
        return errors.USAGE
    except click.UsageError as error:
        return _tell_usage(error)
    except (click.Abort, KeyboardInterrupt):
        return errors.INTERRUPTED
    except SystemExit as end:  # click's own: 1 for a broken pipe, 0 for a completion script
        return errors.BROKEN_PIPE if end.code == 1 else int(end.code or 0)
    except OutputLost as lost:
        return _tell_lost_output(lost.error)
    except Exception as error:  # the last resort: a bug's own words may hold a secret, its place does not
        return _tell_bug(error)


def _prepare_output() -> None:
    """A console in cp437 must not turn a report into a traceback; a closed standard output is one that nobody reads."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _tell_usage(error: click.UsageError) -> int:
    usage = error.ctx.get_usage() + "\n" if error.ctx else ""
    say(f"{usage}error: {error.format_message()}")
    ours = {name for option in root.params for name in option.opts}
    if isinstance(error, click.NoSuchOption) and error.option_name in ours:
        say(f"hint: {error.option_name} stands before PROFILE")
    return errors.USAGE


def _tell_lost_output(error: OSError) -> int:
    """A report that was not written whole is no success. Nobody reads a broken pipe's end: that needs no words."""
    # What is left in the buffer would fail again when Python ends, and make the exit code 120.
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the end)
    if error.errno in (errno.EPIPE, errno.EINVAL):  # EINVAL: what Windows says of a pipe that nobody reads
        return errors.BROKEN_PIPE
    what = f"standard output could not be written: {error.strerror}"
    return _tell(LauncherError("output", errors.OUTPUT, what, "make room, or write it elsewhere; then run it again"))


def _tell(error: LauncherError) -> int:
    say(printable(f"error: {error.message}", "\n"))
    if error.hint:
        say(printable(f"hint: {error.hint}"))
    say(f"autopack-run: {error.slug}: exit {error.code}, see docs/faults.md#{error.slug}")
    return error.code


def _tell_bug(error: Exception) -> int:
    import traceback

    said = f": {error.strerror}" if isinstance(error, OSError) else ""
    say("".join(traceback.format_tb(error.__traceback__)))
    return _tell(LauncherError("internal", INTERNAL, f"{type(error).__name__}{said}", "report it with the lines above"))
