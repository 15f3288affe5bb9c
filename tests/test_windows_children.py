"""Children of the launcher on Windows: arguments, exit codes, lookup, Ctrl-C, and that none outlives it."""

import json
import time
from pathlib import Path

import pytest
from parts import system
from running import write
from test_exec import INJECTED, hostile_argument_lists
from windows import Windows

SHOW = "import json, sys; print(json.dumps(sys.argv[1:]))"
EXIT = "import ctypes, sys; ctypes.windll.kernel32.ExitProcess(ctypes.c_uint32(int(sys.argv[1])))"
# Runs inside Windows: starts the child once a list by the launcher's own code, without a launcher's start each time.
DRIVE = """
import json, os, sys
from launcher.child import Command, run
from launcher.errors import LauncherError
program, *words = json.loads(sys.argv[1])
env = dict(os.environ, PYTHON=sys.executable)
results = []
for case in json.load(open("cases.json", encoding="utf-8")):
    if os.path.exists("seen"):
        os.remove("seen")
    try:
        run(Command(program, [program, *words, *case], env, os.getcwd()), replace=True)
        results.append(json.load(open("seen")) if os.path.exists("seen") else "nothing")
    except LauncherError as refused:
        results.append([refused.code, refused.slug, os.path.exists("seen")])
json.dump(results, open("results.json", "w"))
"""
RECORD = "import json, sys\njson.dump(sys.argv[1:], open('seen', 'w'))\n"


def text_file(path: Path, *lines: str) -> Path:
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return path


def batch_to_python(path: Path, script: str) -> Path:
    """A batch file like npm's: it hands all its arguments on to a program."""
    return text_file(path, "@echo off", f'"%PYTHON%" -ISc "{script}" %*', "exit /b %ERRORLEVEL%")


def refused_in_batch(case: list[str]) -> bool:
    return any(character in word for word in case for character in "\0\r\n\x1a")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["exe", "cmd", "bat in 100%PATH% & (x)^"])
