"""Running a task or a program: in the launcher's place where nothing follows, else watched and judged."""

from collections.abc import Sequence

from launcher import banner, child, pins, proof
from launcher.errors import USAGE, LauncherError
from launcher.launch import Launch, listens, task_launch
from launcher.output import printable, say
from launcher.plan import Plan
from launcher.ports import refuse_taken


def run_task(plan: Plan, arguments: Sequence[str]) -> int:
    """Prove the database, start the plan's task with the arguments appended, return its exit code.

    Raises LauncherError where it cannot be started, and where it did not stay on its database.
    """
    if plan.request.if_missing and _is_there(plan):
        return 0
    return _run(task_launch(plan, arguments))


def _is_there(plan: Plan) -> bool:
    """Whether the database that the plan's `creates` task would make stands already, proven; told where it does.

    Raises LauncherError for one that is partial or another one (its fault), and for a task that creates none.
    """
    if not proof.creates(plan):
        name = plan.task.name if plan.task else "exec"
        raise LauncherError("no-creates", USAGE, f"--if-missing: {name} creates no database", "leave --if-missing away")
    expected, identity = proof.prove(plan)
    if identity is not None and not plan.request.quiet:
        say(printable(f"autopack-run: '{expected.name}' is there already, nothing to create: {identity.spot}"))
    return identity is not None


def run_program(plan: Plan, words: Sequence[str], folder: str, interactive: bool = False) -> int:
    """Start any program with the plan's variables, in the folder; proven first and judged only with `--verify`.

    interactive: Ctrl-C is one of the program's keys, and its exit code counts (a shell).
    """
    if plan.request.report and not plan.request.verify:
        raise LauncherError(
            "no-verdict", USAGE, "--report: exec and shell give no verdict by themselves", "add --verify"
        )
    launch = Launch(plan, list(words), folder, "the command line")
    launch.interactive = interactive
    return _run(launch)


def _run(launch: Launch) -> int:
    plan = launch.plan
    pins.refuse_other_pins(plan.outer_pins, plan.environment)
    if _is_judged(plan):
        from launcher.judged import run_judged

        return run_judged(launch)
    if plan.request.report:
        raise LauncherError("no-verdict", USAGE, "--report: a task without a database has no verdict", "leave it away")
    if plan.task is not None and listens(plan):
        refuse_taken(plan.port)
    launch.prove()
    command = launch.command("")
    banner.show(plan, launch.expected, launch.identity)
    return child.run(command, replace=not (plan.request.end_with_parent or plan.request.end_with))


def _is_judged(plan: Plan) -> bool:
    """Whether the run ends in a verdict: there is a database to stay on, or servers to prove."""
    if plan.task is None:
        return plan.request.verify
    values = plan.task.values
    return plan.url is not None or proof.wanted(plan) or bool(values.get("health") or values.get("with"))
