"""Servers around a task, or in front: started, proven by evidence and not by their words, stopped whatever happens."""

import contextlib
import os
import threading
from typing import NamedTuple, Self

from launcher import child, guard
from launcher.errors import BUSY, UNREACHABLE, ConfigurationError, LauncherError, WrongDataError
from launcher.launch import Launch, task_launch
from launcher.output import masked, printable, say
from launcher.ports import holder
from launcher.profiles import Profile
from launcher.run import Run
from launcher.server_proof import ENDED, PROVEN, SILENT, WRONG, Proof, Question, foreign, prove, watch_on
from launcher.usage import Observed

READY_SECONDS = 60.0
"""How long a server of `with` may take until it answers."""
_LAST_LINES = 12


class Server(NamedTuple):
    """A started server. running: None where it was there before. log: the file with its output."""

    name: str
    running: child.Running | None
    observed: Observed
    log: str


class Servers:
    """The servers of one run; leaving the context stops what it has started."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._started: list[Server] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        for server in reversed(self._started):
            self._stop(server)
        if kind is not None or self._run.code:
            for server in self._started:
                _show_last_lines(server)

    def ready(self, launch: Launch) -> Launch:
        """Start and prove the tasks of `with`; the launch again, with another port where the first was taken."""
        assert launch.plan.task is not None
        names = order(launch.plan.profile, launch.plan.task.name)
        for again in (False, True):
            port = launch.plan.port if names else 0
            try:
                for name in names:
                    self._bring_up(name, launch)
                return launch
            except _PortLost as lost:
                if again:
                    raise lost.error from None
                self._drop()
                launch = _elsewhere(launch, port)
        raise AssertionError

    def _drop(self) -> None:
        for server in reversed(self._started):
            self._stop(server)
        self._started.clear()

    def _bring_up(self, name: str, launch: Launch) -> None:
        plan = launch.plan.again(launch.plan.profile.tasks[name], launch.plan.port)
        server_launch = task_launch(plan, [])
        guard.refuse_unguarded(server_launch.words, server_launch.place)
        server_launch.prove()
        question = _question(server_launch, self._run)
        if plan.task is not None and plan.task.values.get("port") and (held := holder(plan.port)):
            self._use_foreign(name, question, held, plan.port)
            return
        room = self._run.folder.room(name)
        log = os.path.join(room, "output.log") if room else os.devnull
        running = child.start(server_launch.command(room), log)
        observed = self._run.observe(name, room, running)
        self._started.append(Server(name, running, observed, log))
        proof = prove(question, observed, running, READY_SECONDS)
        self._settle(name, proof, running, question, launch)

    def _use_foreign(self, name: str, question: Question, held: str, port: int) -> None:
        """What listens on a fixed port already is used where it can be proven, and left running."""
        proof, observed = foreign(question)
        self._tell(name, proof, None)
        if proof.state == PROVEN:
            self._run.observed.append(observed)
            return
        if proof.state == WRONG:
            raise _wrong(name, proof, self._run)
        raise LauncherError(
            "port-taken",
            BUSY,
            f"port {port} of {name} is taken by {held}, which is not proven: {proof.text}",
            "stop it; or take another port: --port NUMBER",
        )

    def _settle(self, name: str, proof: Proof, running: child.Running, question: Question, launch: Launch) -> None:
        if proof.state == ENDED and question.url and _can_move(launch) and (held := holder(question.port)):
            error = LauncherError("port-taken", BUSY, f"port {question.port} was taken meanwhile by {held}")
            raise _PortLost(error)
        self._tell(name, proof, running)
        if proof.state in (ENDED, SILENT):
            raise LauncherError(
                "no-server", UNREACHABLE, f"{name}: {proof.text}", "the last lines of its output stand above"
            )
        if proof.state == WRONG:
            raise _wrong(name, proof, self._run)
        if proof.state != PROVEN and not launch.plan.request.allow_unproven:
            raise WrongDataError(
                "not-proven",
                f"{name} is not proven: {proof.text}",
                "go on for once: --allow-unproven",
            )

    def _tell(self, name: str, proof: Proof, running: child.Running | None) -> None:
        pid = running.pid if running else proof.pid
        self._run.servers.append({"task": name, "pid": pid, "verdict": proof.state, "text": proof.text})
        if not self._run.launch.plan.request.quiet:
            say(printable(f"autopack-run: {name}: {proof.state}: {proof.text}"))

    def _stop(self, server: Server) -> None:
        if server.running is None:
            return
        by_itself = server.running.poll()
        code = server.running.stop()
        server.observed.watch.stop()
        _mask(server.log)
        for told in self._run.servers:
            if told["task"] == server.name:
                told["exit_code"] = code
        if by_itself is not None and not self._run.launch.plan.request.quiet:
            say(f"autopack-run: {server.name} ended by itself with {by_itself}")

    def run_in_front(self) -> int:
        """Run a task that is a server itself; proven beside, stopped where it is on another database."""
        for again in (False, True):
            launch = self._run.launch
            watching = _InFront(launch, self._run)
            code = self._run.start(whole=True, started=watching.begin)
            proof = watching.end()
            lost = proof.state == ENDED and code not in (0, 130) and not again and _can_move(launch)
            if not (lost and holder(launch.plan.port)):
                if proof.state == WRONG:
                    self._run.wrong.append(proof.text)
                return code
            say(f"autopack-run: port {launch.plan.port} was taken meanwhile; once more with another one")
            self._run.launch = _elsewhere(launch, launch.plan.port)
        raise AssertionError


class _PortLost(Exception):  # noqa: N818 (it is no error as long as there is another port)
    def __init__(self, error: LauncherError) -> None:
        super().__init__()
        self.error = error


class _InFront:
    """The proof of the task in front, in a thread of its own."""

    def __init__(self, launch: Launch, run: Run) -> None:
        self._launch, self._run = launch, run
        self._question = _question(launch, run)
        self._proof = Proof(SILENT, "it did not answer", 0)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, running: child.Running) -> None:
        self._thread = threading.Thread(target=self._watch, args=(running,), name="proof", daemon=True)
        self._thread.start()

    def end(self) -> Proof:
        """The program has ended."""
        self._over.set()
        if self._thread:
            self._thread.join(5)
        return self._proof

    def _watch(self, running: child.Running) -> None:
        observed, tell = self._run.observed[0], self._tell
        self._proof = prove(self._question, observed, running, None, self._over)
        self._run.servers.append({"task": observed.label, "pid": running.pid} | self._proof.as_json())
        if self._proof.state in (ENDED, SILENT):
            return
        tell(f"{self._proof.state}: {self._proof.text}")
        task = self._launch.plan.task
        if self._proof.state == WRONG and task is not None and task.values.get("drift", "fail") == "fail":
            tell("it is stopped")
            running.stop()
            return
        watch_on(self._question, observed, self._over, tell)

    def _tell(self, text: str) -> None:
        say(printable(f"autopack-run: {self._launch.program}: {text}"))


def order(profile: Profile, name: str) -> list[str]:
    """The tasks that must run around the task, in the order of their start. Raises ConfigurationError for a circle."""
    found: list[str] = []

    def visit(task: str, above: tuple[str, ...]) -> None:
        if task in above:
            place = profile.tasks[task].values.place("with")
            raise ConfigurationError("profile-file", f"{place}: a circle: {' with '.join((*above, task))}")
        for other in profile.tasks[task].values.get("with", ()):
            visit(other, (*above, task))
            if other not in found:
                found.append(other)

    visit(name, ())
    return found


def _question(launch: Launch, run: Run) -> Question:
    plan = launch.plan
    assert plan.task is not None
    values = plan.task.values
    url = plan.expand(values.get("health"), values.place("health")) if values.get("health") else ""
    folders = (plan.file.root, launch.folder)
    return Question(url, plan.port if url else 0, run.pinned, guard.settings(plan).allowed, folders)


def _can_move(launch: Launch) -> bool:
    """Whether the port was the launcher's own choice."""
    plan = launch.plan
    return plan.request.port is None and plan.fixed_port is None