def test_hostile_lists_reach_the_child_or_are_refused(windows: Windows, tmp_path: Path, kind: str) -> None:
    cases = hostile_argument_lists()
    (tmp_path / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    (tmp_path / "drive.py").write_text(DRIVE)
    record = tmp_path / "record.py"
    record.write_text(RECORD)
    if kind == "exe":
        python = windows.run(["python", "-c", "import sys; print(sys.base_prefix)"], tmp_path).stdout.strip()
        program = [f"{python}\\python.exe", "-IS", windows.path(record)]
    else:
        folder = tmp_path / kind[7:]
        folder.mkdir(exist_ok=True)
        line = f'"%PYTHON%" -IS "{windows.path(record)}" %*'
        program = [windows.path(text_file(folder / f"child.{kind[:3]}", "@echo off", line))]
    done = windows.run(["python", tmp_path / "drive.py", json.dumps(program)], tmp_path, timeout=280)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    refused = [126, "batch-argument", False]
    expected = [refused if kind != "exe" and refused_in_batch(case) else case for case in cases]
    wrong = [pair for pair in zip(expected, results, strict=True) if pair[0] != pair[1]]
    assert not wrong
    assert not list(tmp_path.rglob(f"{INJECTED}*"))
    assert sum(result != refused for result in results) >= 90


THROUGH = ['a"b', "", "C:\\x y\\", "%PATH%", "^&|<>()", f'"&echo x>{INJECTED}&"', "*", "--", "-h", "ü漢", "!X!"]


@pytest.mark.parametrize("child", ["python", ".\\child.cmd", "child"])
def test_arguments_through_the_launchers_exe(windows: Windows, tmp_path: Path, child: str) -> None:
    write(tmp_path, '[profiles.p]\nenv = { PATH = "{root}/bin;{env:PATH}" }\n')
    python = windows.run(["python", "-c", "import sys; print(sys.executable)"], tmp_path).stdout.strip()
    (tmp_path / "bin").mkdir()
    for path in (tmp_path / "child.cmd", tmp_path / "bin" / "child.cmd"):
        batch_to_python(path, SHOW)
    (tmp_path / "bin" / "child").write_text("#!/bin/sh\n")  # npm's sibling for Git Bash
    words = [python, "-ISc", SHOW] if child == "python" else [child]
    done = windows.run(["autopack-run", "p", "exec", *words, *THROUGH], tmp_path, env={"PYTHON": python})
    assert json.loads(done.stdout) == THROUGH, done.stderr
    assert not list(tmp_path.rglob(f"{INJECTED}*"))


def test_refused_batch_argument_starts_nothing(windows: Windows, tmp_path: Path) -> None:
    write(tmp_path, "[profiles.p]\n")
    text_file(tmp_path / "child.cmd", "@echo x>ran")
    done = windows.run(["autopack-run", "p", "exec", ".\\child.cmd", f"a\necho x>{INJECTED}"], tmp_path)
    assert done.returncode == 126
    assert done.stderr.splitlines()[-1].startswith("autopack-run: batch-argument: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["autopack-run.toml", "child.cmd"]


@pytest.mark.parametrize("code", [0, 1, 130, 255, 256, 0x7FFFFFFF, 0x80000000, 0xC0000005, 0xC000013A, 0xFFFFFFFF])
def test_exit_code_is_the_childs_whole_one(windows: Windows, tmp_path: Path, code: int) -> None:
    write(tmp_path, "[profiles.p]\n")
    done = windows.run(["autopack-run", "p", "exec", "python", "-ISc", EXIT, str(code)], tmp_path)
    assert (done.returncode, done.stderr) == (code, "")


def test_exit_code_of_a_batch_file(windows: Windows, tmp_path: Path) -> None:
    write(tmp_path, "[profiles.p]\n")
    text_file(tmp_path / "nine.bat", "@exit /b 9")
    assert windows.run(["autopack-run", "p", "exec", "./nine"], tmp_path).returncode == 9


FAULTS = {
    "not on PATH": ("no-such-program", 127, "not-found", "is not on the child's PATH"),
    "in the current folder only": ("here", 127, "not-found", "is not on the child's PATH"),
    "no such file": (".\\none", 127, "not-found", "there is no program"),
    "a folder": (".\\sub", 126, "not-executable", "is not a file"),
    "a script for Python": (".\\script", 126, "not-executable", "name its interpreter: python "),
    "a script, in full": (".\\script.py", 126, "not-executable", "name its interpreter: python "),
    "a script for sh": (".\\sh", 126, "not-executable", "name its interpreter"),
    "no program at all": (".\\broken.exe", 126, "not-executable", "no program that this system can start"),
}


@pytest.mark.parametrize(("word", "code", "slug", "said"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_started(windows: Windows, tmp_path: Path, word: str, code: int, slug: str, said: str) -> None:
    write(tmp_path, '[profiles.p]\nenv = { PATHEXT = ".COM;.EXE;.BAT;.CMD;.PY" }\n')
    (tmp_path / "sub").mkdir()
    text_file(tmp_path / "here.cmd", "@echo x>ran")
    for name, text in {"script.py": "open('ran', 'w')", "sh": "#!/bin/sh\n", "broken.exe": "no program"}.items():
        (tmp_path / name).write_text(text)
    done = windows.run(["autopack-run", "p", "exec", word], tmp_path, env={"PATH": ".;;C:\\windows\\system32"})
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"autopack-run: {slug}: ")
    assert not (tmp_path / "ran").exists()


def test_too_long_a_command_line(windows: Windows, tmp_path: Path) -> None:
    if not windows.direct or system() == "wine":
        pytest.skip("Wine sets no limit to a command line")
    write(tmp_path, f"[profiles.p.tasks.t]\nrun = {json.dumps(['python', '-c', 'pass', *['x' * 9000] * 4])}\n")
    done = windows.run(["autopack-run", "p", "t"], tmp_path)
    assert done.returncode == 126, done.stderr
    assert "a Windows command line takes 32767" in done.stderr


def test_environment_of_the_child(windows: Windows, tmp_path: Path) -> None:
    """Spellings of one name are one name, and SYSTEMROOT is there although the profile takes it away."""
    write(tmp_path, '[profiles.p]\nunset = ["systemroot"]\nenv = { path = "C:\\\\windows", Foo = "1" }\n')
    show = "import json, nt; print(json.dumps(dict(nt.environ)))"
    python = windows.run(["python", "-c", "import sys; print(sys.executable)"], tmp_path).stdout.strip()
    done = windows.run(["autopack-run", "p", "exec", python, "-ISc", show], tmp_path, env={"FOO": "0", "bar": "ü"})
    names = json.loads(done.stdout)
    folded = [name.upper() for name in names]
    assert len(folded) == len(set(folded))
    assert {"SYSTEMROOT", "PATH", "FOO", "BAR"} <= set(folded)
    assert [names.get("Foo") or names.get("FOO"), names.get("path") or names.get("PATH")] == ["1", "C:\\windows"]


# One that ends tidily, one that a server's second handler would be; each tells in `log` what it has seen.
CHILDREN = {
    "drain": """
import os, sys, time
log = open("log", "a", buffering=1)
try:
    print("child-is-ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", file=log)
    time.sleep(0.3)
    print("ended", file=log)
    raise
""",
    "server": """
import os, signal, sys, time
log = open("log", "a", buffering=1)
stop = []
def note(number, frame):
    print("interrupted", file=log)
    stop.append(number)
signal.signal(signal.SIGINT, note)
print("child-is-ready", flush=True)
while not stop:
    time.sleep(0.05)
time.sleep(0.3)
print("ended", file=log)
""",
}
TICK = "import time\nprint('child-is-ready', flush=True)\nwhile True:\n    open('tick', 'a').write('x')\n    time.sleep(0.1)\n"


def profile(folder: Path, child: str) -> None:
    (folder / "child.py").write_text(child)
    run = 'run = ["python", "-sPu", "child.py"]'
    write(
        folder,
        '[databases.d]\nurl = "sqlite:///d.db"\n[profiles.p]\ndatabase = "d"\n'
        f"[profiles.p.tasks.waited]\n{run}\ncreates = true\n[profiles.p.tasks.plain]\n{run}\nverify = false\n",
    )


@pytest.mark.lab
@pytest.mark.posix
@pytest.mark.parametrize("task", ["waited", "plain"])
@pytest.mark.parametrize("child", CHILDREN)
def test_ctrl_c_at_a_console_ends_the_child_once(windows: Windows, tmp_path: Path, child: str, task: str) -> None:
    profile(tmp_path, CHILDREN[child])
    console = windows.tty(["autopack-run", "p", task], tmp_path)
    console.expect_exact("child-is-ready")
    console.sendintr()
    console.wait()
    assert (tmp_path / "log").read_text().split() == ["interrupted", "ended"]
    assert console.exitstatus == 130
    assert running(windows, tmp_path) == []
    assert not (tmp_path / "d.db").exists()


LIST = """
import json, psutil, sys
found = []
for process in psutil.process_iter():
    try:
        if "child.py" in process.cmdline() and process.cwd().endswith(sys.argv[1]):
            found.append(" ".join(process.cmdline()))
    except (psutil.Error, OSError):
        pass  # one that has just ended, or is the system's
print(json.dumps(found))
"""


def running(windows: Windows, folder: Path) -> list[str]:
    """The command lines of Windows programs that run this test's child."""
    done = windows.run(["python", "-c", LIST, folder.name], folder)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


# Starts the launcher, ends it (or the starter that pip made for it) the hard way, and looks whether the child lives on.
KILLER = """
import os, psutil, subprocess, sys, time
launcher = subprocess.Popen([sys.argv[1], "-q", "p", *sys.argv[3:]])
size = lambda: os.path.getsize("tick") if os.path.exists("tick") else 0
until = time.monotonic() + 30
while size() < 3 and time.monotonic() < until:
    time.sleep(0.05)
assert size() >= 3, "the child does not run"
victims = [psutil.Process(launcher.pid)]
if sys.argv[2] == "python":
    victims = [p for p in victims[0].children(recursive=True) if any("autopack-run" in w for w in p.cmdline())][-1:]
assert victims, "no launcher"
victims[0].kill()
time.sleep(1.5)
before = size()
time.sleep(1)
print("alive" if size() > before else "ended")
"""


@pytest.mark.parametrize("victim", ["exe", "python"])
@pytest.mark.parametrize("child", ["exe", "cmd"])
def test_child_ends_with_a_killed_launcher(windows: Windows, tmp_path: Path, victim: str, child: str) -> None:
    profile(tmp_path, TICK)
    (tmp_path / "killer.py").write_text(KILLER)
    python = windows.run(["python", "-c", "import sys; print(sys.executable)"], tmp_path).stdout.strip()
    text_file(tmp_path / "child.cmd", "@echo off", '"%PYTHON%" -ISu child.py', "echo after>after")
    words = ["plain"] if child == "exe" else ["exec", ".\\child.cmd"]
    starter = python.replace("python.exe", "autopack-run.exe")
    done = windows.run(["python", tmp_path / "killer.py", starter, victim, *words], tmp_path, env={"PYTHON": python})
    assert done.stdout.split()[-1:] == ["ended"], done.stderr
    assert not (tmp_path / "after").exists()


def test_what_a_batch_file_leaves_running_is_not_ended(windows: Windows, tmp_path: Path) -> None:
    write(tmp_path, "[profiles.p]\n")
    (tmp_path / "late.py").write_text("import time; time.sleep(1.5); open('late', 'w')")
    python = windows.run(["python", "-c", "import sys; print(sys.base_prefix)"], tmp_path).stdout.strip()
    text_file(tmp_path / "go.cmd", "@echo off", f'start "" /b "{python}\\python.exe" -IS late.py >nul 2>nul <nul')
    assert windows.run(["autopack-run", "p", "exec", ".\\go.cmd"], tmp_path).returncode == 0
    until = time.monotonic() + 60
    while not (tmp_path / "late").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert (tmp_path / "late").exists()


# Runs inside Windows, by the launcher's own code. The child starts a worker; each writes ticks while it lives.
TREE = """
import subprocess, sys, time
if len(sys.argv) < 2:
    subprocess.Popen([sys.executable, "-ISu", "tree.py", "worker"])
    if BY_ITSELF:
        time.sleep(1)
        sys.exit(4)
tick = open("tick" if len(sys.argv) > 1 else "main", "a", buffering=1)
while True:
    print("x", file=tick)
    time.sleep(0.05)
"""
HOLD = """
import json, os, sys, threading, time
from launcher import child
program = os.path.join(sys.base_prefix, "python.exe")
command = child.Command(program, [program, "-ISu", "tree.py"], dict(os.environ), os.getcwd())
size = lambda: os.path.getsize("tick") if os.path.exists("tick") else 0
def up():
    while size() < 3:
        time.sleep(0.02)
def later(running):
    threading.Thread(target=lambda: (up(), running.stop(1)), daemon=True).start()
how = sys.argv[1]
if how == "start":
    running = child.start(command, "out")
    up()
    code = running.stop(1) if sys.argv[2] == "stop" else time.sleep(60)
else:
    code = child.run(command, False, True, later if sys.argv[2] == "stop" else None)
before = size()
time.sleep(0.5)
print("code", code, "alive" if size() > before else "ended")
"""
TREE_KILLER = """
import os, subprocess, sys, time
size = lambda: os.path.getsize("tick") if os.path.exists("tick") else 0
program = os.path.join(sys.base_prefix, "python.exe")
env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path[1:]))
launcher = subprocess.Popen([program, "hold.py", sys.argv[1], "kill"], env=env)
until = time.monotonic() + 30
while size() < 3 and time.monotonic() < until:
    time.sleep(0.05)
assert size() >= 3, "the worker does not run"
launcher.kill()
time.sleep(1)
before = size()
time.sleep(0.5)
print("alive" if size() > before else "ended")
"""


@pytest.mark.parametrize("how", ["whole", "start"])
def test_a_whole_tree_ends_with_a_killed_launcher(windows: Windows, tmp_path: Path, how: str) -> None:
    (tmp_path / "tree.py").write_text(TREE.replace("BY_ITSELF", "False"))
    (tmp_path / "hold.py").write_text(HOLD)
    (tmp_path / "killer.py").write_text(TREE_KILLER)
    done = windows.run(["python", tmp_path / "killer.py", how], tmp_path)
    assert done.stdout.split()[-1:] == ["ended"], done.stderr


@pytest.mark.parametrize(("how", "end"), [("whole", "itself"), ("whole", "stop"), ("start", "stop")])
def test_a_whole_tree_ends_when_it_is_stopped(windows: Windows, tmp_path: Path, how: str, end: str) -> None:
    (tmp_path / "tree.py").write_text(TREE.replace("BY_ITSELF", str(end == "itself")))
    (tmp_path / "hold.py").write_text(HOLD)
    done = windows.run(["python", tmp_path / "hold.py", how, end], tmp_path)
    words = done.stdout.split()
    assert words[-1:] == ["ended"], done.stderr
    assert end != "itself" or words[1] == "4"
