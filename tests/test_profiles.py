"""The profile file: what may stand in it, and what is said of what may not. Errors name file, line, key path."""

import json
import os
import sys
from pathlib import Path

import pytest
from running import last_line, run, write

from launcher.errors import CONFIGURATION, USAGE, ConfigurationError, LauncherError
from launcher.profiles import ACTIONS, COMMANDS, load_profile_file
from launcher.schema import schema_text
from launcher.toml_lines import line_of

TASK = '[profiles.p.tasks.t]\nrun = ["true"]\n'
NAMES = json.loads((Path(__file__).parent / "data" / "names.json").read_text(encoding="utf-8"))["names"]


def refusal(folder: Path, text: str) -> ConfigurationError:
    path = write(folder, text)
    with pytest.raises(ConfigurationError) as caught:
        load_profile_file(str(path))
    assert caught.value.code == CONFIGURATION
    assert caught.value.message.startswith(str(path))
    return caught.value


# Every key of DESIGN.md's table, at each of its places, with right values.
RIGHT = {
    "env": (("defaults", "profile", "task"), ['{ A = "1" }', "{}", '{ _ = "", _x1 = "ü\\n\\"" }']),
    "unset": (("defaults", "profile", "task"), ['["A", "_x1"]', "[]"]),
    "env_files": (("defaults", "profile"), ['[".env", "../x.env"]', "[]"]),
    "pin": (("defaults", "profile"), ['["REDIS_URL"]', "[]"]),
    "python": (("defaults", "profile"), ['"python3"', "'C:\\x\\python.exe'", '"{root}/.venv/bin/python"']),
    "dotenv": (("defaults", "profile"), ['"off"', '"guarded"']),
    "extends": (("profile",), ['"base"']),
    "database": (("profile",), ['"base"']),
    "default": (("profile",), ['"t"']),
    "description": (("profile", "task"), ['"what"', '""']),
    "url": (("database",), ['"sqlite:///x.db"', '"postgresql://u:s3cret@h/db"']),
    "tables": (("database",), ['["runs"]', "[]"]),
    "schema": (("database",), ['"public"']),
    "id": (("database",), ['"8b0b1c2d-0000-4000-8000-00000000000A"']),
    "revision": (("database",), ['"ae1027a6acf"']),
    "stamp": (("database",), ["true", "false"]),
    "allow_network": (("database",), ["true", "false"]),
    "run": (("task",), ['["python"]', '["a", "", "b c"]', '[\n"a", # first\n"b",\n]']),
    "cwd": (("task",), ['"{root}/sub"', '"."']),
    "verify": (("task",), ["true", "false"]),
    "creates": (("task",), ["true", "false"]),
    "writes": (("task",), ["true", "false"]),
    "needs_rows": (("task",), ['["runs"]']),
    "health": (("task",), ['"http://127.0.0.1:{port}/health"']),
    "with": (("task",), ['["other"]']),
    "port": (("task",), ["1", "8000", "65535"]),
    "pins": (("task",), ['"block"', '"error"', '"allow"']),
    "databases": (("task",), ['"report"', '"block"']),
    "allow_databases": (("task",), ['["*.db"]']),
    "drift": (("task",), ['"fail"', '"warn"']),
    "opens": (("task",), ["true"]),
    "strict": (("task",), ["true"]),
    "fail_closed": (("task",), ["false"]),
}
TABLES = {
    "defaults": "defaults",
    "profile": "profiles.p",
    "task": "profiles.p.tasks.t",
    "database": "databases.base",
}


def file_with(place: str, key: str, value: str) -> tuple[str, str]:
    """A whole file in which the key has the value in its table, and the key path."""
    bodies = {
        "defaults": "",
        "databases.base": "" if key == "url" else 'url = "sqlite:///x.db"\n',
        "profiles.base": "",
        "profiles.p": "",
        "profiles.p.tasks.other": 'run = ["true"]\n',
        "profiles.p.tasks.t": "" if key == "run" else 'run = ["true"]\n',
    }
    bodies[TABLES[place]] += f"{key} = {value}\n"
    return "".join(f"[{table}]\n{body}" for table, body in bodies.items()), f"{TABLES[place]}.{key}"


ALL = [(key, place) for key, (places, _) in RIGHT.items() for place in places]


