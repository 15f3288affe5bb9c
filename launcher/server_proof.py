"""Is this server on the pinned database? Asked of the system and of the guard's records, never of the server."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from launcher import child, drift
from launcher.evidence import Watch
from launcher.health import Answer, ask
from launcher.usage import Observed, Pinned, Used, collect

PROVEN, WRONG, UNPROVEN, ENDED, SILENT = "proven", "wrong", "not proven", "ended", "silent"
_ASK_SECONDS = 2.0
_EVIDENCE_SECONDS = 1.5
"""How long after the answer the evidence may still come; a wrong server is stopped within 2 s."""
_LATER_SECONDS = 2.0


class Question(NamedTuple):
    """What a server must show. url: its health URL, or "". allowed: globs. folders: where no new one may appear."""

    url: str
    port: int
    pinned: Pinned
    allowed: Sequence[str]
    folders: Sequence[str]


class Proof(NamedTuple):
    """The answer: state is proven, wrong, not proven, ended or silent; text says why; pid: who answered, or 0."""

    state: str
    text: str
    pid: int

    def as_json(self) -> dict[str, Any]:
        """Its fields for a report."""
        return {"verdict": self.state, "text": self.text, "answered_by": self.pid}


def prove(
    question: Question,
    observed: Observed,
    running: child.Running,
    seconds: float | None,
    over: threading.Event | None = None,
) -> Proof:
    """Wait until the server answers, then look at what it has opened.

    seconds: how long it may take to answer, None for ever. over: set when waiting has no purpose any more.
    """
    over = over or threading.Event()
    deadline = None if seconds is None else time.monotonic() + seconds
    while not over.is_set():
        if (code := running.poll()) is not None:
            return Proof(ENDED, f"it ended with {code} before it answered", 0)
        if _is_ready(question):
            return _look(question, observed)
        if not question.url and (early := _evaluate(question, observed, running.pid)).state != UNPROVEN:
            return early
        if deadline is not None and time.monotonic() > deadline:
            return Proof(SILENT, f"{question.url or 'it'} did not answer within {seconds:.0f} s", 0)
        over.wait(0.1)
    return Proof(ENDED, "it ended before it answered", 0)


def _is_ready(question: Question) -> bool:
    answer = ask(question.url, _ASK_SECONDS) if question.url else None
    return answer is not None and 200 <= answer.status < 300


def _look(question: Question, observed: Observed) -> Proof:
    """Ask once more and see who answers and what that process has open; a lazy pool may need a moment."""
    end = time.monotonic() + _EVIDENCE_SECONDS
    while True:
        answer = ask(question.url, _ASK_SECONDS, observed.watch.sample)
        observed.watch.sample()
        proof = _evaluate(question, observed, _who(answer, question, observed))
        if proof.state != UNPROVEN or time.monotonic() > end:
            return proof
        time.sleep(0.1)


def _who(answer: Answer | None, question: Question, observed: Observed) -> int:
    """The answering process; where the system does not show it, whoever of ours listens on the port, else 0."""
    if answer is not None and answer.pid:
        return answer.pid
    return next(iter(sorted(observed.watch.listening(question.port))), 0)


def _evaluate(question: Question, observed: Observed, pid: int) -> Proof:
    used = collect(question.pinned, [observed])
    problems = drift.problems(used, question.pinned, question.allowed, question.folders)
    if problems:
        return Proof(WRONG, f"server pid {pid or '?'}: {'; '.join(problems)}; pinned is {question.pinned.shown}", pid)
    family = observed.watch.family(pid)
    if not pid:
        return Proof(UNPROVEN, f"the system does not show which process answers at {question.url}", 0)
    if not family:
        return _stranger(question, pid)
    own = next((each for each in used if each.pinned and each.by.keys() & family), None)
    if own is None:
        return Proof(UNPROVEN, f"pid {pid} was not seen opening {question.pinned.shown}", pid)
    return Proof(PROVEN, _proven(question, own, pid), pid)


def _proven(question: Question, own: Used, pid: int) -> str:
    at = f" at {question.url}" if question.url else ""
    first = f", first opened at {own.where}" if own.where else ", as its open files show"
    return f"pid {pid} answers{at} from {question.pinned.shown}{first}"


def _stranger(question: Question, pid: int) -> Proof:
    import psutil

    try:
        name = psutil.Process(pid).name()
    except psutil.Error:
        name = "a process"
    return Proof(WRONG, f"{question.url} is answered by {name} (pid {pid}), which this launch has not started", pid)


def foreign(question: Question) -> tuple[Proof, Observed]:
    """The proof of a server that was there before, and what was seen of it."""
    answer = ask(question.url, _ASK_SECONDS) if question.url else None
    watch = Watch()
    if answer is None or answer.pid is None:
        said = "it does not answer" if answer is None else "the system does not show which process answers"
        return Proof(UNPROVEN, f"{question.url or 'no health URL'}: {said}", 0), Observed("server", "", watch)
    observed = Observed("server", _run_folder(answer.pid), watch)
    watch.add(answer.pid)
    watch.sample()
    return _look(question, observed), observed


def _run_folder(pid: int) -> str:
    """Where the guard of another launch's process records, if it has one."""
    import psutil

    try:
        return str(psutil.Process(pid).environ().get("AUTOPACK_RUN_RUN", ""))
    except (psutil.Error, OSError):
        return ""


def watch_on(question: Question, observed: Observed, over: threading.Event, tell: Callable[[str], Any]) -> None:
    """Tell drift that comes later, once each, until the program is over."""
    told: set[str] = set()
    while not over.wait(_LATER_SECONDS):
        used = collect(question.pinned, [observed])
        for problem in drift.problems(used, question.pinned, question.allowed, question.folders):
            place = problem.split(": ", 1)[0]
            if place not in told:
                told.add(place)
                tell(f"drift: {problem}")
