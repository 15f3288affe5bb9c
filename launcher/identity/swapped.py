"""Is the proven database still the one at its place?"""

import os

from launcher.errors import WrongDataError
from launcher.identity.expectation import Expectation, FileIdentity, Identity, ServerIdentity, Stamp
from launcher.identity.verdict import look_at


def refuse_swapped(identity: Identity, expected: Expectation) -> None:
    """Raise WrongDataError where the path or the URL does not lead to the proven database any more.

    Of a file the system is asked, a server is asked again. Raises LauncherError where it cannot be.
    """
    if isinstance(identity, FileIdentity):
        _refuse_other_file(identity)
    else:
        _refuse_other_server(identity, expected)


def _swapped(what: str) -> WrongDataError:
    return WrongDataError("swapped", what, "check it, then run again")


def _refuse_other_file(identity: FileIdentity) -> None:
    try:
        found = os.stat(identity.path)
    except OSError as error:
        raise _swapped(f"{identity.path} was proven, and is gone now: {error.strerror}") from None
    same = (found.st_dev, found.st_ino) == (identity.device, identity.inode)
    # A deleted file's inode number is the next new file's (measured on ext4), so a changed file is looked at again.
    if same and (found.st_size, found.st_mtime_ns) != (identity.size, identity.mtime_ns):
        same = _stamp_now(identity.path) == identity.stamp
    if not same:
        raise _swapped(f"{identity.path} was proven, and is another file now")


def _stamp_now(path: str) -> Stamp | None:
    found = look_at(path)
    return found.stamp if found else None


def _refuse_other_server(identity: ServerIdentity, expected: Expectation) -> None:
    from launcher.identity import server

    # It was proven fit a moment ago: only who it is counts now.
    found = server.inspect(expected._replace(needs_rows=(), creates=False, writes=False))
    if found is None or (found.physical, found.stamp) != (identity.physical, identity.stamp):
        raise _swapped(f"{identity.spot} was proven, and another database answers there now")
