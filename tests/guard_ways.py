"""The ways to change or bypass a pin: small real programs, and what becomes of each under the guard.

Every program gets a row written (`write`, in rows.py) to the database that it believes is meant, so that the two files
tell the truth. The line that makes the attempt ends with `# <-`. `@OTHER@` is the other database's URL, `@FILE@` its
path.
"""

import sys
from collections.abc import Mapping
from typing import NamedTuple

BLOCKED = "blocked"  # the pin kept its value, and standard error names the line that tried
RAISED = "raised"  # an error at that line, which names the pin and --pins allow
RESTORED = "put back"  # a Python child that began with another value got the pinned one back, and said so
REPORTED = "reported"  # it happened, and the run ends with 65 and the other database's path
KEPT = "the environment wins by itself"  # no attempt: the library prefers what is set
REMOVED = "left out, then reported"
UNSEEN = "not covered"

DOTENV = ("0.21.1", "1.0.1", "1.2.4")
PYDANTIC = ("pydantic-settings==2.16.3",)
FLASK = ("flask==3.1.3", "python-dotenv==1.2.4")
UVICORN = ("uvicorn==0.54.0", "python-dotenv==1.2.4")
DYNACONF = ("dynaconf==3.3.5",)
SQLALCHEMY = ("SQLAlchemy==2.1.9",)


class Way(NamedTuple):
    """One way, its program, and what must come of it in a task (pins=block) and under exec (pins=error)."""

    title: str
    code: str
    task: str
    exec: str
    needs: tuple[str, ...] = ()  # requirements from PyPI
    dotenv: bool = False  # once with each version of python-dotenv
    files: Mapping[str, str] = {}
    command: tuple[str, ...] = ("app.py",)  # the words after python
    other: str = "other.db"
    on: str = "any"  # any, posix, linux, win32
    parts: tuple[str, ...] = ()  # programs that must be there
    lab: bool = False  # in the Windows lab too, where each start of a process takes half a second
    where: str = ""  # what is named in place of the marked line

    @property
    def id(self) -> str:
        return self.title.replace("`", "").replace(" ", "-")


ROWS = """\
import contextlib, os, sqlite3, sys
OTHER = "@OTHER@"
FILE = "@FILE@"
PYTHON = sys.executable
WRITER = [PYTHON, os.path.join(os.path.dirname(os.path.abspath(__file__)), "rows.py")]

def put(db):
    with contextlib.closing(db):
        db.execute("insert into items values ('way')")
        db.commit()

def write(url=None):
    url = url or os.environ.get("DATABASE_URL") or OTHER
    put(sqlite3.connect(url[len("sqlite:///"):]))

def end(code):
    sys.exit(code)

if __name__ == "__main__":
    write()
"""
PRELUDE = "import asyncio, multiprocessing, os, sqlite3, subprocess, sys, threading\nfrom rows import *\n"
ENV = {".env": "DATABASE_URL=@OTHER@\n"}


def _dotenv(title: str, code: str, task: str = BLOCKED, under_exec: str = BLOCKED, **more: object) -> Way:
    files = ENV | dict(more.pop("files", {}))  # type: ignore[call-overload]
    return Way(title, code, task, under_exec, dotenv=True, files=files, **more)  # type: ignore[arg-type]


def _library(title: str, code: str, task: str, under_exec: str, needs: tuple[str, ...], **more: object) -> Way:
    return Way(title, code, task, under_exec, needs=needs, files=ENV, **more)  # type: ignore[arg-type]


def _assign(title: str, code: str, **more: object) -> Way:
    return Way(title, code, BLOCKED, RAISED, **more)  # type: ignore[arg-type]


def _open(title: str, code: str, **more: object) -> Way:
    return Way(title, code, REPORTED, REPORTED, **more)  # type: ignore[arg-type]


def _outside(title: str, code: str, **more: object) -> Way:
    """Something that is not Python sets the variable and starts a Python child."""
    return Way(title, code, RESTORED, RAISED, where=r"before Python \(pid", **more)  # type: ignore[arg-type]


