"""A small process that outlives a killed launcher, to end what must not.

It holds only the reading end of a pipe whose writing end the launcher alone has, and reads from it what is tied. When
the launcher ends, however that happens, the pipe closes, and what is still tied is ended. It keeps no file, database
or terminal of the launcher's open.
"""

import contextlib
import gc
import os
import signal
import sys
import threading

from launcher import child_tree

assert sys.platform != "win32"  # there the system closes a job with the last handle of it

# In seconds, between SIGTERM and SIGKILL, once the launcher is no more.
GRACE = 2.0
# In seconds, from fork to exec.
_PATIENCE = 0.5
_RUN = "import sys; sys.path.append(sys.argv[1]); from launcher.child_keeper import watch; watch()"


class Keeper:
    """The launcher's half: there is a keeper from the first `hold` to the `free` of the last that was held."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = 0
        self._pid = self._pipe = -1

    def hold(self, mark: str) -> None:
        """See that there is a keeper, before something with that mark starts; `tie` and `free` must follow."""
        with self._lock:
            self._held += 1
            if self._held == 1:
                with contextlib.suppress(OSError):  # no process to be had: the program's own start tells that
                    self._pid, self._pipe = _begin()
            self._tell(f"soon 0 {mark}\n")

    def tie(self, pid: int, whole: bool, own: bool, mark: str) -> None:
        """Tie the program (see Tie). The child itself calls it, before it executes the program: so no moment is
        left in which it runs and is not tied, and the pipe is not closed before it has said so.
        """
        self._tell(f"tie {pid} {whole:d} {own:d} {mark}\n")

    def free(self, pid: int, mark: str) -> None:
        """Let go of the program, which has ended (0: it never started); with the last one the keeper goes, too."""
        with self._lock:
            self._tell(f"free {pid} {mark}\n")
            self._held -= 1
            if self._held == 0 and self._pid > 0:
                os.close(self._pipe)
                with contextlib.suppress(OSError):  # somebody else has ended it, or taken its code
                    os.kill(self._pid, signal.SIGKILL)  # at once: it may not even have come up yet
                    os.waitpid(self._pid, 0)
                self._pid = self._pipe = -1

    def _tell(self, line: str) -> None:
        if self._pipe >= 0:
            with contextlib.suppress(OSError):  # somebody has ended it
                os.write(self._pipe, line.encode("ascii"))


def _begin() -> tuple[int, int]:
    """Start the keeper; its pid, and the pipe's writing end, which no program inherits (PEP 446)."""
    reading, writing = os.pipe()
    # Blocked in it for good: the terminal's keys are not meant for it, also before it has its own session.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        # A fork costs 2 ms and 1 MB, an interpreter of its own 15 ms of both processors and 5 MB. But only without
        # other threads: a lock that one of them holds would stay locked in the fork for ever.
        return (_fork if threading.active_count() == 1 else _spawn)(reading), writing
    except OSError:
        os.close(writing)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reading)


def _fork(reading: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(reading, 0)
            for number in (1, 2):  # else `autopack-run … | cat` would wait for it
                os.dup2(nothing, number)
            watch()
        finally:
            os._exit(1)
    return pid


def _spawn(reading: int) -> int:
    source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # A launch's own variables would make it look like a part of that launch.
    env = {name: text for name, text in os.environ.items() if not name.startswith("AUTOPACK_RUN_")}
    actions = [
        (os.POSIX_SPAWN_DUP2, reading, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    words = [sys.executable, "-ISc", _RUN, source]
    return os.posix_spawn(words[0], words, env, file_actions=actions)


def watch() -> None:
    """The keeper itself: read what is tied from its standard input until that closes, end it, and exit."""
    gc.disable()  # a round of it would copy most of the launcher's memory
    with contextlib.suppress(OSError):
        os.setsid()
    os.chdir("/")
    _close_all()
    tied: dict[str, child_tree.Tie] = {}
    with open(0, encoding="utf-8") as lines:  # the one codec that is loaded already
        for line in lines:
            what, pid, *modes, mark = line.split()
            tied.pop(mark, None)
            if what != "free":
                tied[mark] = child_tree.Tie(int(pid), "0" not in modes[:1], modes[1:] == ["1"], mark)
    # The launcher may have ended while it started something, which has its mark only a moment later.
    ties = [tie for tie in tied.values() if tie.pid or child_tree.find(tie, _PATIENCE)]
    child_tree.end(ties, GRACE)
    os._exit(0)


def _close_all() -> None:
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(int(name))
