"""The guard beside other tools that reach into Python's start, under servers with workers, and where little works."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipapp
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from package_folders import environment, installed
from running import LAUNCHER, clean_env, run, write

ASSIGN = """
import os, sqlite3
os.environ["DATABASE_URL"] = "sqlite:///other.db"
path = os.environ["DATABASE_URL"][len("sqlite:///"):]
db = sqlite3.connect(path)
db.execute("insert into items values ('row')")
db.commit()
db.close()
print("done")
"""
# Each answer: the process's id and the variable as it sees it, after it has tried to change it.
SERVER = """
import os
os.environ["DATABASE_URL"] = "sqlite:///other.db"

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body = f"{os.getpid()} {os.environ['DATABASE_URL']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})

def wsgi(environ, start_response):
    start_response("200 OK", [("Connection", "close")])
    return [f"{os.getpid()} {os.environ['DATABASE_URL']}".encode()]
"""
KEPT = r"autopack-run: kept DATABASE_URL: .*app\.py:3\b"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a stamped database and app.py, which assigns the variable and writes a row."""
    folder = tmp_path / "project"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "main.db")) as db:
        db.execute("create table items (name)")
        db.commit()
    (folder / "app.py").write_text(ASSIGN)
    profile(folder, [sys.executable, "app.py"])
    adopted = run(["p", "adopt"], folder)
    assert adopted.returncode == 0, adopted.stderr
    return folder


def profile(folder: Path, words: list[str], **env: str) -> None:
    """The profile file: the task `t` runs the words with the variables."""
    write(
        folder,
        f"""
        [databases.main]
        url = "sqlite:///main.db"
        tables = ["items"]
        [profiles.p]
        database = "main"
        env = {{ {", ".join(f"{name} = {json.dumps(text)}" for name, text in env.items())} }}
        [profiles.p.tasks.t]
        run = {json.dumps(words)}
        """,
    )


def rows(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "main.db")) as db:
        return int(db.execute("select count(*) from items").fetchone()[0])


