"""A real MariaDB of the tests' own: made in a temporary folder, on a free loopback port, stopped at the end."""

import getpass
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parts import need
from ports import free_port
from server_folders import copy_data, server_folder

USER, PASSWORD = "app", "my-s3cret-77"

# What a probe may not change: every table, row count, account, right and setting.
_STATE = (
    "SELECT table_schema, table_name, table_type, engine, create_time FROM information_schema.tables"
    " WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'sys') ORDER BY 1, 2",
    "SELECT * FROM mysql.global_priv ORDER BY 1, 2",
    "SELECT * FROM mysql.db ORDER BY 1, 2, 3",
    "SELECT host, db, user, table_name, table_priv, column_priv FROM mysql.tables_priv ORDER BY 1, 2, 3, 4",
    "SELECT host, db, user, table_name, column_name, column_priv FROM mysql.columns_priv ORDER BY 1, 2, 3, 4, 5",
    "SELECT variable_name, variable_value FROM information_schema.global_variables"
    " WHERE variable_name NOT LIKE 'gtid%' ORDER BY 1",
)


class MariaDB:
    """A running server. url(database): how a plain client reaches it, password included."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port, self.socket = folder, port, folder / "socket"

    def url(self, database: str, user: str = USER, password: str = PASSWORD, host: str = "127.0.0.1") -> str:
        return f"mysql+pymysql://{user}:{password}@{host}:{self.port}/{database}"

    def admin_url(self, database: str) -> str:
        """The administrator's, over the Unix socket, where no password counts."""
        return f"mysql+pymysql://{getpass.getuser()}@localhost/{database}?unix_socket={self.socket}"

    def sql(self, *statements: str, database: str | None = None) -> tuple[Any, ...]:
        """Run the statements as the administrator; the rows of the last one."""
        import pymysql

        rows: tuple[Any, ...] = ()
        with self.connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = cursor.fetchall()
        assert isinstance(connection, pymysql.Connection)
        return rows

    def connect(self, database: str | None = None) -> Any:
        """A connection of the administrator's; the caller closes it."""
        import pymysql

        return pymysql.connect(
            unix_socket=str(self.socket), user=getpass.getuser(), database=database, autocommit=True, ssl_disabled=True
        )

    def digest(self) -> str:
        """Of everything on the server that a probe may not change, row for row."""
        found = [self.sql(statement) for statement in _STATE]
        names = [
            ".".join("`" + part.replace("`", "``") + "`" for part in row[:2])
            for row in found[0]
            if row[0] != "mysql" and row[2] == "BASE TABLE"
        ]
        sums = self.sql(f"CHECKSUM TABLE {', '.join(names)}") if names else ()
        return hashlib.sha256(repr((found, sums, self.sql("SHOW DATABASES"))).encode()).hexdigest()


@contextmanager
def mariadb(*options: str) -> Iterator[MariaDB]:
    """Start one, with these options besides; its part is skipped or fails by name where it is not there."""
    program = need("mariadb")
    owner = _owner()
    with server_folder("mariadb", owner) as folder:
        server = MariaDB(folder, free_port())
        copy_data("mariadb", owner, lambda template: _make(template, owner), folder)
        process = _start(program, server, owner, options)
        try:
            _wait(server, process)
            server.sql(f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'")
            yield server
        finally:
            process.kill()  # nobody needs what it would write down, which takes a second
            process.wait(20)


def _owner() -> str:
    """mariadbd does not run as root."""
    if os.geteuid() != 0:
        return getpass.getuser()
    import pwd  # of POSIX

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "mysql" if "mysql" in names else "nobody"


def _make(folder: Path, owner: str) -> None:
    command = [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={folder / 'data'}",
        "--skip-test-db",
        "--skip-name-resolve",
        "--auth-root-authentication-method=socket",
        f"--auth-root-socket-user={getpass.getuser()}",
        "--innodb-log-file-size=4M",
        "--innodb-buffer-pool-size=16M",
        *([f"--user={owner}"] if os.geteuid() == 0 else []),
    ]
    made = subprocess.run(command, check=False, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr


def _start(program: str, server: MariaDB, owner: str, options: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    command = [
        program,
        "--no-defaults",
        f"--datadir={server.folder / 'data'}",
        f"--socket={server.socket}",
        f"--pid-file={server.folder / 'pid'}",
        f"--port={server.port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--skip-log-bin",
        "--performance-schema=OFF",
        "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=4M",
        "--innodb-flush-log-at-trx-commit=0",
        *options,
        *([f"--user={owner}"] if os.geteuid() == 0 else []),
    ]
    with (server.folder / "log").open("wb") as log:
        return subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait(server: MariaDB, process: "subprocess.Popen[bytes]") -> None:
    import pymysql

    end = time.monotonic() + 30
    while True:
        try:
            server.sql("SELECT 1")
        except pymysql.err.OperationalError:
            log = (server.folder / "log").read_text(errors="replace")
            assert process.poll() is None, log
            assert time.monotonic() < end, log
            time.sleep(0.05)
        else:
            return
