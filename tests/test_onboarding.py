"""The onboarding page: what it says, what it never says, and each of its commands in the shell it is for."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from parts import need
from quickstarts import Stage, launcher_on_path, rehearsal, run_here
from running import last_line, snapshot, write
from windows import VENV_SCRIPTS, Windows

from launcher.onboarding import code, page, span, text
from launcher.profiles import load_profile_file

ROOT = Path(__file__).resolve().parent.parent
POSIX = pytest.mark.posix
HOSTILE = """
[databases.one]
url = "postgresql://user:s3cret@db.example:5432/telemetry?sslmode=require&password=s3cret"
[databases.two]
url = "{env:OTHER_URL}"
[databases.three]
url = "postgresql://u:{env:PASS_WORD}s3cret@h/x"
[databases.four]
url = "sqlite+pysqlcipher://:s3cret@/x.db"
[profiles.alpha]
description = "a | b `c` <script>alert(1)</script> *bold* [x](y) \\u202e \\u001b[31m\\nline two postgresql://u:s3cret@h/d"
database = "one"
env = { TOKEN = "s3cret", LITERAL = "{{env:NOT_ME}}" }
tasks.work = { run = ["x", "{env:FROM_A_TASK}", "--password=s3cret"], description = "first\\n# no heading\\n| x |" }
[profiles.beta]
database = "two"
tasks.work = { run = ["x"] }
[profiles.gamma]
database = "three"
[profiles.delta]
database = "four"
[profiles.bare]
tasks.work = { run = ["x"], verify = true }
"""


def made(folder: Path, toml: str, name: str = "autopack-run.toml") -> str:
    """The page of that profile file."""
    return page(load_profile_file(str(write(folder, toml).rename(folder / name))))


def blocks(markdown: str, fence: str) -> list[str]:
    """The code blocks of that kind."""
    return re.findall(rf"```{fence}\n(.*?)```\n", markdown, re.DOTALL)


def rows(markdown: str, heading: str) -> list[list[str]]:
    """The cells of the table below the heading."""
    table = re.search(r"(?:^\|.*\n)+", markdown[markdown.index(heading) :], re.MULTILINE)
    assert table
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[0].splitlines()[2:]]


def test_it_is_written_once_compared_and_never_over_a_foreign_page(tmp_path: Path) -> None:
    home, page_path = rehearsal(tmp_path), tmp_path / "ONBOARDING.md"
    missing = run_here(["onboarding", "--check"], home)
    assert (missing.returncode, "stale" in last_line(missing)) == (78, True)
    assert "hint: autopack-run onboarding\n" in missing.stderr
    done = run_here(["onboarding"], home)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{page_path}\n", "")
    data = page_path.read_bytes()
    assert b"\r" not in data
    assert data.startswith(b"<!-- autopack-run onboarding (generated; edits are lost) -->\n")
    assert run_here(["onboarding", "--output", "-"], home).stdout.encode() == data
    page_path.write_bytes(data.replace(b"\n", b"\r\n"))  # as git may check it out
    assert run_here(["onboarding", "--check"], home).returncode == 0
    write(home, (home / "autopack-run.toml").read_text().replace("Collect token-", "Gather token-"))
    stale = run_here(["onboarding", "--check"], home)
    assert stale.returncode == 78
    assert "-| `telemetry` | Collect" in stale.stdout
    assert "+| `telemetry` | Gather" in stale.stdout
    page_path.write_text("my own words")
    before = snapshot(tmp_path)
    for words in ([], ["--check"]):
        foreign = run_here(["onboarding", *words], home)
        assert (foreign.returncode, "foreign-file" in last_line(foreign)) == (78, True)
    assert snapshot(tmp_path) == before
    (home / "docs").mkdir()
    assert run_here(["-f", "../autopack-run.toml", "onboarding", "--output", "DAY1.md"], home / "docs").returncode == 0
    assert (home / "docs" / "DAY1.md").is_file()


@pytest.mark.parametrize(
    ("urls", "said"),
    [
        (["sqlite:///x.db", "mssql://h/d"], "."),
        (["sqlite:///x.db", "postgresql+psycopg://{env:U}@h/d"], '".[postgresql]"'),
        (["mariadb://h/d", "mysql+pymysql://h/e"], '".[mysql]"'),
        (["{env:ANY}"], '".[postgresql,mysql]"'),
    ],
)
def test_it_installs_the_drivers_of_the_files_databases(tmp_path: Path, urls: list[str], said: str) -> None:
    text = "".join(f"[databases.d{number}]\nurl = '{url}'\n" for number, url in enumerate(urls))
    shown = made(tmp_path, text + "[profiles.p]\ndatabase = 'd0'\n")
    assert f"`uv tool install {said}`" in shown
    assert f"`pipx install {said}`" in shown


def test_no_secret_no_markup_and_nothing_of_this_machine_is_in_it(tmp_path: Path) -> None:
    shown = made(tmp_path, HOSTILE)
    assert "s3cret" not in shown
    assert str(tmp_path) not in shown
    assert "`postgresql://user:***@db.example:5432/telemetry?sslmode=require&***`" in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown
    assert "<script" not in shown
    profiles = rows(shown, "## The profiles")
    assert [row[0] for row in profiles] == ["`alpha`", "`beta`", "`gamma`", "`delta`", "`bare`"]
    assert {len(row) for row in profiles} == {5}
    assert "\n# no heading" not in shown
    assert profiles[0][1].startswith(r"a \| b \`c\` &lt;script&gt;alert(1)&lt;/script&gt; \*bold\* \[x\](y)")
    assert profiles[1][3] == "`{env:OTHER_URL}`"
    yours = re.search(r"takes these from your shell: (.*?)\. Each", shown, re.DOTALL)
    assert yours
    assert re.findall(r"`(\w+)`", yours[1]) == ["DATABASE_URL", "FROM_A_TASK", "OTHER_URL", "PASS_WORD"]
    assert "$env:OTHER_URL = 'VALUE'" in blocks(shown, "powershell")[1]
    assert 'set "OTHER_URL=VALUE"' in blocks(shown, "bat")[1]


@pytest.mark.parametrize("words", ["a`b", "``", "`x", "a|b", "a\nb", "x" * 9])
def test_code_is_one_span(words: str) -> None:
    shown = code(words)
    fence, inside = re.match(r"(`+)(.*?)(`+)$", shown).groups()[:2]  # type: ignore[union-attr]
    assert shown.endswith(fence)
    assert len(fence) not in map(len, re.findall("`+", inside))
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)\|", shown)


def test_outside_of_a_table_code_has_no_backslash() -> None:
    assert (span("a | b.toml"), code("a | b.toml")) == ("`a | b.toml`", r"`a \| b.toml`")


def test_free_text_is_one_line() -> None:
    assert text("a\r\n b\t| c") == r"a b \| c"
    assert text("\x1b[0m") == r"\\x1b\[0m"


def test_without_profiles_or_a_main_task_there_is_a_page(tmp_path: Path) -> None:
    assert "## The first day in bash" in made(tmp_path, "")
    several = made(tmp_path, '[profiles.p]\ntasks.a = { run = ["x"] }\ntasks.b = { run = ["x"] }\n')
    assert "autopack-run quickstart" not in several
    assert "autopack-run profiles" in several


def test_another_profile_files_name_is_in_each_command(tmp_path: Path) -> None:
    shown = made(tmp_path, (rehearsal(tmp_path) / "autopack-run.toml").read_text(), "it's an other.toml")
    for fence, quoted in (
        ("powershell", "'it''s an other.toml'"),
        ("bat", '"it\'s an other.toml"'),
        ("bash", r"'it'\''s an other.toml'"),
    ):
        lines = "".join(blocks(shown, fence)).splitlines()
        ours = [line for line in lines if "autopack-run " in line and "--version" not in line]
        assert all(f"autopack-run -f {quoted} " in line for line in ours), ours


def test_what_a_system_sets_is_nobodys_to_set(tmp_path: Path) -> None:
    shown = made(
        tmp_path,
        """
