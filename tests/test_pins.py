"""Pins, the X_FILE beside each, and the shell's DATABASE_URL against the profile's; no password in any of it."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from running import last_line, run, write

from launcher.errors import CONFIGURATION, ConfigurationError, WrongDataError
from launcher.pins import refuse_other_pins
from launcher.plan import Plan, Request, make_plan
from launcher.profiles import load_profile_file

DUMP = "import json, os; print(json.dumps(dict(os.environ)))"
TASK = f"[profiles.p.tasks.t]\nverify = false\nrun = ['{sys.executable}', '-c', '{DUMP}']\n"
SECRET = "postgresql://u:s3cret@h/db"
SQLITE = "[databases.d]\nurl = 'sqlite:///d.db'\n[profiles.p]\ndatabase = 'd'\n" + TASK
SERVER = f"[databases.d]\nurl = '{SECRET}'\n[profiles.p]\ndatabase = 'd'\n" + TASK


def absolute(path: Path) -> str:
    return f"sqlite:///{path}".replace("\\", "/") if os.name == "nt" else f"sqlite:///{path}"


def start(folder: Path, text: str, env: Mapping[str, str] | None = None, *before: str) -> "CompletedProcess[str]":
    write(folder, text)
    result = run([*before, "p", "t"], folder, env)
    assert "s3cret" not in result.stderr
    return result


def child(folder: Path, text: str, env: Mapping[str, str] | None = None, *before: str) -> dict[str, str]:
    result = start(folder, text, env, *before)
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout))


def refused(folder: Path, text: str, slug: str, env: Mapping[str, str] | None = None, *before: str) -> str:
    result = start(folder, text, env, *before)
    assert result.returncode == CONFIGURATION, result.stderr
    assert result.stdout == ""
    assert last_line(result).startswith(f"autopack-run: {slug}: "), result.stderr
    return result.stderr


def planned(folder: Path, text: str, shell: Mapping[str, str], sets: tuple[tuple[str, str], ...] = ()) -> Plan:
    """The same without a process, for long tables."""
    file = load_profile_file(str(write(folder, text)))
    return make_plan(file, file.profile("p"), file.profile("p").task("t"), Request(sets=sets), shell)


def test_the_database_becomes_an_absolute_url_relative_to_the_file(tmp_path: Path) -> None:
    write(tmp_path, SQLITE)
    for folder in (tmp_path, tmp_path / "a", tmp_path / "a" / "b"):
        folder.mkdir(exist_ok=True)
        result = run(["p", "t"], folder, {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)})
        assert json.loads(result.stdout)["DATABASE_URL"] == absolute(tmp_path / "d.db")


def test_a_relative_url_of_an_env_file_is_relative_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "x.env").write_text("DATABASE_URL=sqlite:///d.db\n", encoding="utf-8")
    env = child(tmp_path, f"[defaults]\nenv_files = ['conf/x.env']\n{TASK}")
    assert env["DATABASE_URL"] == absolute(tmp_path / "conf" / "d.db")


@pytest.mark.parametrize(
    ("shell", "before"),
    [({"DATABASE_URL": "sqlite:///d.db"}, ()), ({}, ("--set", "DATABASE_URL=sqlite:///d.db"))],
    ids=["shell", "--set"],
)
def test_a_relative_url_that_no_file_declares_is_refused(
    tmp_path: Path, shell: dict[str, str], before: tuple[str, ...]
) -> None:
    assert "relative to what?" in refused(tmp_path, TASK, "relative-url", shell, *before)


def test_an_env_file_never_beats_the_shell_or_the_profile(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=sqlite:///env.db\n", encoding="utf-8")
    shell = absolute(tmp_path / "shell.db")
    bare = f"[defaults]\nenv_files = ['.env']\n{TASK}"
    assert child(tmp_path, bare, {"DATABASE_URL": shell})["DATABASE_URL"] == shell
    assert child(tmp_path, f"[defaults]\nenv_files = ['.env']\n{SQLITE}")["DATABASE_URL"] == absolute(tmp_path / "d.db")


# X_FILE


def pin_file(folder: Path, content: bytes = SECRET.encode()) -> str:
    path = folder / "secret"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"], ids=["bare", "LF", "CRLF"])
@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf"], ids=["", "BOM"])
def test_the_content_of_the_shells_x_file_counts_as_the_shells_x(tmp_path: Path, begin: bytes, end: bytes) -> None:
    path = pin_file(tmp_path, begin + SECRET.encode() + end)
    env = child(tmp_path, TASK, {"DATABASE_URL_FILE": path})
    assert env["DATABASE_URL"] == SECRET
    assert env.get("DATABASE_URL_FILE", "") == ""
    text = refused(tmp_path, SQLITE, "conflict", {"DATABASE_URL_FILE": path})
    assert f"the shell's DATABASE_URL_FILE ({path})" in text


def test_other_pins_have_their_files_too(tmp_path: Path) -> None:
    path = pin_file(tmp_path, b"v\n")
    text = f"[defaults]\npin = ['A']\n[profiles.p]\npin = ['B', 'C']\nenv = {{ B = 'b' }}\n{TASK}"
    env = child(tmp_path, text, {"A_FILE": path, "B_FILE": path, "D_FILE": path})
    assert (env["A"], env["B"], env.get("A_FILE", ""), env.get("B_FILE", "")) == ("v", "b", "", "")
    assert "C_FILE" not in env  # C does not stand
    assert env["D_FILE"] == path  # no pin


def test_a_closed_file_is_there_and_empty(tmp_path: Path) -> None:
    env = child(tmp_path, SQLITE)
    assert env.get("DATABASE_URL_FILE", "") == ""
    assert os.name == "nt" or "DATABASE_URL_FILE" in env


def test_x_and_x_file_in_the_shell_may_mean_the_same(tmp_path: Path) -> None:
    path = pin_file(tmp_path, b"postgresql+psycopg://u:other@H:5432/db\n")
    assert child(tmp_path, TASK, {"DATABASE_URL": SECRET, "DATABASE_URL_FILE": path})
    other = pin_file(tmp_path, b"postgresql://u:s3cret@h/other\n")
    text = refused(tmp_path, TASK, "pin-file", {"DATABASE_URL": SECRET, "DATABASE_URL_FILE": other})
    assert "let it win" in text
    assert "keep one of them: " in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read", id="missing"),
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n", "is empty", id="empty line"),
        pytest.param(b"\xfc", "not UTF-8", id="latin-1"),
        pytest.param(SECRET.encode("utf-16"), "UTF-16", id="UTF-16"),
        pytest.param("folder", "is a folder", id="folder"),
    ],
)
def test_an_x_file_that_says_nothing_is_refused(tmp_path: Path, content: bytes | str | None, said: str) -> None:
    path = tmp_path / "secret"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    text = refused(tmp_path, TASK, "pin-file", {"DATABASE_URL_FILE": str(path)})
    assert f"the shell's DATABASE_URL_FILE ({path})" in text
    assert said in text


@pytest.mark.posix
def test_an_x_file_that_is_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(tmp_path, TASK, "pin-file", {"DATABASE_URL_FILE": str(tmp_path / "pipe")})


def test_an_x_file_in_an_env_file_is_ignored_and_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("\nDATABASE_URL_FILE=/nowhere\n", encoding="utf-8")
    result = start(tmp_path, f"[defaults]\nenv_files = ['.env']\n{SQLITE}")
    assert result.returncode == 0
    assert f"{tmp_path / '.env'}:2: DATABASE_URL_FILE is ignored, since DATABASE_URL is pinned" in result.stderr
    assert json.loads(result.stdout).get("DATABASE_URL_FILE", "") == ""


@pytest.mark.parametrize(
    ("text", "before"),
    [
        (SQLITE.replace("[profiles.p]", "[profiles.p]\nenv = { DATABASE_URL_FILE = 'x' }"), ()),
        (SQLITE, ("--set", "DATABASE_URL_FILE=x")),
    ],
    ids=["profile", "--set"],
)
def test_an_x_file_cannot_be_set_beside_its_pin(tmp_path: Path, text: str, before: tuple[str, ...]) -> None:
    said = refused(tmp_path, text, "pin-file", {}, *before)
    assert "DATABASE_URL is pinned, so DATABASE_URL_FILE is closed" in said


def test_a_removed_pin_does_not_come_back_through_its_file(tmp_path: Path) -> None:
    env = child(tmp_path, f"[profiles.p]\nunset = ['DATABASE_URL']\n{TASK}", {"DATABASE_URL_FILE": pin_file(tmp_path)})
    assert "DATABASE_URL" not in env
    assert env.get("DATABASE_URL_FILE", "") == ""


def test_emitted_text_unsets_the_x_file(tmp_path: Path) -> None:
    write(tmp_path, SQLITE)
    result = run(["--database", "profile", "p", "env", "--shell", "bash"], tmp_path, {"DATABASE_URL_FILE": "x"})
    assert "unset -v DATABASE_URL_FILE\n" in result.stdout


# The conflict


SAME = [
    pytest.param("{root}/d.db", id="the same path"),
    pytest.param("{root}/./sub/../d.db", id="another spelling"),
    pytest.param("{root}/link.db", id="a link to the file", marks=pytest.mark.posix),
    pytest.param("{root}/linked/d.db", id="through a linked folder", marks=pytest.mark.posix),
]


@pytest.mark.parametrize("path", SAME)
@pytest.mark.parametrize("exists", [True, False], ids=["there", "missing"])
@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_one_sqlite_database_in_two_spellings_is_no_conflict(
    tmp_path: Path, path: str, exists: bool, scheme: str
) -> None:
    (tmp_path / "sub").mkdir()
    if exists:
        (tmp_path / "d.db").write_bytes(b"")
    if "link" in path:
        (tmp_path / "link.db").symlink_to("d.db")
        (tmp_path / "linked").symlink_to(tmp_path)
    url = absolute(Path(path.format(root=tmp_path))).replace("sqlite", scheme, 1)
    # What the profile says stands, in its own spelling and with its own driver.
    made = planned(tmp_path, SQLITE, {"DATABASE_URL": url})
    assert made.environment.text("DATABASE_URL") == absolute(tmp_path / "d.db")


@pytest.mark.parametrize(
    ("shell", "same"),
    [
        ("postgresql://u:s3cret@h/db", True),
        ("postgresql://u:s3cret@H:5432/db", True),
        ("postgresql+psycopg://other:s3cret@h/db?sslmode=require", True),
        ("postgresql+asyncpg://h/db", True),
        ("postgresql://u:s3cret@h:5433/db", False),
        ("postgresql://u:s3cret@h/DB", False),
        ("postgresql://u:s3cret@other/db", False),
        ("mysql://u:s3cret@h/db", False),
        ("sqlite:////tmp/db", False),
    ],
)
def test_servers_are_compared_as_databases(tmp_path: Path, shell: str, same: bool) -> None:
    if os.name == "nt" and shell.startswith("sqlite"):
        shell = "sqlite:///C:/tmp/db"
    if same:
        assert child(tmp_path, SERVER, {"DATABASE_URL": shell})["DATABASE_URL"] == SECRET
    else:
        refused(tmp_path, SERVER, "conflict", {"DATABASE_URL": shell})


def test_the_conflict_shows_both_with_where_they_come_from(tmp_path: Path) -> None:
    other = absolute(tmp_path / "other.db")
    text = refused(tmp_path, SQLITE, "conflict", {"DATABASE_URL": other})
    assert f"shell    {other} (the shell's DATABASE_URL)" in text
    place = f"(p, from {tmp_path / 'autopack-run.toml'}:2 (databases.d.url))"
    assert f"profile  {absolute(tmp_path / 'd.db')} {place}" in text
    assert "--database profile" in text
    assert "--database env" in text


@pytest.mark.parametrize("table", ["defaults", "profiles.p", "profiles.p.tasks.t"])
def test_a_url_in_the_files_env_conflicts_too(tmp_path: Path, table: str) -> None:
    env = "env = { DATABASE_URL = 'sqlite:///d.db' }\n"
    text = TASK + env if table.endswith(".t") else f"[{table}]\n{env}{TASK}"
    said = refused(tmp_path, text, "conflict", {"DATABASE_URL": absolute(tmp_path / "other.db")})
    assert f"({table}.env.DATABASE_URL)" in said


def test_the_operator_decides_for_once(tmp_path: Path) -> None:
    shell = {"DATABASE_URL": absolute(tmp_path / "other.db")}
    assert child(tmp_path, SQLITE, shell, "--database", "env")["DATABASE_URL"] == shell["DATABASE_URL"]
    assert child(tmp_path, SQLITE, shell, "--database", "profile")["DATABASE_URL"] == absolute(tmp_path / "d.db")
    by_file = {"DATABASE_URL_FILE": pin_file(tmp_path)}
    assert child(tmp_path, SQLITE, by_file, "--database", "env")["DATABASE_URL"] == SECRET
    assert child(tmp_path, SQLITE, by_file, "--database", "profile")["DATABASE_URL"] == absolute(tmp_path / "d.db")
    chosen = f"DATABASE_URL={absolute(tmp_path / 'set.db')}"
    assert child(tmp_path, SQLITE, shell, "--set", chosen)["DATABASE_URL"] == absolute(tmp_path / "set.db")


def test_nothing_to_decide_is_told(tmp_path: Path) -> None:
    assert "the shell has no DATABASE_URL" in refused(tmp_path, SQLITE, "no-database-url", {}, "--database", "env")
    shell = {"DATABASE_URL": absolute(tmp_path / "x.db")}
    assert "names no database" in refused(tmp_path, TASK, "no-database-url", shell, "--database", "profile")


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:s3cret@h/db",
        "postgresql://u:p@s3cret@h/db",
        "postgresql://u:s3cret@h:port/db",
        "u:s3cret@h/db",
        "postgresql:/u:s3cret@h/db",
        "POSTGRESQL://u:s3cret@h/db",
        "postgresql://u:s3cret@h/db\n",
        " postgresql://u:s3cret@h/db",
        '"postgresql://u:s3cret@h/db"',
        "sqlite:///x.db?key=s3cret",
        "sqlite+pysqlcipher://:s3cret@/x.db",
        "s3cret",
    ],
)
@pytest.mark.parametrize("source", ["shell", "file", "env_file", "database", "env", "--set"])
def test_a_broken_url_is_refused_and_never_shown(tmp_path: Path, url: str, source: str) -> None:
    quoted = json.dumps(url)
    text, shell, before = TASK, {}, ()
    if source == "shell":
        shell = {"DATABASE_URL": url}
    elif source == "file":
        shell = {"DATABASE_URL_FILE": pin_file(tmp_path, url.encode())}
        if url.endswith("\n"):
            return  # a line end belongs to a file
    elif source == "env_file":
        (tmp_path / ".env").write_text(f"DATABASE_URL={quoted}\n", encoding="utf-8")
        text = f"[defaults]\nenv_files = ['.env']\n{TASK}"
    elif source == "database":
        text = f"[databases.d]\nurl = {quoted}\n[profiles.p]\ndatabase = 'd'\n{TASK}"
    elif source == "env":
        text = f"[defaults.env]\nDATABASE_URL = {quoted}\n{TASK}"
    else:
        before = ("--set", f"DATABASE_URL={url}")
    sets = tuple((name, value) for name, _, value in (word.partition("=") for word in before[1:]))
    with pytest.raises(ConfigurationError) as caught:
        planned(tmp_path, text, shell, sets)
    assert "DATABASE_URL from " in caught.value.message
    assert "s3cret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("query", ["?password=s3cret", "?sslmode=require&sslpassword=s3cret", "?passfile=s3cret"])
@pytest.mark.parametrize(
    "action", [["p", "check"], ["p", "explain"], ["p", "explain", "--json"], ["-v", "p", "s"], ["p", "t"]]
)
def test_a_password_in_the_query_is_never_shown(tmp_path: Path, query: str, action: list[str]) -> None:
    text = SERVER.replace(SECRET, SECRET + query) + "[profiles.p.tasks.s]\nrun = ['true']\n"
    write(tmp_path, text)
    result = run(action, tmp_path)
    assert "s3cret" not in result.stderr
    assert "s3cret" not in result.stdout or action == ["p", "t"]


@pytest.mark.posix
@pytest.mark.parametrize("name", ["a$HOME b", "%OS% x", "a\\b", "~x"])
def test_inside_a_launch_its_own_url_is_no_typed_one(tmp_path: Path, name: str) -> None:
    """A folder's name that would be refused in a shell: the launch around this one has proven it."""
    folder, other = tmp_path / name, SQLITE.replace("d.db", "e.db")
    folder.mkdir()
    around = planned(folder, SQLITE, {}).environment.text("DATABASE_URL") or ""
    inside = {"DATABASE_URL": around, "AUTOPACK_RUN_PIN_DATABASE_URL": around}
    for text in (SQLITE, TASK):
        plan = planned(folder, text, inside)
        assert (plan.environment.text("DATABASE_URL"), plan.url and plan.url.path) == (around, str(folder / "d.db"))
        refuse_other_pins(plan.outer_pins, plan.environment)
    with pytest.raises(WrongDataError, match="inside a launch whose database is"):
        planned(folder, other, inside)
    if name != "~x":
        with pytest.raises(ConfigurationError):
            planned(folder, TASK, {"DATABASE_URL": around})