DOTENV_WAYS = [
    _dotenv(
        "`load_dotenv(override=True)`",
        "from dotenv import load_dotenv\nload_dotenv(override=True)  # <-\nwrite()",
        lab=True,
    ),
    _dotenv(
        "`dotenv.main.load_dotenv`",
        "import dotenv.main\ndotenv.main.load_dotenv('.env', override=True)  # <-\nwrite()",
    ),
    _dotenv(
        "`load_dotenv(stream=...)`",
        "from dotenv import load_dotenv\nwith open('.env') as stream:\n    load_dotenv(stream=stream, override=True)  # <-\nwrite()",
    ),
    _dotenv(
        "`load_dotenv(find_dotenv())` in a parent folder",
        "import app_below",
        files={
            "below/app_below.py": "from dotenv import find_dotenv, load_dotenv\nfrom rows import write\n"
            "load_dotenv(find_dotenv(), override=True)  # <-\nwrite()\n",
            "app.py": "import sys\nsys.path.append('below')\nimport app_below\n",
        },
    ),
    _dotenv(
        "`DotEnv(...).set_as_environment_variables()`",
        "from dotenv.main import DotEnv\nDotEnv('.env', override=True).set_as_environment_variables()  # <-\nwrite()",
        lab=True,
    ),
    _dotenv(
        "`os.environ.update(dotenv_values())`",
        "from dotenv import dotenv_values\nos.environ.update(dotenv_values())  # <-\nwrite()",
    ),
    _dotenv(
        "`dotenv_values()` merged over a copy of the environment",
        "from dotenv import dotenv_values\nwrite({**os.environ, **dotenv_values('.env')}['DATABASE_URL'])  # <-",
        lab=True,
    ),
    _dotenv(
        "`dotenv run --override -- python`",
        "write()",
        command=("-m", "dotenv", "run", "--override", "--", sys.executable, "app.py"),
        where=r"cli\.py(:|\", line )\d+|\.env:1",
    ),
    _dotenv(
        "`DATABASE_URL_FILE` in a `.env` file",
        "from dotenv import load_dotenv\nload_dotenv(override=True)  # <-\n"
        "path = os.environ.get('DATABASE_URL_FILE')\nwrite(open(path).read().strip() if path else None)",
        files={".env": "DATABASE_URL_FILE=secret\n", "secret": "@OTHER@\n"},
        lab=True,
    ),
]

LIBRARY_WAYS = [
    _library(
        "pydantic-settings, `env_file`",
        "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings, env_file='.env'):\n    database_url: str\n"
        "write(Settings().database_url)",
        KEPT,
        KEPT,
        PYDANTIC,
    ),
    _library(
        "pydantic-settings, sources with the `.env` file first",
        "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings, env_file='.env'):\n    database_url: str\n"
        "    @classmethod\n    def settings_customise_sources(cls, settings_cls, init_settings, env_settings, dotenv_settings,\n"
        "                                   file_secret_settings):\n"
        "        return dotenv_settings, env_settings\nwrite(Settings().database_url)  # <-",
        BLOCKED,
        BLOCKED,
        PYDANTIC,
    ),
    _library(
        "django-environ, `read_env(overwrite=True)`",
        "import environ\nenviron.Env.read_env('.env', overwrite=True)  # <-\nwrite(environ.Env()('DATABASE_URL'))",
        BLOCKED,
        RAISED,
        ("django-environ==0.14.0",),
    ),
    *[
        _library(
            f"environs {version.partition('.')[0]}, `read_env(override=True)`",
            f"from environs import Env\nenv = Env()\nenv.read_env('.env', override=True){mark}\nwrite(env('DATABASE_URL'))",
            outcome,
            outcome,
            (f"environs=={version}",),
        )
        for version, mark, outcome in (("11.2.1", "  # <-", BLOCKED), ("15.2.0", "", KEPT))
    ],
    _library(
        "dynaconf, `dotenv_override` (its own copy of python-dotenv)",
        "from dynaconf import Dynaconf\nsettings = Dynaconf(load_dotenv=True, dotenv_override=True, dotenv_path='.env', envvar_prefix=False)\n"
        "url = settings.DATABASE_URL  # <-\nwrite(url)",
        BLOCKED,
        BLOCKED,
        DYNACONF,
    ),
    _library(
        "starlette `Config('.env')`",
        "from starlette.config import Config\nwrite(Config('.env')('DATABASE_URL'))",
        KEPT,
        KEPT,
        ("starlette==1.10.0",),
    ),
    _library(
        "starlette `Config('.env', environ={})`",
        "from starlette.config import Config\nwrite(Config('.env', environ={})('DATABASE_URL'))  # <-",
        REPORTED,
        REPORTED,
        ("starlette==1.10.0",),
    ),
    _library(
        "`flask --env-file`",
        "import flask\napp = flask.Flask(__name__)\n@app.cli.command('row')\ndef row():\n    write()",
        KEPT,
        KEPT,
        FLASK,
        command=("-m", "flask", "--app", "app", "--env-file", ".env", "row"),
    ),
    _library(
        "`uvicorn --env-file`",
        "write()\nend(0)",
        KEPT,
        KEPT,
        UVICORN,
        command=("-m", "uvicorn", "app:app", "--env-file", ".env"),
    ),
]