@pytest.mark.parametrize(("key", "place"), ALL, ids=[f"{place}-{key}" for key, place in ALL])
def test_every_key_takes_its_values(tmp_path: Path, key: str, place: str) -> None:
    for value in RIGHT[key][1]:
        text, _ = file_with(place, key, value)
        load_profile_file(str(write(tmp_path, text)))


@pytest.mark.parametrize(("key", "place"), ALL, ids=[f"{place}-{key}" for key, place in ALL])
def test_every_key_refuses_every_other_type_with_line_and_path(tmp_path: Path, key: str, place: str) -> None:
    kinds = {"string": '"s"', "number": "3", "float": "2.0", "boolean": "true", "list": "[3]", "table": "{ a = 3 }"}
    samples = RIGHT[key][1]
    own = {"[": "list", "{": "table", '"': "string", "'": "string", "t": "boolean", "f": "boolean"}
    right = own.get(samples[0][0], "number")
    for kind, value in kinds.items():
        if kind == right and kind not in ("list", "table"):
            continue
        text, path = file_with(place, key, value)
        error = refusal(tmp_path, text)
        line = text[: text.index(f"{key} = {value}")].count("\n") + 1
        assert f"autopack-run.toml:{line} ({path}" in error.message, (kind, error.message)
        assert error.hint, (kind, error.message)


