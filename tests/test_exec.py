"""`PROFILE exec [--] CMD…`: arguments, standard streams, environment and exit codes belong to the child."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from running import LAUNCHER, clean_env, last_line, run, write

PROFILE = '[profiles.p]\nenv = { WHO = "p" }\n'
SHOW = "import json, sys; print(json.dumps([ascii(word) for word in sys.argv[1:]]))"
INJECTED = "witness"
"""The name of the file that an argument makes where a shell runs what is in it."""


def hostile_argument_lists(count: int = 100) -> list[list[str]]:
    """Argument lists that quoting trips over: every single known one, then lists thrown by dice."""
    single = """|a b|\\|a\\|a b\\|\\\\|C:\\x y\\|"|a"b|\\"|a\\\\"b|""|'|`|%PATH%|%|%%|100%|%1|%*|%~dp0|%cd:~0,1%|%=x%|%"|"%PATH%"
        ^|^%PATH^%|a^b|&|a&b|<x|>x|(x)|!|!PATH!|--|-|-h|--help|--version|-q|/c|/?|*|*.toml|?|~|~root|$x|${x}|$(x)|;|,|=|a=b|@x
        :x|#x|{x}|{port}|{env:PATH}|[a]|ü€漢😀|u\u0308|\u2019|\u00a0|x\u00a0y|\u3000|\u202e|\ufeff|\t|\x01|\x1b[31m|\x7f|\x0b\x0c"""
    words = [word for line in single.split("\n") for word in line.strip(" ").split("|")] + [
        "a\nb", "\n", "\r", "a\r\nb", "\x1a", "x" * 5000,
        f'"&echo x>{INJECTED}1&"', f"&echo x>{INJECTED}2&", f'a" & echo x>{INJECTED}3 & "b', f"%CMDCMDLINE:~-1%&echo x>{INJECTED}4",
        f"$(echo x>{INJECTED}5)", f"`echo x>{INJECTED}6`", f"\n echo x>{INJECTED}7", f';echo x>{INJECTED}8;', f'\\"&echo x>{INJECTED}9',
        f'%"&echo x>{INJECTED}10&"%', f"^\"&echo x>{INJECTED}11", f"|echo x>{INJECTED}12",
    ]  # fmt: skip
    lists = [[word] for word in words] + [["", "", ""], ["--", "--"], ["a", "", "b"], ["exec", "--", "p"]]
    dice = random.Random(7)
    marks = [
        *" \t\"'\\%$^&|<>()!`*?~=;,@#{}aü漢😀\u2019",
        '\\"',
        "%PATH%",
        "a b",
        "--",
        "\\\\",
        f"&echo x>{INJECTED}13&",
    ]
    while len(lists) < count:
        lists.append(["".join(dice.choices(marks, k=dice.randrange(9))) for _ in range(dice.randrange(1, 5))])
    return lists


def in_python(code: str, *arguments: str) -> list[str]:
    """The words of a child that is this Python, as little of it as possible."""
    return [sys.executable, "-ISc", code, *arguments]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, PROFILE)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "share"), [(["exec", "--"], 3), (["exec"], 1), (["show"], 3)], ids=["exec --", "exec", "task"]
)
def test_hostile_argument_lists_reach_the_child_untouched(tmp_path: Path, before: list[str], share: int) -> None:
    program = in_python(SHOW)
    write(tmp_path, f"[profiles.p.tasks.show]\nrun = {json.dumps(program)}\n")
    words = [] if before == ["show"] else program
    # All of them where click sees them without a --; test_windows_children.py has all for Windows, in few starts.
    cases = hostile_argument_lists()[:: 10 if os.name == "nt" else share]
    with ThreadPoolExecutor(4) as pool:
        done = pool.map(lambda case: run(["p", *before, *words, *case], tmp_path), cases)
    seen = [json.loads(d.stdout) for d in done]
    assert seen == [[ascii(word) for word in case] for case in cases]
    assert not list(tmp_path.glob(f"{INJECTED}*"))


