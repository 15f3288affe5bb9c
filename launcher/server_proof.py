"""Is this server on the pinned database? Asked of the system and of the guard's records, never of the server."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher import child, drift, guard
from launcher.connect import connect
from launcher.evidence import Watch
from launcher.health import Answer, ask
from launcher.launch import Launch
from launcher.observed import Observed
from launcher.server_ports import health_url
from launcher.usage import Pinned, Used, collect

if TYPE_CHECKING:
    from urllib.parse import SplitResult

PROVEN, WRONG, UNPROVEN, ENDED, SILENT = "proven", "wrong", "not proven", "ended", "silent"
_ASK_SECONDS = 2.0
_EVIDENCE_SECONDS = 1.5
"""How long after the answer the evidence may still come; a wrong server is stopped within 2 s."""
_LATER_SECONDS = 2.0


class Question(NamedTuple):
    """What a server must show. url: its health URL, or "". allowed: globs. folders: where no new one may appear.

    foreign: it was there before this launch, so that whoever answers is it.
    """

    url: str
    pinned: Pinned
    allowed: Sequence[str]
    folders: Sequence[str]
    foreign: bool = False

    @property
    def host(self) -> str:
        """The URL's host, without the brackets of IPv6."""
        return self._parts().hostname or ""

    @property
    def port(self) -> int:
        """The URL's port; 0 where there is no URL."""
        return self._parts().port or 0

    def _parts(self) -> "SplitResult":
        from urllib.parse import urlsplit

        return urlsplit(self.url)


class Proof(NamedTuple):
    """The answer: state is proven, wrong, not proven, ended or silent; text says why; pid: who answered, or 0."""

    state: str
    text: str
    pid: int


def question_for(launch: Launch, pinned: Pinned) -> Question:
    """What the launch's task must show."""
    plan = launch.plan
    return Question(health_url(launch), pinned, guard.settings(plan).allowed, (plan.file.root, launch.folder))


def entry(task: str, question: Question, pid: int | None, log: str) -> dict[str, Any]:
    """A server's entry in the report, filled by `fill` and, with the exit code, when it has ended; None: not known."""
    return {
        "task": task,
        "pid": pid,
        "verdict": UNPROVEN,
        "text": "it had not answered yet",
        "answered_by": None,
        "url": question.url or None,
        "log": log or None,
        "exit_code": None,
    }


def fill(told: dict[str, Any], proof: Proof) -> None:
    """Put the proof into the entry."""
    told.update(verdict=proof.state, text=proof.text, answered_by=proof.pid or None)


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
    status, answer = 0, None
    while not over.is_set():
        if (code := running.poll()) is not None:
            return Proof(ENDED, f"it ended with {code} before it was ready{_after(status)}", 0)
        if question.url:
            answer = ask(question.url, _ASK_SECONDS)
            if _is_ready(answer):
                return _look(question, observed, running)
            status = answer.status if answer else status
        elif (early := _without_asking(question, observed, running.pid)).state != UNPROVEN:
            return early
        if deadline is not None and time.monotonic() > deadline:
            if not question.url:
                return early
            text = f"{question.url} was not ready within {seconds:.0f} s: {_last_answer(question, answer, status)}"
            return Proof(SILENT, text, 0)
        over.wait(0.1)
    return Proof(ENDED, f"it ended before it was ready{_after(status)}", 0)


def _is_ready(answer: Answer | None) -> bool:
    return answer is not None and 200 <= answer.status < 300


def _after(status: int) -> str:
    return f": {_answered(status)}" if status else ""


def _answered(status: int) -> str:
    return f"it answered {status}{'; a redirect is not followed' if 300 <= status < 400 else ''}"


def _last_answer(question: Question, answer: Answer | None, status: int) -> str:
    """What came of asking, the last time. status: of the last answer that there was, or 0."""
    if answer is None and status:
        return f"it answered {status}, and then no more"
    return _answered(status) if status else _silence(question)


def _silence(question: Question) -> str:
    """Why there is no answer: nobody listens, or who does says nothing."""
    secure = question.url.startswith("https")
    try:
        connect(question.host, question.port, secure, time.monotonic() + _ASK_SECONDS).close()
    except ConnectionRefusedError:
        return "connection refused, nobody listens there"
    except OSError as error:
        return f"no connection ({error.strerror or 'no answer in time'})"
    return f"who listens there gave no HTTP answer within {_ASK_SECONDS:.0f} s"


def _without_asking(question: Question, observed: Observed, pid: int) -> Proof:
    """The proof of what has no health URL: by what the program itself has open."""
    observed.watch.sample()
    return _evaluate(question, observed, pid)


