"""Which shell is detected: what the environment says, what recorded process trees say, and that unsure stays unsure."""

import base64
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
import shellingham
from parts import need

import shells
from shells import detect, processes
from shells.detect import Detection, decide, detect_shell
from shells.processes import Process
from shells.started import Started, cmd, fish, posix
from shells.started_powershell import powershell
from shells.table import SHELLS
from shells.texts import Part, part_of

TREES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data/process_trees.json").read_text("utf-8"))
EVAL = 'eval "$(autopack-run telemetry env)"'


@pytest.fixture
def no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """No parent process may be asked."""
    monkeypatch.setattr(processes, "parents", lambda: pytest.fail("the parent processes were read"))


@pytest.mark.parametrize("name", SHELLS)
def test_the_variable_comes_first(no_table: None, name: str) -> None:
    assert detect_shell({"AUTOPACK_RUN_SHELL": name}) == Detection(name, f"AUTOPACK_RUN_SHELL='{name}'")


@pytest.mark.parametrize("name", ["tcsh", "BASH", "/bin/bash", "\x1b[2J"])
def test_an_unknown_name_in_the_variable_is_no_reason_to_look_further(no_table: None, name: str) -> None:
    found = detect_shell({"AUTOPACK_RUN_SHELL": name})
    assert found == Detection(None, f"AUTOPACK_RUN_SHELL={name!a}, which is none of {', '.join(sorted(SHELLS))}")


def processes_of(tree: dict[str, Any]) -> list[Process]:
    """The recorded processes, each a second older than the one below where nothing else is said."""
    rows = tree["tree"]
    created = tree.get("created") or [1000.0 - at for at in range(len(rows))]
    return [
        Process(9000 - at, name, None if words is None else tuple(words), exe, created[at])
        for at, (name, words, exe) in enumerate(rows)
    ]


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree["id"])
def test_recorded_process_trees(tree: dict[str, Any]) -> None:
    scripts: dict[str, str] = tree.get("scripts", {})

    def read(process: Process, path: str) -> str | None:
        return scripts.get(path, scripts.get(path.replace("\\", "/").rsplit("/", 1)[-1]))

    found = decide(processes_of(tree), read)
    assert found.name == tree["name"], f"{tree['why']}: {found.seen}"
    assert found.seen.isascii()
    assert found.seen.isprintable()
    assert found.name or not found.path


def test_the_trees_are_of_some_worth() -> None:
    assert len(TREES) >= 100
    names = {tree["name"] for tree in TREES}
    assert names <= {*SHELLS, None}
    assert len(names) >= 10  # a shell that is added needs none of its own
    assert all(tree["source"] and tree["why"] for tree in TREES)


def test_the_message_names_no_arguments_and_nothing_that_a_terminal_obeys() -> None:
    me = Process(3, "autopack-run", ("autopack-run",), "", 3.0)
    one_shot = Process(2, "sh", ("sh", "-c", "PASSWORD=geheim autopack-run x env; true"), "/bin/sh", 2.0)
    hostile = Process(1, "a\x1b[2J\n\u2028b" + "x" * 300, ("geheim",), "", 1.0)
    seen = decide([me, one_shot, hostile], lambda process, path: None).seen
    assert "geheim" not in seen
    assert seen.isascii()
    assert seen.isprintable()
    assert len(seen) < 200


@pytest.mark.parametrize(
    ("found", "environ", "name"),
    [
        (("zsh", "/bin/zsh"), {}, "zsh"),
        (("zsh", "/bin/zsh"), {"SHELL": "/bin/zsh"}, None),  # what it says of any login shell
        (("sh", "sh"), {}, None),
        (("cmd", "cmd.exe"), {}, None),
        (("tcsh", "/bin/tcsh"), {}, None),
        (shellingham.ShellDetectionFailure(), {}, None),
        (TypeError("x"), {}, None),
        (IndexError("x"), {}, None),
        (OSError("x"), {}, None),
        (RuntimeError("x"), {}, None),
    ],
    ids=repr,
)
def test_the_second_source(
    monkeypatch: pytest.MonkeyPatch, found: tuple[str, str] | Exception, environ: dict[str, str], name: str | None
) -> None:
    def unreadable(pid: int | None = None) -> None:
        raise psutil.AccessDenied(1)

    def second() -> tuple[str, str]:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(psutil, "Process", unreadable)
    monkeypatch.setattr(shellingham, "detect_shell", second)
    detected = detect_shell(environ)
    assert detected.name == name
    assert detected.seen.startswith("the parent processes could not be read (AccessDenied)")


def test_msystem_is_told_where_no_shell_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "parents", lambda: iter([Process(1, "autopack-run", (), "", 1.0)]))
    assert detect_shell({"MSYSTEM": "MINGW64"}) == Detection(
        None, "no shell among the parent processes: from here up: autopack-run; MSYSTEM='MINGW64', as in Git Bash"
    )


