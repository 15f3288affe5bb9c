"""A server started beside the rehearsal, asked over HTTP, and stopped whatever happens."""

import json
import os
import signal
import subprocess
import time
from typing import Any, Self

from launcher.errors import UNREACHABLE, LauncherError

READY_SECONDS = 30.0
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1


class Server:
    """A child that serves HTTP on a loopback port; as a context manager, ready on entry and gone on exit."""

    def __init__(self, words: list[str], folder: str, env: dict[str, str], port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._words, self._folder, self._env = words, folder, env

    def __enter__(self) -> Self:
        self.child = subprocess.Popen(self._words, cwd=self._folder, env=self._env)
        try:
            self._wait()
        except BaseException:  # Ctrl-C too must not leave a server behind
            self.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object that the server answers with; raises OSError where it does not, or with an error status."""
        import urllib.request

        # A proxy of the environment must not answer for the server.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.address + path, timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def stop(self) -> None:
        """Stop the server as an operator would, by force after STOP_SECONDS."""
        if os.name == "nt":
            self.child.terminate()  # Ctrl-C would reach this process too; the launcher's job ends the server with it
        else:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise LauncherError(
                    "no-server", UNREACHABLE, f"the server ended with {self.child.returncode} before it answered"
                )
            try:
                self.get("/health")
            except OSError:
                time.sleep(_POLL_SECONDS)
            else:
                return
        raise LauncherError(
            "no-server", UNREACHABLE, f"{self.address}/health did not answer within {READY_SECONDS:.0f} s"
        )
