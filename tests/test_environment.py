"""Layers, `.env` files and placeholders: what a real child gets, and where each value comes from."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from running import last_line, run, write

from launcher.env_files import read_env_file
from launcher.environment import Environment, Layer, Origin, apply
from launcher.errors import CONFIGURATION, ConfigurationError
from launcher.placeholders import Placeholders
from launcher.plan import Plan, Request, make_plan
from launcher.profiles import load_profile_file

DUMP = "import json, os; print(json.dumps(dict(os.environ)))"
TASK = f"[profiles.p.tasks.t]\nrun = ['{sys.executable}', '-c', '{DUMP}']\n"
HERE = Origin("test", "here")


def child(
    folder: Path, env: Mapping[str, str] | None = None, before: tuple[str, ...] = (), task: str = "t"
) -> dict[str, str]:
    """What the task's child gets."""
    result = run([*before, "p", task], folder, env)
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout))


def plan(
    folder: Path, text: str, shell: Mapping[str, str] | None = None, task: str | None = None, **request: object
) -> Plan:
    file = load_profile_file(str(write(folder, text)))
    profile = file.profile("p")
    return make_plan(file, profile, profile.task(task) if task else None, Request(**request), shell or {})  # type: ignore[arg-type]


LAYERS = f"""
[defaults]
env_files = ["low.env", "high.env"]
env = {{ A3 = "defaults", A4 = "defaults", A5 = "defaults", A6 = "defaults" }}
[databases.d]
url = "sqlite:///d.db"
[profiles.p]
env = {{ A4 = "profile", A5 = "profile", A6 = "profile" }}
[profiles.p.tasks.t]
run = ['{sys.executable}', '-c', '{DUMP}']
env = {{ A5 = "task", A6 = "task" }}
"""


def test_layers_low_to_high(tmp_path: Path) -> None:
    (tmp_path / "low.env").write_text("".join(f"A{n}=low\n" for n in range(7)), encoding="utf-8")
    (tmp_path / "high.env").write_text("".join(f"A{n}=high\n" for n in range(1, 7)), encoding="utf-8")
    write(tmp_path, LAYERS)
    shell = {f"A{number}": "shell" for number in range(2, 7)}
    env = child(tmp_path, shell, ("--set", "A6=set", "--set", "A6=set last"))
    assert [env[f"A{number}"] for number in range(7)] == [
        "low", "high", "shell", "defaults", "profile", "task", "set last",
    ]  # fmt: skip


def test_every_value_knows_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "low.env").write_text("\n# x\nA0=low\n", encoding="utf-8")
    made = plan(tmp_path, LAYERS, {"A2": "shell"}, "t", sets=(("A6", "set"),))
    places = {value.name: value.origin.place for value in made.environment}
    path = tmp_path / "autopack-run.toml"
    assert places["A0"] == f"{tmp_path / 'low.env'}:3"
    assert places["A2"] == "the shell"
    assert places["A3"] == f"{path}:4 (defaults.env.A3)"
    assert places["A4"] == f"{path}:8 (profiles.p.env.A4)"
    assert places["A5"] == f"{path}:11 (profiles.p.tasks.t.env.A5)"
    assert places["A6"] == "--set A6"
    assert made.skipped == [str(tmp_path / "high.env")]
    steps = [change.text for change in made.environment.changes["A6"]]
    assert steps == ["defaults", "profile", "task", "set"]


UNSET = """
[defaults]
env_files = [".env"]
unset = ["A", "B"]
env = {{ B = "again", C = "c", D = "d" }}
[profiles.p]
unset = ["C"]
{task}unset = ["D", "NEVER_SET"]
"""


def test_unset_removes_what_the_layers_below_have_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n", encoding="utf-8")
    write(tmp_path, UNSET.format(task=TASK))
    env = child(tmp_path, {"A": "shell", "D": "shell"})
    assert not {"A", "C", "D", "NEVER_SET"} & env.keys()
    assert env["B"] == "again"
    assert child(tmp_path, before=("--set", "A=set"))["A"] == "set"


