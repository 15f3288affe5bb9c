"""A run that ends in a verdict: servers around it, the child watched, one report after it."""

import contextlib
import os
import time
from typing import Any

from launcher import banner, child, drift, guard, proof, report
from launcher.errors import OUTPUT, ConfigurationError, LauncherError, WrongDataError
from launcher.evidence import Watch
from launcher.launch import Launch, listens
from launcher.output import printable, say
from launcher.run_folder import RunFolder, pinned_elsewhere, write_json
from launcher.strays import Workspace
from launcher.usage import Observed, Pinned


def run_judged(launch: Launch) -> int:
    """Run it and return its exit code, or 65 by WrongDataError where it did not stay on its database."""
    plan = launch.plan
    guard.refuse_unguarded(launch.words, launch.place)
    _refuse_report(plan.request.report)
    launch.prove()
    with RunFolder(plan.file.root) as folder:
        return Run(launch, folder).play()


def _refuse_report(path: str | None) -> None:
    """A report that cannot be written is told before the run, not after it."""
    parent = os.path.dirname(os.path.abspath(path)) if path else ""
    if path and (os.path.isdir(path) or not os.access(parent, os.W_OK)):
        raise ConfigurationError(
            "report", f"--report {path}: it cannot be written there", "--report with a file in a folder of yours"
        )


def pinned_database(launch: Launch) -> Pinned:
    """What the launch is to stay on."""
    plan, identity = launch.plan, launch.identity
    name = launch.expected.name if launch.expected else plan.profile.values.get("database") or "DATABASE_URL"
    entry = plan.file.databases.get(name)
    tables = tuple(entry.table.get("tables", ())) if entry else ()
    if not tables and identity:
        tables = tuple(table for table in identity.tables if table not in ("autopack_identity", "alembic_version"))
    if identity is None:
        return Pinned(name, plan.url, tables)
    return Pinned(
        name, plan.url, tables, identity.stamp.db_id if identity.stamp else "", identity.device, identity.inode
    )


class Run:
    """One run, from its start to its report."""

    def __init__(self, launch: Launch, folder: RunFolder) -> None:
        self.launch, self.folder = launch, folder
        self.pinned = pinned_database(launch)
        self.watch = Watch(folder.path)
        self.observed = [Observed(launch.program, folder.path, self.watch)]
        self.servers: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self.code = 0
        self.doubts = [folder.note] if folder.note and not folder.path else []
        self.began = time.time()

    def play(self) -> int:
        """Start the servers, run the program among them, stop them, judge."""
        plan = self.launch.plan
        self.folder.write("launch.json", self._about() | {"pinned": self.pinned.url.path if self.pinned.url else ""})
        workspace = Workspace([plan.file.root, self.launch.folder])
        with contextlib.ExitStack() as stack:
            self.code = code = self._play_task(stack)
        self.watch.stop()
        if not workspace.complete:
            self.doubts.append(f"not all files of {plan.file.root} were watched: too many")
        return self._conclude(code, workspace)

    def _play_task(self, stack: contextlib.ExitStack) -> int:
        task = self.launch.plan.task
        if task is None or not (task.values.get("health") or task.values.get("with")):
            self._refuse_taken()
            return self._start(self.launch)
        from launcher.servers import Servers

        servers = stack.enter_context(Servers(self))
        self.launch = servers.ready(self.launch)
        if not task.values.get("health"):
            self._refuse_taken()
            return self._start(self.launch)
        return servers.run_in_front(self.launch)

    def _refuse_taken(self) -> None:
        if self.launch.plan.task is not None and listens(self.launch.plan):
            from launcher.ports import refuse_taken

            refuse_taken(self.launch.plan.port)

    def _start(self, launch: Launch) -> int:
        return self.run(launch, whole=False, started=lambda _running: None)

    def run(self, launch: Launch, whole: bool, started: Any) -> int:
        """Show the banner, start the program with the watch on it, wait for it."""
        command = launch.command(self.folder.path)
        plan = launch.plan
        plan.notes += [self.folder.note] if self.folder.note else []
        banner.show(plan, launch.expected, launch.identity)
        refuse_swapped(launch)

        def begun(running: child.Running) -> None:
            self.watch.add(running.pid)
            self.watch.start()
            started(running)

        return child.run(command, replace=False, whole=whole, started=begun)

    def observe(self, label: str, folder: str, running: child.Running) -> Observed:
        """Watch a program that was started beside the task."""
        observed = Observed(label, folder, Watch(folder))
        self.observed.append(observed)
        observed.watch.add(running.pid)
        observed.watch.start()
        return observed

    def _conclude(self, code: int, workspace: Workspace) -> int:
        plan = self.launch.plan
        if self.pinned.url is None:
            return code
        rules = self._rules()
        verdict = report.judge(self.pinned, self.observed, workspace.changes(), rules, self.doubts)
        problems = (verdict.problems or self.wrong) + self._replaced(code)
        if not plan.request.quiet:
            for line in report.lines(self.launch.program, verdict, self.pinned):
                say(line)
        drifted = problems and (plan.task is None or plan.task.values.get("drift", "fail") == "fail")
        final = 65 if drifted else code
        self._write(verdict._replace(problems=problems, word="drift" if problems else verdict.word), code, final)
        if drifted:
            raise drift.error(f"{self.launch.program} (its own exit code: {code})", problems, self.pinned)
        for problem in problems:
            say(printable(f'autopack-run: drift (drift = "warn"): {problem}'))
        if proof.creates(plan) and code == 0:
            self.launch.stamp()
        return code

    def _rules(self) -> report.Rules:
        plan, settings = self.launch.plan, guard.settings(self.launch.plan)
        opens = bool(plan.task and plan.task.values.get("opens"))
        folders = (plan.file.root, self.launch.folder)
        elsewhere = pinned_elsewhere(plan.file.root, self.folder.path, self.began)
        return report.Rules(settings.allowed, opens, folders, elsewhere)

    def _replaced(self, code: int) -> list[str]:
        """Whether another file is in the proven one's place by now, where no `creates` task was to make one."""
        identity = self.launch.identity
        if identity is None or proof.creates(self.launch.plan):
            return []
        from launcher.identity.verdict import refuse_swapped as refuse

        try:
            refuse(identity)
        except WrongDataError as error:
            return [f"{error.message} (it happened during the run, which ended with {code})"]
        except LauncherError:
            return []  # a killed writer's journal: the next check tells
        return []

    def _about(self) -> dict[str, Any]:
        plan = self.launch.plan
        return {
            "schema": report.SCHEMA,
            "file": plan.file.source.path,
            "profile": plan.profile.name,
            "task": plan.task.name if plan.task else None,
            "launcher": os.getpid(),
            "began": self.began,
        }

    def _write(self, verdict: report.Verdict, code: int, final: int) -> None:
        whole = self._about() | report.as_json(verdict, self.pinned)
        whole |= {"ended": time.time(), "child_exit_code": code, "exit_code": final, "servers": self.servers}
        self.folder.write("report.json", whole)
        path = self.launch.plan.request.report
        if path:
            try:
                write_json(path, whole)
            except OSError as error:
                raise LauncherError(
                    "output", OUTPUT, f"--report {path}: {error.strerror}", "make room, or write it elsewhere"
                ) from None


def refuse_swapped(launch: Launch) -> None:
    """Raise WrongDataError where the proven database has been exchanged since."""
    if launch.identity is not None:
        from launcher.identity.verdict import refuse_swapped as refuse

        refuse(launch.identity)