def test_the_table_of_these_tests_has_every_key_of_the_schema() -> None:
    top = json.loads(schema_text())["properties"]
    profile = top["profiles"]["additionalProperties"]["properties"]
    tables = {
        "defaults": top["defaults"]["properties"],
        "database": top["databases"]["additionalProperties"]["properties"],
        "profile": profile,
        "task": profile["tasks"]["additionalProperties"]["properties"],
    }
    written = {(key, place) for place, keys in tables.items() for key in keys if key != "tasks"}
    assert written == set(ALL)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param("[defaults.env]\nPORT = 8000", ":2 (defaults.env.PORT): 8000", 'PORT = "8000"', id="env number"),
        pytest.param("[defaults.env]\nA = 1.5", "(defaults.env.A): 1.5", 'A = "1.5"', id="env float"),
        pytest.param("[defaults.env]\nA = 0x10", "(defaults.env.A): 16", 'A = "16"', id="env hex"),
        pytest.param("[defaults]\nenv = { MAX_TOKENS = 4096 }", ":2 (defaults.env.MAX_TOKENS)", '"4096"', id="inline"),
        pytest.param("[defaults.env]\nA = true", ": true is not", 'A = "1"  or  A = "true"', id="env true"),
        pytest.param("[defaults.env]\nA = false", ": false is not", 'A = "0"  or  A = "false"', id="env false"),
        pytest.param("[defaults.env]\nA = 2024-01-01", ": 2024-01-01 is not", 'A = "2024-01-01"', id="env date"),
        pytest.param("[defaults.env]\nA = ['x']", ": a list is not", 'A = "…"', id="env list"),
        pytest.param("[defaults.env.A]\nB = 'x'", ": a table is not", 'A = "…"', id="env table"),
        pytest.param('[profiles."v1.2".env]\nB = 3', ':2 (profiles."v1.2".env.B)', 'B = "3"', id="dot in a name"),
        pytest.param("[profile.x]", ":1 (profile): unknown key 'profile'", "'profiles'", id="top level"),
        pytest.param("[databses.x]", ":1 (databses)", "'databases'", id="top level typo"),
        pytest.param("[defaults]\nenvs = {}", ":2 (defaults.envs)", "'env'", id="defaults typo"),
        pytest.param("[databases.x]\nurl='a'\ntable=[]", ":3 (databases.x.table)", "'tables'", id="database typo"),
        pytest.param("[profiles.x]\nextend='a'", ":2 (profiles.x.extend)", "'extends'", id="profile typo"),
        pytest.param("[profiles.x]\nenvironment={}", "(profiles.x.environment)", "'env'", id="spelled out"),
        pytest.param("[profiles.x]\ndesc=''", "(profiles.x.desc)", "'description'", id="abbreviated"),
        pytest.param("[profiles.x]\nrun=['a']", "(profiles.x.run)", "[profiles.NAME.tasks.NAME]", id="run in profile"),
        pytest.param("[tasks.x]\nrun=['a']", ":1 (tasks)", "[profiles.NAME]", id="tasks at the top"),
        pytest.param(TASK + "neds_rows=[]", ":3 (profiles.p.tasks.t.neds_rows)", "'needs_rows'", id="task typo"),
        pytest.param(TASK + "zzz=1", "unknown key 'zzz'", "known keys here: allow_databases, creates", id="no near key"),
        pytest.param(TASK + "'a\\u001bb'=1", "unknown key 'a", "known keys", id="control character in a key"),
        pytest.param("[databases.x]", ":1 (databases.x): the key 'url' is missing", "url = ", id="no url"),
        pytest.param("[databases]\nx='sqlite:///x.db'", ":2 (databases.x): this text", "[databases.x]", id="text"),
        pytest.param("[profiles.p.tasks.t]\n", ":1 (profiles.p.tasks.t): the key 'run'", "run = [", id="no run"),
        pytest.param("[profiles.p.tasks.t]\nrun=[]", ":2 (profiles.p.tasks.t.run): is empty", "run = [", id="run []"),
        pytest.param("[profiles.p.tasks.t]\nrun='x y'", ": this text is not a list", "run = [", id="run string"),
        pytest.param("[profiles.p.tasks.t]\nrun=['x', 3]", ".run[1]): 3 is not", 'write "3" in the list', id="word"),
        pytest.param(TASK + "port='80'", ": '80' is not a whole", "port = 80, without", id="port string"),
        pytest.param(TASK + "port=8000.0", ": 8000.0 is not a whole", "port = 8000", id="port float"),
        pytest.param(TASK + "port=0", ": 0 is not between 1 and 65535", "port = 8000", id="port 0"),
        pytest.param(TASK + "port=65536", ": 65536 is not between", "port = 8000", id="port 65536"),
        pytest.param(TASK + "port=true", ": true is not a whole", "port = 8000", id="port boolean"),
        pytest.param(TASK + "creates='true'", ": 'true' is neither", "creates = true", id="boolean string"),
        pytest.param(TASK + "creates=0", ": 0 is neither", "creates = false", id="boolean number"),
        pytest.param(TASK + "pins='blok'", ": 'blok' is not one", "'block'", id="enum typo"),
        pytest.param(TASK + "drift='x'", ": 'x' is not one", 'one of: "fail", "warn"', id="enum"),
        pytest.param("[defaults]\nunset=['A-B']", ".unset[0]): 'A-B' cannot", "letters, digits and _", id="unset name"),
        pytest.param("[defaults]\npin=['A\\u000a']".replace("'", '"'), ".pin[0])", "letters", id="name with newline"),
        pytest.param("[defaults]\nunset='A'", ": 'A' is not a list", 'unset = ["A"]', id="list string"),
        pytest.param("[databases.x]\nurl='a'\nid='8b0b'", ": '8b0b' does not", "8-4-4-4-12", id="id"),
        pytest.param("[databases.x]\nurl='a'\nstamp=false\nid='8b0b7c1e-0000-4000-8000-000000000001'", ":3 (databases.x.stamp): stamp = false and", "one of the two", id="id without a stamp"),
        pytest.param("[profiles.p]\nextends='q'", ":2 (profiles.p.extends): there is no profile 'q'", "p", id="extends"),
        pytest.param("[profiles.p]\nextends='p'", ": a circle: p extends p", "", id="own circle"),
        pytest.param(
            "[profiles.a]\nextends='b'\n[profiles.b]\nextends='c'\n[profiles.c]\nextends='a'",
            ":6 (profiles.c.extends): a circle: a extends b extends c extends a",
            "",
            id="circle of three",
        ),
        pytest.param("[profiles.p]\ndatabase='x'", ":2 (profiles.p.database): there is no database 'x'", "none", id="db"),
        pytest.param("[profiles.p]\ndefault='tt'\n" + TASK, ".default): there is no task 'tt'", "'t'", id="default"),
        pytest.param(TASK + "with=['u']", ".with): there is no task 'u'", "", id="with"),
        pytest.param("[defaults.env]\nA=\"x\\u0000\"", ":2 (defaults.env.A) has a NUL", "", id="NUL in env"),
        pytest.param("[profiles.p.tasks.t]\nrun=[\"a\", \"\\u0000\"]", ".run[1]) has a NUL", "", id="NUL in run"),
        pytest.param(TASK + 'cwd="\\u0000"', ".cwd) has a NUL", "", id="NUL in cwd"),
    ],
)  # fmt: skip
def test_errors_name_line_key_path_value_and_what_to_write(tmp_path: Path, text: str, message: str, hint: str) -> None:
    error = refusal(tmp_path, text)
    assert message in error.message
    assert hint in error.hint
    assert bool(error.hint) >= bool(hint)