def test_a_derived_profile_replaces_the_list_of_names_to_remove(tmp_path: Path) -> None:
    write(tmp_path, f"[profiles.base]\nunset = ['A']\n[profiles.p]\nextends = 'base'\nunset = ['B']\n{TASK}")
    env = child(tmp_path, {"A": "1", "B": "1"})
    assert env["A"] == "1"
    assert "B" not in env


@pytest.mark.parametrize("name", ["A=b", "=b", "A-B=c", "1A=c", "postgresql://u:s3cret@h/db", "é=1"])
def test_set_wants_a_name_and_repeats_no_value(tmp_path: Path, name: str) -> None:
    write(tmp_path, TASK)
    result = run(["--set", name, "p", "t"], tmp_path)
    assert result.returncode == (0 if name == "A=b" else 2)
    assert "s3cret" not in result.stderr


@pytest.mark.parametrize(
    "value",
    ["", " ", "a=b", "ü 漢 😀", "a\nb", "'\"`$(x)%PATH%!", "{root}", "x" * 30_000],
    ids=lambda value: ascii(value[:9]),
)
def test_values_arrive_unchanged(tmp_path: Path, value: str) -> None:
    braces = value.replace("{", "{{").replace("}", "}}")
    write(tmp_path, f"[profiles.p.env]\nA = {json.dumps(braces, ensure_ascii=False)}\n{TASK}")
    if not (sys.platform == "win32" and value == ""):
        assert child(tmp_path)["A"] == value
    if not (sys.platform == "win32" and len(value) > 20_000):
        assert child(tmp_path, before=("--set", f"B={value}")).get("B", "") == value


@pytest.mark.posix
@pytest.mark.parametrize(
    ("character", "count", "fits"),
    [("x", 131_069, True), ("x", 131_070, False), ("😀", 32_766, True), ("😀", 32_768, False), ("ü", 70_000, False)],
)
def test_a_value_that_linux_cannot_hand_over_is_named(tmp_path: Path, character: str, count: int, fits: bool) -> None:
    if sys.platform != "linux":
        pytest.skip("the limit of one string is Linux's")
    write(tmp_path, f"[profiles.p.env]\nA = '{character * count}'\n{TASK}")
    result = run(["p", "t"], tmp_path)
    if fits:
        assert json.loads(result.stdout)["A"] == character * count
    else:
        assert result.returncode == CONFIGURATION
        assert f"A ({tmp_path / 'autopack-run.toml'}:2 (profiles.p.env.A)) is " in result.stderr
        assert last_line(result).startswith("autopack-run: bad-value: ")


@pytest.mark.parametrize(
    ("text", "fits"),
    [("x" * 32_766, True), ("x" * 32_767, False), ("😀" * 16_383, True), ("😀" * 16_384, False)],
    ids=["limit", "over", "pairs", "pairs over"],
)
def test_a_value_that_windows_cannot_hand_over(text: str, fits: bool) -> None:
    environment = Environment(windows=True)
    environment.set("A", text, HERE)
    if fits:
        assert environment.as_dict() == {"A": text}
    else:
        with pytest.raises(ConfigurationError, match="hands at most 32766"):
            environment.as_dict()


def test_spellings_of_a_name_are_one_name_on_windows() -> None:
    environment = Environment(windows=True)
    environment.set("Path", "low", HERE)
    environment.set("PATH", "high", HERE)
    assert environment.as_dict() == {"PATH": "high"}
    assert environment.text("path") == "high"
    assert len(environment.changes["PATH"]) == 2
    environment.remove("pAtH", HERE)
    assert environment.as_dict() == {}
    with pytest.raises(ConfigurationError, match="Path and PATH are one variable on Windows"):
        apply(environment, Layer((), {"Path": "a", "PATH": "b"}, lambda name: name), lambda text, _: text)


def test_spellings_of_a_name_are_different_names_elsewhere() -> None:
    environment = Environment(windows=False)
    apply(environment, Layer((), {"Path": "a", "PATH": "b"}, lambda name: name), lambda text, _: text)
    assert environment.as_dict() == {"Path": "a", "PATH": "b"}