def test_a_table_without_end_is_unsure() -> None:
    line = [Process(at, "make", ("make",), "", 1.0) for at in range(processes.LONGEST)]
    assert decide([*line, Process(7, "", None, "", 0.0)], lambda process, path: None).name is None


def test_the_own_line_begins_here_and_goes_back_in_time() -> None:
    line = list(processes.parents())
    assert line[0].pid == psutil.Process().pid
    whole = [each.created for each in line if each.name]
    assert all(older <= younger + detect.SLACK for younger, older in pairwise(whole))


# What each is started with, separated by |: at a prompt, and not.
STARTED = [
    (
        posix,
        "|-i|-l|--login -i|-il|--norc|--rcfile FILE|--init-file FILE -i|-o vi|-O extglob|+O extglob -i|+o|-s|-s a b|-|--"
        "|-li|-f -o emacs -i|-x|--posix --noprofile|-oextendedglob -i|--emulate ksh|-eo pipefail",
        "-c x|-lc x|-ec x|-fc x|-ic x|-c -e x|--norc -c x|-o errexit -c x|-eo pipefail -c x|-euo pipefail script|script"
        "|./script -i|- script|-- script|--rcfile FILE script|-e script|-oextendedglob script|+x script|-O extglob -c x",
    ),
    (
        fish,
        "|-i|-l|--login|-C x|--init-command x|--init-command=x|-iC x|-N -C x -i|-d all|--features=x|-P|--private",
        "-c x|-cx|--command x|--command=x|-lc x|-C x -c y|script|-N script a|-d all script|-- script",
    ),
    (
        cmd,
        "|/k x|/K x|/s/k x|/d|/v:on|/d /v:on /e:on|/q/k x.bat /c|C:\\x|/t:0a",
        "/c x|/C x|/d/c x|/s/c x|/d /s /c x|/v:on/c x|/r x|/q /c x /k|/cx",
    ),
    (
        powershell,
        "|-NoLogo -NoProfile|-NonInteractive|-NoExit -Command x|-noe -c x|-noexit -File x|-|-Command -|-c -|-File -"
        "|-ExecutionPolicy Bypass|-ex Bypass -nop|-ep Bypass|-WorkingDirectory x|-wd x|-Login|-l|--login|-i|/noexit /c x"
        "|-Version 5.1|-sshs -NoLogo|-s -NoLogo|-w hidden|-CustomPipeName x|-Sta|-Command Start-EditorServices",
        "-File x|-f x|-Command x|-c x|-co x|-EncodedCommand eAA=|-e eAA=|-enc eAA=|-ec eAA=|-NoProfile -File x -NoExit"
        "|-ExecutionPolicy Bypass x.ps1|x.ps1|x y|/c x|-wd x -c y|-cwa x|-CommandWithArgs x y|\u2013Command x"
        "|-nop -noni -ep Bypass -f x.ps1",
    ),
]


