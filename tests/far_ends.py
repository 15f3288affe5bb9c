"""Real servers behind ports of other addresses, and projects whose programs go there."""

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import Postgres, postgres
from running import write

OTHER = "127.0.0.9"  # Linux has all of 127.0.0.0/8
PSYCOPG = """
import os, psycopg
url = os.environ["DATABASE_URL"].replace("+psycopg", "")
with psycopg.connect(url) as connection:
    connection.execute("select 1")
"""


MYSQL = """
import os, socket, pymysql
from sqlalchemy import make_url
url = make_url(os.environ["DATABASE_URL"])
words = dict(host=url.host, port=url.port, user=url.username, password=url.password, database=url.database)
"""
WAYS = {
    "PGHOSTADDR": PSYCOPG.replace("with ", f"os.environ['PGHOSTADDR'] = '{OTHER}'\nwith "),
    "an argument": PSYCOPG.replace("connect(url)", f"connect(url, hostaddr='{OTHER}')"),
    "in the words": PSYCOPG.replace("connect(url)", f"connect(url + '?hostaddr={OTHER}')"),
    "an asynchronous one": (
        "import asyncio, os, psycopg\nurl = os.environ['DATABASE_URL'].replace('+psycopg', '')\n"
        f"asyncio.run(psycopg.AsyncConnection.connect(url, hostaddr='{OTHER}'))\n"
    ),
    "psycopg2": PSYCOPG.replace("psycopg\n", "psycopg2 as psycopg\n", 1)
    .replace("connect(url)", f"connect(url, hostaddr='{OTHER}')")
    .replace("connection.execute", "connection.cursor().execute"),
    "SQLAlchemy": (
        "import os\nfrom sqlalchemy import create_engine\n"
        f"create_engine(os.environ['DATABASE_URL'], connect_args={{'hostaddr': '{OTHER}'}}).connect()\n"
    ),
}


@contextlib.contextmanager
def forwarding(address: str, port: int, to: int) -> Iterator[None]:
    """Whoever connects to address:port reaches 127.0.0.1:to."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except OSError as error:
            pytest.skip(f"{address}: {error}")
        listener.listen()
        threading.Thread(target=_accept, args=(listener, to), daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, to: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            here, there = listener.accept()[0], socket.create_connection(("127.0.0.1", to))
            for pair in ((here, there), (there, here)):
                threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def stalling(address: str, port: int, to: int, pass_first: int = 1, mute: bool = False) -> Iterator[None]:
    """Forward so many connections; the later ones get a login and then nothing, or nothing at all (mute)."""
    count, keep = [0], list[socket.socket]()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    here = listener.accept()[0]
                    keep.append(here)
                    count[0] += 1
                    if count[0] > pass_first and mute:
                        continue
                    there = socket.create_connection(("127.0.0.1", to))
                    keep.append(there)
                    if count[0] <= pass_first:
                        for pair in ((here, there), (there, here)):
                            threading.Thread(target=_copy, args=pair, daemon=True).start()
                    else:

                        def login(here: socket.socket = here, there: socket.socket = there) -> None:
                            with contextlib.suppress(OSError):
                                while data := there.recv(65536):
                                    here.sendall(data)
                                    if b"Z\0\0\0\x05I" in data:
                                        time.sleep(300)

                        threading.Thread(target=_copy, args=(here, there), daemon=True).start()
                        threading.Thread(target=login, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def twins(server: Postgres) -> Iterator[tuple[Postgres, Postgres]]:
    """That server and another one, each with the database `led`."""
    with postgres() as other:
        for each in (server, other):
            each.sql("postgres", "DROP DATABASE IF EXISTS led", "CREATE DATABASE led")
            each.sql("led", "CREATE TABLE runs (id int)")
        yield server, other


def report(folder: Path) -> dict[str, object]:
    """The newest report."""
    path = max((folder / ".autopack-run" / "runs").glob("*/report.json"))
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def project(folder: Path, url: str, program: str, **keys: object) -> None:
    (folder / "app.py").write_text(program)
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in {"verify": False, **keys}.items())
    run_line = f"run = {json.dumps([sys.executable, 'app.py'])}\n"
    write(
        folder,
        f'[databases.main]\nurl = "{url}"\n[profiles.p]\ndatabase = "main"\n[profiles.p.tasks.t]\n{run_line}{lines}',
    )