@pytest.mark.skipif(sys.platform != "win32", reason="Windows")
def test_spellings_for_real(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("three=file\nFour=file\n", encoding="utf-8")
    write(tmp_path, f"[defaults]\nenv_files=['.env']\n[profiles.p]\nenv={{ONE='p'}}\nunset=['TWO']\n{TASK}")
    env = child(tmp_path, {"One": "shell", "Two": "shell", "Three": "shell"}, ("--set", "four=set"))
    folded = {name.upper(): value for name, value in env.items()}
    assert len(folded) == len(env)
    assert (folded["ONE"], folded.get("TWO"), folded["THREE"], folded["FOUR"]) == ("p", None, "shell", "set")


def test_facts_of_an_outer_launch_are_not_the_inner_ones(tmp_path: Path) -> None:
    write(tmp_path, TASK)
    env = child(tmp_path, {"AUTOPACK_RUN_DATABASE_ID": "outer", "AUTOPACK_RUN_SHELL": "bash"})
    assert "AUTOPACK_RUN_DATABASE_ID" not in env
    assert env["AUTOPACK_RUN_SHELL"] == "bash"


# `.env` files


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        pytest.param(b"A=1\nexport\n", 2, "no =", id="export alone"),
        pytest.param(b"A=1\nB\n", 2, "no =", id="no ="),
        pytest.param(b"A='1\nB=2\n", 1, "not a statement", id="open quote"),
        pytest.param(b'\n\n# c\nA="1\n', 4, "not a statement", id="open double quote after blanks"),
        pytest.param(b"A='1' x\n", 1, "not a statement", id="text after a quote"),
        pytest.param(b"A=1\r\n\r\n=2\r\n", 3, "", id="no name, CRLF"),
        pytest.param(b"A=1\rB\rC=2", 2, "no =", id="CR alone"),
        pytest.param(b"A B=1\n", 1, "", id="two words"),
        pytest.param(b"'A=B'=1\n", 1, "cannot be a variable's name", id="= in a name"),
        pytest.param(b"A=1\n1B=2\n", 2, "cannot be a variable's name", id="digit first"),
        pytest.param("é=2\n".encode(), 1, "cannot be a variable's name", id="not ASCII"),
        pytest.param(b"A=1\nB=\xfc\n", 2, "is not UTF-8", id="latin-1"),
        pytest.param(b"\xef\xbb\xbfA=1\nB=\xfc\n", 2, "is not UTF-8", id="BOM, latin-1"),
        pytest.param("A=1\n".encode("utf-16"), 1, "is UTF-16", id="UTF-16"),
        pytest.param(b"A='x\ny'\nB\n", 3, "no =", id="after a value of two lines"),
        pytest.param(b"postgresql://u:s3cret@h/db\n", 1, "no =", id="a URL alone"),
        pytest.param(b"postgresql://u:s3cret@h/db?a=b\n", 1, "cannot be", id="a URL with ="),
        pytest.param(b"KEY=-----BEGIN\ns3cret/base64==\n", 2, "cannot be", id="second line of a key"),
        pytest.param(b"A='s3cret\n", 1, "not a statement", id="secret in a broken value"),
    ],
)
def test_a_bad_statement_stops_the_run_with_file_and_line(tmp_path: Path, data: bytes, line: int, what: str) -> None:
    path = tmp_path / "x.env"
    path.write_bytes(data)
    write(tmp_path, f"[defaults]\nenv_files = ['x.env']\n{TASK}")
    result = run(["p", "t"], tmp_path)
    assert result.returncode == CONFIGURATION
    assert f"{path}:{line}: " in result.stderr
    assert what in result.stderr
    assert result.stdout == ""
    assert "s3cret" not in result.stderr
    assert last_line(result).startswith("autopack-run: env-file: ")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"\xef\xbb\xbfA=1\nB=2", {"A": "1", "B": "2"}, id="BOM"),
        pytest.param(b"A=1\r\nB='x'\r\n", {"A": "1", "B": "x"}, id="CRLF"),
        pytest.param(b"", {}, id="empty"),
        pytest.param(b"# only\n\n", {}, id="comment"),
        pytest.param(b"export A=1 # c\nB=x#y\n", {"A": "1", "B": "x#y"}, id="export, comment"),
        pytest.param(b"A=\nB=''\n", {"A": "", "B": ""}, id="empty values"),
        pytest.param(b"A='x\ny'\n", {"A": "x\ny"}, id="two lines"),
        pytest.param(b'A="C:\\new"\n', {"A": "C:\new"}, id="escapes in double quotes"),
        pytest.param(b"A='C:\\new'\n", {"A": "C:\\new"}, id="none in single quotes"),
        pytest.param(b"A=1\nB='${A}2'\n", {"A": "1", "B": "12"}, id="interpolation, single quotes too"),
        pytest.param(b"B=${SHELL_HAS}\n", {"B": "shell"}, id="of the shell"),
        pytest.param(b"SHELL_HAS=file\nB=${SHELL_HAS}\n", {"SHELL_HAS": "file", "B": "shell"}, id="the shell first"),
        pytest.param(b"SHELL_EMPTY=file\nB=${SHELL_EMPTY}\n", {"SHELL_EMPTY": "file", "B": ""}, id="empty in the shell"),
        pytest.param(b"B=${NO:-d}${NO}\n", {"B": "d"}, id="default"),
        pytest.param(b"B=${A}\nA=1\n", {"B": "", "A": "1"}, id="not yet set"),
        pytest.param(b"A=1\nA=${A}2\n", {"A": "12"}, id="of itself"),
        pytest.param(b"A-B=1\na.b=2\n", {"A-B": "1", "a.b": "2"}, id="names only a program can have"),
    ],
)  # fmt: skip
def test_what_python_dotenv_reads(tmp_path: Path, data: bytes, expected: dict[str, str]) -> None:
    path = tmp_path / "x.env"
    path.write_bytes(data)
    shell = {"SHELL_HAS": "shell", "SHELL_EMPTY": ""}
    assignments, _ = read_env_file(str(path), shell.get)
    assert {assignment.name: assignment.text for assignment in assignments} == expected
    # and python-dotenv itself says the same, but for a byte order mark before 1.2.3
    from dotenv.main import DotEnv

    kept = dict(os.environ)
    os.environ.update(shell)
    try:
        assert dict(DotEnv(str(path), override=False).dict()) == expected or data.startswith(b"\xef")
    finally:
        os.environ.clear()
        os.environ.update(kept)