def _elsewhere(launch: Launch, old: int) -> Launch:
    """The launch with another free port, its database proven again."""
    from launcher.ports import free_port

    plan = launch.plan
    port = next(port for port in iter(free_port, 0) if port != old)
    moved = task_launch(plan.again(plan.task, port), launch.arguments)
    moved.prove()
    return moved


def _wrong(name: str, proof: Proof, run: Run) -> WrongDataError:
    return WrongDataError(
        "drift",
        f"{name} is on another database than {run.pinned.shown}: {proof.text}",
        "let it use DATABASE_URL; a database that is meant to be there: allow_databases in its task",
    )


def _mask(log: str) -> None:
    """Take passwords of URLs out of what the server has printed, before anybody reads it."""
    if log == os.devnull:
        return
    with contextlib.suppress(OSError), open(log, "r+", encoding="utf-8", errors="surrogateescape", newline="") as file:
        text = file.read()
        clean = masked(text)
        if clean != text:
            file.seek(0)
            file.write(clean)
            file.truncate()


def _show_last_lines(server: Server) -> None:
    with contextlib.suppress(OSError), open(server.log, encoding="utf-8", errors="replace") as file:
        last = file.read().splitlines()[-_LAST_LINES:]
        if last:
            say(f"autopack-run: the last lines of {server.name} ({server.log}):")
        for line in last:
            say(printable(f"  {line}"))
