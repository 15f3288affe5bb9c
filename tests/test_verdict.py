"""The verdict of a run: what counts as drift, what is told, and what stays."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from running import last_line
from runs import Project, some_on_windows


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


GOOD = "from client import work\nwork()\n"
OTHER = "import sqlite3\ndatabase = sqlite3.connect('other.db')\n"


def test_a_run_on_its_database_alone(project: Project) -> None:
    project.task("drain", GOOD)
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert f"{project.folder / 'client.py'}:5" in done.stderr
    report = project.report()
    assert (report["verdict"], report["exit_code"], report["child_exit_code"]) == ("proven", 0, 0), done.stderr
    assert [used["where"] for used in report["databases"]] == [f"{project.folder / 'client.py'}:5"]
    assert report["drift"] == report["not_proven"] == report["overrides"] == report["unguarded"] == []


# What the program does after its own work, and whether that is drift. {other} has all our tables, {small} one of
# them, {cache} none; they are there before. The rest is made by the program.
CASES = {
    "another with our tables": ("sqlite3.connect('other.db').execute('select 1')", True),
    "another with one of them": ("sqlite3.connect('small.db')", True),
    "another without any": ("sqlite3.connect('cache.db')", False),
    "another outside with our tables": ("sqlite3.connect(outside + '/other.db')", True),
    "another outside without any": ("sqlite3.connect(outside + '/cache.db')", False),
    "a new empty one": ("sqlite3.connect('new.db')", True),
    "a new empty one outside": ("sqlite3.connect(outside + '/new.db')", True),
    "a new one with other tables": ("c = sqlite3.connect('new.db'); c.execute('create table t (a)'); c.close()", True),
    "a new one outside with other tables": (
        "c = sqlite3.connect(outside + '/n.db'); c.execute('create table t (a)')",
        False,
    ),
    "a tool's own": ("c = sqlite3.connect('.coverage'); c.execute('create table t (a)')", False),
    "a tool's own with our tables": ("c = sqlite3.connect('.coverage'); c.execute('create table runs (a)')", True),
    "a private one": ("c = sqlite3.connect(':memory:'); c.execute('create table runs (a)')", False),
    "the pinned one by another name": ("os.symlink('main.db', 'link.db'); sqlite3.connect('link.db')", False),
    "the pinned one by a URI": ("sqlite3.connect('file:main.db?mode=ro', uri=True).execute('select 1')", False),
    "attached": (
        "c = sqlite3.connect('main.db'); c.execute(\"attach 'a.db' as a\"); c.execute('create table a.runs (x)')",
        True,
    ),
    "one that is gone again": ("c = sqlite3.connect('gone.db'); c.close(); os.unlink('gone.db')", False),
    "a temporary file": (
        "import tempfile\nh, name = tempfile.mkstemp('.db')\nos.close(h)\nc = sqlite3.connect(name); c.execute('create table runs (x)'); c.close()\nos.unlink(name)",
        False,
    ),
    "a text file": (
        "open('notes', 'w').write('no database ' * 99)\ntry:\n    sqlite3.connect('notes').execute('select 1 from x')\nexcept sqlite3.DatabaseError:\n    pass",
        False,
    ),
    "a URI with two modes": ("sqlite3.connect('file:other.db?mode=memory&mode=rwc', uri=True)", True),
    "a URI that looks private": ("sqlite3.connect('file:other.db?x=mode=memory', uri=True)", True),
    "a private URI": (
        "c = sqlite3.connect('file:x?mode=memory&cache=shared', uri=True); c.execute('create table runs (x)')",
        False,
    ),
    "a relative name after chdir": (
        "from os import chdir\nsqlite3.connect('main.db')\nchdir(outside)\nsqlite3.connect('other.db')",
        True,
    ),
    "a missing folder first": (
        "try:\n    sqlite3.connect('d/x.db')\nexcept sqlite3.Error:\n    pass\nos.mkdir('d'); sqlite3.connect('d/x.db')",
        True,
    ),
    "a class of its own": ("class C(sqlite3.Connection):\n    pass\nC('other.db')", True),
    "a factory": ("class C(sqlite3.Connection):\n    pass\nsqlite3.connect('other.db', factory=C)", True),
    "sqlite3.Connection": ("sqlite3.Connection('other.db')", True),
    "a backup to another": ("t = sqlite3.connect('b.db'); sqlite3.connect('main.db').backup(t); t.close()", True),
    "no name like a database": ("c = sqlite3.connect('plain'); c.execute('create table phases (x)'); c.close()", True),
    "a forked child": (
        "pid = os.fork()\nif not pid:\n    sqlite3.connect('other.db')\n    os._exit(0)\nos.waitpid(pid, 0)",
        True,
    ),
}
# Windows gets some of each kind: a start of a process costs half a second in the lab.
WINDOWS = (
    "another with our tables",
    "another without any",
    "a new empty one",
    "a tool's own",
    "attached",
    "a URI that looks private",
    "a temporary file",
    "a factory",
)


@pytest.mark.parametrize("case", some_on_windows(CASES, WINDOWS))
def test_what_is_drift(project: Project, tmp_path_factory: pytest.TempPathFactory, case: str) -> None:
    code, drift = CASES[case]
    outside = tmp_path_factory.mktemp("outside")
    for name, tables in {"other.db": ("runs", "phases"), "small.db": ("phases",), "cache.db": ("entries",)}.items():
        shutil.copy(project.database(name, tables), outside / name)
    project.task("drain", f"import os, sqlite3\nfrom client import work\nwork()\noutside = {str(outside)!r}\n{code}\n")
    done = project.run("p", "drain")
    assert done.returncode == (65 if drift else 0), done.stderr
    assert last_line(done).startswith("autopack-run: drift: ") == drift
    assert project.report()["verdict"] == ("drift" if drift else "proven")
    assert project.rows() == 1


def test_drift_names_the_line_and_the_name_in_the_stamp(project: Project) -> None:
    other = project.database("other.db")
    with closing(sqlite3.connect(other)) as database:
        database.execute("create table autopack_identity (key text primary key, value)")
        rows = [("db_id", "8b0b0000-0000-4000-8000-000000000000"), ("database", "dev"), ("created_at", "2026-01-01")]
        database.executemany("insert into autopack_identity values (?, ?)", rows)
        database.commit()
    project.task("drain", GOOD + OTHER)
    done = project.run("p", "drain")
    assert done.returncode == 65
    assert f"{other}: opened by" in done.stderr
    assert (
        f"first at {project.folder / 'drain.py'}:4; it holds runs, phases; it is 'dev' (db_id 8b0b0000" in done.stderr
    )


@pytest.mark.posix
@pytest.mark.parametrize("code", [0, 3])
def test_drift_beats_the_programs_own_code_which_the_report_has(project: Project, code: int) -> None:
    project.database("other.db")
    project.task("drain", GOOD + OTHER + f"raise SystemExit({code})\n")
    done = project.run("p", "drain")
    assert done.returncode == 65
    assert f"its own exit code: {code}" in done.stderr
    report = project.report()
    assert (report["exit_code"], report["child_exit_code"]) == (65, code)


def test_drift_may_be_a_warning(project: Project) -> None:
    project.database("other.db")
    project.task("drain", GOOD + OTHER, drift="warn")
    done = project.run("p", "drain")
    assert done.returncode == 0
    assert "drift" in done.stderr
    assert str(project.folder / "other.db") in done.stderr
    assert project.report()["verdict"] == "drift"


@pytest.mark.parametrize("glob", some_on_windows(["other.db", "oth*.db", "{root}/other.db"], ["{root}/other.db"]))
def test_what_is_allowed_is_no_drift(project: Project, glob: str) -> None:
    project.database("other.db")
    project.task("drain", GOOD + OTHER, allow_databases=[glob])
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert "also opened: " in done.stderr


def test_block_raises_before_the_file_exists(project: Project) -> None:
    project.task("drain", GOOD + OTHER, databases="block")
    done = project.run("p", "drain")
    assert done.returncode == 1
    assert not (project.folder / "other.db").exists()
    assert f"blocked: {project.folder / 'drain.py'}:4 opens {project.folder / 'other.db'}" in done.stderr
    assert project.report()["databases"][-1]["blocked"] is True


def test_block_lets_the_pinned_and_the_allowed_pass(project: Project) -> None:
    project.task(
        "drain", GOOD + OTHER + "sqlite3.connect(':memory:')\n", databases="block", allow_databases=["other.db"]
    )
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr


def test_opens_wants_the_pinned_one_opened(project: Project) -> None:
    project.task("idle", "pass\n", opens=True)
    done = project.run("p", "idle")
    assert done.returncode == 65
    assert "was never opened (opens = true)" in done.stderr
    project.task("lazy", "pass\n")
    lazy = project.run("p", "lazy")
    assert lazy.returncode == 0
    assert "not proven: nothing was seen opening" in lazy.stderr
    assert project.report()["verdict"] == "not proven"


def test_a_database_exchanged_during_the_run_is_told(project: Project) -> None:
    other = project.database("other.db")
    project.task("drain", GOOD + f"import os\nos.replace({str(other)!r}, 'main.db')\n")
    done = project.run("p", "drain")
    assert done.returncode == 65
    assert "another file now (during the run)" in done.stderr


def test_the_report_file_is_the_run_folders(project: Project, tmp_path: Path) -> None:
    project.task("drain", GOOD)
    path = tmp_path / "out" / "report.json"
    path.parent.mkdir()
    assert project.run("--report", str(path), "p", "drain").returncode == 0
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written == project.report()
    assert written["schema"] == 1


@pytest.mark.parametrize(
    "words", [["p", "drain"], ["--verify", "p", "exec", "python", "drain.py"]], ids=["task", "exec"]
)
def test_the_report_says_what_the_proof_has_refused(project: Project, tmp_path: Path, words: list[str]) -> None:
    """With the slug that CI reads there; and no run folder is left."""
    project.task("drain", GOOD)
    path, before = tmp_path / "r.json", len(project.reports())
    path.write_text("an older run's")
    (project.folder / "main.db").write_bytes(b"")
    done = project.run("--report", str(path), *words)
    assert done.returncode == 65
    written = json.loads(path.read_text(encoding="utf-8"))
    assert last_line(done).startswith(f"autopack-run: {written['error']}: ")
    assert (written["schema"], written["verdict"], written["exit_code"]) == (1, "not started", 65)
    assert (written["child_exit_code"], written["servers"]) == (None, [])
    assert len(project.reports()) == before


@pytest.mark.parametrize("where", [".", "missing/report.json"])
def test_a_report_that_cannot_be_written_is_told_before_the_run(project: Project, where: str) -> None:
    project.task("drain", GOOD)
    done = project.run("--report", where, "p", "drain")
    assert done.returncode == 78
    assert last_line(done).startswith("autopack-run: report: ")
    assert project.rows() == 0


def test_exec_has_a_verdict_with_verify_only(project: Project) -> None:
    project.database("other.db")
    project.program("stray.py", GOOD + OTHER)
    words = ["p", "exec", "python", "stray.py"]
    plain = project.run(*words)
    assert plain.returncode == 0, plain.stderr
    assert len(project.reports()) == 1  # create's
    verified = project.run("--verify", *words)
    assert verified.returncode == 65
    assert project.run("--report", "r.json", *words).returncode == 2


def test_quiet_says_nothing_unless_there_is_drift(project: Project) -> None:
    project.task("drain", GOOD)
    assert project.run("-q", "p", "drain").stderr == ""
    project.task("stray", GOOD + OTHER)
    assert last_line(project.run("-q", "p", "stray")).startswith("autopack-run: drift: ")


@pytest.mark.parametrize("option", some_on_windows(["-I", "-E", "-S", "-sI", "-uE", "-Xutf8 -S", "-X utf8 -I"], ["-I"]))
def test_a_command_line_that_keeps_the_guard_out_is_refused(project: Project, option: str) -> None:
    project.program("x.py", GOOD)
    project.task("drain", ["python", *option.split(), "x.py"])
    done = project.run("p", "drain")
    assert done.returncode == 78
    assert last_line(done).startswith("autopack-run: unguarded: ")
    assert "profiles.p.tasks.drain.run" in done.stderr
    assert project.run("p", "exec", "python", *option.split(), "-c", "pass").returncode == 0


@pytest.mark.posix
@pytest.mark.parametrize("words", [["-s", "-P"], ["-W", "ignore"], ["-X", "utf8"], ["-u"]], ids=" ".join)
def test_other_options_are_none_of_ours(project: Project, words: list[str]) -> None:
    project.program("x.py", GOOD)
    project.task("drain", ["python", *words, "x.py", "-I"])
    done = project.run("p", "drain", env={"PYTHONPATH": str(project.folder)})
    assert done.returncode == 0, done.stderr


# Each starts a Python, or another program, in which no guard is; {python} is the interpreter.
UNGUARDED = {
    "subprocess, -I": "subprocess.run([PYTHON, '-I', '-c', 'pass'])",
    "subprocess, -E": "subprocess.run([PYTHON, '-E', '-c', 'pass'])",
    "subprocess, -S": "subprocess.Popen([PYTHON, '-S', '-c', 'pass']).wait()",
    "with a preexec_fn": "subprocess.run([PYTHON, '-I', '-c', 'pass'], preexec_fn=lambda: None)",
    "fork and exec": "pid = os.fork()\nif not pid:\n    os.execv(PYTHON, [PYTHON, '-I', '-c', 'pass'])\nos.waitpid(pid, 0)",
    "os.spawnv": "os.spawnv(os.P_WAIT, PYTHON, [PYTHON, '-I', '-c', 'pass'])",
    "os.posix_spawn": "os.waitpid(os.posix_spawn(PYTHON, [PYTHON, '-I', '-c', 'pass'], os.environ), 0)",
    "os.system": "os.system(f'{PYTHON} -I -c pass')",
    "os.popen": "os.popen(f'{PYTHON} -I -c pass').read()",
    "a shell that sets PYTHONPATH": "subprocess.run(f'PYTHONPATH=src {PYTHON} -c pass', shell=True)",
    "another language": "subprocess.run(['sed', '--version'], stdout=subprocess.DEVNULL)",
}


@pytest.mark.posix
def test_a_task_of_another_language_is_named_however_short(project: Project) -> None:
    project.task("drain", ["true"])
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert project.report()["unguarded"][0].startswith("true (pid ")


@pytest.mark.parametrize("case", some_on_windows(UNGUARDED, ("subprocess, -I", "os.spawnv", "os.system")))
def test_programs_without_a_guard_are_named(project: Project, case: str) -> None:
    text = f"import os, subprocess, sys\nPYTHON = sys.executable\nfrom client import work\nwork()\n{UNGUARDED[case]}\n"
    project.task("drain", text)
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert "not proven: not guarded: " in done.stderr
    report = project.report()
    assert report["verdict"] == "not proven"
    assert len(report["unguarded"]) >= 1


GUARDED = {
    "subprocess": "subprocess.run([PYTHON, '-c', 'pass'])",
    "a scrubbed environment": "subprocess.run([PYTHON, '-c', 'pass'], env={})",
    "fork": "pid = os.fork()\nif not pid:\n    os._exit(0)\nos.waitpid(pid, 0)",
    "os.execv": "os.execv(PYTHON, [PYTHON, '-c', 'pass'])",
    "os.execve": "os.execve(PYTHON, [PYTHON, '-c', 'pass'], {})",
    "os.spawnl": "os.spawnl(os.P_WAIT, PYTHON, PYTHON, '-c', 'pass')",
    "a program that is not there": "try:\n    subprocess.run(['no-such-program'])\nexcept OSError:\n    pass",
    "an exec that fails": "try:\n    os.execv('/no/such', ['x'])\nexcept OSError:\n    pass",
    "the system's own tools": "import ctypes.util, platform, uuid\nplatform.platform(), ctypes.util.find_library('c'), uuid.getnode()",
    "a pool": "import concurrent.futures as f\nif __name__ == '__main__':\n    with f.ProcessPoolExecutor(2) as pool:\n        list(pool.map(abs, [1, 2]))",
}


@pytest.mark.parametrize(
    "case", some_on_windows(GUARDED, ("subprocess", "os.spawnl", "a program that is not there", "a pool"))
)
def test_guarded_programs_are_no_doubt(project: Project, case: str) -> None:
    text = f"import os, subprocess, sys\nPYTHON = sys.executable\nfrom client import work\nwork()\n{GUARDED[case]}\n"
    project.task("drain", text)
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert project.report()["verdict"] == "proven", done.stderr


# A virtual environment's python.exe starts the real one, and a program without a console gets one of its own: both are
# often over before anybody looks. {python} is the virtual environment's, {base} the real one.
ON_WINDOWS = {
    "many that are soon over": ("for _ in range(3): run([{python}, '-c', 'pass'])", True),
    "the real one": ("run([{base}, '-c', 'pass'])", True),
    "without a window": ("run([{python}, '-c', 'import time; time.sleep(1)'], creationflags=0x08000000)", True),
    "a console of its own": ("run([{python}, '-c', 'import time; time.sleep(1)'], creationflags=16)", True),
    "behind it one without a guard": ("run([{python}, '-I', '-c', 'pass'])", False),
    "that is seen": ("run([{python}, '-I', '-c', 'import time; time.sleep(1)'])", False),
    "and starts a guarded one": (
        "run([{python}, '-I', '-c', 'import subprocess, sys; subprocess.run([sys.executable, \"-c\", \"\"])'])",
        False,
    ),
    "the real one without a guard": ("run([{base}, '-I', '-c', 'pass'])", False),
    "os.spawnle": ("os.spawnle(os.P_WAIT, {python}, 'python', '-c', '0', dict(os.environ))", True),
    "not waited for": ("os.waitpid(os.spawnl(os.P_NOWAIT, {python}, 'python', '-I', '-c', '0'), 0)", False),
    "a whole command line": ("run(f'\"{{{python}}}\" -c pass --password=hunter2')", True),
    "one without a guard": ("run(f'\"{{{python}}}\" -I -c pass --password=hunter2')", False),
    "by its bare name": ("run('python -I -c pass --password=hunter2')", False),
}


@pytest.mark.skipif(sys.platform != "win32", reason="Windows' redirectors and consoles")
@pytest.mark.parametrize("case", ON_WINDOWS)
def test_what_windows_starts_beside_a_python(project: Project, case: str) -> None:
    code, proven = ON_WINDOWS[case]
    code = code.format(python="sys.executable", base="sys._base_executable")
    project.task("drain", f"import os, sys\nfrom subprocess import run\n{GOOD}{code}\n")
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    report = project.report()
    assert report["verdict"] == ("proven" if proven else "not proven"), done.stderr
    assert all(text.startswith("python") for text in report["unguarded"]), done.stderr
    assert "hunter2" not in done.stderr + json.dumps(report)


@pytest.mark.skipif(sys.platform != "win32", reason="os.startfile")
def test_what_windows_starts_for_a_file_is_unknown(project: Project) -> None:
    project.program("x.cmd", "@exit 0\n")
    project.task("drain", f"import os\n{GOOD}os.startfile('x.cmd')\n")
    done = project.run("p", "drain")
    assert "not proven: not guarded: " in done.stderr  # which processes are seen beside it, is chance
    assert f"os.startfile (started at {project.folder / 'drain.py'}:4)" in done.stderr


@pytest.mark.skipif(sys.platform != "win32", reason="Windows' own os.spawnv")
def test_spawnv_on_windows_tells_what_it_told_before(project: Project) -> None:
    """A code (of 32 bits, with its sign) where it waits, else a handle to wait for."""
    codes = "0, 7, 0x7fffffff, 0xc0000005"
    project.program("ends.py", "import ctypes, sys\nctypes.windll.kernel32.ExitProcess(int(sys.argv[1]))\n")
    project.task(
        "drain",
        f"import os, sys\n{GOOD}"
        f"for code in ({codes}):\n"
        "    words = sys._base_executable, ['python', 'ends.py', str(code)]\n"
        "    told = os.spawnv(os.P_WAIT, *words)\n"
        "    assert told % 2**32 == code and -2**31 <= told < 2**31, (code, told)\n"
        "    handle = os.spawnv(os.P_NOWAIT, *words)\n"
        "    assert os.waitpid(handle, 0)[1] >> 8 == code\n"
        "try:\n    os.spawnv(os.P_WAIT, 'nobody.exe', ['x'])\nexcept OSError as error:\n    assert error.errno == 2\n"
        "else:\n    sys.exit('no error')\n",
    )
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert project.report()["verdict"] == "proven", done.stderr


DAEMON = """
import os, sqlite3, time
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        time.sleep({})
        sqlite3.connect("other.db")
    os._exit(0)
