"""A bar on standard error where a terminal looks, a plain line a phase on standard output everywhere."""

import shutil
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

import click

ASK_EVERY = 0.5  # seconds


class Progress:
    """Click's progress bar, which grows and shrinks with the work that other drains leave.

    stream: where it is drawn, None where that is closed.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if stream is not None and stream.isatty() else None
        self._bar = click.progressbar(length=1, label="draining", show_pos=True, file=stream, hidden=not self._stream)
        self._done = 0
        self._asked_at = float("-inf")

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._done:
            self._bar.length = self._done
        self._bar.__exit__(kind, error, trace)

    def expect(self, remaining: Callable[[], int]) -> None:
        """Ask how many phases are still queued: only for a bar that is shown, and not for each phase anew."""
        now = time.monotonic()
        if self._stream and now - self._asked_at > ASK_EVERY:
            self._asked_at = now
            self._bar.length = max(self._done + remaining(), 1)

    def line(self, text: str, *, done: bool = False) -> None:
        """Print a line above the bar; `done` moves the bar by one phase."""
        if self._stream:
            # Both streams may be the same terminal: the line would be appended to the bar.
            self._stream.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
            self._stream.flush()
        click.echo(text)
        self._done += done
        self._bar.update(int(done))