def test_a_later_file_may_use_what_an_earlier_one_says(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=1\n", encoding="utf-8")
    (tmp_path / "b.env").write_text("B=${A}2\n", encoding="utf-8")
    write(tmp_path, f"[defaults]\nenv_files = ['a.env', 'b.env']\n{TASK}")
    assert child(tmp_path)["B"] == "12"
    assert child(tmp_path, {"A": "shell"})["B"] == "shell2"


def test_a_duplicate_is_told(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=s3cret\n\n\nA=2\n", encoding="utf-8")
    write(tmp_path, f"[defaults]\nenv_files = ['.env']\n{TASK}")
    result = run(["p", "t"], tmp_path)
    assert f"{path}:4: A is assigned again (first in line 1); the last one counts" in result.stderr
    assert json.loads(result.stdout)["A"] == "2"
    assert "s3cret" not in result.stderr
    assert "assigned again" not in run(["-q", "p", "t"], tmp_path).stderr


def test_the_profiles_files_replace_those_of_defaults(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("A=1\n", encoding="utf-8")
    (tmp_path / "b.env").write_text("B=1\n", encoding="utf-8")
    write(tmp_path, f"[defaults]\nenv_files = ['a.env']\n[profiles.p]\nenv_files = ['b.env']\n{TASK}")
    assert child(tmp_path).keys() & {"A", "B"} == {"B"}


def test_files_are_relative_to_the_root_and_missing_ones_are_skipped_and_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=root\n", encoding="utf-8")
    below = tmp_path / "below"
    below.mkdir()
    (below / ".env").write_text("A=below\n", encoding="utf-8")
    write(tmp_path, f"[defaults]\nenv_files = ['.env', 'no.env', '{{root}}/{{profile}}/{{env:WHO}}.env']\n{TASK}")
    assert child(below, {"WHO": "me", "HOME": str(tmp_path)})["A"] == "root"
    shown = run(["p", "explain"], tmp_path, {"WHO": "me"}).stdout
    assert f"skipped: {tmp_path / 'no.env'} is not there" in shown
    assert f"skipped: {tmp_path / 'p' / 'me.env'} is not there" in shown
    report = json.loads(run(["p", "explain", "--json"], tmp_path, {"WHO": "me"}).stdout)
    assert report["missing_files"] == [str(tmp_path / "no.env"), str(tmp_path / "p" / "me.env")]


@pytest.mark.posix
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "dangling link"])
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path, kind: str) -> None:
    there = tmp_path / ".env"
    if kind == "pipe":
        os.mkfifo(there)
    elif kind == "folder":
        there.mkdir()
    else:
        there.symlink_to("/dev/zero" if kind == "device" else "nowhere")
    write(tmp_path, f"[defaults]\nenv_files = ['.env']\n{TASK}")
    result = run(["p", "t"], tmp_path, timeout=60)
    assert result.returncode == CONFIGURATION
    assert str(there) in result.stderr
    assert last_line(result).startswith("autopack-run: env-file: ")


