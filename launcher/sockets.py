"""The system's TCP sockets: who listens, who is connected to whom, and which process holds the other end."""

import contextlib
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

End = tuple[str, int]
"""A numeric address and a port; an IPv4 address that an IPv6 socket shows as ::ffff:1.2.3.4 is 1.2.3.4 here."""

LISTENING = "0A"
CONNECTED = ("01", "08")
"""ESTABLISHED, and CLOSE_WAIT: the other side has closed (include/net/tcp_states.h)."""


class Row(NamedTuple):
    """A line of /proc/net/tcp or tcp6; inode "0": no process has accepted the connection yet."""

    local: str
    remote: str
    state: str
    inode: str


def rows() -> Iterator[Row]:
    """Linux: all TCP sockets of this network namespace, their ends unread (`end`), which is what costs."""
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{name}", encoding="ascii", errors="replace") as file:
                lines = file.read().split("\n")
        except OSError:
            continue
        for line in lines[1:]:
            if len(words := line.split(None, 10)) > 9:
                yield Row(words[1], words[2], words[3], words[9])


def end(text: str) -> End:
    """The address and port of a row's half, such as 0100007F:1F90: words in the byte order of the machine (proc(5))."""
    import socket

    words, port = text.split(":")
    raw = b"".join(struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8))
    return plain(socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)), int(port, 16)


def plain(host: str) -> str:
    """The address without the scope of a link and without the wrapping of IPv4 in IPv6."""
    host = host.split("%", 1)[0]
    return host[7:] if host.startswith("::ffff:") and "." in host else host


def other_side(ours: End, theirs: End) -> int | None:
    """The process that has accepted the connection between our end and theirs.

    None: nobody has, yet. 0: one that this user may not see, or a moment too early to be seen.
    """
    if sys.platform == "linux":
        inode = next((row.inode for row in rows() if _is_pair(row, ours, theirs)), "0")
        return _youngest(_holders(f"socket:[{inode}]")) if inode != "0" else None
    return _asked(ours, theirs)


def _is_pair(row: Row, ours: End, theirs: End) -> bool:
    ports = f":{theirs[1]:04X}", f":{ours[1]:04X}"
    return (
        row.local.endswith(ports[0])
        and row.remote.endswith(ports[1])
        and (end(row.local), end(row.remote)) == (theirs, ours)
    )


def _holders(link: str) -> list[int]:
    """The processes that have the socket open, as far as this user may look."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and _holds(f"/proc/{name}/fd", link)]


def _holds(folder: str, link: str) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:  # it has ended meanwhile, or is another user's
        return False
    for name in names:
        with contextlib.suppress(OSError):  # closed meanwhile, as a busy server closes them all the time
            if os.readlink(f"{folder}/{name}") == link:
                return True
    return False


def _youngest(pids: list[int]) -> int:
    """A server that accepts and forks has the connection twice for a moment; the child answers."""
    return max(pids, key=_started, default=0)


def _started(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


def _asked(ours: End, theirs: End) -> int | None:
    """By psutil. Windows names the process that made the listening socket, also where another one accepted by it."""
    import psutil

    try:
        found = psutil.net_connections("tcp")
    except (psutil.Error, OSError):  # macOS: only root may ask for all; asked one by one, our own are told
        return next((pid for pid in psutil.pids() if _has(pid, ours, theirs)), None)
    for each in found:
        if each.pid and _joins(each.laddr, each.raddr, ours, theirs):
            return int(each.pid)
    return None


def _has(pid: int, ours: End, theirs: End) -> bool:
    import psutil

    try:
        found = psutil.Process(pid).net_connections("tcp")
    except (psutil.Error, OSError):
        return False
    return any(_joins(each.laddr, each.raddr, ours, theirs) for each in found)


def _joins(local: Sequence[Any], remote: Sequence[Any], ours: End, theirs: End) -> bool:
    if not local or not remote:
        return False
    return (plain(local[0]), local[1]) == theirs and (plain(remote[0]), remote[1]) == ours