@pytest.mark.parametrize("word", [*COMMANDS, *ACTIONS])
def test_words_of_the_command_line_are_no_names(tmp_path: Path, word: str) -> None:
    error = refusal(tmp_path, f"\n[profiles.{word}]")
    assert f":2 (profiles.{word}): '{word}' is a word of the command line" in error.message
    error = refusal(tmp_path, f'\n[profiles.p.tasks.{word}]\nrun = ["true"]')
    assert f":2 (profiles.p.tasks.{word}): '{word}' is a word" in error.message


@pytest.mark.parametrize("case", NAMES, ids=[ascii(case["name"]) for case in NAMES])
def test_names_of_variables(tmp_path: Path, case: dict[str, object]) -> None:
    name = str(case["name"])
    quoted = json.dumps(name).replace("\\u0000", "\\u0000")
    for table in ("defaults", "profiles.p", "profiles.p.tasks.t"):
        body = 'run = ["true"]\n' if table.endswith(".t") else ""
        text = f'[{table}]\n{body}env = {{ {quoted} = "s3cret" }}\nunset = [{quoted}]\n'
        if case["accept"]:
            load_profile_file(str(write(tmp_path, text)))
        else:
            error = refusal(tmp_path, text)
            assert repr(name) in error.message
            assert "s3cret" not in error.message + error.hint  # the whole table of values was shown once


@pytest.mark.parametrize("name", ["-x", "", "a b", "a/b", "ü", "a\n", ".x", "a*"])
@pytest.mark.parametrize("table", ["databases", "profiles", "profiles.p.tasks"])
def test_names_of_tables(tmp_path: Path, table: str, name: str) -> None:
    error = refusal(tmp_path, f"[{table}.{json.dumps(name)}]\n" + "url = 'x.db'" * (table == "databases"))
    assert f"{name!r} cannot be a name here" in error.message
    assert "the first a letter or a digit" in error.hint


def test_names_with_dots_work(tmp_path: Path) -> None:
    text = '[databases."t.1"]\nurl = "sqlite:///x.db"\n[profiles."v1.2"]\ndatabase = "t.1"\n'
    file = load_profile_file(str(write(tmp_path, text)))
    assert file.profile("v1.2").values.place("database").endswith(':4 (profiles."v1.2".database)')


def test_extends_merges_tables_and_replaces_lists(tmp_path: Path) -> None:
    text = """
[profiles.top]
extends = "middle"
env = { C = "top" }
unset = ["Z"]
[profiles.top.tasks.t]
description = "top's"
[profiles.middle]
extends = "bottom"
env = { B = "middle", C = "middle" }
[profiles.bottom]
env = { A = "bottom", B = "bottom" }
unset = ["X", "Y"]
env_files = ["a", "b"]
default = "t"
[profiles.bottom.tasks.t]
run = ["one", "two"]
env = { T = "1" }
[profiles.bottom.tasks.u]
run = ["u"]
"""
    profile = load_profile_file(str(write(tmp_path, text))).profile("top")
    layers = profile.values.layers()
    assert [dict(layer.env) for layer in layers] == [
        {"A": "bottom", "B": "bottom"},
        {"B": "middle", "C": "middle"},
        {"C": "top"},
    ]
    assert [list(layer.unset) for layer in layers] == [[], [], ["Z"]]
    assert profile.values.get("env_files") == ["a", "b"]
    assert profile.values.get("default") == "t"
    assert profile.values.place("env_files").endswith(":14 (profiles.bottom.env_files)")
    assert list(profile.tasks) == ["t", "u"]
    task = profile.task("t")
    assert (task.values.get("run"), task.description) == (["one", "two"], "top's")
    assert task.values.place("run").endswith(":17 (profiles.bottom.tasks.t.run)")