def _look(question: Question, observed: Observed, running: child.Running | None = None) -> Proof:
    """Ask once more and see who answers and what that process has open; a lazy pool may need a moment."""
    end = time.monotonic() + _EVIDENCE_SECONDS
    while True:
        answer = ask(question.url, _ASK_SECONDS, observed.watch.sample)
        if question.foreign and answer and answer.pid:  # each of its workers may be the one that answers
            observed.watch.add(answer.pid)
        observed.watch.sample()
        if running is not None and (code := running.poll()) is not None and not observed.watch.listening(question.port):
            return Proof(ENDED, f"it ended with {code} after it had answered", 0)
        who = _who(answer, question, observed)
        if who and not observed.watch.family(who) and _run_folder(who) == observed.folder:
            observed.watch.add(who)  # it has left the tree, as a daemon does
            observed.watch.sample()
        proof = _evaluate(question, observed, who)
        if proof.state != UNPROVEN or time.monotonic() > end:
            return proof
        time.sleep(0.1)


def _who(answer: Answer | None, question: Question, observed: Observed) -> int:
    """The answering process; where the system does not show it, whoever of ours listens on the port, else 0."""
    if answer is not None and answer.pid:
        return answer.pid
    return next(iter(sorted(observed.watch.listening(question.port))), 0)


def _evaluate(question: Question, observed: Observed, pid: int) -> Proof:
    pinned = question.pinned
    used = collect(pinned, [observed]) if pinned.url else []  # without a database none can be another one
    problems = drift.problems(used, pinned, question.allowed, question.folders)
    if problems:
        texts = "; ".join(problem.text for problem in problems)
        return Proof(WRONG, f"server pid {pid or '?'}: {texts}; pinned is {pinned.shown}", pid)
    family = observed.watch.family(pid)
    if not pid:
        return Proof(UNPROVEN, f"the system does not show which process answers at {question.url}", 0)
    if not family:
        return _unknown(question, pid)
    if pinned.url is None:
        return _without_database(question, pid)
    own = next((each for each in used if each.pinned and each.by.keys() & family), None)
    if own is None:
        return Proof(UNPROVEN, f"pid {pid} was not seen opening {pinned.shown}", pid)
    if doubt := _elsewhere(pinned, observed, family):
        return Proof(UNPROVEN, f"pid {pid} is {doubt}", pid)
    return Proof(PROVEN, _proven(question, own, pid), pid)


def _elsewhere(pinned: Pinned, observed: Observed, family: set[int]) -> str:
    """Where one of them is connected to what nobody could ask, in words."""
    addresses = pinned.addresses
    openings = observed.records().openings if addresses else []
    found = (addresses.doubt(each.address, str(each.port)) for each in openings if addresses and each.pid in family)
    return next(filter(None, found), "")


def _without_database(question: Question, pid: int) -> Proof:
    """All there is to prove is that it is ours."""
    if question.foreign:
        return Proof(UNPROVEN, f"pid {pid} answers, and there is no database to know it by", pid)
    does = f"answers at {question.url}" if question.url else "runs"
    return Proof(PROVEN, f"pid {pid} {does}; the profile has no database", pid)


def _proven(question: Question, own: Used, pid: int) -> str:
    at = f" at {question.url}" if question.url else ""
    first = f", first opened at {own.where}" if own.where else ", as its open files show"
    return f"pid {pid} answers{at} from {question.pinned.shown}{first}"


def _unknown(question: Question, pid: int) -> Proof:
    """The process is not among those that are watched."""
    if question.foreign or not question.url:
        return Proof(UNPROVEN, f"pid {pid} has ended", pid)
    import psutil

    try:
        name = psutil.Process(pid).name()
    except psutil.Error:
        name = "a process"
    return Proof(WRONG, f"{question.url} is answered by {name} (pid {pid}), which this launch has not started", pid)


def foreign(question: Question, label: str) -> tuple[Proof, Observed | None]:
    """The proof of a server that was there before, and the watch on it, which the caller stops; None: not watched."""
    question = question._replace(foreign=True)
    if not question.url:
        return Proof(UNPROVEN, "it has no health URL to ask", 0), None
    answer = ask(question.url, _ASK_SECONDS)
    if answer is None or not _is_ready(answer):
        return Proof(UNPROVEN, _last_answer(question, answer, answer.status if answer else 0), 0), None
    if answer.pid is None:
        return Proof(UNPROVEN, "the system does not show which process answers", 0), None
    observed = Observed(label, _run_folder(answer.pid), Watch(stays=True))
    observed.watch.add(answer.pid)
    observed.watch.start()
    return _look(question, observed), observed


def _run_folder(pid: int) -> str:
    """Where the guard of another launch's process records, if it has one."""
    import psutil

    try:
        return str(psutil.Process(pid).environ().get(guard.RUN, ""))
    except (psutil.Error, OSError):
        return ""


def watch_on(question: Question, observed: Observed, over: threading.Event, tell: Callable[[str], Any]) -> None:
    """Tell drift that comes later, once each, until the program is over."""
    told: set[str] = set()
    if question.pinned.url is None:
        return
    while not over.wait(_LATER_SECONDS):
        used = collect(question.pinned, [observed])
        for problem in drift.problems(used, question.pinned, question.allowed, question.folders):
            if problem.place not in told:
                told.add(problem.place)
                tell(f"drift: {problem.text}")
