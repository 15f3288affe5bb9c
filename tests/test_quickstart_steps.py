"""What a quickstart starts: which task, which one creates the database before it, and what it leaves out."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from quickstarts import run_here
from running import last_line, write

from launcher.errors import LauncherError
from launcher.profiles import load_profile_file
from launcher.quickstart_steps import Step, steps


def profile(tasks: str, extra: str = "") -> str:
    return f"""
[databases.d]
url = "sqlite:///d.db"
[profiles.p]
{extra}
{tasks}
[profiles.seed]
database = "d"
tasks.make = {{ run = ["x"], creates = true }}
"""


SERVER = 'tasks.web = { run = ["x"], health = "http://127.0.0.1/" }\n'
USED = 'tasks.side = { run = ["x"] }\ntasks.work = { run = ["x"], with = ["side"] }\n'
CREATE = 'tasks.new = { run = ["x"], creates = true }\n'
ANOTHER = 'tasks.fresh = { run = ["x"], creates = true }\n'
ONE, TWO = 'tasks.one = { run = ["x"] }\n', 'tasks.one = { run = ["x"] }\ntasks.two = { run = ["x"] }\n'
DATABASE = 'database = "d"\n'


@pytest.mark.parametrize(
    ("tasks", "extra", "names", "expected"),
    [
        (ONE, "", (), ["p one"]),
        (ONE, DATABASE, (), ["seed make", "p check", "p one", "p check"]),
        (ONE + CREATE, DATABASE, (), ["p new", "p check", "p one", "p check"]),
        (SERVER + USED + CREATE, DATABASE, (), ["p new", "p check", "p work", "p check"]),
        (TWO, 'default = "two"\n', (), ["p two"]),
        (ONE + CREATE, 'default = "new"\n', (), ["p one"]),
        (SERVER, 'default = "web"\n', (), ["p web"]),
        (TWO, "", ("two", "one"), ["p two", "p one"]),
        (TWO + 'tasks.drain = { run = ["x"] }\n', "", (), ["p drain"]),
        (TWO, "", (), "main-task: one, two; autopack-run quickstart p --task one"),
        (SERVER + CREATE, DATABASE, (), "main-task: web, new; autopack-run quickstart p --task web"),
        (CREATE, DATABASE, (), ["p new", "p check"]),
        (ONE + CREATE, DATABASE, ("new",), ["p new", "p check"]),
        (ONE + CREATE, DATABASE, ("one", "new"), ["p new", "p check", "p one", "p check"]),
        (CREATE + ANOTHER, DATABASE, (), "main-task: new, fresh; autopack-run quickstart p --task new"),
        (CREATE + ANOTHER, DATABASE + 'default = "fresh"\n', (), ["p fresh", "p check"]),
        (ONE + CREATE + ANOTHER, DATABASE, (), "main-task: new, fresh; quickstart p --task new --task one"),
        (ONE + CREATE + ANOTHER, DATABASE, ("fresh", "one"), ["p fresh", "p check", "p one", "p check"]),
        (ONE, DATABASE, ("seed/make", "one"), ["seed make", "p check", "p one", "p check"]),
        (ONE, DATABASE, ("seed/mak",), "unknown-action: seed/mak; one"),
        (ONE, "", ("seed/make",), "unknown-action: seed/make; one"),
        ("", "", (), "main-task: none at all; [profiles.p.tasks.NAME]"),
        (ONE, "", ("on",), "unknown-action: 'on'; one"),
    ],
)
def test_what_the_steps_are(
    tmp_path: Path, tasks: str, extra: str, names: Sequence[str], expected: list[str] | str
) -> None:
    file = load_profile_file(str(write(tmp_path, profile(tasks, extra))))
    if isinstance(expected, str):
        slug, words = expected.split(": ", 1)
        with pytest.raises(LauncherError) as caught:
            steps(file, file.profile("p"), names)
        assert caught.value.slug == slug
        assert all(word in f"{caught.value.message} {caught.value.hint}" for word in words.split("; "))
        return
    made = steps(file, file.profile("p"), names)
    assert [f"{step.profile} {step.action}" for step in made] == expected
    assert [step.if_missing for step in made] == [step.action in ("make", "new", "fresh") for step in made]


SEVERAL = """
[databases.d]
url = "sqlite:///d.db"
[profiles.child]
extends = "base"
[profiles.base]
database = "d"
tasks.all = { run = ["x"], creates = true }
[profiles.go]
database = "d"
tasks.run = { run = ["x"] }
"""


def test_several_profiles_that_create_its_database_are_a_choice(tmp_path: Path) -> None:
    file = load_profile_file(str(write(tmp_path, SEVERAL)))
    assert steps(file, file.profile("go"))[0] == Step("base", "all", if_missing=True)  # inherited: one task
    text = f'{SEVERAL}[profiles.reset]\ndatabase = "d"\ntasks.a = {{ run = ["x"], creates = true }}\n'
    home = write(tmp_path, text).parent
    refused = run_here(["quickstart", "go"], home)
    assert (refused.returncode, "main-task" in last_line(refused)) == (78, True)
    assert "base/all, reset/a" in refused.stderr
    hint = next(line for line in refused.stderr.splitlines() if line.startswith("hint: autopack-run "))
    assert run_here(hint.split()[2:], home).returncode == 0
    assert "To make it anew: autopack-run quickstart go --task base/all --task run\n" in (
        home / "quickstart-go.sh"
    ).read_text(encoding="utf-8")
    assert run_here([*hint.split()[2:], "--check"], home).returncode == 0


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("mssql+pyodbc://u:s3cret@h/x", True),
        ("Oracle://h/x", True),
        ("postgresql+psycopg://{env:PGUSER}@h/x", False),
        ("MySQL+pymysql://h/x", False),
        ("sqlite:///x.db", False),
        ("sqlite+aiosqlite:///x.db", False),
        ("{env:SOME_URL}", False),  # which may be either
    ],
)
def test_nothing_that_must_fail_is_a_step_with_a_database_of_another_kind(
    tmp_path: Path, url: str, other: bool
) -> None:
    home = write(tmp_path, SEVERAL.replace("sqlite:///d.db", url)).parent
    assert run_here(["quickstart", "go"], home).returncode == 0
    assert run_here(["onboarding"], home).returncode == 0
    for path in (*home.glob("quickstart*"), home / "ONBOARDING.md"):
        text = path.read_text(encoding="utf-8")
        assert ("is of a kind that autopack-run cannot prove" in text) is other
        assert ("autopack-run --if-missing " in text) is not other
        assert ("autopack-run go check" in text) is not other
        assert "autopack-run go run" in text