def test_a_default_may_name_an_inherited_task(tmp_path: Path) -> None:
    text = f'{TASK}[profiles.q]\nextends = "p"\ndefault = "t"\n'
    assert load_profile_file(str(write(tmp_path, text))).profile("q").values.get("default") == "t"


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        pytest.param(b"\xff\xfe[\0", ":1 is UTF-16", "UTF-8", id="UTF-16"),
        pytest.param(b"# ok\n# \xfc\n", ":2 is not UTF-8", "UTF-8", id="latin-1"),
        pytest.param(b"\xef\xbb\xbf\n\n# \xfc", ":3 is not UTF-8", "UTF-8", id="BOM and latin-1"),
        pytest.param(b"#" * 1_048_577, "has more than 1048576 bytes", "", id="huge"),
        pytest.param(b"a = " + b"[" * 5000, "nested too deeply", "", id="deep"),
        pytest.param(b"a = " + b"9" * 5000, "a number is too long", "", id="long number"),
        pytest.param(b"[a]\n[b\n", ":2 is not TOML", "", id="not TOML"),
        pytest.param(b"[a]\n[a]\n", "is not TOML", "", id="twice"),
        pytest.param(b'[defaults]\npython = "C:\\python"\n', ":2 is not TOML", "'single quotes'", id="Windows path"),
        pytest.param(b"[a]\rb=1\r", "is not TOML", "", id="CR"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, data: bytes, message: str, hint: str) -> None:
    path = tmp_path / "autopack-run.toml"
    path.write_bytes(data)
    result = run(["p"], tmp_path)
    assert result.returncode == CONFIGURATION
    assert message in result.stderr
    assert hint in result.stderr
    assert last_line(result).startswith("autopack-run: profile-file: ")


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbf" + TASK.encode(), TASK.replace("\n", "\r\n").encode()], ids=["BOM", "CRLF"]
)
def test_what_editors_on_windows_write(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "autopack-run.toml"
    path.write_bytes(data + b"zzz = 1" * data.startswith(b"\xef"))
    if data.startswith(b"\xef"):
        with pytest.raises(ConfigurationError, match=r":3 \(profiles\.p\.tasks\.t\.zzz\)"):
            load_profile_file(str(path))
    else:
        assert load_profile_file(str(path)).profile("p").task("t").values.get("run") == ["true"]


def test_an_empty_file_knows_no_profile(tmp_path: Path) -> None:
    write(tmp_path, "")
    result = run(["p", "t"], tmp_path)
    assert result.returncode == USAGE
    assert "no profile or command 'p'" in result.stderr
    assert last_line(result).startswith("autopack-run: unknown-profile: ")


@pytest.mark.parametrize(
    ("words", "near", "slug"),
    [
        pytest.param(["telemtry", "drain"], "'telemetry'", "unknown-profile", id="profile"),
        pytest.param(["TELEMETRY", "drain"], "'telemetry'", "unknown-profile", id="case"),
        pytest.param(["telemetry", "drian"], "'drain'", "unknown-action", id="task"),
        pytest.param(["telemetry", "chek"], "'check'", "unknown-action", id="action"),
        pytest.param(["profile"], "'profiles'", "unknown-profile", id="command"),
        pytest.param(["xyz"], "telemetry", "unknown-profile", id="nothing near"),
    ],
)
def test_unknown_names_get_the_nearest(tmp_path: Path, words: list[str], near: str, slug: str) -> None:
    write(tmp_path, '[profiles.telemetry.tasks.drain]\nrun = ["true"]\n')
    result = run(words, tmp_path)
    assert result.returncode == USAGE
    assert near in result.stderr
    assert last_line(result).startswith(f"autopack-run: {slug}: ")


def test_the_error_of_a_file_through_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, "[defaults.env]\nPORT = 8000\n")
    result = run(["p"], tmp_path)
    assert result.returncode == CONFIGURATION
    assert result.stdout == ""
    first, hint, last = result.stderr.splitlines()
    assert first == f"error: {path}:2 (defaults.env.PORT): 8000 is not a string; variables are text"
    assert hint == 'hint: PORT = "8000"'
    assert last.startswith("autopack-run: profile-file: ")


@pytest.mark.parametrize(
    "text",
    [
        "[defaults]\nenv = 's3cret'",
        "[defaults.env]\nDB_PASSWORD = 53\n".replace("53", "7777777"),
        "[profiles.p.tasks.t]\nrun = 'psql postgresql://u:s3cret@h/db'",
        "[profiles.p.tasks.t]\nrun = 'tool --password s3cret'",
        "[databases.x]\nurl = ['postgresql://u:s3cret@h/db']",
        "[databases]\nx = 'postgresql://u:s3cret@h/db'",
        "[defaults]\nenv_files = 'postgresql://u:s3cret@h/db'",
        '[defaults.env]\n"A-B" = "s3cret"',
        "[profiles.p]\ndatabase = 'postgresql://u:s3cret@h/db'",
        "[defaults.env]\nA = 's3cret\n",
        "[defaults]\ndotenv = 'postgresql://u:s3cret@h/db'",
    ],
)
def test_errors_repeat_no_secret(tmp_path: Path, text: str) -> None:
    error = refusal(tmp_path, text)
    assert "s3cret" not in error.message + error.hint
    assert "7777777" not in error.message + error.hint