def holds(folder: Path, words: list[str], count: int = 1, told: str = KEPT, **env: str) -> str:
    """Run the words as a task: the pin holds, the program ends as it would. Returns standard error."""
    profile(folder, words, **env)
    done = run(["p", "t"], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(told, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert rows(folder) == count
    assert not (folder / "other.db").exists()
    return done.stderr


# Tools that start before the program, as the guard does


@pytest.mark.posix
def test_coverage_in_all_processes(project: Path) -> None:
    """`run -p` and the .pth file that starts it in child processes: measured data of both, and the pin in both."""
    python = environment("coverage==7.17.4")
    packages = subprocess.check_output([python, "-c", "import site; print(site.getsitepackages()[0])"], text=True)
    (Path(packages.strip()) / "start.pth").write_text("import coverage; coverage.process_startup()\n")
    (project / ".coveragerc").write_text("[run]\nparallel = true\nsource = .\n")
    (project / "parent.py").write_text(
        "import subprocess, sys\nsys.exit(subprocess.call([sys.executable, 'app.py']))\n"
    )
    words = [str(python), "-m", "coverage", "run", "-p", "parent.py"]
    holds(project, words, COVERAGE_PROCESS_START=str(project / ".coveragerc"))
    assert len([name for name in os.listdir(project) if name.startswith(".coverage.")]) == 2


@pytest.mark.posix
def test_debugpy(project: Path) -> None:
    packages = installed("debugpy==1.8.22")
    words = [sys.executable, "-m", "debugpy", "--listen", f"127.0.0.1:{free_port()}", "app.py"]
    holds(project, words, PYTHONPATH=str(packages), PYDEVD_DISABLE_FILE_VALIDATION="1")


@pytest.mark.posix
def test_pytest_xdist(project: Path) -> None:
    packages = installed("pytest==9.2.0", "pytest-xdist==3.8.0")
    (project / "test_app.py").write_text(
        "import os\ndef test_it(monkeypatch):\n    monkeypatch.setenv('DATABASE_URL', 'sqlite:///other.db')\n"
    )
    profile(project, ["-"], PYTHONPATH=str(packages))
    pytest_words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-n", "2"]
    done = run(["p", "exec", *pytest_words], project)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "--pins allow" in done.stdout
    assert re.search(r"test_app\.py:3\b", done.stdout)


def test_a_hidden_sitecustomize_runs_too(project: Path) -> None:
    (project / "site").mkdir()
    (project / "site" / "sitecustomize.py").write_text("import sys\nprint('own sitecustomize', file=sys.stderr)\n")
    said = holds(project, [sys.executable, "app.py"], PYTHONPATH=str(project / "site"))
    assert said.count("own sitecustomize") == 1


def test_a_hidden_sitecustomize_that_fails_is_python_s_to_tell(project: Path) -> None:
    (project / "site").mkdir()
    (project / "site" / "sitecustomize.py").write_text("raise RuntimeError('its own mistake')\n")
    profile(project, [sys.executable, "app.py"], PYTHONPATH=str(project / "site"))
    done = run(["p", "t"], project)
    assert done.returncode == 0, done.stderr
    assert "its own mistake" in done.stderr
    assert re.search(KEPT, done.stderr), done.stderr
    assert rows(project) == 1


def test_usercustomize_runs_too(project: Path) -> None:
    base = getattr(sys, "_base_executable", sys.executable)
    asked = [base, "-c", "import site; print(site.getusersitepackages())"]
    where = project / "user"
    env = clean_env({"PYTHONUSERBASE": str(where)})
    folder = Path(subprocess.check_output(asked, text=True, env=env).strip())
    folder.mkdir(parents=True)
    (folder / "usercustomize.py").write_text("import sys\nprint('own usercustomize', file=sys.stderr)\n")
    said = holds(project, [base, "app.py"], PYTHONUSERBASE=str(where))
    assert said.count("own usercustomize") == 1


# Ways to start


def test_python_m(project: Path) -> None:
    holds(project, [sys.executable, "-m", "app"])


def test_zipapp(project: Path) -> None:
    (project / "zipped").mkdir()
    (project / "zipped" / "__main__.py").write_text(ASSIGN)
    zipapp.create_archive(project / "zipped", project / "app.pyz")
    holds(project, [sys.executable, "app.pyz"], told=r"autopack-run: kept DATABASE_URL: .*app\.pyz.__main__\.py:3\b")


def pythons() -> list[object]:
    """Each version that the guard supports: its Python on PATH or of pyenv."""
    return [pytest.param(f"3.{minor}", id=f"3.{minor}") for minor in range(8, 14)]


def python_of(version: str) -> str:
    """The interpreter of the version. Skips by name where there is none."""
    pyenv = shutil.which("pyenv")
    places: list[Path] = []
    if pyenv:
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
        places = sorted(Path(root, "versions").glob(f"{version}.*/bin/python"))
    for program in [shutil.which(f"python{version}"), *map(str, places)]:
        # A shim of pyenv is on PATH for versions that are not switched on, too.
        if program and subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0:
            return program
    pytest.skip(f"python{version}: not installed")


@pytest.mark.posix
@pytest.mark.parametrize("version", pythons())
def test_a_virtual_environment_of_every_python(project: Path, version: str) -> None:
    """The launcher is of 3.11; the program's Python need not be."""
    python = environment(python=python_of(version))
    holds(project, [str(python), "app.py"])
    (project / "parent.py").write_text(
        "import multiprocessing, subprocess, sys\n"
        "def work():\n    import app\n"
        "if __name__ == '__main__':\n"
        "    worker = multiprocessing.get_context('spawn').Process(target=work)\n    worker.start()\n    worker.join()\n"
        "    sys.exit(worker.exitcode or subprocess.call([sys.executable, 'app.py'], env={'DATABASE_URL': 'sqlite:///other.db'}))\n"
    )
    said = holds(project, [str(python), "parent.py"], count=3)
    assert re.search(r"parent\.py:8\b", said), said


@pytest.mark.posix
def test_multiprocessing_pools(project: Path) -> None:
    (project / "pool.py").write_text(
        "import concurrent.futures, multiprocessing, os\n"
        "def work(number):\n    os.environ['DATABASE_URL'] = 'sqlite:///other.db'\n    return os.environ['DATABASE_URL']\n"
        "if __name__ == '__main__':\n"
        "    for method in ('fork', 'spawn', 'forkserver'):\n"
        "        with multiprocessing.get_context(method).Pool(2) as pool:\n"
        "            assert all(u.endswith('main.db') for u in pool.map(work, range(4)))\n"
        "    with concurrent.futures.ProcessPoolExecutor(2) as pool:\n"
        "        assert all(u.endswith('main.db') for u in pool.map(work, range(4)))\n"
    )
    holds(project, [sys.executable, "pool.py"], count=0, told=r"kept DATABASE_URL: .*pool\.py:3\b")


# Servers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(project: Path, words: list[str], port: int, **env: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The server as a task, ready to answer; its output goes to server.txt. Afterwards it has been asked to end."""
    (project / "app.py").write_text(SERVER)
    profile(project, words, **env)
    with open(project / "server.txt", "wb") as output:
        launched = subprocess.Popen(
            [*LAUNCHER, "p", "t"],
            cwd=project,
            env=clean_env(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(lambda: ask(port) is not None, project)
        yield launched
        launched.send_signal(signal.SIGTERM)
        launched.wait(20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(launched.pid, signal.SIGKILL)
        launched.wait(5)


def ask(port: int) -> tuple[int, str] | None:
    """The answering process and the variable as it sees it; None while nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/", timeout=2) as answer:
            pid, url = answer.read().decode().split(" ", 1)
            return int(pid), url
    except (OSError, urllib.error.URLError):
        return None


def wait_for(done: object, project: Path, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        assert time.monotonic() < until, (project / "server.txt").read_text()
        time.sleep(0.05)


def workers(port: int, number: int, project: Path) -> set[int]:
    """Ask until so many processes have answered; each must see the pinned database."""
    seen: set[int] = set()

    def enough() -> bool:
        answer = ask(port)
        if answer:
            assert answer[1].endswith("main.db"), answer
            seen.add(answer[0])
        return len(seen) >= number

    wait_for(enough, project)
    return seen


def gone(pids: set[int]) -> bool:
    return not any(os.path.exists(f"/proc/{pid}") for pid in pids) if sys.platform == "linux" else True


@pytest.mark.posix
@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["", "preload"])
def test_gunicorn_workers(project: Path, options: list[str]) -> None:
    port = free_port()
    words = [sys.executable, "-m", "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}", *options, "app:wsgi"]
    with served(project, words, port, PYTHONPATH=str(installed("gunicorn==27.0.1"))):
        answered = workers(port, 2, project)
    said = (project / "server.txt").read_text()
    assert re.search(r"kept DATABASE_URL: .*app\.py:3\b", said), said
    assert "Traceback" not in said
    wait_for(lambda: gone(answered), project)


@pytest.mark.posix
def test_uvicorn_workers(project: Path) -> None:
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", "--workers", "2", "--port", str(port), "app:asgi"]
    with served(project, words, port, PYTHONPATH=str(installed("uvicorn==0.54.0"))):
        answered = workers(port, 2, project)
    said = (project / "server.txt").read_text()
    assert re.search(r"kept DATABASE_URL: .*app\.py:3\b", said), said
    wait_for(lambda: gone(answered), project)


@pytest.mark.posix
def test_uvicorn_reload(project: Path) -> None:
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", "--reload", "--port", str(port), "app:asgi"]
    with served(project, words, port, PYTHONPATH=str(installed("uvicorn==0.54.0"))):
        first = workers(port, 1, project)
        time.sleep(1.1)  # the reloader compares times of files
        (project / "app.py").write_text(SERVER + "# changed\n")

        def reloaded() -> bool:
            answer = ask(port)
            return answer is not None and answer[0] not in first and answer[1].endswith("main.db")

        wait_for(reloaded, project)
    assert "Traceback" not in (project / "server.txt").read_text()


# Where little works


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A small file system in the folder. Skips by name without the right to mount."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mount: only root on Linux")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"mount: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def runs(project: Path) -> Path:
    return project / ".autopack-run" / "runs"


# Another file system over it, since one with a file open for writing cannot be made read-only.
READ_ONLY = """
import os, subprocess
subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", os.environ["AUTOPACK_RUN_RUN"]], check=True)
"""
FILL = (
    """
import os
with open(os.path.join(os.environ["HERE"], "filler"), "wb", 0) as file:
    try:
        while file.write(b"x" * 4096):
            pass
    except OSError:
        pass
"""
    + "os.environ['DATABASE_URL'] = 'sqlite:///other.db'\n" * 60
)  # more records than the last block has room for


@pytest.mark.posix
@pytest.mark.parametrize(("spoil", "size"), [(READ_ONLY, "1m"), (FILL, "256k")], ids=["read-only", "full"])
def test_a_run_folder_that_takes_nothing_more(project: Path, spoil: str, size: str) -> None:
    """It happens while the program runs: the pin holds, the program is not disturbed, the loss is told."""
    with mounted(runs(project), f"size={size}"):
        (project / "app.py").write_text(ASSIGN + spoil + ASSIGN)
        profile(project, [sys.executable, "app.py"], HERE=str(runs(project)))
        done = run(["p", "t"], project)
        assert done.stdout.split() == ["done", "done"], done.stderr
        assert rows(project) == 2
        assert re.search(KEPT, done.stderr), done.stderr
        assert "Traceback" not in done.stderr
        assert re.search("record|not proven", done.stderr), done.stderr
        assert done.returncode == 0, done.stderr


@pytest.mark.posix
@pytest.mark.parametrize("options", ["ro,size=64k", "size=4k,nr_inodes=1"], ids=["read-only", "full"])
def test_a_run_folder_that_cannot_be_made(project: Path, options: str) -> None:
    """Before the start: the program runs with its pins, or the launcher refuses in its own words."""
    with mounted(runs(project), options):
        done = run(["p", "t"], project)
        assert "Traceback" not in done.stderr, done.stderr
        if done.returncode:
            assert done.returncode in (74, 77, 78), done.stderr
            assert done.stderr.rstrip().rsplit("\n", 1)[-1].startswith("autopack-run: "), done.stderr
            assert rows(project) == 0
        else:
            assert rows(project) == 1
            assert re.search(KEPT, done.stderr), done.stderr


@pytest.mark.posix
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full: only on Linux")
@pytest.mark.parametrize("stream", ["/dev/full", "closed"])
def test_a_standard_error_that_takes_nothing(project: Path, stream: str) -> None:
    """The program's own work and exit code are what they would be; the row is in the pinned database."""
    shell = f'"$@" 2>{"&-" if stream == "closed" else stream}'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *LAUNCHER, "p", "t"],
        cwd=project,
        env=clean_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["done"]
    assert rows(project) == 1
    assert done.returncode in (0, 74)
