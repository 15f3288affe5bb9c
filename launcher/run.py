"""One run while it lasts: its folder, the program with a watch on it, the servers beside it."""

import time
from collections.abc import Callable
from typing import Any

from launcher import banner, child
from launcher.evidence import Watch
from launcher.launch import Launch
from launcher.run_folder import RunFolder
from launcher.usage import Observed, Pinned


class Run:
    """What is known of a run. observed: its programs, the task first. servers: what is said of each in the report.

    wrong: texts of servers that were stopped, since they were on another database. code: the program's own exit code,
    once it has one.
    """

    def __init__(self, launch: Launch, folder: RunFolder) -> None:
        self.launch, self.folder = launch, folder
        self.pinned = pinned_database(launch)
        self.watch = Watch(folder.path)
        self.observed = [Observed(launch.program, folder.path, self.watch)]
        self.servers: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self.code: int | None = None
        self.began = time.time()
        self._watching = False

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

        return child.run(command, replace=False, whole=whole, started=begun)

    def observe(self, label: str, folder: str, running: child.Running, command: child.Command) -> Observed:
        """Watch a program that was started beside the task. folder: where its guards record."""
        observed = Observed(label, folder, Watch(folder))
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
    if identity is None:
        return Pinned(name, plan.url, tables)
    return Pinned(
        name, plan.url, tables, identity.stamp.db_id if identity.stamp else "", identity.device, identity.inode
    )