LINES = """# U+2028 \u2028 and U+0085 \u0085 end no line of TOML
[profiles.p]
text = '''
[profiles.q]
env = 1
'''
"quoted.key" = 1
a.b.c = { x = 1, y = 2 }
list = [
  "a", # ]
  "]",
]
after = 1
[profiles."q r".env]
X = "=" # comment = [
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("profiles",), 2),
        (("profiles", "p"), 2),
        (("profiles", "p", "text"), 3),
        (("profiles", "p", "quoted.key"), 7),
        (("profiles", "p", "a"), 8),
        (("profiles", "p", "a", "b", "c", "y"), 8),
        (("profiles", "p", "list", 1), 9),
        (("profiles", "p", "after"), 13),
        (("profiles", "p", "missing"), 2),
        (("profiles", "q r"), 14),
        (("profiles", "q r", "env", "X"), 15),
        (("nowhere",), None),
    ],
    ids=str,
)
def test_lines_of_keys(keys: tuple[str | int, ...], line: int | None) -> None:
    assert line_of(LINES, keys) == line


@pytest.mark.timeout(20)
def test_lines_are_found_in_time_below_a_long_list(tmp_path: Path) -> None:
    words = "\n".join(f'  "word {number}",' for number in range(20_000))
    error = refusal(tmp_path, f"[profiles.p.tasks.t]\nrun = [\n{words}\n]\nzzz = 1\n")
    assert ":20004 (profiles.p.tasks.t.zzz)" in error.message


def test_schema_prints_the_one_definition(tmp_path: Path) -> None:
    result = run(["schema"], tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == json.loads(schema_text())


def test_init_writes_a_file_that_loads_and_keeps_an_existing_one(tmp_path: Path) -> None:
    assert run(["init"], tmp_path).returncode == 0
    path = tmp_path / "autopack-run.toml"
    file = load_profile_file(str(path))
    assert list(file.profiles) == ["seed", "telemetry", "dev"]
    described = [
        thing
        for profile in file.profiles.values()
        for thing in (profile.values, *[task.values for task in profile.tasks.values()])
    ]
    assert all(values.get("description") for values in described)
    assert "dev" in run(["profiles"], tmp_path).stdout
    before = path.read_bytes()
    result = run(["init"], tmp_path)
    assert result.returncode == CONFIGURATION
    assert "is there already; it was not touched" in result.stderr
    assert path.read_bytes() == before


def test_a_profile_alone_lists_its_tasks_or_runs_the_default(tmp_path: Path) -> None:
    tasks = "".join(
        f"[profiles.{{0}}.tasks.{name}]\nrun = [{sys.executable!r}, '-c', 'print(\"ran {name}\")']\n"
        for name in ("one", "two")
    )
    write(tmp_path, f"{tasks.format('p')}[profiles.q]\nextends = 'p'\ndefault = 'two'\n")
    assert "one" in run(["p"], tmp_path).stdout
    assert "ran" not in run(["p"], tmp_path).stdout
    assert run(["q"], tmp_path).stdout == "ran two\n"


def test_unknown_task_is_a_usage_error(tmp_path: Path) -> None:
    profile = load_profile_file(str(write(tmp_path, TASK))).profile("p")
    with pytest.raises(LauncherError) as caught:
        profile.task("nothing")
    assert (caught.value.code, caught.value.slug) == (USAGE, "unknown-action")
    assert "tasks: t" in caught.value.hint


@pytest.mark.posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_an_unreadable_file_says_so() -> None:
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = write(folder, TASK)
        path.chmod(0)
        # In a process of its own, as another user: root reads everything.
        code = f"import os; os.setuid(65534)\ntry: open({str(path)!r})\nexcept PermissionError: pass\n" + (
            "from launcher.profiles import load_profile_file as f\n"
            f"try: f({str(path)!r})\nexcept Exception as e: print(e.slug, e.message, e.hint)"
        )
        code = f"import launcher.profiles\n{code}"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert result.stdout == f"profile-file {path} cannot be read: Permission denied \n", result.stderr
