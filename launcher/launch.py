"""Running a task or a program: prove the database, tell what is known, start, and stamp what was created."""

import os
from collections.abc import Sequence

from launcher import banner, child, proof
from launcher.environment import PROCESS, Origin
from launcher.errors import ConfigurationError, WrongDataError
from launcher.identity.expectation import Expectation, Identity
from launcher.output import say
from launcher.plan import Plan
from launcher.profiles import Inherited
from launcher.programs import find_program

# Keys of the profile file that are read and validated, and whose effect is not built yet.
NOT_YET = ("health", "with", "pins", "databases", "allow_databases", "drift", "opens", "strict", "fail_closed")


def run_task(plan: Plan, arguments: Sequence[str]) -> int:
    """Prove the database, start the plan's task with the arguments appended, return its exit code."""
    assert plan.task is not None
    values = plan.task.values
    for key in NOT_YET:
        if values.get(key):  # `strict = false` asks for nothing
            raise ConfigurationError(
                "not-yet", f"{values.place(key)}: this version does not do that yet", f"leave '{key}' away"
            )
    words = [plan.expand(word, values.place("run")) for word in values.get("run")]
    folder = _folder(plan, values)
    if values.get("port") or (plan.request.port and any("{port}" in word for word in values.get("run"))):
        from launcher.ports import refuse_taken

        # A task with a `port` listens there. `--port` alone may also name the server that a task only talks to.
        refuse_taken(plan.port)
    return _run(plan, words + list(arguments), folder)


def _folder(plan: Plan, values: Inherited) -> str:
    """Where the task runs; raises ConfigurationError where there is no such folder."""
    cwd, place = values.get("cwd"), values.place("cwd")
    folder = os.path.abspath(os.path.join(plan.file.root, plan.expand(cwd, place))) if cwd else plan.file.root
    if not os.path.isdir(folder):  # told before anything else is done
        what = "not a folder" if os.path.exists(folder) else "not there"
        raise ConfigurationError("no-folder", f"{place}: {folder} is {what}", "fix cwd in the task, or make the folder")
    return folder


def run_program(plan: Plan, words: Sequence[str], folder: str) -> int:
    """Start any program with the plan's variables, in the folder; proven first only with `--verify`."""
    return _run(plan, list(words), folder)


def _run(plan: Plan, words: list[str], folder: str) -> int:
    expected, identity = proof.prove(plan) if proof.wanted(plan) else (None, None)
    command = _command(plan, words, folder, expected, identity)
    banner.show(plan, expected, identity)
    if identity is not None:
        from launcher.identity.verdict import refuse_swapped

        refuse_swapped(identity)
    code = child.run(command, replace=not proof.creates(plan))
    if proof.creates(plan) and code == 0:
        assert expected is not None
        _stamp_created(plan, expected)
    return code


def _command(
    plan: Plan, words: list[str], folder: str, expected: Expectation | None, identity: Identity | None
) -> child.Command:
    if words[0] == "python" or (os.name == "nt" and words[0].lower() == "python.exe"):
        program = words[0] = plan.python.path
    else:
        program = find_program(words[0], plan.environment.text, folder)
    for name, text in banner.facts(plan, expected, identity).items():
        origin = Origin("launcher", "a fact of this launch")
        if text:
            plan.environment.set(name, text, origin)
        else:  # what a `.env` file or --set says of it is no fact
            plan.environment.remove(name, origin)
    _correct_pwd(plan, folder)
    return child.Command(program, words, plan.environment.as_dict(), folder)


def _correct_pwd(plan: Plan, folder: str) -> None:
    """The shell's PWD names its own folder; a program that trusts it would work beside the task's (cd corrects it)."""
    value = plan.environment.get("PWD")
    if os.name == "nt" or value is None or value.origin.kind != PROCESS:
        return
    if os.path.realpath(value.text) != os.path.realpath(folder):
        plan.environment.set("PWD", folder, Origin("launcher", "where the program runs"))


def _stamp_created(plan: Plan, expected: Expectation) -> None:
    """The created database must have its tables now; stamp it, unless an earlier run has."""
    from launcher.identity.stamp import write_stamp
    from launcher.identity.verdict import inspect_database, judge, judge_tables

    expected = expected._replace(needs_rows=())
    identity = inspect_database(expected)
    if identity is None:
        raise WrongDataError(
            "no-tables",
            f"the task ended with 0, and there is no database at {expected.url.shown} ({expected.place})",
            "does the program use DATABASE_URL? Run it with exec and look where it writes",
        )
    expected = expected._replace(creates=False)
    if identity.stamp is None:
        judge_tables(identity, expected)
        stamp = write_stamp(expected)
        if not plan.request.quiet:
            say(f"autopack-run: stamped '{stamp.database}' (db_id {stamp.db_id}) at {identity.path}")
    else:
        judge(identity, expected)