def test_dotenv_off_tells_children(tmp_path: Path) -> None:
    write(tmp_path, f"[defaults]\ndotenv = 'off'\n{TASK}[profiles.q]\nextends = 'p'\ndotenv = 'guarded'\n")
    assert child(tmp_path)["PYTHON_DOTENV_DISABLED"] == "1"
    result = run(["q", "t"], tmp_path)
    assert "PYTHON_DOTENV_DISABLED" not in json.loads(result.stdout)


# Placeholders


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{root}/x", "ROOT/x"),
        ("{profile}{profile}", "pp"),
        ("a{pathsep}b", f"a{os.pathsep}b"),
        ("{env:A}", "aaa"),
        ("{env:EMPTY}", ""),
        ("{env:A}{{env:A}}", "aaa{env:A}"),
        ("{{", "{"),
        ("}}", "}"),
        ("{{}}", "{}"),
        ("{{{{root}}}}", "{{root}}"),
        ("{{{root}}}", "{ROOT}"),
        ("", ""),
        ("{env:BRACES}", "{root}"),  # what a variable says is not expanded again
    ],
)
def test_placeholders(text: str, expected: str) -> None:
    variables = {"A": "aaa", "EMPTY": "", "BRACES": "{root}"}
    assert Placeholders({"root": "ROOT", "profile": "p"}).expand(text, "here", variables.get) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{ROOT}", "unknown placeholder {ROOT}", "'root'"),
        ("{prot}", "unknown placeholder {prot}", "'port'"),
        ("{xyz}", "unknown placeholder {xyz}", "{root}, {profile}, {port}, {python}, {pathsep}, {env:NAME}"),
        ("{}", "a { that begins no placeholder", "{{"),
        ("{ root }", "a { that begins no placeholder", "{{"),
        ("{root", "a { without its }", "{{"),
        ("root}", "a } without its {", "}}"),
        ("{root}}", "a } without its {", "}}"),
        ("{env:NO}", "{env:NO}: NO is not set", "NO"),
        ("{env:}", "names no variable", "{env:NAME}"),
        ('{"password": "s3cret"}', "a { that begins no placeholder", "{{"),
        ('{env:"s3cret"}', "names no variable", "{env:NAME}"),
    ],
)
def test_bad_placeholders_are_told_with_their_place(tmp_path: Path, text: str, message: str, hint: str) -> None:
    write(tmp_path, f"[profiles.p]\nenv = {{ A = '''{text}''' }}\n{TASK}")
    result = run(["p", "t"], tmp_path)
    assert result.returncode == CONFIGURATION
    assert f"{tmp_path / 'autopack-run.toml'}:2 (profiles.p.env.A): {message}" in result.stderr.replace(
        "(profiles.p.env.A): an {env:…} that names", "(profiles.p.env.A): names"
    )
    assert hint in result.stderr
    assert "s3cret" not in result.stderr
    assert last_line(result).startswith("autopack-run: placeholder: ")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("[defaults]\nenv = { A = '{x}' }\n" + TASK, "defaults.env.A", id="defaults.env"),
        pytest.param(TASK + "env = { A = '{x}' }", "profiles.p.tasks.t.env.A", id="task env"),
        pytest.param(TASK + "cwd = '{x}'", "profiles.p.tasks.t.cwd", id="cwd"),
        pytest.param("[profiles.p.tasks.t]\nrun = ['a', '{x}']", "profiles.p.tasks.t.run", id="run"),
        pytest.param("[defaults]\nenv_files = ['{x}']\n" + TASK, "defaults.env_files", id="env_files"),
        pytest.param("[profiles.p]\npython='{x}'\ntasks.t.run=['python']", "profiles.p.python", id="python"),
        pytest.param("[profiles.p]\ndatabase='d'\n[databases.d]\nurl='{x}'\n" + TASK, "databases.d.url", id="url"),
    ],
)
def test_every_key_that_may_have_placeholders_says_where_a_bad_one_is(tmp_path: Path, text: str, place: str) -> None:
    write(tmp_path, text)
    result = run(["p", "t"], tmp_path)
    assert result.returncode == CONFIGURATION
    assert f"({place}" in result.stderr
    assert "unknown placeholder {x}" in result.stderr


