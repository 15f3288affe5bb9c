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


def replace(command: Command) -> NoReturn:
    """Let the program take this process's place."""
    for number in _RESTORED:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(command.program, command.words, command.env)
    except OSError as error:
        raise_start_error(error, command)


def run(command: Command) -> int:
    """Spawn the program, wait for it, return its exit code; 128+N for a signal, 130 where Ctrl-C came."""
    relay = _Relay()
    relay.install()
    try:
        relay.pid = os.posix_spawn(command.program, command.words, command.env, setsigdef=_RESTORED)
    except OSError as error:
        raise_start_error(error, command)
    relay.catch_up()
    _, status = os.waitpid(relay.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if relay.interrupts:
        return INTERRUPTED
    return code if code >= 0 else 128 - code


class _Relay:
    """Passes SIGTERM and SIGHUP on to the child; SIGINT only where the terminal has not done so, or the second time."""

    def __init__(self) -> None:
        self.pid = 0
        self.interrupts = 0
        self._early: list[int] = []

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # What was ignored stays so (nohup, a background job). A handler, unlike SIG_IGN, is not inherited.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._received)

    def catch_up(self) -> None:
        """Pass on what came while the child was being started."""
        for number in self._early:
            self._pass_on(number)

    def _received(self, number: int, _frame: object) -> None:
        if number == signal.SIGINT:
            self.interrupts += 1
        if not self.pid:
            self._early.append(number)
        elif number != signal.SIGINT or self.interrupts > 1 or not _in_foreground():
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile; waitpid has its code
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
