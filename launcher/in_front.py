"""A task that is a server itself: proven beside its run, stopped where it is on another database."""

import threading

from launcher import child
from launcher.output import printable, say
from launcher.ports import holder
from launcher.run import Run
from launcher.server_ports import elsewhere, is_own_choice
from launcher.server_proof import ENDED, SILENT, WRONG, Proof, entry, fill, prove, question_for, watch_on

READY_SECONDS = 60.0
"""When a server that is not ready yet is told of; it may take as long as it likes."""


def run_in_front(run: Run, may_move: bool) -> int:
    """Run the task, watched and proven; its exit code.

    may_move: whether it may be started once more on another port, where the launcher's own choice was taken meanwhile:
    nobody else has been told of the first one.
    """
    code, proof, port = _run_once(run)
    if may_move and proof.state == ENDED and code not in (0, 130) and is_own_choice(run.launch, port) and holder(port):
        say(f"autopack-run: port {port} was taken meanwhile; once more with another one")
        run.servers.pop()
        run.launch = elsewhere(run.launch)
        code, proof, _ = _run_once(run)
    if proof.state == WRONG:
        run.wrong.append(proof.text)
    return code


def _run_once(run: Run) -> tuple[int, Proof, int]:
    """Its exit code, the proof, the port of its health URL."""
    watching = _InFront(run)
    code = run.start(whole=True, started=watching.begin)
    return code, watching.end(code), watching.question.port


class _InFront:
    """The proof of the task in front, in a thread of its own."""

    def __init__(self, run: Run) -> None:
        self._launch, self._run = run.launch, run
        self.question = question_for(run.launch, run.pinned)
        self._proof = Proof(SILENT, "it did not answer", 0)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        task = run.launch.plan.task
        assert task is not None
        self._stops = task.values.get("drift", "fail") == "fail"
        self._told = entry(task.name, self.question, None, "")

    def begin(self, running: child.Running) -> None:
        self._told["pid"] = running.pid
        self._run.servers.append(self._told)
        self._thread = threading.Thread(target=self._watch, args=(running,), name="proof", daemon=True)
        self._thread.start()

    def end(self, code: int) -> Proof:
        """The program has ended."""
        self._over.set()
        if self._thread:
            self._thread.join(5)
        self._told["exit_code"] = code
        return self._proof

    def _watch(self, running: child.Running) -> None:
        observed = self._run.observed[0]
        self._proof = prove(self.question, observed, running, READY_SECONDS, self._over)
        if self._proof.state == SILENT:
            self._tell(self._proof)
            self._proof = prove(self.question, observed, running, None, self._over)
        fill(self._told, self._proof)
        if self._proof.state == ENDED:
            return
        self._tell(self._proof)
        if self._proof.state == WRONG and self._stops:
            self._say("it is stopped")
            running.stop()
            return
        watch_on(self.question, observed, self._over, self._say)

    def _tell(self, proof: Proof) -> None:
        self._say(f"{proof.state}: {proof.text}")

    def _say(self, text: str) -> None:
        say(printable(f"autopack-run: {self._launch.program}: {text}"))
