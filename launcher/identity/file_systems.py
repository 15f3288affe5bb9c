"""On what kind of file system a SQLite database is: a network share, a mount of its own."""

import os
import re
from collections.abc import Iterable

_WINDOWS = os.name == "nt"
_NETWORK = (
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "smb",
)
_FUSE = ("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.davfs")


def on_network(path: str) -> str | None:
    """The kind of network file system the file is on, or None. SQLite's locks are not reliable there
    (https://www.sqlite.org/faq.html#q5). On macOS it cannot be told with what the standard library has: None."""
    if _WINDOWS:
        return _windows_share(path)
    return _linux_share(path) if os.path.exists("/proc/self/mountinfo") else None


def _linux_share(path: str) -> str | None:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        kind = mount_kind(os.path.realpath(path), mounts)
    return kind if kind.startswith((*_NETWORK, *_FUSE)) else None


def mount_kind(path: str, mounts: Iterable[str]) -> str:
    """The file system type of the mount with the longest mount point above the path (proc(5), mountinfo); of two
    on one point the later, which hides the other. path: without links."""
    longest, kind = "", ""
    for line in mounts:
        point, tail = mount_point(line), line.partition(" - ")[2]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(longest):
            longest, kind = point, tail.split(" ")[0]
    return kind


def mount_point(line: str) -> str:
    """Where the mount of this line of mountinfo is."""
    point = line.split(" ", 5)[4]
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point) if "\\" in point else point


def is_mounted_alone(path: str) -> bool:
    """Whether the file is a mount of its own (`docker -v FILE:FILE`); outside Linux nothing tells."""
    if _WINDOWS or not os.path.exists("/proc/self/mountinfo"):
        return False
    real = os.path.realpath(path)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        return any(mount_point(line) == real for line in mounts)


def _windows_share(path: str) -> str | None:
    import ctypes

    drive = os.path.splitdrive(path)[0]
    if drive.startswith(("\\\\", "//")):
        return "UNC path"
    # mypy looks as on this system, and only Windows has a windll.
    return "network drive" if ctypes.windll.kernel32.GetDriveTypeW(drive + "\\") == 4 else None  # type: ignore[attr-defined,unused-ignore]
