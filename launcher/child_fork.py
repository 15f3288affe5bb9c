"""Start one program by fork and exec, so that it ties itself to the launcher's life before it is the program.

posix_spawn cannot: neither may the child tell the keeper its pid before it executes the program, nor ask the system
for the signal of its parent's death.
"""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from launcher.child import Command

assert sys.platform != "win32"  # there is no fork

# Python ignores these; a program must find them as a shell would leave them (cpython: subprocess, restore_signals).
RESTORED = tuple(getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name))
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def start(command: Command, output: str | None, tie: Callable[[int], object]) -> int:
    """Start the program in the current folder or, with `output`, in the command's own and away from the terminal.

    tie: called with the child's pid before the program runs. Returns the pid; raises OSError as exec does.
    """
    if threading.active_count() > 1:  # a lock that another thread holds would stay locked in the fork for ever
        return _spawn(command, output, tie)
    words, env = [os.fsencode(word) for word in command.words], _encoded(command.env)
    tie_to_parent = _death_signal()
    reading, writing = os.pipe()
    # Between fork and exec, a handler of ours would swallow in the child what is meant for it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            try:
                gc.disable()  # a round of it would copy most of the launcher's memory
                tie_to_parent()
                tie(os.getpid())
                if output is not None:
                    _leave_terminal(command.folder, output)
                _reset_signals(before)
                os.execve(command.program, words, env)
            except BaseException as error:  # nothing of the launcher's may run in a second process
                _tell(writing, error)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writing)
    _raise_fault(reading, pid)
    return pid


def _encoded(env: dict[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(text) for name, text in env.items()}


def _death_signal() -> Callable[[], object]:
    """By this call a Linux child asks for SIGTERM at its parent's death, should the keeper be killed as well."""
    if sys.platform != "linux" or (prctl := _prctl()) is None:
        return lambda: None
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # it has died already, and that gives no signal any more (prctl(2))
            os._exit(1)

    return ask


def _prctl() -> Callable[..., object] | None:
    """prctl(2) by the core of ctypes: all of ctypes takes four milliseconds to import, this half of one.

    None where this Python has no such thing: then the keeper alone has to do.
    """
    try:
        import _ctypes

        address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
        call = _ctypes.call_function
    except (ImportError, AttributeError, OSError):
        return None
    return lambda *numbers: call(address, numbers)


def _leave_terminal(folder: str, output: str) -> None:
    os.setsid()
    os.chdir(folder)
    for number, (path, flags) in enumerate(_streams(output)):
        opened = os.open(path, flags, 0o666)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)


def _streams(output: str) -> list[tuple[str, int]]:
    append = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    return [(os.devnull, os.O_RDONLY), (output, append), (output, append)]


def _reset_signals(mask: set[int | signal.Signals]) -> None:
    for number in signal.valid_signals():
        if number in RESTORED or callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _tell(pipe: int, error: BaseException) -> NoReturn:
    """In the child that could not become the program."""
    try:
        number = error.errno if isinstance(error, OSError) else None
        os.write(pipe, f"{number or 0} {getattr(error, 'filename', None) or ''}\n{error!r}".encode("utf-8", "replace"))
    finally:
        os._exit(127)


def _raise_fault(pipe: int, pid: int) -> None:
    with open(pipe, encoding="utf-8") as file:  # ends with exec, which closes the child's end
        head, _, shown = file.read().partition("\n")
    if head:
        os.waitpid(pid, 0)
        number, _, path = head.partition(" ")
        if number == "0":
            raise ValueError(shown)
        raise OSError(int(number), os.strerror(int(number)), path or None)


def _spawn(command: Command, output: str | None, tie: Callable[[int], object]) -> int:
    """As start, where other threads run: the child is tied a moment after it has begun."""
    import subprocess

    if output is None:
        process = subprocess.Popen(command.words, executable=command.program, env=command.env, close_fds=False)
    else:
        with open(output, "ab") as file:
            process = subprocess.Popen(
                command.words,
                executable=command.program,
                env=command.env,
                cwd=command.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
    tie(process.pid)
    process.returncode = 0  # we wait for it ourselves
    return process.pid
