"""Who works on a phase: a process, named so that a later one can tell whether it still lives."""

import platform
from dataclasses import dataclass

import psutil

# Seconds. psutil reckons a start time from the boot time, which a corrected clock moves a little.
SAME_START = 2.0


@dataclass(frozen=True)
class Claimant:
    """One process on one host. `started` (Unix time, seconds) tells it from a later process with its id."""

    host: str
    pid: int
    started: float

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.started:.2f}"

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, on this host: only then can be told whether it lives."""
        return self.host == platform.node()

    def lives(self) -> bool:
        """Return whether the process is still at work; one that waits for its parent to reap it is not."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < SAME_START and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def this_process() -> Claimant:
    """Return the claimant that this process is."""
    process = psutil.Process()
    return Claimant(platform.node(), process.pid, process.create_time())


def parse(text: str) -> Claimant | None:
    """Return the claimant that `text`, a `claimed_by`, names; None where it names none."""
    host, _, rest = text.partition(":")
    pid, _, started = rest.partition(":")
    try:
        return Claimant(host, int(pid), float(started))
    except ValueError:
        return None