os.wait()
"""


@pytest.mark.posix
def test_what_goes_on_after_the_programs_end_is_a_doubt(project: Project) -> None:
    project.task("drain", GOOD + DAEMON.format("20") + "print('done', flush=True)\n")
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    found = [text for text in project.report()["not_proven"] if "still runs" in text]
    assert len(found) == 1, done.stderr
    psutil.Process(int(found[0].partition("(pid ")[2].partition(")")[0])).kill()


@pytest.mark.posix
def test_what_ends_soon_after_the_program_is_waited_for(project: Project) -> None:
    project.database("other.db")
    project.task("drain", GOOD + DAEMON.format("0.7"))
    done = project.run("p", "drain")
    assert done.returncode == 65, done.stderr
    assert f"{project.folder / 'other.db'}: opened by" in done.stderr


# The guard's own trouble is never the program's.
STUMBLES = {
    "a current folder that is gone": "os.mkdir('d')\nos.chdir('d')\nos.rmdir('../d')\nexec(compile('sqlite3.connect(path).close()', 'relative.py', 'exec'))",
    "words that are no command": "try:\n    subprocess.Popen([], executable=sys.executable)\nexcept (IndexError, OSError, ValueError):\n    print('as it is')",
    "an environment of anything": "try:\n    subprocess.run([sys.executable, '-c', ''], env={1: 2})\nexcept TypeError:\n    print('as it is')",
    "no descriptor free": "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\nos.environ['DATABASE_URL'] = 'x'\nassert os.environ['DATABASE_URL'] != 'x'",
}


@pytest.mark.posix
@pytest.mark.parametrize("case", STUMBLES)
def test_the_guards_own_trouble_is_not_the_programs(project: Project, case: str) -> None:
    code = STUMBLES[case]
    project.task("drain", f"import os, sqlite3, subprocess, sys\npath = os.path.abspath('main.db')\n{code}\n")
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.posix
def test_records_that_are_lost_are_a_doubt(project: Project) -> None:
    """A disk that fills up during the run: the launcher must not call proven what nobody wrote down."""
    text = "import resource, sqlite3\nfrom client import work\nwork()\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    project.task(
        "drain", f"import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n{text}sqlite3.connect('main.db?')\n"
    )
    done = project.run("p", "drain")
    assert "cannot write its record" in done.stderr
    assert project.report()["verdict"] != "proven"


@pytest.mark.posix
def test_what_lost_records_may_have_said_is_no_drift(project: Project) -> None:
    """`opens = true`: whether the pinned database was opened is among what could not be written down."""
    text = (
        "import resource, signal, sqlite3\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\nsqlite3.connect('main.db').execute('select 1')\n"
    )
    project.task("drain", text, opens=True)
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert project.report()["verdict"] == "not proven"


def test_fail_closed_ends_the_program(project: Project) -> None:
    """The guard is made to stumble: its own part is taken away from under it."""
    trouble = "import _autopack_run_guard.databases as d\nd.sqlite_place = None\n" + OTHER + "print('went on')\n"
    project.task("open", trouble, drift="warn")
    went_on = project.run("p", "open")
    assert "went on" in went_on.stdout
    assert "the guard stumbled" in went_on.stderr
    assert any("stumbled" in text for text in project.report()["not_proven"])
    project.task("closed", trouble, fail_closed=True, drift="warn")
    done = project.run("p", "closed")
    assert (done.returncode, done.stdout) == (70, ""), done.stderr


def test_connections_are_of_the_class_that_the_module_shows(project: Project) -> None:
    """As docs/guard.md says: `==` and isinstance hold, `is` does not."""
    code = "c = sqlite3.connect('main.db')\nprint(type(c) == sqlite3.Connection, isinstance(c, sqlite3.Connection))\n"
    project.task("drain", "import sqlite3\n" + code)
    assert project.run("-q", "p", "drain").stdout == "True True\n"


STRICT = {
    "posix.putenv": "import posix\nposix.putenv('DATABASE_URL', 'x')",
    "a second __init__": "connection = sqlite3.connect('main.db')\nconnection.__init__('other.db')",
    "a connect taken before": "import _sqlite3\nconnect = type(sqlite3.connect('main.db'))('other.db')",
}


@pytest.mark.posix
@pytest.mark.parametrize("case", STRICT)
def test_strict_sees_what_goes_around_the_wrappers(project: Project, case: str) -> None:
    project.database("other.db")
    project.task("drain", f"import os, sqlite3\nfrom client import work\nwork()\n{STRICT[case]}\n", strict=True)
    done = project.run("p", "drain")
    assert done.returncode == (1 if "putenv" in case else 65), done.stderr
    assert f"{project.folder / 'drain.py'}:" in done.stderr


def test_a_run_that_ends_before_its_verdict_is_reported(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text('{"verdict": "proven"}')
    project.task("serve", ["python", "-c", "raise SystemExit(3)"], health="http://127.0.0.1:{port}/")
    project.task("drain", GOOD, **{"with": ["serve"]})
    done = project.run("--report", str(path), "p", "drain")
    assert done.returncode == 69
    report = json.loads(path.read_text())
    assert (report["verdict"], report["error"], report["exit_code"]) == ("not started", "no-server", 69)
    assert report["child_exit_code"] is None


@pytest.mark.posix
def test_a_report_goes_into_a_pipe_as_it_is(project: Project, tmp_path: Path) -> None:
    project.task("drain", GOOD)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        assert project.run("--report", str(pipe), "p", "drain").returncode == 0
        assert reader.stdout is not None
        assert json.loads(reader.stdout.read())["verdict"] == "proven"
    assert pipe.is_fifo()


@pytest.mark.posix
def test_names_of_folders_do_not_matter(tmp_path: Path) -> None:
    """Links and glob characters in the root: what is compared are real paths."""
    real = tmp_path / "[client] one"
    real.mkdir()
    project = Project(real)
    project.database("other.db")
    project.task("drain", GOOD + OTHER, allow_databases=["other.db"])
    (tmp_path / "link").symlink_to(real)
    assert project.run("p", "drain").returncode == 0
    assert project.run("-f", str(tmp_path / "link" / "autopack-run.toml"), "p", "drain").returncode == 0
    project.task("stray", GOOD + "import sqlite3\nsqlite3.connect('new.db')\n")
    assert project.run("-f", str(tmp_path / "link" / "autopack-run.toml"), "p", "stray").returncode == 65


@pytest.mark.skipif(sys.platform != "linux", reason="open files of others are seen on Linux")
def test_what_another_program_writes_beside_is_no_drift(project: Project) -> None:
    project.database("dev.db")
    writer = "import sqlite3, sys, time\nc = sqlite3.connect('dev.db')\nwhile True:\n    c.execute('insert into runs values (1)')\n    c.commit()\n    time.sleep(0.05)\n"
    with subprocess.Popen([sys.executable, "-c", writer], cwd=project.folder) as other:
        project.task("drain", GOOD + "import time\ntime.sleep(0.5)\n")
        done = project.run("p", "drain")
        other.kill()
    assert done.returncode == 0, done.stderr
    assert f"{project.folder / 'dev.db'} changed, which python" in done.stderr
    assert project.report()["verdict"] == "not proven"


def test_databases_that_were_there_and_are_gone_or_closed_are_drift(project: Project) -> None:
    project.database("other.db")
    project.task("drain", GOOD + OTHER + "database.close()\nimport os\nos.unlink('other.db')\n")
    done = project.run("p", "drain")
    assert done.returncode == 65, done.stderr
    assert "it is gone" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="open files are a hint there")
def test_what_an_unguarded_child_opens_is_seen_from_outside(project: Project) -> None:
    project.database("other.db")
    child = "import sqlite3, time; c = sqlite3.connect('other.db'); c.execute('select * from runs'); time.sleep(1)"
    project.task("drain", GOOD + f"import subprocess, sys\nsubprocess.run([sys.executable, '-I', '-c', {child!r}])\n")
    done = project.run("p", "drain")
    assert done.returncode == 65, done.stderr
    assert f"{project.folder / 'other.db'}: seen open by" in done.stderr


def test_another_launchs_database_may_change_beside(project: Project) -> None:
    """Two runs at once in one workspace: the file that one has pinned is no stray one of the other."""
    text = '[databases.second]\nurl = "sqlite:///second.db"\ntables = ["runs", "phases"]\n[profiles.q]\ndatabase = "second"\n'
    project.text = project.text.replace("[profiles.p]", text + "[profiles.p]", 1)
    project.text += '[profiles.q.tasks.create]\nrun = ["python", "create.py"]\ncreates = true\n'
    project.task("drain", GOOD + "import time\ntime.sleep(4)\n")
    command = [sys.executable, str(Path(__file__).resolve().parent.parent / "autopack_run.py"), "p", "drain"]
    with subprocess.Popen(command, cwd=project.folder, stderr=subprocess.PIPE, text=True) as first:
        time.sleep(1.5)
        assert project.run("q", "create").returncode == 0
        assert first.stderr is not None
        told = first.stderr.read()
    assert first.returncode == 0, told


def test_twenty_runs_are_kept(project: Project) -> None:
    project.task("idle", "pass\n")
    runs = project.folder / ".autopack-run" / "runs"
    for number in range(30):
        (runs / f"20200101-0000{number:02}-1-ffff").mkdir()
        (runs / f"20200101-0000{number:02}-1-ffff" / "live").touch()
    assert project.run("p", "idle").returncode == 0
    left = sorted(path.name for path in runs.iterdir())
    assert len(left) == 20
    assert left[-1].startswith("2026") or left[-1] > "2026"
    assert (project.folder / ".autopack-run" / ".gitignore").read_text() == "*\n"


def test_a_live_run_is_never_cleared_away(project: Project) -> None:
    runs = project.folder / ".autopack-run" / "runs"
    project.task("slow", "import pathlib, time\npathlib.Path('up').touch()\ntime.sleep(20)\n")
    project.task("idle", "pass\n")
    command = [sys.executable, str(Path(__file__).resolve().parent.parent / "autopack_run.py"), "p", "slow"]
    with subprocess.Popen(command, cwd=project.folder, stderr=subprocess.DEVNULL) as live:
        while not (project.folder / "up").exists():
            time.sleep(0.05)
        held = next(path for path in runs.iterdir() if not (path / "report.json").exists())
        for number in range(30):
            (runs / f"2999{number:04}-000000-1-ffff").mkdir()
        assert project.run("p", "idle").returncode == 0
        assert held.exists()
        live.kill()


@pytest.mark.posix
def test_a_root_that_cannot_be_written_gets_a_temporary_folder(project: Project) -> None:
    with closing(sqlite3.connect(project.folder / "main.db")) as database:
        [(db_id,)] = database.execute("select value from autopack_identity where key = 'db_id'")
    project.text = project.text.replace("[databases.main]", f'[databases.main]\nid = "{db_id}"')
    project.task("drain", GOOD)
    shutil.rmtree(project.folder / ".autopack-run")
    (project.folder / ".autopack-run").write_text("in the way")
    done = project.run("p", "drain")
    assert done.returncode == 0, done.stderr
    assert "it is a temporary one" in done.stderr
    assert f"{project.folder / 'client.py'}:5" in done.stderr
