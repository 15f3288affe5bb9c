"""A client that was written without a thought of the launcher: an engine made at import, a .env that names another
database, a health check that says what it likes, uvicorn as a real process."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import LAUNCHER, clean_env, run, snapshot, write

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

APP = """
import os
from pathlib import Path
from dotenv import load_dotenv
from fastapi import FastAPI
from sqlalchemy import create_engine, text

load_dotenv(Path(__file__).parent.parent / ".env")
engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///fallback.db"))
app = FastAPI()

@app.get("/health")
def health():
    with engine.connect() as connection:
        rows = connection.execute(text("select count(*) from phases")).scalar()
        return {"file": connection.exec_driver_sql("PRAGMA database_list").fetchone()[2], "phases": rows}
"""
CREATE = """
import os
from sqlalchemy import Column, Integer, String, create_engine
from sqlalchemy.orm import declarative_base, Session

Base = declarative_base()
class Run(Base):
    __tablename__ = "runs"
    id = Column(String, primary_key=True)
class Phase(Base):
    __tablename__ = "phases"
    id = Column(Integer, primary_key=True)
    state = Column(String)

engine = create_engine(os.environ["DATABASE_URL"])
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add(Run(id="v4"))
    session.add_all(Phase(state="QUEUED") for _ in range(3))
    session.commit()
"""
PROFILE = f"""
[defaults]
python = {json.dumps(sys.executable)}
env = {{ PYTHONPATH = "{{root}}/src" }}
env_files = [".env"]

[databases.telemetry]
url = "sqlite:///data/telemetry.db"
tables = ["runs", "phases"]

[profiles.seed]
database = "telemetry"
[profiles.seed.tasks.create]
run = ["python", "scripts/create.py"]
creates = true

[profiles.telemetry]
database = "telemetry"
[profiles.telemetry.tasks.serve]
run = ["python", "-m", "uvicorn", "client.main:app", "--port", "{{port}}", "--log-level", "warning"]
needs_rows = ["runs", "phases"]
"""


@pytest.fixture
def client(tmp_path: Path) -> Path:
    root = tmp_path / "the client's folder"
    for name, text in {"src/client/main.py": APP, "src/client/__init__.py": "", "scripts/create.py": CREATE}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "data").mkdir()
    (root / ".env").write_text("DATABASE_URL=sqlite:///other.db\nDATABASE_URL_FILE=/nowhere\n")
    write(root, PROFILE)
    return root


@contextmanager
def serving(folder: Path, cwd: Path, port: int) -> Iterator[dict[str, Any]]:
    """The served /health, from a launcher started in cwd; the server is gone afterwards."""
    words = [*LAUNCHER, "-f", str(folder / "autopack-run.toml"), "--port", str(port), "telemetry", "serve"]
    server = subprocess.Popen(words, cwd=cwd, env=clean_env(), stderr=subprocess.PIPE, text=True)
    try:
        yield health(server, port)
    finally:
        server.terminate() if os.name == "nt" else server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


def health(server: "subprocess.Popen[str]", port: int) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(300):
        assert server.poll() is None, server.communicate()[1]
        try:
            with opener.open(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not answer")


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_create_is_stamped_by_the_launcher_and_then_proven(client: Path) -> None:
    missing = run(["telemetry", "check"], client)
    assert missing.returncode == 78
    assert "autopack-run seed create" in missing.stderr

    created = run(["seed", "create"], client)
    assert created.returncode == 0, created.stderr
    before = snapshot(client)
    checked = run(["telemetry", "check"], client)
    assert checked.returncode == 0, checked.stderr
    assert "verified: db_id" in checked.stdout
    assert snapshot(client) == before
    with closing(sqlite3.connect(client / "data" / "telemetry.db")) as database:
        stamp = dict(database.execute("select key, value from autopack_identity"))
    assert stamp["database"] == "telemetry"


@pytest.mark.parametrize("where", ["root", "src", "elsewhere"])
def test_health_answers_from_the_pinned_file_wherever_one_stands(client: Path, where: str, tmp_path: Path) -> None:
    assert run(["seed", "create"], client).returncode == 0
    cwd = {"root": client, "src": client / "src", "elsewhere": tmp_path / "else"}[where]
    cwd.mkdir(exist_ok=True)
    # What the client alone would take: the file that its .env means in this folder.
    with closing(sqlite3.connect(cwd / "other.db")) as other, other:
        other.execute("create table phases (id integer)")
    with serving(client, cwd, free_port()) as found:
        assert os.path.samefile(found["file"], client / "data" / "telemetry.db")
        assert found["phases"] == 3


def test_the_url_file_of_the_env_file_is_told_and_ignored(client: Path) -> None:
    result = run(
        ["telemetry", "exec", sys.executable, "-c", "import os; print(repr(os.environ['DATABASE_URL_FILE']))"], client
    )
    assert result.stdout == "''\n"
    assert ".env:2: DATABASE_URL_FILE is ignored, since DATABASE_URL is pinned" in result.stderr


HOSTILE = "raise SystemExit('the client's package was imported in place of the launcher')\n"


def test_a_client_with_packages_of_our_names_disturbs_nothing(client: Path) -> None:
    for package in ("launcher", "shells", "templates"):
        (client / package).mkdir()
        (client / package / "__init__.py").write_text(HOSTILE)
        (client / package / "cli.py").write_text(HOSTILE)
    env = {"PYTHONPATH": str(client)}
    assert run(["seed", "create"], client, env).returncode == 0
    assert run(["telemetry", "check"], client, env).returncode == 0
    assert run(["telemetry", "env", "--shell", "bash"], client, env).returncode == 0
    (client / "empty").mkdir()
    assert run(["init"], client / "empty", env).returncode == 0
    # The client still gets its own.
    own = run(["telemetry", "exec", sys.executable, "-c", "import launcher"], client, {"PYTHONPATH": str(client)})
    assert own.returncode == 0 or "in place of" in own.stderr