[profiles.p]
description = "{env:ONLY_TOLD}"
python = "{env:VENV}/bin/python"
env = { PATH = "/x:{env:PATH}", Q = "{env:Path}{env:USERPROFILE}{env:MINE}", SELF = "{env:SELF}:x", B = "{{{env:IN}}}" }
tasks.work = { run = ["x", "{env:HOME}/x"], cwd = "{env:FOLDER}", description = "{env:ONLY_TOLD}" }
""",
    )
    yours = re.search(r"takes these from your shell: (.*?)\. Each", shown, re.DOTALL)
    assert yours
    assert re.findall(r"`(\w+)`", yours[1]) == ["FOLDER", "IN", "MINE", "VENV"]
    assert "PATH" not in "".join(blocks(shown, "bat"))


def test_a_variable_that_a_shell_keeps_is_a_comment_there(tmp_path: Path) -> None:
    shown = made(tmp_path, "[profiles.p]\nenv = { A = '{env:UID}', B = '{env:RANDOM}' }\n")
    assert "# UID: bash keeps this variable for itself" in blocks(shown, "bash")[1]
    assert "@rem # RANDOM: cmd computes this variable itself" in blocks(shown, "bat")[1]
    assert "$env:RANDOM = 'VALUE'" in blocks(shown, "powershell")[1]


def test_a_name_that_quickstart_refuses_has_no_scripts_on_the_page(tmp_path: Path) -> None:
    shown = made(tmp_path, (rehearsal(tmp_path) / "autopack-run.toml").read_text(), "a&b.toml")
    assert "quickstart" not in "".join(blocks(shown, "powershell") + blocks(shown, "bat") + blocks(shown, "bash"))
    assert shown.count("Step by step:") == 3
    assert shown.count("In the folder of `a&b.toml`.") == 3


def test_an_empty_output_is_refused(tmp_path: Path) -> None:
    for words in ([], ["--check"]):
        done = run_here(["onboarding", "--output", "", *words], rehearsal(tmp_path))
        assert (done.returncode, "--output names no file" in done.stderr) == (78, True)
    assert os.listdir(tmp_path) == ["autopack-run.toml"]


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the docs are not beside the tests")
def test_faults_and_codes_are_those_of_the_docs(tmp_path: Path) -> None:
    shown = made(tmp_path, "")
    faults = re.findall(
        r"^## (\S+)\n\nExit ([\d or]+)\. (.*?)\n\nRemedy",
        (ROOT / "docs/faults.md").read_text(encoding="utf-8"),
        re.M | re.S,
    )
    first = [
        (f"`{slug}`", codes, re.split(r"(?<=\.)\s+(?=[A-Z`])", " ".join(said.split()))[0])
        for slug, codes, said in faults
    ]
    wanted = [" | ".join(row) for row in first]
    assert [" | ".join(row) for row in rows(shown, "## What each error means")] == wanted, "rows of onboarding.md.j2"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert rows(shown, "## What the exit code says") == rows(readme, "## Exit codes")


SHOW = "python3 -c \"import os; print('sees', os.environ.get('TELEMETRY_DB_ENABLED'), os.environ.get('LOG_LEVEL'))\""


@POSIX
@pytest.mark.parametrize(("shell", "fence"), [("bash", "bash"), ("pwsh", "powershell")])
def test_every_command_works(tmp_path: Path, shell: str, fence: str) -> None:
    pytest.importorskip("uvicorn")
    stage = Stage(rehearsal(tmp_path / "home"), launcher_on_path(tmp_path / "bin"))
    (stage.bin / "powershell").symlink_to(need("pwsh"))  # Windows has it by this name
    shown = page(load_profile_file(str(stage.home / "autopack-run.toml")))
    lines = [line for block in blocks(shown, fence) for line in block.splitlines()]
    assert len(lines) == 10
    example = next(row[1].strip("`") for row in rows(shown, "| shell | line |") if row[0].lower() in (shell, fence))
    stop = "if ($LASTEXITCODE) { exit $LASTEXITCODE }" if shell == "pwsh" else ""
    script = "\n".join([*(f"{line}\n{stop}" for line in lines), example, SHOW])
    words = ["-NoProfile", "-NonInteractive", "-Command", script] if shell == "pwsh" else ["-ec", script]
    done = subprocess.run(
        [need(shell), *words], cwd=stage.home, env=stage.env(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("sees 1 debug")
    assert done.stdout.count("10 of 10 phases COMPLETE") == 2


@POSIX
def test_the_traps_are_traps(tmp_path: Path) -> None:
    lines = {
        "LOG_LEVEL=debug python3 -c pass": "is not recognized",
        "set LOG_LEVEL=debug": "",
        "sh -c 'export LOG_LEVEL=debug'": "",
    }
    script = "\n".join(f"{line}\n{SHOW}" for line in lines)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    told = subprocess.run(
        [need("pwsh"), "-NoProfile", "-NonInteractive", "-Command", script],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.splitlines() == ["sees None None"] * 3
    assert "is not recognized" in told.stderr
    (tmp_path / "script").write_text("export LOG_LEVEL=debug\n")
    script = f"$env:LOG_LEVEL = 'debug'\n{SHOW}\nbash ./script\n{SHOW}\n. ./script\n{SHOW}"
    told = subprocess.run(
        [need("bash"), "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert told.stdout.splitlines() == ["sees None None", "sees None None", "sees None debug"]


@POSIX
@pytest.mark.lab
def test_commands_and_traps_of_cmd(windows: Windows, tmp_path: Path) -> None:
    """Those that start no rehearsal: test_quickstart_windows.py has the script, and test_env_command.py `env`."""
    need("windows-venv")
    home = rehearsal(tmp_path)
    shown = page(load_profile_file(str(home / "autopack-run.toml")))
    lines = [line for block in blocks(shown, "bat") for line in block.splitlines()]
    assert len(lines) == 11
    version, listed, write_scripts, script = lines[:4]
    assert script == r".\quickstart-telemetry.cmd"
    show = "python3.11 -c \"import os; print([os.environ.get('LOG_LEVEL')])\"".replace(
        "python3.11", str(VENV_SCRIPTS / "python.exe")
    )
    example = next(row[1].strip("`") for row in rows(shown, "| shell | line |") if row[0] == "cmd")
    traps = [
        f"cmd /c set LOG_LEVEL=debug\r\n{show}",
        f"set LOG_LEVEL=debug & {show}",
        f'set LOG_LEVEL="debug"\r\n{show}',
        f"{example}\r\n{show}",
    ]
    text = "\r\n".join(["@echo off", f"call {version}", f"call {listed}", f"call {write_scripts}", *traps, ""])
    (home / "day.cmd").write_text(text, newline="")
    path = rf"C:\windows\system32;{VENV_SCRIPTS}"
    done = windows.run(["cmd", "/c", "day.cmd"], home, {"PATH": path}, timeout=90)
    said = done.stdout.split("\r\n")
    assert said[0].startswith("autopack-run "), done.stdout + done.stderr
    assert (home / "quickstart-telemetry.cmd").is_file()
    assert [line for line in said if line.startswith("[")] == ["[None]", "['debug ']", "['\"debug\"']", "['debug']"]
