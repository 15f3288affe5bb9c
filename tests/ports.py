"""Loopback ports of the tests' own: one that nobody listens on, and ones where somebody says too little or the wrong thing."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def listening(answer: bytes = b"", hangs_up: bool = False) -> Iterator[int]:
    """The port of something that accepts connections, says only this, or nothing at all, and may hang up then."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = list[socket.socket]()

        def accept() -> None:
            while True:
                try:
                    accepted.append(listener.accept()[0])
                except OSError:
                    return
                with contextlib.suppress(OSError):
                    accepted[-1].sendall(answer)
                if hangs_up:
                    accepted[-1].close()

        threading.Thread(target=accept, daemon=True).start()
        yield int(listener.getsockname()[1])
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        for each in accepted:
            each.close()
