"""Servers around a task: started, proven by evidence and not by their words, stopped whatever happens."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from launcher import child, guard, in_front, server_log
from launcher.errors import BUSY, UNREACHABLE, LauncherError, WrongDataError
from launcher.launch import Launch, task_launch
from launcher.observed import Observed
from launcher.output import printable, say
from launcher.ports import holder
from launcher.run import Run
from launcher.server_order import order
from launcher.server_ports import elsewhere, health_url, is_own_choice, refuse_shared_ports
from launcher.server_proof import (
    ENDED,
    PROVEN,
    SILENT,
    UNPROVEN,
    WRONG,
    Proof,
    Question,
    entry,
    fill,
    foreign,
    prove,
    question_for,
)

READY_SECONDS = 60.0
"""How long a server of `with` may take until it answers."""


@dataclass
class Server:
    """A server that is watched. running: None where it was there before. log: the file with its output, or "".

    told: its entry in the report.
    """

    name: str
    running: child.Running | None
    observed: Observed
    log: str
    told: dict[str, Any]


class Servers:
    """The servers of one run; leaving the context stops what it has started."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._beside: list[Server] = []
        self._signals = _ended_by_signals()

    def __enter__(self) -> Self:
        self._signals.__enter__()
        return self

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        """Stop all, the last one first, and only then touch their files; what fails, fails for one of them."""
        with contextlib.ExitStack() as last:
            last.callback(self._signals.__exit__, None, None, None)
            logged = [server for server in self._beside if server.log]
            for server in reversed(logged) if kind is not None or self._run.code else ():
                last.callback(server_log.show_last_lines, server.name, server.log)
            for server in logged:
                last.callback(server_log.mask, server.log)
            for server in self._beside:
                last.callback(self._stop, server)

    def ready(self, launch: Launch) -> Launch:
        """Start and prove the tasks of `with`; the launch again, with another port where the first was taken.

        Raises ConfigurationError before the first start where two of them would get the same port.
        """
        try:
            self._bring_up(launch)
        except _PortLost:
            self._drop()
            launch = elsewhere(launch)  # whose port is no free choice any more, so it is not lost twice
            self._bring_up(launch)
        return launch

    def run_in_front(self) -> int:
        """Run a task that is a server itself; its exit code."""
        return in_front.run_in_front(self._run, may_move=not self._beside)

    def _drop(self) -> None:
        with contextlib.ExitStack() as last:
            for server in self._beside:
                self._run.servers.remove(server.told)
                last.callback(self._stop, server)
        self._beside.clear()

    def _bring_up(self, launch: Launch) -> None:
        plan = launch.plan
        assert plan.task is not None
        names = order(plan.profile, plan.task.name)
        beside = [task_launch(plan.again(plan.profile.tasks[name], plan.port_beside(name)), []) for name in names]
        refuse_shared_ports([*beside, *([launch] if health_url(launch) else [])])
        for name, server in zip(names, beside, strict=True):
            self._bring_up_one(name, server, launch)

    def _bring_up_one(self, name: str, server: Launch, launch: Launch) -> None:
        guard.refuse_unguarded(server.words, server.place)
        server.prove()
        question = question_for(server, self._run.pinned)
        assert server.plan.task is not None
        if server.plan.task.values.get("port") and (held := holder(server.plan.port, question.host)):
            self._use_foreign(name, question, held, server.plan.port)
        else:
            self._start(name, server, question, launch)

    def _start(self, name: str, server: Launch, question: Question, launch: Launch) -> None:
        room = self._run.folder.room(name)
        log = server_log.create(room)
        command = server.command(room)
        running = child.start(command, log or os.devnull)
        observed = self._run.observe(name, room, running, command)
        told = entry(name, question, running.pid, log)
        self._run.servers.append(told)
        self._beside.append(Server(name, running, observed, log, told))
        proof = prove(question, observed, running, READY_SECONDS)
        if proof.state == ENDED and is_own_choice(launch, question.port) and holder(question.port, question.host):
            raise _PortLost
        fill(told, proof)
        self._say(name, proof)
        self._settle(name, proof, told)

    def _settle(self, name: str, proof: Proof, told: dict[str, Any]) -> None:
        if proof.state in (ENDED, SILENT):
            hint = "what it has printed stands above" if told["log"] and os.path.getsize(told["log"]) else ""
            raise LauncherError("no-server", UNREACHABLE, f"{name}: {proof.text}", hint or "start it by exec and look")
        if proof.state == WRONG:
            raise _wrong(name, proof)
        if proof.state == UNPROVEN and not self._run.launch.plan.request.allow_unproven:
            raise WrongDataError(
                "not-proven", f"{name} is not proven: {proof.text}", "go on for once: --allow-unproven"
            )

    def _use_foreign(self, name: str, question: Question, held: str, port: int) -> None:
        """What listens on a fixed port already is used where it can be proven, watched, and left running."""
        proof, observed = foreign(question, name)
        told = entry(name, question, proof.pid or None, "")
        fill(told, proof)
        self._run.servers.append(told)
        if observed is not None:
            self._beside.append(Server(name, None, observed, "", told))
        self._say(name, proof)
        if proof.state == WRONG:
            raise _wrong(name, proof)
        if proof.state != PROVEN or observed is None:
            raise LauncherError(
                "port-taken",
                BUSY,
                f"port {port} of {name} is taken by {held}, which is not proven: {proof.text}",
                "stop it; or take another port: --port NUMBER",
            )
        self._run.observed.append(observed)

    def _say(self, name: str, proof: Proof) -> None:
        if not self._run.launch.plan.request.quiet:
            say(printable(f"autopack-run: {name}: {proof.state}: {proof.text}"))

    def _stop(self, server: Server) -> None:
        with contextlib.ExitStack() as last:
            last.callback(server.observed.watch.stop)
            if server.running is None:
                return
            by_itself = server.running.poll()
            server.told["exit_code"] = server.running.stop()
        if by_itself is not None and not self._run.launch.plan.request.quiet:
            say(f"autopack-run: {server.name} ended by itself with {by_itself}")


class _PortLost(Exception):  # noqa: N818 (it is no error as long as there is another port)
    """The free port of the launch has been taken by somebody else."""


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end this process in order, as Ctrl-C does: the servers are stopped and their logs masked.

    While a program runs, child.run passes them on to it instead. What was ignored (nohup) stays so. Windows has
    neither: there the Job object ends the servers.
    """
    if sys.platform == "win32":
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    taken = [number for number, handler in before.items() if handler == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _wrong(name: str, proof: Proof) -> WrongDataError:
    return WrongDataError(
        "drift",
        f"{name} is not the server of this launch's database: {proof.text}",
        "let it use DATABASE_URL; a database that is meant to be there: allow_databases in its task",
    )
