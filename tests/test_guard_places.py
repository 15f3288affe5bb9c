"""The guard records the server and database that a connection is really on, whatever it was called with."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running import last_line, run, write

from launcher.guard import BOOTSTRAP

if TYPE_CHECKING:  # of POSIX
    from mariadb import MariaDB
    from postgres import Postgres

pytestmark = pytest.mark.posix

# The program's own listener comes after the guard's.
PROGRAM = """
import os
from sqlalchemy import create_engine, event, text
engine = create_engine(os.environ["DATABASE_URL"])
@event.listens_for(engine, "do_connect")
def elsewhere(dialect, pooled, words, named):
    named["dbname"] = "places_two"
with engine.connect() as connection:
    print(connection.scalar(text("select current_database()")))
"""


def test_a_listener_of_the_program_that_leads_elsewhere(tmp_path: Path, postgres_server: "Postgres") -> None:
    for name in ("places_one", "places_two"):
        postgres_server.run("createdb", "-U", "postgres", name)
    (tmp_path / "app.py").write_text(PROGRAM)
    write(
        tmp_path,
        f'[databases.main]\nurl = "{postgres_server.url("places_one")}"\n[profiles.p]\ndatabase = "main"\n'
        f"[profiles.p.tasks.t]\nrun = {json.dumps([sys.executable, 'app.py'])}\nverify = false\n",
    )
    done = run(["p", "t"], tmp_path)
    assert (done.returncode, done.stdout) == (65, "places_two\n"), done.stderr
    assert last_line(done).startswith("autopack-run: drift: ")
    assert "/places_two: opened by" in done.stderr


PLACES = [
    ("postgresql", {"host": "h", "port": 1, "dbname": "d"}, {}, "postgresql://h:1/d"),
    ("postgresql", {"dbname": "d"}, {"PGHOST": "h", "PGPORT": "6432"}, "postgresql://h:6432/d"),
    ("postgresql", {"host": "/run/postgresql", "dbname": "d"}, {}, "postgresql://%2Frun%2Fpostgresql/d"),
    ("postgresql", {"host": "/s", "port": 1, "dbname": "d"}, {}, "postgresql://%2Fs:1/d"),
    ("postgresql", {"host": "h,::1", "port": "1", "dbname": "d"}, {}, "postgresql://h:1,[::1]:1/d"),
    ("postgresql", {"host": ["h", "i"], "port": [1, 2], "database": "d"}, {}, "postgresql://h:1,i:2/d"),
    ("mysql", {"host": "h", "db": "d", "unix_socket": "/run/x.sock"}, {}, "mysql://%2Frun%2Fx.sock/d"),
]
ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from _autopack_run_guard.engines import server_place
print(server_place(sys.argv[2], (), json.loads(sys.argv[3])))
"""


@pytest.mark.parametrize(("dialect", "named", "env", "place"), PLACES)
def test_where_a_call_leads(dialect: str, named: dict[str, object], env: dict[str, str], place: str) -> None:
    words = [sys.executable, "-c", ASK, BOOTSTRAP, dialect, json.dumps(named)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == place


BARE = """
import os, sys, pymysql
from urllib.parse import urlsplit
found = urlsplit(os.environ["DATABASE_URL"])
for name in sys.argv[1:]:
    where = {"host": found.hostname, "port": found.port, "user": found.username, "password": found.password}
    pymysql.connect(**where, database=name).close()
print("went on")
"""


@pytest.mark.parametrize("databases", ["report", "block"])
def test_pymysql_without_sqlalchemy(tmp_path: Path, mariadb_server: "MariaDB", databases: str) -> None:
    for name in ("places_one", "places_two"):
        mariadb_server.sql(f"CREATE OR REPLACE DATABASE {name}", f"GRANT ALL PRIVILEGES ON {name}.* TO app@'%'")
    (tmp_path / "app.py").write_text(BARE)
    url, tasks = mariadb_server.url("places_one"), ""
    for task, names in {"one": ["places_one"], "two": ["places_one", "places_two"]}.items():
        words = json.dumps([sys.executable, "app.py", *names])
        tasks += f'[profiles.p.tasks.{task}]\nrun = {words}\nverify = false\ndatabases = "{databases}"\n'
    write(tmp_path, f'[databases.main]\nurl = "{url}"\n[profiles.p]\ndatabase = "main"\n{tasks}')
    alone = run(["p", "one"], tmp_path)
    assert (alone.returncode, alone.stdout) == (0, "went on\n"), alone.stderr
    assert "opened by" in alone.stderr
    assert " only: " not in alone.stderr  # USE would not be seen
    done = run(["p", "two"], tmp_path)
    place, blocked = f"mysql://127.0.0.1:{mariadb_server.port}/places_two", databases == "block"
    assert (done.returncode, done.stdout) == ((1, "") if blocked else (65, "went on\n")), done.stderr
    assert (f"app.py:7 opens {place}; pinned is " if blocked else f"{place}: opened by") in done.stderr
    assert blocked == ("pymysql.err.OperationalError: autopack-run: blocked" in done.stderr), done.stderr
