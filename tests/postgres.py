"""Real PostgreSQL servers of the tests' own: made in temporary folders, on free loopback ports, stopped at the end."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from parts import need
from ports import (
    free_port,
    listening,  # noqa: F401 (test_server_secrets has it from here)
)
from server_folders import copy_data, server_folder

PASSWORD = "pg-s3cret-77"


class Postgres:
    """A running server, or a pooler before one. url(database): how a client reaches it, password included."""

    def __init__(self, programs: Path, folder: Path, port: int) -> None:
        self.programs, self.folder, self.port = programs, folder, port

    def url(self, database: str, user: str = "postgres", password: str = PASSWORD, query: str = "") -> str:
        login = f"{user}:{quote(password, safe='')}"
        return f"postgresql+psycopg://{login}@127.0.0.1:{self.port}/{database}{query and '?' + query}"

    def run(self, program: str, *words: str) -> None:
        """Run one of PostgreSQL's programs as the user that it accepts."""
        env = os.environ | {"PGPASSWORD": PASSWORD, "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "LC_ALL": "C"}
        subprocess.run(
            [str(self.programs / program), *words],
            check=True, cwd="/", env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **as_postgres(),
        )  # fmt: skip

    def start(self, wait: bool = True, **settings: str) -> None:
        """Start it on its data folder, with those settings."""
        words = "".join(f" -c {name}={value}" for name, value in settings.items())
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -F{words}"
        data, log = str(self.folder / "data"), str(self.folder / "log")
        self.run("pg_ctl", "-D", data, "-o", options, "-l", log, "-w" if wait else "-W", "start")

    def promote(self) -> None:
        """Make a standby a primary."""
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-w", "promote")

    def connect(self, database: str, **fields: Any) -> Any:
        """A connection of psycopg's to the database, as its superuser unless told otherwise."""
        import psycopg

        login = {"host": "127.0.0.1", "port": self.port, "user": "postgres", "password": PASSWORD, "autocommit": True}
        return psycopg.connect(**{**login, "dbname": database, **fields})

    def sql(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run the statements as superuser; the rows of the last one, if it has any."""
        with self.connect(database) as connection:
            for statement in statements:
                done = connection.execute(statement)
            return list(done.fetchall()) if done.description else []

    def digest(self, *databases: str) -> list[object]:
        """All that somebody could have changed: rows, relations, rights, roles, settings, the next transaction."""
        with self.connect("postgres") as server:
            whole: list[object] = [server.execute(statement).fetchall() for statement in _OF_SERVER]
        for database in databases:
            with self.connect(database) as inside:
                whole += [inside.execute(statement).fetchall() for statement in _OF_DATABASE]
                for (name,) in inside.execute(_TABLES).fetchall():
                    rows = inside.execute(f"SELECT ctid::text, xmin::text, t::text FROM {name} t LIMIT 1000")
                    whole += [name, rows.fetchall()]
        return whole


_OF_SERVER = (
    "SELECT pg_snapshot_xmax(pg_current_snapshot())::text",
    "SELECT rolname, rolsuper, rolcanlogin, rolconnlimit, rolpassword FROM pg_authid ORDER BY 1",
    "SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2",
    "SELECT oid, datname, datacl, datallowconn, datconnlimit FROM pg_database ORDER BY 1",
    "SELECT name, setting FROM pg_settings ORDER BY 1",
)
_OF_DATABASE = (
    "SELECT oid, relname, relnamespace, relfilenode, relacl, relpages, reltuples FROM pg_class ORDER BY 1",
    "SELECT oid, nspname, nspacl FROM pg_namespace ORDER BY 1",
)
_TABLES = (
    "SELECT format('%I.%I', n.nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
    " WHERE relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND relpersistence <> 't' ORDER BY 1"
)


def as_postgres() -> dict[str, Any]:
    """What makes subprocess run a command as the user `postgres` where we are root, which the programs refuse."""
    # not through runuser, which takes two seconds to end what it started
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _folder() -> contextlib.AbstractContextManager[Path]:
    return server_folder("postgres", _owner())


def _owner() -> str:
    return "postgres" if os.geteuid() == 0 else getpass.getuser()


@contextmanager
def postgres(**settings: str) -> Iterator[Postgres]:
    """Start one with those settings; its part is skipped or fails by name where it is not there.

    All are copies of one data folder: their system_identifier is the same.
    """
    programs = Path(need("postgresql"))
    with _folder() as folder:
        server = Postgres(programs, folder, free_port())
        copy_data("postgres", _owner(), lambda template: _make(programs, template), folder)
        with _started(server, settings):
            yield server


def _make(programs: Path, folder: Path) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    words = ["-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}", "-N", "-E", "UTF8"]
    Postgres(programs, folder, free_port()).run("initdb", *words, "-D", str(folder / "data"))


@contextmanager
def copied(server: Postgres, wait: bool = True, standby: bool = True, **settings: str) -> Iterator[Postgres]:
    """A physical copy of the server, running: a streaming standby, or one that recovers from the settings' archive."""
    with _folder() as folder:
        copy = Postgres(server.programs, folder, free_port())
        words = ["-U", "postgres", "-c", "fast", "--no-sync", "-D", str(folder / "data"), *(["-R"] if standby else [])]
        server.run("pg_basebackup", *words)
        if not standby:
            signal = folder / "data" / "recovery.signal"
            signal.touch()
            shutil.chown(signal, (folder / "data").owner())
        with _started(copy, settings, wait):
            yield copy


@contextmanager
def _started(server: Postgres, settings: Mapping[str, str], wait: bool = True) -> Iterator[None]:
    data = server.folder / "data"
    try:
        server.start(wait, **settings)
        yield
    finally:
        if (data / "postmaster.pid").exists():
            server.run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        time.sleep(0.1)


@contextmanager
def pgbouncer(server: Postgres, mode: str = "transaction", others: str = "*", **aliases: str) -> Iterator[Postgres]:
    """A pooler before the server with one session a database; aliases: its name, the server's; others: by its own."""
    program = need("pgbouncer")
    with _folder() as folder:
        pooler = Postgres(server.programs, folder, free_port())
        (folder / "users").write_text(f'"postgres" "{PASSWORD}"\n')
        target = f"host=127.0.0.1 port={server.port}"
        names = "".join(f"{name} = {target} dbname={real}\n" for name, real in aliases.items())
        (folder / "ini").write_text(
            f"[databases]\n{names}{others} = {target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {pooler.port}\n"
            f"unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {folder / 'users'}\npool_mode = {mode}\n"
            "default_pool_size = 1\nquery_wait_timeout = 2\n"
        )
        with (folder / "log").open("w") as log:
            command = [program, str(folder / "ini")]
            process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **as_postgres()
            )
        try:
            _await(pooler.port)
            yield pooler
        finally:
            process.terminate()
            process.wait(10)


def _await(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < end, f"nobody listens on {port}"
        time.sleep(0.02)