ENVIRON_WAYS = [
    _assign("`os.environ[...] =`", "os.environ['DATABASE_URL'] = OTHER  # <-\nwrite()", lab=True),
    _assign("`os.environ.update`", "os.environ.update(DATABASE_URL=OTHER)  # <-\nwrite()", lab=True),
    _assign("`os.environ |=`", "os.environ |= {'DATABASE_URL': OTHER}  # <-\nwrite()", lab=True),
    Way("`os.environ.setdefault`", "os.environ.setdefault('DATABASE_URL', OTHER)\nwrite()", KEPT, KEPT),
    _assign("`os.environ.pop`", "os.environ.pop('DATABASE_URL', None)  # <-\nwrite()", lab=True),
    _assign("`del os.environ[...]`", "del os.environ['DATABASE_URL']  # <-\nwrite()", lab=True),
    _assign(
        "`os.environ.popitem`",
        "try:\n    while True:\n        os.environ.popitem()  # <-\nexcept KeyError:\n    write()",
        lab=True,
    ),
    _assign("`os.environ.clear`", "os.environ.clear()  # <-\nwrite()", lab=True),
    _assign("`os.environb[...] =`", "os.environb[b'DATABASE_URL'] = OTHER.encode()  # <-\nwrite()", on="posix"),
    _assign(
        "`os.putenv`, then a child",
        "os.putenv('DATABASE_URL', OTHER)  # <-\nend(subprocess.call(WRITER))",
        lab=True,
    ),
    _assign(
        "`os.unsetenv`, then a child",
        "os.unsetenv('DATABASE_URL')  # <-\nend(subprocess.call(WRITER))",
        lab=True,
    ),
    _open(
        "`os.environ` replaced by a dictionary",
        "os.environ = {**os.environ, 'DATABASE_URL': OTHER}  # <-\nwrite()",
    ),
    Way(
        "`os.environ._data`",
        "os.environ._data[os.environ.encodekey('DATABASE_URL')] = os.environ.encodevalue(OTHER)  # <-\nwrite()",
        REPORTED,
        REPORTED,
        lab=True,
    ),
    _outside(
        "`ctypes`, the C library's `setenv`",
        "import ctypes\nctypes.CDLL(None).setenv(b'DATABASE_URL', OTHER.encode(), 1)  # <-\nend(subprocess.call(WRITER))",
        on="posix",
    ),
    _assign(
        "`unittest.mock.patch.dict(os.environ)`",
        "from unittest import mock\nwith mock.patch.dict(os.environ, DATABASE_URL=OTHER):  # <-\n    write()",
        lab=True,
    ),
    Way(
        "`mock.patch.dict(os.environ, clear=True)`",
        "from unittest import mock\nwith mock.patch.dict(os.environ, clear=True):  # <-\n    write()",
        BLOCKED,
        REMOVED,
    ),
    _assign(
        "a thread that assigns",
        "codes = []\ndef work():\n    try:\n        os.environ['DATABASE_URL'] = OTHER  # <-\n        write()\n"
        "    except BaseException:\n        codes.append(1)\n        raise\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()\nend(sum(codes))",
        lab=True,
    ),
    _assign(
        "`DATABASE_URL_FILE` assigned",
        "open('secret', 'w').write(OTHER)\nos.environ['DATABASE_URL_FILE'] = 'secret'  # <-\n"
        "path = os.environ.get('DATABASE_URL_FILE')\nwrite(open(path).read() if path else None)",
        lab=True,
    ),
    _assign(
        "another spelling, `Database_Url`",
        "os.environ['Database_Url'] = OTHER  # <-\nwrite()",
        on="win32",
        lab=True,
    ),
]