@pytest.mark.parametrize(("started", "prompts", "others"), STARTED, ids=["posix", "fish", "cmd", "powershell"])
def test_who_stands_at_a_prompt(started: Callable[[Sequence[str]], Started], prompts: str, others: str) -> None:
    assert [line for line in prompts.split("|") if not started(line.split()).prompt] == []
    assert [line for line in others.split("|") if started(line.split()).prompt] == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (EVAL, Part.READS),
        ("set -e\n" + EVAL + "\n", Part.READS),
        ('eval "$( \\\n  autopack-run telemetry env\n)"', Part.READS),
        ('eval "$(cd x; autopack-run telemetry env)"', Part.READS),
        ("source <(autopack-run telemetry env)", Part.READS),
        (". <(autopack-run telemetry env)", Part.READS),
        ("autopack-run telemetry env | source", Part.READS),
        ("autopack-run telemetry env | . /dev/stdin", Part.READS),
        ("python -m autopack_run telemetry env | Out-String | Invoke-Expression", Part.READS),
        ("iex (autopack-run telemetry env | Out-String)", Part.READS),
        ("autopack-run telemetry env |\n  Out-String |\n  iex", Part.READS),
        ("$text = autopack-run telemetry env | Out-String\nInvoke-Expression $text", Part.READS),
        ("autopack-run telemetry env > x.env\n. ./x.env", Part.READS),
        ('out=$(autopack-run telemetry env) || exit\neval "$out"', Part.READS),
        ('autopack-run telemetry env > "%TEMP%\\x.cmd"\r\ncall "%TEMP%\\x.cmd"\r\n', Part.READS),
        ("for /f \"delims=\" %%i in ('autopack-run telemetry env --for-f') do @%%i", Part.READS),
        ("autopack-run telemetry env > x.env", Part.UNCLEAR),
        ("X=$(autopack-run telemetry env)", Part.UNCLEAR),
        ("autopack-run telemetry env | tee x", Part.UNCLEAR),
        ('eval "$($TOOL telemetry env)"', Part.UNCLEAR),
        ("for /f \"delims=\" %%i in ('%TOOL% telemetry env --for-f') do @%%i", Part.UNCLEAR),
        ("", Part.PASSES),
        ("autopack-run telemetry env", Part.PASSES),
        ("autopack-run telemetry env 2>/dev/null; true", Part.PASSES),
        ("@call autopack-run %*", Part.PASSES),
        ("@echo off\r\nchcp 1250 > NUL\r\ncall pyenv exec %~n0 %*\r\n", Part.PASSES),
        (f"# {EVAL}\nautopack-run telemetry env\n", Part.PASSES),
        ('eval "$(conda shell.posix hook)"\nconda activate x\nautopack-run telemetry env\n', Part.PASSES),
        ('eval "$(pyenv init -)"; autopack-run telemetry env', Part.PASSES),
        ("source ~/env/bin/activate\nautopack-run telemetry drain", Part.PASSES),
        ("source ./lib.sh\nuse_profile telemetry\n", Part.UNCLEAR),
        (". ./lib.sh; use_profile telemetry", Part.UNCLEAR),
        (". .\\lib.ps1\nUse-Profile telemetry\n", Part.UNCLEAR),
        ("source ./lib.sh\nuse_profile telemetry\nautopack-run telemetry check\n", Part.UNCLEAR),
        ('eval "$(direnv stdlib)" && __main__ source_env /x/.envrc', Part.UNCLEAR),
        ('CMD="autopack-run telemetry env"\neval "$($CMD)"', Part.UNCLEAR),
        ('cmd=(autopack-run telemetry); cmd+=(env); eval "$("${cmd[@]}")"', Part.UNCLEAR),
        ('[ "$1" = help ] && echo \'usage: ' + EVAL + '\'\nautopack-run "$@"', Part.UNCLEAR),
        ("cat <<EOF\n" + EVAL + '\nEOF\nautopack-run "$@"', Part.PASSES),
        ('exec autopack-run "$@"', Part.PASSES),
        ('"$@"', Part.PASSES),
    ],
)
def test_what_a_text_does_with_the_output(text: str, part: Part) -> None:
    assert part_of(text) is part


def test_a_long_text_takes_no_long_time() -> None:
    line = "$(" * 2000 + "eval " * 2000 + " env ." * 2000
    assert part_of("\n".join([line] * 5)) is Part.UNCLEAR


def test_an_encoded_command_is_read() -> None:
    command = base64.b64encode("autopack-run telemetry env | iex".encode("utf-16-le")).decode()
    line = [Process(1, "pwsh", ("pwsh", "-enc", command), "/usr/bin/pwsh", 1.0), Process(0, "fish", ("fish",), "", 0.0)]
    assert decide(line, lambda process, path: None).name == "pwsh"


def test_scripts_that_are_read(tmp_path: Path) -> None:
    me = next(processes.parents())
    script = tmp_path / "a b.sh"
    script.write_bytes(EVAL.encode() + b"\xff")
    assert processes.read_script(me, str(script)) == EVAL + "\ufffd"
    script.write_bytes(b"x" * (processes.SCRIPT_BYTES + 1))
    for refused in (str(script), str(tmp_path), str(tmp_path / "none"), "/dev/fd/0", "/proc/self/cmdline", "a\0b", ""):
        assert processes.read_script(me, refused) is None


@pytest.mark.posix
def test_a_script_that_has_left_its_folder_is_read_all_the_same(tmp_path: Path) -> None:
    """Its relative path would name another file there."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "cdd.sh").write_text("echo hi\n")
    ask = (
        "import os; from shells.processes import parents, read_script;"
        "above = next(p for p in parents() if p.pid == os.getppid()); print(read_script(above, './cdd.sh'))"
    )
    (tmp_path / "cdd.sh").write_text(f"cd sub\n{shlex.quote(sys.executable)} -c {shlex.quote(ask)}\n: mine\n")
    env = {**os.environ, "PYTHONPATH": str(Path(shells.__file__).parents[1])}
    for shell in ("bash", "dash", "zsh", "ksh"):
        words = [need(shell), "./cdd.sh"]
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        assert ": mine" in done.stdout, shell


def test_the_reader_may_be_another_posix_shell_than_the_one_at_the_prompt() -> None:
    launcher = Process(9, "autopack-run", ("autopack-run",), "/usr/bin/python3", 9.0)
    script = Process(8, "dash", ("sh", "./x.sh"), "/usr/bin/dash", 8.0)
    prompt = Process(7, "bash", ("-bash",), "/usr/bin/bash", 7.0)
    found = decide([launcher, script, prompt], lambda _process, _path: "autopack-run t env > env.sh")
    assert (found.name, found.path) == ("sh", "")
    found = decide([launcher, script, prompt], lambda _process, _path: 'autopack-run "$@"')
    assert (found.name, found.path) == ("bash", "/usr/bin/bash")
