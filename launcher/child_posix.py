"""Replace the launcher by the program, or start it tied to the launcher's life and wait, passing signals on."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from launcher import child_fork, child_keeper, child_tree
from launcher.child import Command, raise_start_error
from launcher.errors import INTERRUPTED

assert sys.platform != "win32"  # there child_windows does this

# The terminal sends these to the child by itself, as far as both are in its foreground.
_KEYS = (signal.SIGINT, signal.SIGQUIT)
# These come to the launcher alone; USR1 and USR2 would end it and leave the child behind (uv's child.rs).
_SENT = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# These end the launcher as well, once its child has ended; the others were meant for the child alone.
_ENDING = (*_KEYS, signal.SIGTERM, signal.SIGHUP)
# What a whole tree's main program has left running gets this long, in seconds, after it has ended by itself.
_REST = 5.0
_KEEPER = child_keeper.Keeper()


def replace(command: Command) -> NoReturn:
    """Let the program take this process's place."""
    for number in child_fork.RESTORED:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(command.program, command.words, command.env)
    except OSError as error:
        for number in child_fork.RESTORED:  # what is told now may meet a broken pipe
            signal.signal(number, signal.SIG_IGN)
        raise_start_error(error, command)


def run(command: Command, whole: bool, started: Callable[["Running"], object] | None) -> int:
    """Start the program, wait for it, return its exit code; 128+N for a signal, 130 where Ctrl-C came."""
    with _Relay() as relay:
        running = _start(command, whole, None)
        relay.take(running)
        try:
            if started is not None:
                started(running)
            code = running.wait()
            relay.let_go()
        finally:
            running.stop(_REST) if whole or running.poll() is None else running.free()
    if signal.SIGINT in relay.seen and not command.interactive:
        return INTERRUPTED
    return 128 + relay.own if relay.own else code


def start(command: Command, output: str) -> "Running":
    """Start a server in a session of its own, its output appended to the file; whole."""
    return _start(command, True, output)


def _start(command: Command, whole: bool, output: str | None) -> "Running":
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:  # the code would be lost (waitpid(2), ECHILD)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    own, mark = output is not None, f"{os.getpid()}-{time.monotonic_ns()}"
    if whole or threading.active_count() > 1:  # else it says itself that it is there
        command = command._replace(
            env=command.env | {child_tree.MARK: f"{command.env.get(child_tree.MARK, '')} {mark}".strip()}
        )
    _KEEPER.hold(mark)
    try:
        pid = child_fork.start(command, output, lambda number: _KEEPER.tie(number, whole, own, mark))
    except Exception as error:  # Ctrl-C is none: then it may run, and the keeper must stay
        _KEEPER.free(0, mark)
        if isinstance(error, OSError):
            raise_start_error(error, command)
        raise
    return Running(child_tree.Tie(pid, whole, own, mark), command.interactive)


class Running:
    """See launcher.child.Running. Whoever asks first after the program's end takes its code from the system."""

    def __init__(self, tie: child_tree.Tie, interactive: bool = False) -> None:
        self.pid = tie.pid
        self._stops = os.WUNTRACED if interactive else 0
        self._tie = tie
        self._code: int | None = None
        self._reaping, self._stopping = threading.Lock(), threading.Lock()
        self._freed = self._hurried = False

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self._code is None and self._reaping.acquire(blocking=False):  # else somebody waits
            try:
                self._reap(os.WNOHANG)
            finally:
                self._reaping.release()
        return self._code

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        with self._reaping:
            while self._code is None:
                self._reap(self._stops)
        return self._code

    def stop(self, grace: float = 10.0) -> int:
        """End it, and what belongs to it; its exit code."""
        with self._stopping:
            if not self._freed:
                child_tree.end([self._tie], grace, lambda: self._hurried)
                self.wait()
                self.free()
        return self.wait()

    def hurry(self) -> None:
        """Let `stop`, which may be waiting, end what is left by force at once."""
        self._hurried = True

    def free(self) -> None:
        """Loose the tie of what has ended."""
        with self._reaping:
            freed, self._freed = self._freed, True
        if not freed:
            _KEEPER.free(self.pid, self._tie.mark)

    def _reap(self, options: int) -> None:
        if self._code is not None:
            return
        pid, status = os.waitpid(self.pid, options)
        if pid and os.WIFSTOPPED(status):
            if os.WSTOPSIG(status) == signal.SIGSTOP:  # zsh's is SIGTSTP, for the launcher's group as well
                _stop_along(pid)
        elif pid:
            code = os.waitstatus_to_exitcode(status)
            self._code = code if code >= 0 else 128 - code


class _Relay:
    """Passes signals on to the child; those of the terminal's keys only where it has not done so, or the second time.

    Once the child has ended, its number may be another process's, and a signal is the launcher's own again.
    own: the one by which the launcher has then to end, or 0.
    """

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.own = 0
        self._child: Running | None = None
        self._gone = False
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

    def take(self, running: Running) -> None:
        """This is the child now: pass on what came while it was being started."""
        self._child = running
        for number in self._early:
            self._pass_on(running, number)

    def let_go(self) -> None:
        """The child has ended by itself: what comes from now on means the launcher, which is tidying up after it."""
        self._gone = True

    def _received(self, number: int, _frame: object) -> None:
        again = number in self.seen
        self.seen.add(number)
        if self._child is None:
            self._early.append(number)
        elif self._gone:
            self._end(self._child, number)
        elif number not in _KEYS or again or not _in_foreground():
            self._pass_on(self._child, number)

    def _end(self, child: Running, number: int) -> None:
        if number in _ENDING:
            self.own = self.own or number
            child.hurry()

    def _pass_on(self, child: Running, number: int) -> None:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # just ended, or another user's
                os.kill(child.pid, number)


def _stop_along(shell: int) -> None:
    """After `suspend`: the shell around the launcher waits for the launcher's group; continued, so is the shell inside.

    bash takes the terminal back by itself, ksh does not, and reads from it in vain.
    """
    os.killpg(os.getpgrp(), signal.SIGSTOP)
    with contextlib.suppress(OSError):  # it has ended meanwhile
        group = os.getpgid(shell)
        if _in_foreground():
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
            try:
                os.tcsetpgrp(terminal, group)
            finally:
                os.close(terminal)
        os.killpg(group, signal.SIGCONT)


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
