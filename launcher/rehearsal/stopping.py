"""Ctrl-C and SIGTERM as a request that the work reads between two steps, so that no transaction is cut in half."""

import os
import signal
import time
from types import FrameType

INTERRUPTED = 130
TERMINATED = 143

# Windows has no SIGTERM to catch; a launcher asks politely there with Ctrl-Break.
CODES = {"SIGINT": INTERRUPTED, "SIGTERM": TERMINATED, "SIGBREAK": TERMINATED}

# One Ctrl-C can arrive twice (from the terminal and from a launcher that passes it on): only a later one insists.
INSIST_AFTER = 2.0  # seconds

STEP = 0.02  # seconds; a sleep is continued after a signal (PEP 475), so a long one would delay the stop


class StopRequest:
    """Whether somebody asked this process to stop, and the exit code that says how."""

    def __init__(self) -> None:
        self.code = 0
        self._asked_at = 0.0

    def listen(self) -> None:
        """Install the handlers; call it in the main thread, before the slow imports."""
        for name, code in CODES.items():
            number = getattr(signal, name, None)
            if number is not None:
                self._handle(number, code)

    def _handle(self, number: int, code: int) -> None:
        def note(_number: int, _frame: FrameType | None) -> None:
            now = time.monotonic()
            if not self.code:
                self.code, self._asked_at = code, now
            elif now - self._asked_at > INSIST_AFTER:
                # The database does not answer: what it has not committed, it rolls back.
                os._exit(code)

        signal.signal(number, note)

    def sleep(self, seconds: float) -> bool:
        """Wait so many seconds, or until a stop is asked for; return whether it was."""
        end = time.monotonic() + seconds
        while not self.code and (left := end - time.monotonic()) > 0:
            time.sleep(min(STEP, left))
        return bool(self.code)
