"""One run while it lasts: its folder, the program with a watch on it, the servers beside it."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from launcher import banner, child
from launcher.evidence import Watch
from launcher.identity.expectation import Expectation, FileIdentity, ServerIdentity
from launcher.launch import Launch
from launcher.observed import Observed
from launcher.run_folder import RunFolder
from launcher.usage import Pinned

if TYPE_CHECKING:
    from launcher.evidence_servers import Sessions
    from launcher.sockets import End


class Run:
    """What is known of a run. observed: its programs, the task first. servers: what is said of each in the report.

    wrong: texts of servers that were stopped, since they were on another database. code: the program's own exit code,
    once it has one.
    """

    def __init__(self, launch: Launch, folder: RunFolder) -> None:
        self.launch, self.folder = launch, folder
        self.pinned = pinned_database(launch)
        self.watch = Watch(folder.path)
        self.sessions = _sessions(launch, self._ends)
        self.observed = [Observed(launch.program, folder.path, self.watch, self.sessions)]
        self.servers: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self.code: int | None = None
        self.began = time.time()
        self._watching = False

    def _ends(self) -> "set[End]":
        """The near ends of the connections that were open at the latest look."""
        return {end for each in self.observed for end in each.watch.near}

    def start(self, whole: bool = False, started: Callable[[child.Running], object] | None = None) -> int:
        """Show the banner, start the program with the watch on it, wait for it; its exit code."""
        launch, plan = self.launch, self.launch.plan
        command = launch.command(self.folder.path)
        plan.notes += [self.folder.note] if self.folder.note else []
        banner.show(plan, launch.expected, launch.identity)
        launch.refuse_swapped()

        def begun(running: child.Running) -> None:
            self.observed[0].begin(running.pid, command)
            if not self._watching:  # the second start, on another port, is watched already
                self._watching = True
                self.watch.start()
            if started:
                started(running)

        if self.sessions:
            self.sessions.start()
        try:
            return child.run(command, replace=False, whole=whole, started=begun)
        finally:
            if self.sessions:
                self.sessions.stop()

    def observe(self, label: str, folder: str, running: child.Running, command: child.Command) -> Observed:
        """Watch a program that was started beside the task. folder: where its guards record."""
        observed = Observed(label, folder, Watch(folder), self.sessions)
        if self.sessions:
            self.sessions.start()
        self.observed.append(observed)
        observed.begin(running.pid, command)
        observed.watch.start()
        return observed


def pinned_database(launch: Launch) -> Pinned:
    """What the launch is to stay on."""
    plan, identity = launch.plan, launch.identity
    name = launch.expected.name if launch.expected else plan.profile.values.get("database") or "DATABASE_URL"
    entry = plan.file.databases.get(name)
    tables = tuple(entry.table.get("tables", ())) if entry else ()
    if not tables and identity:
        tables = tuple(table for table in identity.tables if table not in ("autopack_identity", "alembic_version"))
    db_id = identity.stamp.db_id if identity and identity.stamp else ""
    if isinstance(identity, FileIdentity):
        return Pinned(name, plan.url, tables, db_id, identity.device, identity.inode)
    if plan.url is None or plan.url.path:
        return Pinned(name, plan.url, tables, db_id)
    from launcher.identity.addresses import Addresses

    unproven = Expectation(name, plan.url, "the pinned database", plan.profile.name)
    expected = (launch.expected or unproven)._replace(variables=plan.environment.as_dict())
    addresses = Addresses(expected, identity.address if identity else "")
    return Pinned(name, plan.url, tables, db_id, answered=identity.answered if identity else "", addresses=addresses)


def _sessions(launch: Launch, ends: "Callable[[], set[End]]") -> "Sessions | None":
    """What asks the pinned server for the run's sessions; None where it has no such list, or they no name of ours."""
    plan = launch.plan
    if plan.url is None or plan.url.dialect != "postgresql":
        return None
    if isinstance(launch.identity, ServerIdentity) and launch.identity.scarce:
        return None  # ours would take the program's own connection
    from launcher.evidence_servers import Sessions, announce

    name = announce(plan.environment, plan.url)
    if not name:
        return None
    return Sessions(plan.url, name, launch.program, plan.environment.as_dict(), ends)