CHANGED = "env = {**os.environ, 'DATABASE_URL': OTHER}\n"
CHILD_WAYS = [
    _assign(
        "`os.execve` with a changed copy",
        CHANGED + "os.execve(PYTHON, WRITER, env)  # <-",
        on="posix",
    ),
    _assign(
        "`os.execle`",
        CHANGED + "os.execle(PYTHON, *WRITER, env)  # <-",
        on="posix",
    ),
    _assign("`subprocess.run(env=...)`", CHANGED + "end(subprocess.run(WRITER, env=env).returncode)  # <-", lab=True),
    _assign(
        "`Popen` with `env` by position",
        CHANGED
        + "end(subprocess.Popen(WRITER, -1, None, None, None, None, None, True, False, None, env).wait())  # <-",
    ),
    _assign("`check_output(env=...)`", CHANGED + "subprocess.check_output(WRITER, env=env)  # <-"),
    Way(
        "`subprocess.run(env={...})` without the variable",
        "env = {name: text for name, text in os.environ.items() if name == 'SYSTEMROOT'}\n"
        "end(subprocess.run(WRITER, env=env).returncode)  # <-",
        BLOCKED,
        REMOVED,
        lab=True,
    ),
    _assign("`os.spawnve`", CHANGED + "end(os.spawnve(os.P_WAIT, PYTHON, WRITER, env))  # <-"),
    _assign(
        "`os.posix_spawn`",
        CHANGED + "pid = os.posix_spawn(PYTHON, WRITER, env)  # <-\nend(os.waitpid(pid, 0)[1])",
        on="posix",
    ),
    _assign(
        "`asyncio.create_subprocess_exec(env=...)`",
        CHANGED
        + "async def main():\n    child = await asyncio.create_subprocess_exec(*WRITER, env=env)  # <-\n    return await child.wait()\n"
        "end(asyncio.run(main()))",
    ),
    *[
        _assign(
            f"`multiprocessing` ({method}), a worker that assigns",
            "def work():\n    os.environ['DATABASE_URL'] = OTHER  # <-\n    write()\n"
            "if __name__ == '__main__':\n"
            f"    worker = multiprocessing.get_context('{method}').Process(target=work)\n"
            "    worker.start()\n    worker.join()\n    end(worker.exitcode)",
            on="any" if method == "spawn" else "posix",
            lab=method == "spawn",
        )
        for method in ("fork", "spawn", "forkserver")
    ],
    _assign(
        "`os.fork`, a child that assigns",
        "if os.fork() == 0:\n    os.environ['DATABASE_URL'] = OTHER  # <-\n    write()\n    end(0)\nend(os.wait()[1] >> 8)",
        on="posix",
    ),
    _outside(
        "`env DATABASE_URL=... python`",
        "end(subprocess.call(['env', 'DATABASE_URL=' + OTHER, *WRITER]))",
        on="posix",
    ),
    Way(
        "`env -u DATABASE_URL python`",
        "end(subprocess.call(['env', '-u', 'DATABASE_URL', *WRITER]))",
        RESTORED,
        REMOVED,
        on="posix",
    ),
    _outside(
        "`bash -c 'export ...; python'`",
        "end(subprocess.call(['bash', '-c', 'export DATABASE_URL=\"$0\"; \"$@\"; exit $?', OTHER, *WRITER]))",
        parts=("bash",),
        on="posix",
    ),
    _outside(
        "`os.system('DATABASE_URL=... python')`",
        "import shlex\nend(os.system('DATABASE_URL=' + shlex.quote(OTHER) + ' ' + shlex.join(WRITER)) >> 8)",
        on="posix",
    ),
    _outside(
        "a shell script that reads a `.env` file",
        "end(subprocess.call(['sh', 'start.sh', *WRITER]))",
        files=ENV | {"start.sh": 'set -a\n. ./.env\n"$@"\nexit $?\n'},
        on="posix",
    ),
    _outside(
        '`cmd /c "set DATABASE_URL=...& python"`',
        "end(subprocess.call('cmd /c \"set DATABASE_URL=' + OTHER + '& \"' + PYTHON + '\" rows.py\"'))",
        on="win32",
        lab=True,
    ),
    _outside(
        "Node.js sets it and starts Python",
        "end(subprocess.call(['node', 'start.js', OTHER, *WRITER]))",
        files={
            "start.js": "const [url, program, ...words] = process.argv.slice(2)\nprocess.env.DATABASE_URL = url\n"
            "process.exit(require('child_process').spawnSync(program, words, {stdio: 'inherit'}).status)\n"
        },
        parts=("node",),
        on="posix",
    ),
    _outside(
        "Perl sets it and starts Python",
        "end(subprocess.call(['perl', '-e', '$ENV{DATABASE_URL} = shift; exec @ARGV', OTHER, *WRITER]))",
        parts=("perl",),
        on="posix",
    ),
    *[
        _open(
            f"a child with `python {flag}` that assigns",
            f"end(subprocess.call([PYTHON, '{flag}', 'assign.py']))",
            files={
                "assign.py": "import os, sys\nsys.path.insert(0, os.getcwd())\nfrom rows import *\nos.environ['DATABASE_URL'] = OTHER\nwrite()\n"
            },
            lab=flag == "-I",
        )
        for flag in ("-I", "-E", "-S")
    ],
    _open(
        "a child of another language that opens the file (`sh`, the sqlite3 program)",
        "end(subprocess.call(['sh', '-c', 'exec sqlite3 \"$0\" \"insert into items values (1)\"', FILE]))",
        parts=("sqlite3",),
        on="posix",
    ),
]

