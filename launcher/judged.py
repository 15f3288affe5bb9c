"""A run that ends in a verdict: servers around it, the program watched, one report after it."""

import contextlib
import time
from typing import Any

from launcher import drift, guard, proof, report, report_file
from launcher.errors import INTERRUPTED, WRONG_DATA, LauncherError, WrongDataError
from launcher.launch import Launch, listens
from launcher.output import printable, say
from launcher.ports import refuse_taken
from launcher.run import Run
from launcher.run_folder import RunFolder, pinned_elsewhere
from launcher.strays import Workspace


def run_judged(launch: Launch) -> int:
    """Run it and return its exit code; raises WrongDataError (65) where it did not stay on its database.

    A run that ends before its verdict is reported too, with the error's slug.
    """
    with contextlib.ExitStack() as held:
        return _run(launch, held)


def _run(launch: Launch, held: contextlib.ExitStack) -> int:
    plan = launch.plan
    report_file.refuse(plan.request.report)
    began = time.time()
    try:
        guard.refuse_unguarded(launch.words, launch.place)
        launch.prove()
        if proof.creates(plan):
            from launcher.creating import alone

            held.enter_context(alone(plan))
            launch.prove()  # another launch may have made it until the lock was ours
    except LauncherError as error:  # without a run folder: what was refused leaves none
        refused: dict[str, Any] = {"ended": time.time(), "child_exit_code": None, "servers": []}
        report_file.write(
            plan, report_file.about(plan, began) | refused | report_file.not_started(error.slug, error.code)
        )
        raise
    with RunFolder(plan.file.root) as folder:
        run = Run(launch, folder)
        pinned = run.pinned.url.path if run.pinned.url else ""
        folder.write("launch.json", report_file.about(plan, run.began) | {"pinned": pinned})
        workspace = Workspace([plan.file.root, launch.folder])
        try:
            with contextlib.ExitStack() as stack:
                run.code = _play(run, stack)
        except LauncherError as error:
            _write(run, report_file.not_started(error.slug, error.code))
            raise
        except (KeyboardInterrupt, SystemExit) as end:  # SIGTERM, while the servers come up
            code = INTERRUPTED if isinstance(end, KeyboardInterrupt) else end.code
            _write(run, report_file.not_started("interrupted", code))
            raise
        finally:
            run.watch.stop()
        return _conclude(run, workspace)


def _play(run: Run, stack: contextlib.ExitStack) -> int:
    """The program's exit code, run among its servers."""
    task = run.launch.plan.task
    _refuse_port(run)
    if task is None or not (task.values.get("health") or task.values.get("with")):
        return run.start()
    from launcher.servers import Servers

    servers = stack.enter_context(Servers(run))
    run.launch = servers.ready(run.launch)
    if task.values.get("health"):
        return servers.run_in_front()
    return run.start()


def _refuse_port(run: Run) -> None:
    plan = run.launch.plan
    if plan.task is not None and listens(plan):
        refuse_taken(plan.port)


def _conclude(run: Run, workspace: Workspace) -> int:
    """Judge, tell and write the report; the exit code."""
    plan, pinned, code = run.launch.plan, run.pinned, run.code or 0
    if pinned.url is None:
        return _conclude_without_database(run)
    replaced, unsure = _replaced(run)
    verdict = report.judge(pinned, run.observed, workspace.changes(), _rules(run), _doubts(run, workspace) + unsure)
    problems = verdict.problems or [drift.Problem("", text) for text in run.wrong]
    problems += replaced
    verdict = verdict._replace(problems=problems, word="drift" if problems else verdict.word)
    if not plan.request.quiet:
        for line in report.lines(run.launch.program, verdict, pinned):
            say(line)
    drifted = bool(problems) and (plan.task is None or plan.task.values.get("drift", "fail") == "fail")
    _write(run, report.as_json(verdict, pinned) | {"exit_code": WRONG_DATA if drifted else code})
    if drifted:
        raise drift.error(f"{run.launch.program} (its own exit code: {code})", problems, pinned)
    for problem in problems:
        say(printable(f'autopack-run: drift (drift = "warn"): {problem.text}'))
    if proof.creates(plan) and code == 0:
        run.launch.stamp()
    elif not problems and (note := run.launch.renew_ledger()) and not plan.request.quiet:
        say(printable(f"autopack-run: {note}"))
    return code


def _conclude_without_database(run: Run) -> int:
    """Only a server that a stranger answers for can be wrong then."""
    code, doubts = run.code or 0, ["there is no database to stay on"]
    found = {"drift": run.wrong, "not_proven": doubts, "verdict": "drift" if run.wrong else "not proven"}
    _write(run, found | {"exit_code": WRONG_DATA if run.wrong else code})
    if run.wrong:
        raise drift.error(run.launch.program, [drift.Problem("", text) for text in run.wrong], run.pinned)
    return code


def _doubts(run: Run, workspace: Workspace) -> list[str]:
    """What could not be watched."""
    doubts = [] if run.folder.path else [run.folder.note]
    if run.servers:
        from launcher.server_proof import UNPROVEN

        doubts += [f"{each['task']}: {each['text']}" for each in run.servers if each["verdict"] == UNPROVEN]
    for each in [process for observed in run.observed for process in observed.watch.living]:
        doubts.append(f"{each.name} (pid {each.pid}) still runs, and what it does from now on nobody sees")
    if not workspace.complete:
        doubts.append(f"{run.launch.plan.file.root} has too many files for all to be watched")
    return doubts


def _rules(run: Run) -> report.Rules:
    plan = run.launch.plan
    opens = bool(plan.task and plan.task.values.get("opens"))
    folders = (plan.file.root, run.launch.folder)
    elsewhere = pinned_elsewhere(plan.file.root, run.folder.path, run.began)
    return report.Rules(guard.settings(plan).allowed, opens, folders, elsewhere)


def _replaced(run: Run) -> tuple[list[drift.Problem], list[str]]:
    """Whether another database is in the proven one's place by now, where no `creates` task was to make one.

    The second: why that could not be seen of a server. A file with a killed writer's journal is the next check's.
    """
    identity = run.launch.identity
    if identity is None or proof.creates(run.launch.plan):
        return [], []
    try:
        run.launch.refuse_swapped()
    except WrongDataError as error:
        return [drift.Problem("", f"{error.message} (during the run)")], []
    except LauncherError as error:
        return [], [f"it could not be looked at again: {error.message}"] if identity.kind != "sqlite" else []
    return [], []


def _write(run: Run, found: dict[str, Any]) -> None:
    """Write what was found, with what the run is, into the run folder and the file of --report."""
    plan = run.launch.plan
    ended = {"ended": time.time(), "child_exit_code": run.code, "servers": run.servers}
    whole = report_file.about(plan, run.began) | ended | found
    run.folder.write("report.json", whole)
    report_file.write(plan, whole)
