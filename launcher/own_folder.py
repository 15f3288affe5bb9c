"""`.autopack-run/` beside the profile file: what the launcher keeps there, and its locks on it."""

import contextlib
import errno
import os
import stat
import sys

NAME = ".autopack-run"
_LIMIT = 1_048_576  # bytes


def own_folder(root: str) -> str:
    """The path of the launcher's folder below `{root}`; it need not be there."""
    return os.path.join(root, NAME)


def make_own_folder(root: str, name: str = "") -> str:
    """Make the launcher's folder, which git ignores, and one of that name in it; return its path.

    Raises OSError, NotADirectoryError where something else has the place of one of them.
    """
    home = own_folder(root)
    path = os.path.join(home, name)
    # One after the other: makedirs gives its mode to the last folder only.
    for folder in (home, *([os.path.dirname(path), path] if name else [])):
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        except FileExistsError:  # a file; a link that leads nowhere, or in a circle
            words = f"'{os.path.basename(folder)}' is not a folder; move it away"
            raise NotADirectoryError(errno.ENOTDIR, words, folder) from None
    with contextlib.suppress(FileExistsError), open(os.path.join(home, ".gitignore"), "x", encoding="utf-8") as file:
        file.write("*\n")
    return path


def own_bytes(path: str) -> bytes:
    """What is in a file of the launcher's folder, without waiting for it.

    Raises OSError; ValueError for a pipe, a device, or more than any file of ours can be.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError
    with open(path, "rb") as file:
        data = file.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise ValueError
    return data


def try_lock(handle: int) -> bool:
    """Whether this process holds the lock now; the system lets go of it when the process ends, however that happens.

    Raises OSError where the file system has no locks.
    """
    if sys.platform == "win32":
        from launcher.windows_lock import lock

        return lock(handle, (0, 1), exclusive=True)
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True
