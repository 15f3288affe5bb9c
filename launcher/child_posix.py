"""Replace the launcher by the program, or spawn it and wait, passing signals on."""

import contextlib
import os
import signal
import sys
from typing import NoReturn

from launcher.child import Command, raise_start_error
from launcher.errors import INTERRUPTED

assert sys.platform != "win32"  # there child_windows does this

# Python ignores these; a program must find them as a shell would leave them (cpython: subprocess, restore_signals).
_RESTORED = tuple(getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name))
# The terminal sends these to the child by itself, as far as both are in its foreground.
_KEYS = (signal.SIGINT, signal.SIGQUIT)
# These come to the launcher alone; USR1 and USR2 would end it and leave the child behind (uv's child.rs).
_SENT = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def replace(command: Command) -> NoReturn:
    """Let the program take this process's place."""
    for number in _RESTORED:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(command.program, command.words, command.env)
    except OSError as error:
        for number in _RESTORED:  # what is told now may meet a broken pipe
            signal.signal(number, signal.SIG_IGN)
        raise_start_error(error, command)


def run(command: Command) -> int:
    """Spawn the program, wait for it, return its exit code; 128+N for a signal, 130 where Ctrl-C came."""
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:  # the code would be lost (waitpid(2), ECHILD)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with _Relay() as relay:
        try:
            relay.pid = os.posix_spawn(command.program, command.words, command.env, setsigdef=_RESTORED)
        except OSError as error:
            raise_start_error(error, command)
        relay.catch_up()
        _, status = os.waitpid(relay.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if signal.SIGINT in relay.seen:
        return INTERRUPTED
    return code if code >= 0 else 128 - code


class _Relay:
    """Passes signals on to the child; those of the terminal's keys only where it has not done so, or the second time.

    Once the child has ended, its number may be another process's, and a signal is the launcher's own again.
    """

    def __init__(self) -> None:
        self.pid = 0
        self.seen: set[int] = set()
        self._early: list[int] = []
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> "_Relay":
        for number in (*_KEYS, *_SENT):
            # What was ignored stays so (nohup, a background job). A handler, unlike SIG_IGN, is not inherited.
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def catch_up(self) -> None:
        """Pass on what came while the child was being started."""
        for number in self._early:
            self._pass_on(number)

    def _received(self, number: int, _frame: object) -> None:
        again = number in self.seen
        self.seen.add(number)
        if not self.pid:
            self._early.append(number)
        elif number not in _KEYS or again or not _in_foreground():
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended meanwhile, or is another user's
            os.kill(self.pid, number)


def _in_foreground() -> bool:
    """Whether the terminal sends Ctrl-C to our process group, and so to the child, itself."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
