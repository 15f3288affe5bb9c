"""One program ready to be started: its words and folder, its database proven, its environment complete."""

import os
from collections.abc import Sequence

from launcher import banner, child, guard, proof
from launcher.environment import PROCESS, Origin
from launcher.errors import USAGE, ConfigurationError, LauncherError
from launcher.identity.expectation import Expectation, Identity
from launcher.output import printable, say
from launcher.plan import Plan
from launcher.profiles import Inherited
from launcher.programs import find_program


class Launch:
    """One program ready to be started: its words and folder, and what is known of its database.

    program: `telemetry drain`, for people. place: where its command line stands, in words. arguments: those of the
    words that were appended to the task's own. interactive: see child.Command.
    """

    interactive = False

    def __init__(self, plan: Plan, words: list[str], folder: str, place: str, arguments: Sequence[str] = ()) -> None:
        self.plan, self.words, self.folder, self.place, self.arguments = plan, words, folder, place, arguments
        self.expected: Expectation | None = None
        self.identity: Identity | None = None
        self.program = f"{plan.profile.name} {plan.task.name if plan.task else words[0]}"

    def prove(self) -> None:
        """Prove the database, as far as the plan wants it."""
        if proof.wanted(self.plan):
            self.expected, self.identity = proof.prove(self.plan)
        elif self.plan.request.accept:
            raise LauncherError(
                "no-verdict",
                USAGE,
                f"--accept: {self.program} is not proven, so there is nothing to accept",
                "--verify",
            )

    def command(self, run_folder: str) -> child.Command:
        """What to start. run_folder: where the guards record, or "" where no verdict follows."""
        url = self.plan.url
        if run_folder and url is not None and url.dialect == "postgresql":
            from launcher.evidence_servers import announce

            announce(self.plan.environment, url)
        guard.install(self.plan, guard.settings(self.plan), run_folder)
        return _command(self)

    def refuse_swapped(self) -> None:
        """Raise WrongDataError where the proven database has been exchanged since."""
        if self.identity is not None:
            from launcher.identity.swapped import refuse_swapped

            assert self.expected is not None
            refuse_swapped(self.identity, self.expected)

    def renew_ledger(self) -> str:
        """After a run that stayed on its database: the ledger's mark rises. Returns what to tell where it could not."""
        if self.expected is None or self.identity is None or self.plan.request.accept:
            return ""
        from launcher.identity import ledger
        from launcher.identity.verdict import inspect_database

        try:
            # Its own changes are no fault; what a kill has left half done is told by the next check.
            # `creates` lets a file be gone; to a server it means that the task writes.
            gone = self.expected.url.dialect == "sqlite"
            now = inspect_database(self.expected._replace(needs_rows=(), writes=False, creates=gone, others=()))
            if now is not None and now.stamp == self.identity.stamp:
                root, name, file_id = self.plan.file.root, self.expected.name, self.expected.db_id
                ledger.renew(root, name, self.identity, now, file_id)
        except LauncherError as error:
            return f"the ledger was not renewed: {error.message}"
        return ""

    def stamp(self) -> None:
        """After a `creates` task: the database must have its tables; stamp it."""
        assert self.expected is not None
        from launcher.acceptance import accept_created

        told = accept_created(self.expected)
        if told and not self.plan.request.quiet:
            say(printable(f"autopack-run: {told}"))


def task_launch(plan: Plan, arguments: Sequence[str]) -> Launch:
    """The plan's task as a launch. Raises LauncherError for a folder, a port or an option that cannot be."""
    assert plan.task is not None
    values = plan.task.values
    words = [plan.expand(word, values.place("run")) for word in values.get("run")]
    launch = Launch(plan, words + list(arguments), _folder(plan, values), values.place("run"), arguments)
    if values.get("health"):
        from launcher.health import check_url

        check_url(plan.expand(values.get("health"), values.place("health")))
    return launch


def listens(plan: Plan) -> bool:
    """Whether the task is told which port to take: it has a `port`, or `--port` and the word in its command line."""
    assert plan.task is not None
    values = plan.task.values
    return bool(values.get("port") or (plan.request.port and any("{port}" in word for word in values.get("run"))))


def _folder(plan: Plan, values: Inherited) -> str:
    """Where the task runs; raises ConfigurationError where there is no such folder."""
    cwd, place = values.get("cwd"), values.place("cwd")
    folder = os.path.abspath(os.path.join(plan.file.root, plan.expand(cwd, place))) if cwd else plan.file.root
    if not os.path.isdir(folder):  # told before anything else is done
        what = "not a folder" if os.path.exists(folder) else "not there"
        raise ConfigurationError("no-folder", f"{place}: {folder} is {what}", "fix cwd in the task, or make the folder")
    return folder


def _command(launch: Launch) -> child.Command:
    plan, words, folder = launch.plan, launch.words, launch.folder
    if words[0] == "python" or (os.name == "nt" and words[0].lower() == "python.exe"):
        program = words[0] = plan.python.path
    else:
        program = find_program(words[0], plan.environment.text, folder)
    for name, text in banner.facts(plan, launch.expected, launch.identity).items():
        origin = Origin("launcher", "a fact of this launch")
        if text:
            plan.environment.set(name, text, origin)
        else:  # what a `.env` file or --set says of it is no fact
            plan.environment.remove(name, origin)
    _correct_pwd(plan, folder)
    return child.Command(program, words, plan.environment.as_dict(), folder, launch.interactive)


def _correct_pwd(plan: Plan, folder: str) -> None:
    """The shell's PWD names its own folder; a program that trusts it would work beside the task's (cd corrects it)."""
    value = plan.environment.get("PWD")
    if os.name == "nt" or value is None or value.origin.kind != PROCESS:
        return
    if os.path.realpath(value.text) != os.path.realpath(folder):
        plan.environment.set("PWD", folder, Origin("launcher", "where the program runs"))