OPEN_WAYS = [
    _open("`sqlite3.connect`, a file name built in", "put(sqlite3.connect(FILE))  # <-", lab=True),
    _open("`sqlite3.connect('file:...', uri=True)`", "put(sqlite3.connect('file:' + FILE, uri=True))  # <-", lab=True),
    _open(
        "a relative path after `os.chdir`",
        "os.chdir('data')\nput(sqlite3.connect('main.db'))  # <-",
        other="data/main.db",
        lab=True,
    ),
    _open("`sqlite3.Connection(path)`", "put(sqlite3.Connection(FILE))  # <-", lab=True),
    _open("`from sqlite3.dbapi2 import connect`", "from sqlite3.dbapi2 import connect\nput(connect(FILE))  # <-"),
    _open("`_sqlite3.connect`", "import _sqlite3\nput(_sqlite3.connect(FILE))  # <-", lab=True),
    _open(
        "SQLAlchemy, an engine with a file name built in",
        "import sqlalchemy as sa\nwith sa.create_engine(OTHER).begin() as db:  # <-\n"
        "    db.execute(sa.text(\"insert into items values ('way')\"))",
        needs=SQLALCHEMY,
    ),
    _open(
        "SQLAlchemy, a second engine later in the run",
        "import sqlalchemy as sa\ninsert = sa.text(\"insert into items values ('way')\")\n"
        "with sa.create_engine(os.environ['DATABASE_URL']).connect() as db:\n    db.execute(sa.text('select 1 from items'))\n"
        "with sa.create_engine(OTHER).begin() as db:  # <-\n    db.execute(insert)",
        needs=SQLALCHEMY,
    ),
    _open(
        "aiosqlite",
        "import aiosqlite\nasync def main():\n    async with aiosqlite.connect(FILE) as db:  # <-\n"
        "        await db.execute(\"insert into items values ('way')\")\n        await db.commit()\nasyncio.run(main())",
        needs=("aiosqlite==0.22.1",),
    ),
    _open(
        "`ATTACH DATABASE`",
        "db = sqlite3.connect(os.environ['DATABASE_URL'][len('sqlite:///'):])\ndb.execute('attach ? as o', (FILE,))\n"
        "db.execute(\"insert into o.items values ('way')\")\ndb.commit()",
        lab=True,
    ),
    _open(
        "a forked child that opens the wrong one",
        "if os.fork() == 0:\n    put(sqlite3.connect(FILE))  # <-\n    end(0)\nend(os.wait()[1] >> 8)",
        on="posix",
    ),
    _open(
        "the sqlite3 program",
        "end(subprocess.call(['sqlite3', FILE, \"insert into items values ('way')\"]))",
        parts=("sqlite3",),
    ),
    _open(
        "`ctypes`, SQLite's own library",
        "import ctypes, ctypes.util\nlib = ctypes.CDLL(ctypes.util.find_library('sqlite3'))\ndb = ctypes.c_void_p()\n"
        "assert lib.sqlite3_open(FILE.encode(), ctypes.byref(db)) == 0\n"
        "assert lib.sqlite3_exec(db, b\"insert into items values ('way')\", None, None, None) == 0\nlib.sqlite3_close(db)",
        on="linux",
    ),
    Way(
        "`ATTACH` of a file outside `{root}` and the current folder, for a moment",
        "db = sqlite3.connect(os.environ['DATABASE_URL'][len('sqlite:///'):])\ndb.execute('attach ? as o', (FILE,))\n"
        "db.execute(\"insert into o.items values ('way')\")\ndb.commit()",
        UNSEEN,
        UNSEEN,
        other="../elsewhere.db",
    ),
]