def test_env_means_the_value_below(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOW=file\n", encoding="utf-8")
    text = f"""
[defaults]
env_files = [".env"]
env = {{ PATHS = "{{root}}/d{{pathsep}}{{env:PATHS}}", A = "d:{{env:LOW}}" }}
[profiles.p]
env = {{ PATHS = "p{{pathsep}}{{env:PATHS}}", A = "p:{{env:A}}", SAME = "{{env:A}}" }}
{TASK}env = {{ A = "t:{{env:A}}" }}
"""
    write(tmp_path, text)
    env = child(tmp_path, {"PATHS": "shell"})
    assert env["PATHS"] == os.pathsep.join(["p", f"{tmp_path}/d", "shell"])
    assert env["A"] == "t:p:d:file"
    assert env["SAME"] == "d:file"  # the layer's own names do not see one another


def test_one_port_for_the_whole_invocation(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ[chr(65)], os.environ[chr(66)], *sys.argv[1:])"
    write(
        tmp_path,
        f"[defaults]\nenv = {{ A = '{{port}}' }}\n[profiles.p.tasks.t]\n"
        f"run = ['{sys.executable}', '-c', '{code}', '{{port}}']\nenv = {{ B = 'x{{port}}' }}\n",
    )
    first, second, third = run(["p", "t"], tmp_path).stdout.split()
    assert second == f"x{first}"
    assert third == first
    assert run(["--port", "18765", "p", "t"], tmp_path).stdout.split() == ["18765", "x18765", "18765"]


def test_words_and_folder_are_expanded(tmp_path: Path) -> None:
    (tmp_path / "sub p").mkdir()
    code = "import os, sys; print(os.getcwd()); print(sys.argv[1:])"
    write(
        tmp_path,
        f"[profiles.p]\nenv = {{ SUB = 'sub' }}\n[profiles.p.tasks.t]\ncwd = '{{env:SUB}} {{profile}}'\n"
        f"run = ['{sys.executable}', '-c', '{code}', '{{profile}}', '{{{{}}}}', '{{env:SUB}}']\n",
    )
    cwd, words = run(["p", "t", "{root}"], tmp_path).stdout.splitlines()
    assert os.path.samefile(cwd, tmp_path / "sub p")
    assert words == "['p', '{}', 'sub', '{root}']"  # what the operator appends is the child's, untouched