def test_no_database_url_at_all(tmp_path: Path) -> None:
    said = refused(tmp_path, TASK.replace("false", "true"), "no-database-url")
    assert "profile 'p' has no database, and DATABASE_URL is not set anywhere" in said
    assert "DATABASE_URL" in said.split("in this shell: ")[1]


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "export DATABASE_URL='sqlite:///"),
        ("powershell", "$env:DATABASE_URL = 'sqlite:///"),
        ("cmd", 'set "DATABASE_URL=sqlite:///'),
    ],
)
def test_the_line_to_type_is_the_shells_at_hand(tmp_path: Path, shell: str, line: str) -> None:
    text = TASK.replace("false", "true")
    assert line in refused(tmp_path, text, "no-database-url", {"AUTOPACK_RUN_SHELL": shell})


@pytest.mark.posix
def test_a_folder_that_the_shell_cannot_write_still_gets_an_answer(tmp_path: Path) -> None:
    folder = tmp_path / 'a"b\nc'
    folder.mkdir()
    assert "DATABASE_URL" in refused(
        folder, TASK.replace("false", "true"), "no-database-url", {"AUTOPACK_RUN_SHELL": "cmd"}
    )


@pytest.mark.skipif(sys.platform != "win32", reason="Windows")
def test_spellings_of_a_pin_are_one_pin_on_windows(tmp_path: Path) -> None:
    other = absolute(tmp_path / "other.db")
    refused(tmp_path, SQLITE, "conflict", {"Database_Url": other})
    folded = {
        name.upper(): value for name, value in child(tmp_path, SQLITE, {}, "--set", f"database_url={other}").items()
    }
    assert folded["DATABASE_URL"] == other
    refused(tmp_path, SQLITE, "pin-file", {}, "--set", "Database_Url_File=x")
