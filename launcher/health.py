"""Ask a server's health URL, and find out which process has answered."""

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from launcher.connect import connect, left
from launcher.errors import ConfigurationError
from launcher.sockets import End, other_side, plain

if TYPE_CHECKING:
    import socket

_ACCEPTED_WITHIN = 1.0
_LOOK_EVERY = 0.02
_LOOKS_AT_HIDDEN = 3  # at an accepted connection whose owner is not to be seen: another user's, as a rule
_HEAD_LIMIT = 65_536
_GOODBYE = 0.25  # seconds to let the server finish, which would log a broken pipe otherwise
_SECURE = "https"


class Answer(NamedTuple):
    """What came back.

    status: of HTTP, 2xx means ready; pid: the process that had accepted this very connection, None where the system
    does not show it; seconds: from the question to the first line of the answer.
    """

    status: int
    pid: int | None
    seconds: float


class _Target(NamedTuple):
    secure: bool
    host: str
    port: int
    path: str


def check_url(url: str) -> None:
    """Raise ConfigurationError (`bad-health`) for a URL that `ask` cannot ask."""
    _target(url)


def ask(url: str, timeout: float, meanwhile: Callable[[], object] = lambda: None) -> Answer | None:
    """Ask once, directly, without a proxy and without following a redirect; `timeout` in seconds bounds all of it.

    meanwhile: called while the connection is open and its owner is there for certain, as Watch.sample: a server that
    forks for each connection has another process a moment later.
    None: nobody listens, no answer in time, or one that is no HTTP. Raises ConfigurationError for a URL that is not
    http(s)://HOST:PORT/PATH.
    """
    target, began = _target(url), time.monotonic()
    end = began + timeout
    with contextlib.suppress(OSError, ValueError), connect(target.host, target.port, target.secure, end) as connection:
        return _asked(connection, target, began, end, meanwhile)
    return None


def _target(url: str) -> _Target:
    from urllib.parse import quote, urlsplit

    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise _refused() from None
    plain_text = url.isprintable() and " " not in url
    if parts.scheme not in ("http", _SECURE) or not host or not port or not plain_text or "@" in parts.netloc:
        raise _refused()
    query = f"?{parts.query}" if parts.query else ""
    path = quote((parts.path or "/") + query, safe="%/:=&?~#+!$,;'@()*[]")
    return _Target(parts.scheme == _SECURE, host, port, path)


def _refused() -> ConfigurationError:
    """Without the URL, which may hold a password."""
    return ConfigurationError(
        "bad-health",
        "health must be http://HOST:PORT/PATH, without a user or a blank",
        'health = "http://127.0.0.1:{port}/health"',
    )


def _asked(
    connection: "socket.socket", target: _Target, began: float, end: float, meanwhile: Callable[[], object]
) -> Answer | None:
    # Some servers accept only when data has come, and none answers before the blank line that ends the question: in
    # between the connection is open and its owner can be looked up.
    ours, theirs = _end(connection.getsockname()), _end(connection.getpeername())
    host = f"[{target.host}]" if ":" in target.host else target.host
    question = f"GET {target.path} HTTP/1.1\r\nHost: {host}:{target.port}\r\nUser-Agent: autopack-run\r\n"
    _send(connection, f"{question}Accept: */*\r\nConnection: close\r\n".encode("ascii"), end)
    now = time.monotonic()
    pid = _owner(ours, theirs, now + min(_ACCEPTED_WITHIN, (end - now) / 2))
    meanwhile()
    _send(connection, b"\r\n", end)
    status = _status(connection, end)
    if status is None:
        return None
    seconds = time.monotonic() - began
    if not pid:  # it was busy then, and may not have closed yet
        pid = other_side(ours, theirs)
    _let_finish(connection, min(end, time.monotonic() + _GOODBYE))
    return Answer(status, pid or None, seconds)


def _end(address: tuple[str, int]) -> End:
    return plain(address[0]), address[1]


def _owner(ours: End, theirs: End, until: float) -> int | None:
    hidden = 0
    while not (pid := other_side(ours, theirs)) and time.monotonic() < until and hidden < _LOOKS_AT_HIDDEN:
        hidden += pid == 0
        time.sleep(_LOOK_EVERY)
    return pid


def _send(connection: "socket.socket", data: bytes, end: float) -> None:
    connection.settimeout(left(end))
    connection.sendall(data)


def _status(connection: "socket.socket", end: float) -> int | None:
    """The status of the final answer; 1xx are announcements, each with headers of its own (RFC 9110, 15.2)."""
    head = b""
    while len(head) < _HEAD_LIMIT:
        connection.settimeout(left(end))
        data = connection.recv(4096)
        head += data
        while head.startswith(b"HTTP/1.1 1") and b"\r\n\r\n" in head:
            head = head.partition(b"\r\n\r\n")[2]
        line, complete, _ = head.partition(b"\n")
        if complete and not line.startswith(b"HTTP/1.1 1"):
            return _parsed(line)
        if not data:
            return None
    return None


def _parsed(line: bytes) -> int | None:
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or len(words[1]) != 3 or not words[1].isdigit():
        return None
    return int(words[1])


def _let_finish(connection: "socket.socket", end: float) -> None:
    allowed = _HEAD_LIMIT
    with contextlib.suppress(OSError):
        while allowed > 0:
            connection.settimeout(left(end))
            data = connection.recv(4096)
            if not data:
                return
            allowed -= len(data)