@pytest.mark.posix
def test_bytes_that_are_no_text_reach_the_child(folder: Path) -> None:
    words = [bytes(range(1, 256)), b"\xff", b"\xed\xb3\xbf", b"\xc3"]
    show = "import os, sys; sys.stdout.buffer.write(b'|'.join(os.fsencode(w) for w in sys.argv[1:]))"
    for locale in ({}, {"LC_ALL": "C"}, {"PYTHONUTF8": "1"}, {"PYTHONCOERCECLOCALE": "0", "LC_ALL": "POSIX"}):
        done = subprocess.run(
            [*LAUNCHER, "p", "exec", *in_python(show), *words],
            cwd=folder,
            env=clean_env(locale),
            capture_output=True,
            check=False,
        )
        assert done.stdout == b"|".join(words), locale


def test_the_first_two_dashes_alone_are_ours(folder: Path) -> None:
    done = run(["p", "exec", "--", *in_python(SHOW), "--", "exec", "--"], folder)
    assert json.loads(done.stdout) == ["'--'", "'exec'", "'--'"]


@pytest.mark.parametrize("words", [[], ["--"]], ids=["nothing", "--"])
def test_exec_without_a_program_is_usage(folder: Path, words: list[str]) -> None:
    done = run(["p", "exec", *words], folder)
    assert done.returncode == 2
    assert "exec needs a program" in done.stderr


@pytest.mark.parametrize("code", [0, 1, 2, 65, 75, 78, 126, 127, 128, 130, 255])
def test_exit_code_is_the_childs(folder: Path, code: int) -> None:
    done = run(["p", "exec", *in_python(f"raise SystemExit({code})")], folder)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.posix
@pytest.mark.parametrize(
    ("number", "code"), [("TERM", 143), ("KILL", 137), ("INT", 130), ("HUP", 129), ("SEGV", 139), ("PIPE", 141)]
)
def test_signal_of_a_replaced_launcher_is_what_the_shell_sees(folder: Path, number: str, code: int) -> None:
    script = f"ulimit -c 0; \"$@\" p exec sh -c 'kill -{number} $$'; exit $?"
    done = subprocess.run(
        ["bash", "-c", script, "-", *LAUNCHER], cwd=folder, env=clean_env(), capture_output=True, check=False
    )
    assert done.returncode == code


