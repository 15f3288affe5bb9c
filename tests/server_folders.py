"""Folders for the data of the tests' own servers: in memory where there is room, made once, copied for each server."""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = "/dev/shm"
_ROOM = 2 * 1024**3  # bytes: half a dozen servers, and far more than the 64 MB that a container has by default
_made: dict[str, Path] = {}


def new_folder(kind: str, owner: str) -> Path:
    """An empty one of that user's, which others may enter; its name tells the kind of server."""
    roomy = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    folder = Path(tempfile.mkdtemp(prefix=f"autopack-{kind}-", dir=_MEMORY if roomy else None))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        import pwd  # of POSIX

        os.chown(folder, pwd.getpwnam(owner).pw_uid, -1)
    return folder


@contextmanager
def server_folder(kind: str, owner: str) -> Iterator[Path]:
    """The same, gone at the end."""
    folder = new_folder(kind, owner)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copy_data(kind: str, owner: str, make: Callable[[Path], None], folder: Path) -> None:
    """Put `data` into the folder, as `make` put it into another one at the first call: its copies are told by nothing."""
    if kind not in _made:
        template = new_folder(f"{kind}-template", owner)
        atexit.register(shutil.rmtree, template, ignore_errors=True)
        make(template)
        _made[kind] = template
    subprocess.run(["cp", "-a", str(_made[kind] / "data"), str(folder / "data")], check=True)