WAYS = [*DOTENV_WAYS, *LIBRARY_WAYS, *ENVIRON_WAYS, *CHILD_WAYS, *OPEN_WAYS]


def program(way: Way) -> dict[str, str]:
    """The way's files by name, rows.py and app.py among them; placeholders are not filled in."""
    return {"rows.py": ROWS, "app.py": PRELUDE + way.code + "\n", **way.files}


def marked(way: Way) -> tuple[str, int] | None:
    """File name and line of the attempt."""
    for name, text in program(way).items():
        for number, line in enumerate(text.splitlines(), 1):
            if line.endswith("# <-"):
                return name, number
    return None


def versions(way: Way) -> str:
    """The packages that the way was run with."""
    return ", ".join(
        [*(n.replace("==", " ") for n in way.needs), *(["python-dotenv " + ", ".join(DOTENV)] * way.dotenv)]
    )


MEANINGS = {
    BLOCKED: "the pin kept its value; standard error names file and line of the attempt",
    RAISED: "an error at that line (or before the child's first line), which names the pin and `--pins allow`",
    RESTORED: "a Python that starts with another value gets the pinned one back and says so",
    REPORTED: "it happened, and the run ends with 65 and the path of the other database; under `exec` with `--verify`",
    KEPT: "the library prefers what is set; nothing is lost and nothing need be said",
    REMOVED: "a test that takes the variable from its child must not get the operator's database by it",
    UNSEEN: "neither the guard nor the evidence from outside is sure to see it",
}


def page() -> str:
    """The table of the docs, and what its words mean."""
    title = {way.id: way.title.replace("|", "\\|") for way in WAYS}  # a bar would begin the next column
    rows = [f"| {title[way.id]} | {versions(way) or '-'} | {way.task} | {way.exec} |" for way in WAYS]
    words = [f"- *{outcome}*: {meaning}." for outcome, meaning in MEANINGS.items()]
    return "\n".join(["| way | with | in a task | under `exec` |", "|---|---|---|---|", *rows, "", *words])