def make_file(path: Path, content: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    path.chmod(mode)
    return path


FAULTS: dict[str, tuple[Sequence[str], int, str, str]] = {
    "not on PATH": (["no-such-program"], 127, "not-found", "is not on the child's PATH"),
    "empty name": ([""], 127, "not-found", "empty"),
    "no such path": (["./none"], 127, "not-found", "there is no program"),
    "below a file": (["./plain/x"], 127, "not-found", "there is no program"),
    "not executable": (["./plain"], 126, "not-executable", "chmod +x"),
    "a folder": (["./sub"], 126, "not-executable", "is not a file"),
    "a folder on PATH": (["sub"], 126, "not-executable", "is not a file"),
    "no first line": (["./bare"], 126, "not-executable", "name its interpreter: sh "),
    "empty file": (["./void"], 126, "not-executable", "name its interpreter: sh "),
    "missing interpreter": (["./lost"], 126, "not-executable", "its interpreter /no/such/sh -e is not there"),
    "CRLF first line": (["./crlf"], 126, "not-executable", "save it with LF"),
    "interpreter is a folder": (["./folder-sh"], 126, "not-executable", "cannot be started"),
    "broken ELF": (["./elf"], 126, "not-executable", "no program that this system can start"),
    "dangling link": (["./dangling"], 127, "not-found", "there is no program"),
    "link to itself": (["./loop"], 127, "not-found", "there is no program"),
    "name too long": (["z" * 5000], 127, "not-found", "is not on the child's PATH"),
}


@pytest.mark.posix
@pytest.mark.parametrize(("words", "code", "slug", "said"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("waits", [False, True], ids=["replaced", "waited"])
def test_what_cannot_be_started(
    tmp_path: Path, words: Sequence[str], code: int, slug: str, said: str, waits: bool
) -> None:
    # A task that creates its database is waited for, anything else replaces the launcher.
    write(
        tmp_path,
        f"""
        [databases.d]
        url = "sqlite:///d.db"
        [profiles.p]
        database = "d"
        env = {{ PATH = "{{root}}{{pathsep}}{{root}}/path{{pathsep}}{{env:PATH}}" }}
        [profiles.p.tasks.t]
        run = [{json.dumps(words[0])}]
        creates = true
        """,
    )
    (tmp_path / "sub").mkdir()
    make_file(tmp_path / "plain", "echo hi\n", 0o644)
    make_file(tmp_path / "bare", "exit 0\n")
    make_file(tmp_path / "void", "")
    make_file(tmp_path / "lost", "#!/no/such/sh -e\n")
    make_file(tmp_path / "crlf", "#!/bin/sh\r\nexit 0\r\n")
    make_file(tmp_path / "folder-sh", "#!/tmp\n")
    make_file(tmp_path / "elf", "\x7fELF")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    done = run(["p", "t", *words[1:]] if waits else ["p", "exec", *words], tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert last_line(done).startswith(f"autopack-run: {slug}: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "d.db").exists()


TOO_LARGE = {
    "one argument": (["x" * 200_000], [], "argument 1 has 200000 bytes"),
    "all together": (["y" * 100_000] * 9, ["z" * 100_000] * 13, "2200004 bytes of arguments"),
}


@pytest.mark.posix
@pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux'")
@pytest.mark.parametrize(("words", "more", "said"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_arguments_that_are_too_large_are_named(tmp_path: Path, words: list[str], more: list[str], said: str) -> None:
    write(tmp_path, f"[profiles.p.tasks.t]\nrun = {json.dumps(['true', *words])}\n")
    done = run(["p", "t", *more], tmp_path)
    assert done.returncode == 126
    assert said in done.stderr
    assert last_line(done).startswith("autopack-run: not-executable: ")


@pytest.mark.posix
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's limit on one string is Linux'")
def test_the_longest_argument_that_linux_hands_over_arrives(folder: Path) -> None:
    done = run(["p", "exec", *in_python("import sys; print(len(sys.argv[1]))"), "x" * 131_071], folder)
    assert done.stdout == "131071\n"


@pytest.mark.posix
def test_character_that_the_locale_lacks_is_a_configuration_fault(tmp_path: Path) -> None:
    write(tmp_path, '[profiles.p.tasks.t]\nrun = ["true", "漢"]\n')
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run(["p", "t"], tmp_path, env=ascii_only)
    assert done.returncode == 78
    assert "'\\u6f22'" in done.stderr
    assert last_line(done).startswith("autopack-run: bad-value: ")


def test_exec_runs_where_you_are(folder: Path) -> None:
    below = folder / "a" / "b c"
    below.mkdir(parents=True)
    done = run(["p", "exec", *in_python("import os; print(os.getcwd())")], below)
    assert os.path.realpath(done.stdout.rstrip("\n")) == os.path.realpath(below)


@pytest.mark.posix
def test_logical_current_folder_of_the_shell_stays(folder: Path) -> None:
    (folder / "link").symlink_to(folder)
    logical = str(folder / "link")
    assert run(["p", "exec", "printenv", "PWD"], folder, env={"PWD": logical}).stdout == logical + "\n"


@pytest.mark.posix
def test_program_takes_the_launchers_place(folder: Path) -> None:
    child = subprocess.Popen(
        [*LAUNCHER, "p", "exec", "sh", "-c", "echo $$"], cwd=folder, env=clean_env(), stdout=subprocess.PIPE, text=True
    )
    out, _ = child.communicate(timeout=60)
    assert int(out) == child.pid


@pytest.mark.posix
def test_signals_that_python_ignores_are_as_a_shell_leaves_them(folder: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("/proc: not to be had here")
    shown = run(["p", "exec", "grep", "-c", "^SigIgn:.0*$", "/proc/self/status"], folder)
    assert shown.stdout == "1\n"


@pytest.mark.posix
def test_open_files_of_the_shell_reach_the_child(folder: Path) -> None:
    command = 'exec 3<autopack-run.toml; "$@" p exec head -n 1 /dev/fd/3'
    done = subprocess.run(
        ["bash", "-c", command, "-", *LAUNCHER], cwd=folder, env=clean_env(), capture_output=True, check=False
    )
    assert done.stdout == b"[profiles.p]\n"


def test_standard_streams_are_the_childs(folder: Path) -> None:
    echo = "import sys; d = sys.stdin.read(); sys.stdout.write(d); sys.stderr.write(d.upper())"
    done = run(["p", "exec", *in_python(echo)], folder, input="abc")
    assert (done.stdout, done.stderr) == ("abc", "ABC")


CLOSED = {
    "no stdout": (">&-", 7),
    "no stderr": ("2>&-", 7),
    "no stdin": ("<&-", 7),
    "none at all": ("<&- >&- 2>&-", 7),
    "full stdout": (">/dev/full", 7),
    "full stderr": ("2>/dev/full", 7),
}


@pytest.mark.posix
@pytest.mark.parametrize(("streams", "code"), CLOSED.values(), ids=CLOSED)
@pytest.mark.parametrize("task", ["make", "plain"])
def test_closed_and_full_streams_change_nothing(tmp_path: Path, streams: str, code: int, task: str) -> None:
    if "full" in streams and not os.path.exists("/dev/full"):
        pytest.skip("/dev/full: not to be had here")
    write(
        tmp_path,
        """
        [databases.d]
        url = "sqlite:///d.db"
        [profiles.p]
        database = "d"
        [profiles.p.tasks.make]
        run = ["sh", "-c", "exit 7"]
        creates = true
        [profiles.p.tasks.plain]
        run = ["sh", "-c", "exit 7"]
        verify = false
        """,
    )
    script = f'"$@" p {task} {streams}; echo $? >code'
    done = subprocess.run(
        ["bash", "-c", script, "-", *LAUNCHER], cwd=tmp_path, env=clean_env(), capture_output=True, check=False
    )
    assert (tmp_path / "code").read_text() == f"{code}\n", done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


@pytest.mark.posix
def test_banner_into_a_broken_pipe_changes_nothing(tmp_path: Path) -> None:
    write(
        tmp_path,
        '[databases.d]\nurl = "sqlite:///d.db"\n[profiles.p]\ndatabase = "d"\n'
        '[profiles.p.tasks.make]\nrun = ["sh", "-c", "exit 7"]\ncreates = true\n',
    )
    script = '{ sleep 0.2; "$@" p make; echo $? >code; } 2>&1 >/dev/null | true; sleep 2'
    subprocess.run(["bash", "-c", script, "-", *LAUNCHER], cwd=tmp_path, env=clean_env(), check=True)
    assert (tmp_path / "code").read_text() == "7\n"


def test_variables_of_the_profile_reach_the_child_and_outer_facts_do_not(folder: Path) -> None:
    show = (
        "import json, os; print(json.dumps({n: v for n, v in os.environ.items() if n.startswith(('AUTOPACK', 'WHO'))}))"
    )
    outer = {"AUTOPACK_RUN_TASK": "outer", "AUTOPACK_RUN_DATABASE_ID": "x", "AUTOPACK_RUN_FUTURE": "y"}
    seen = json.loads(run(["p", "exec", *in_python(show)], folder, env=outer).stdout)
    root = os.path.realpath(folder)
    assert {name: os.path.realpath(text) if os.sep in text else text for name, text in seen.items()} == {
        "WHO": "p",
        "AUTOPACK_RUN_FILE": os.path.join(root, "autopack-run.toml"),
        "AUTOPACK_RUN_ROOT": root,
        "AUTOPACK_RUN_PROFILE": "p",
        "AUTOPACK_RUN_VERIFIED": "0",
    }


def test_facts_cannot_be_forged(folder: Path) -> None:
    (folder / ".env").write_text("AUTOPACK_RUN_DATABASE_ID=forged\nAUTOPACK_RUN_VERIFIED=1\n")
    write(folder, '[defaults]\nenv_files = [".env"]\n[profiles.p]\n')
    show = "import os; print(os.environ.get('AUTOPACK_RUN_DATABASE_ID'), os.environ['AUTOPACK_RUN_VERIFIED'])"
    forged = ["--set", "AUTOPACK_RUN_DATABASE_ID=forged", "p", "exec", *in_python(show)]
    assert run(["p", "exec", *in_python(show)], folder).stdout == "None 0\n"
    assert run(forged, folder).stdout == "None 0\n"
