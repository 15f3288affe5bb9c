"""One launch at a time creates a database of the workspace: two would both find it missing, and both make it."""

import contextlib
import os
from collections.abc import Iterator

from launcher.errors import BUSY, LauncherError
from launcher.own_folder import make_own_folder, try_lock
from launcher.plan import Plan


@contextlib.contextmanager
def alone(plan: Plan) -> Iterator[None]:
    """Hold the lock of the database that the plan's task creates, until the body has ended.

    Raises LauncherError (75) where another launch has it. Where no lock can be had (a folder that cannot be written, a
    file system without locks), there is none.
    """
    assert plan.task is not None
    handle = _open(plan.file.root, f"{plan.profile.values.get('database') or 'DATABASE_URL'}.lock")
    try:
        if handle is not None and not _is_free(handle):
            raise LauncherError(
                "busy",
                BUSY,
                f"another launch runs {plan.profile.name} {plan.task.name}, or a task that creates the same database",
                "wait until it has ended, then try again",
            )
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _open(root: str, name: str) -> int | None:
    try:
        return os.open(os.path.join(make_own_folder(root, "creating"), name), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None


def _is_free(handle: int) -> bool:
    try:
        return try_lock(handle)
    except OSError:
        return True
