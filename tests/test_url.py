"""What a DATABASE_URL means, or why it means nothing that could be proven: by the command line, and by fuzzing."""

import json
import os
import random
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from running import last_line, run, write
from sqlite_states import DB_ID, build, untouched

from launcher.errors import ConfigurationError
from launcher.identity.file_systems import mount_kind
from launcher.identity.url import DatabaseURL, parse_database_url, same_database

WINDOWS = os.name == "nt"
SECRET = "s3cret"


class Bad(NamedTuple):
    """A URL that is refused with 78: says is in the message, hint in the hint."""

    url: str
    slug: str
    says: str
    hint: str = ""


EVERYWHERE = [
    Bad("sqlite:///x.db\r", "bad-url", r"ends with \r (a CRLF .env?)", "take it away"),
    Bad("sqlite:///x.db\n", "bad-url", r"ends with \n"),
    Bad("sqlite:///x.db ", "bad-url", "ends with a blank"),
    Bad(" sqlite:///x.db", "bad-url", "begins with a blank"),
    Bad("sqlite:///x.db\t", "bad-url", "ends with a tab"),
    Bad("sqlite:///x.db\u00a0", "bad-url", "ends with U+00A0"),
    Bad("\ufeffsqlite:///x.db", "bad-url", "cannot be seen"),
    Bad('"sqlite:///x.db"', "bad-url", 'ends with a "'),
    Bad("'sqlite:///x.db", "bad-url", "begins with a '"),
    Bad("\u201csqlite:///x.db\u201d", "bad-url", "a curly quotation mark"),
    Bad("sqlite:///x\x1b[2J.db", "bad-url", "a control character"),
    Bad("sqlite:///my%20db.db", "ambiguous-url", "SQLAlchemy 2.0 opens 'my%20db.db', SQLAlchemy 2.1 opens 'my db.db'"),
    Bad("sqlite:///%41.db", "ambiguous-url", "SQLAlchemy 2.0 opens '%41.db', SQLAlchemy 2.1 opens 'A.db'", "rename"),
    Bad("sqlite:///%1B[2J%0A.db", "ambiguous-url", r"\x1b[2J\n.db"),
    Bad("sqlite:///x.db?mode=ro", "ambiguous-url", "an option to SQLAlchemy", "leave the ? away"),
    Bad("sqlite:///x.db?password=s3cret", "ambiguous-url", "?***"),
    Bad("sqlite:///", "in-memory", "private in-memory database", "sqlite:///NAME.db"),
    Bad("sqlite://", "in-memory", "private in-memory database"),
    Bad("sqlite:///:memory:", "in-memory", "private in-memory database"),
    Bad("sqlite+aiosqlite:///:memory:", "in-memory", "private in-memory database"),
    Bad("sqlite:///file:x.db", "ambiguous-url", "a file: URI", "write the path"),
    Bad("sqlite:///~/x.db", "unexpanded", "nothing expands ~", f"sqlite:///{os.path.expanduser('~')}"),
    Bad("sqlite:///$HOME/x.db", "unexpanded", "nothing expands '$H", "{env:NAME}"),
    Bad("sqlite:///${HOME}/x.db", "unexpanded", "nothing expands '${H"),
    Bad("sqlite:///%USERPROFILE%/x.db", "unexpanded", "nothing expands '%USERPROFILE%"),
    Bad("sqlite://x.db", "bad-url", "after two slashes stands a host", "sqlite:///x.db"),
    Bad("sqlite://:s3cret@/x.db", "bad-url", "***@/x.db"),
    Bad("sqlite:////u:s3cret@h/x.db", "bad-url", "a user and a password, and SQLite has none"),
    Bad("sqlite:///x.db /", "bad-url", "it names a folder", "NAME.db"),
    Bad("sqlite:///data/.", "bad-url", "it names a folder"),
    Bad("sqlite:x.db", "bad-url", "is not a database URL (not shown)", "sqlite:///PATH"),
    Bad("x.db", "bad-url", "is not a database URL"),
    Bad("SQLite:///x.db", "bad-url", "capitals", "sqlite://"),
    Bad("sqlite3:///x.db", "bad-url", "begins with sqlite3://", "sqlite:///PATH"),
    Bad("file:///x.db", "bad-url", "begins with file://", "sqlite:///PATH"),
    Bad("http://127.0.0.1:9/x", "bad-url", "begins with http://"),
    Bad("postgres://u:s3cret@127.0.0.1:9/db", "bad-url", "begins with postgres://", "postgresql://"),
    Bad("PostgreSQL://u:s3cret@127.0.0.1:9/db", "bad-url", "capitals", "postgresql://"),
    Bad("postgresql://u:p@s3cret@127.0.0.1:9/db", "bad-url", "a raw @ in the password", "%40"),
    Bad("postgresql://u:p@s3cret?x=1@127.0.0.1/db", "bad-url", "a raw @ in the password", "%40"),
    Bad("postgresql://u:s3cret", "bad-url", "the port in DATABASE_URL"),
    Bad("postgresql://u:123456789/db", "bad-url", "no number up to 65535"),
    Bad("s3cret", "bad-url", "is not a database URL (not shown)"),
    Bad("postgresql//u:s3cret@h/db", "bad-url", "is not a database URL (not shown)"),
    Bad(
        "mssql+pyodbc://u:s3cret@127.0.0.1:9/db",
        "unknown-dialect",
        "mssql+pyodbc://u:***@127.0.0.1:9/db",
        "verify = false",
    ),
    Bad("oracle://u:s3cret@127.0.0.1:9/db?password=s3cret", "unknown-dialect", "this was not contacted"),
]
ON_POSIX = [
    Bad("sqlite:///C:/dev/x.db", "bad-url", "a Windows path, and this is not Windows"),
    Bad("sqlite:///dev\\x.db", "bad-url", "a Windows path, and this is not Windows"),
]
ON_WINDOWS = [
    Bad("sqlite:///C:x.db", "bad-url", "relative to the current folder of drive C:", "sqlite:///C:/folder/x.db"),
    Bad("sqlite:////folder/x.db", "bad-url", "no drive; it would be the current one"),
    Bad("sqlite:////C:/folder/x.db", "bad-url", "one slash too many", "sqlite:///C:/folder/x.db"),
    Bad("sqlite:///\\folder\\x.db", "bad-url", "no drive"),
    Bad("sqlite:///x.db.", "bad-url", "Windows drops the '.'"),
    Bad("sqlite:///folder /x.db", "bad-url", "Windows drops the ' '"),
    Bad("sqlite:///CON", "bad-url", "a device on Windows"),
    Bad("sqlite:///folder/nul.db", "bad-url", "a device on Windows"),
    Bad("sqlite:///COM1.db", "bad-url", "a device on Windows"),
    Bad("sqlite:///folder/a:b", "bad-url", "':' cannot be in a file's name"),
    Bad("sqlite:///\\\\?\\C:\\x.db", "bad-url", "a device path"),
    Bad("sqlite:///\\\\.\\C:\\x.db", "bad-url", "a device path"),
    Bad("sqlite:///a|b.db", "bad-url", "'|' cannot be in a file's name"),
]
REFUSED = EVERYWHERE + (ON_WINDOWS if WINDOWS else ON_POSIX)


def profile(url: str, others: str = "") -> str:
    literal = url.replace("{", "{{").replace("}", "}}")
    return f"""
[defaults]
python = {json.dumps(sys.executable)}
[databases.telemetry]
url = {json.dumps(literal)}
tables = ["runs"]
{others}
[profiles.telemetry]
database = "telemetry"
[profiles.bare.tasks.drain]
run = ["python", "-c", "print('child ran')"]
verify = true
"""


@pytest.mark.parametrize("bad", REFUSED, ids=[ascii(bad.url).replace(SECRET, "SECRET") for bad in REFUSED])
def test_refused(bad: Bad, tmp_path: Path) -> None:
    """By the profile file and by the shell: the same words, no secret, no file, no child."""
    write(tmp_path, profile(bad.url))
    with untouched(tmp_path), ThreadPoolExecutor() as pool:
        file = pool.submit(run, ["telemetry", "check"], tmp_path)
        shell = pool.submit(run, ["bare", "drain"], tmp_path, {"DATABASE_URL": bad.url})
        both = [(file.result(), "autopack-run.toml:5"), (shell.result(), "the shell's DATABASE_URL")]
    for result, place in both:
        assert place in result.stderr
        assert result.returncode == 78, result.stderr
        assert last_line(result).startswith(f"autopack-run: {bad.slug}: "), result.stderr
        assert bad.says in result.stderr
        assert bad.hint in result.stderr.split("\nhint: ")[1]
        assert SECRET not in result.stdout + result.stderr
        assert "child ran" not in result.stdout
        assert "\x1b" not in result.stderr


def test_a_relative_url_of_the_bare_environment_is_relative_to_nothing(tmp_path: Path) -> None:
    write(tmp_path, profile("sqlite:///x.db"))
    build(tmp_path / "x.db", tables=("runs",))
    with untouched(tmp_path):
        result = run(["bare", "drain"], tmp_path, {"DATABASE_URL": "sqlite:///x.db"})
    assert (result.returncode, result.stdout) == (78, "")
    assert "relative to what?" in result.stderr
    assert f"hint: sqlite:///{tmp_path.as_posix()}/x.db" in result.stderr
    assert last_line(result).startswith("autopack-run: relative-url: ")


def test_a_relative_url_of_the_file_means_one_file_from_everywhere(tmp_path: Path) -> None:
    write(tmp_path, profile("sqlite:///data/x.db").replace("tables =", f'id = "{DB_ID}"\ntables ='))
    folders = [tmp_path, tmp_path / "data", tmp_path / "a" / "b"]
    for folder in folders[1:]:
        folder.mkdir(parents=True)
    build(tmp_path / "data" / "x.db", tables=("runs",))
    program = "import os; print(os.environ['DATABASE_URL'])"
    with untouched(tmp_path):
        said = {run(["--verify", "telemetry", "exec", sys.executable, "-c", program], f).stdout for f in folders}
        checked = {run(["telemetry", "check"], folder).stdout for folder in folders}
    assert said == {f"sqlite:///{tmp_path.as_posix()}/data/x.db\n"}
    assert len(checked) == 1


@pytest.mark.posix
def test_dots_behind_a_link_are_refused(tmp_path: Path) -> None:
    (tmp_path / "far" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "inner")
    with pytest.raises(ConfigurationError, match=r"behind a link, '\.\.' is '.*far/x\.db' to the system"):
        parse_database_url("sqlite:///link/../x.db", "here", str(tmp_path))
    assert parse_database_url("sqlite:///far/../x.db", "here", str(tmp_path)).path == str(tmp_path / "x.db")


BOTH = "write it as it is: sqlite:///a b.db; or rename the file"
WHICH = [
    ((), BOTH),
    (("a b.db",), "write it as it is: sqlite:///a b.db"),
    (("a%20b.db",), "rename the file"),
    (
        ("a b.db", "a%20b.db"),
        "both are there. For 'a b.db' write it as it is: sqlite:///a b.db; for 'a%20b.db' rename the file",
    ),
]


@pytest.mark.parametrize(("there", "hint"), WHICH, ids=["none", "decoded", "written", "both"])
def test_the_name_that_is_there_is_the_one_that_was_meant(there: tuple[str, ...], hint: str, tmp_path: Path) -> None:
    for name in there:
        (tmp_path / name).touch()
    with pytest.raises(ConfigurationError) as caught:
        parse_database_url("sqlite:///a%20b.db", "here", str(tmp_path))
    assert caught.value.hint.startswith(hint)
    assert ("rename" in caught.value.hint) == (there != ("a b.db",))
    if "rename" not in caught.value.hint:
        assert parse_database_url(caught.value.hint.split(": ", 1)[1], "here", str(tmp_path)).path


TWO = """
[databases.dev]
url = "sqlite:///{other}"
tables = ["runs"]
"""


def test_two_names_of_one_database(tmp_path: Path) -> None:
    build(tmp_path / "x.db", tables=("runs",))
    write(tmp_path, profile("sqlite:///x.db", TWO.format(other="./sub/../x.db")))
    with untouched(tmp_path):
        result = run(["telemetry", "check"], tmp_path)
    assert result.returncode == 65
    for text in ("'telemetry' (", "toml:5", "'dev' (", "toml:9", "are one database", "x.db"):
        assert text in result.stderr, text
    assert "keep one of the two entries" in result.stderr
    assert last_line(result).startswith("autopack-run: two-names: ")


def test_the_shells_choice_of_another_entry_is_a_wrong_choice(tmp_path: Path) -> None:
    for name in ("telemetry", "dev"):
        build(tmp_path / f"{name}.db", tables=("runs",), name=name)
    write(tmp_path, profile("sqlite:///telemetry.db", TWO.format(other="dev.db")))
    shell = {"DATABASE_URL": f"sqlite:///{tmp_path.as_posix()}/dev.db"}
    with untouched(tmp_path):
        result = run(["--database", "env", "telemetry", "check"], tmp_path, shell)
    assert result.returncode == 65
    assert "is 'dev' (" in result.stderr
    assert "the profile asks for 'telemetry'" in result.stderr
    assert last_line(result).startswith("autopack-run: wrong-database: ")


@pytest.mark.skipif(not WINDOWS, reason="names that are one by their case")
def test_other_case_and_short_names_are_one_file(tmp_path: Path) -> None:
    import ctypes

    build(tmp_path / "a long name.db", tables=("runs",))
    short = ctypes.create_unicode_buffer(500)
    ctypes.windll.kernel32.GetShortPathNameW(str(tmp_path / "a long name.db"), short, 500)  # type: ignore[attr-defined,unused-ignore]
    urls = [
        parse_database_url(f"sqlite:///{name}", "here", str(tmp_path))
        for name in ("a long name.db", "A LONG NAME.DB", short.value)
    ]
    assert all(same_database(urls[0], url) for url in urls)
    build(tmp_path / "other.db", tables=("runs",))
    assert not same_database(urls[0], parse_database_url("sqlite:///other.db", "here", str(tmp_path)))


SAME = [
    ("postgresql://u:a@h/db", "postgresql+psycopg://v:b@H:5432/db", True),
    ("mysql://u@h/db", "mariadb+pymysql://u@h:3306/db", True),
    ("postgresql://u@h/db", "postgresql://u@h/other", False),
    ("postgresql://u@h/db", "postgresql://u@h:5433/db", False),
    ("postgresql://u@h:5432/db", "mysql://u@h:5432/db", False),
]


@pytest.mark.parametrize(("one", "other", "same"), SAME)
def test_same_server_database(one: str, other: str, same: bool) -> None:
    assert same_database(parse_database_url(one, "", None), parse_database_url(other, "", None)) is same


SHOWN = [
    ("postgresql://u:s3cret@h:5/db", "postgresql://u:***@h:5/db"),
    ("postgresql://u:s3cret@[::1]/db", "postgresql://u:***@[::1]/db"),
    ("postgresql://h/db?sslmode=require&password=s3cret&x=s3cret", "postgresql://h/db?sslmode=require&***"),
    ("postgresql://u:s3cret@h/db#s3cret", "postgresql://u:***@h/***"),
    ("mssql+pyodbc:///?odbc_connect=PWD%3Ds3cret", "mssql+pyodbc:///?***"),
]


@pytest.mark.parametrize(("url", "shown"), SHOWN)
def test_shown_by_an_allow_list(url: str, shown: str) -> None:
    parsed = parse_database_url(url, "", None)
    assert (parsed.shown, parsed.text) == (shown, url)


MOUNTS = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /mnt/nfs rw - nfs4 server:/export rw,vers=4.2
31 22 0:41 / /mnt/my\040share rw shared:2 - cifs //server/share rw
32 22 254:2 / /mnt/nfs/local rw - xfs /dev/vdb rw
33 22 0:42 / /mnt/twice rw - ext4 /dev/vdc rw
34 33 0:43 / /mnt/twice rw - fuse.sshfs host: rw
35 22 0:44 / /mnt/a\134b rw - 9p drvfs rw
""".strip().splitlines(keepends=True)
KINDS = [
    ("/home/x.db", "ext4"),
    ("/mnt/nfs/x.db", "nfs4"),
    ("/mnt/nfsx/x.db", "ext4"),
    ("/mnt/nfs/local/x.db", "xfs"),
    ("/mnt/my share/x.db", "cifs"),
    ("/mnt/twice/x.db", "fuse.sshfs"),
    ("/mnt/a\\b/x.db", "9p"),
]


@pytest.mark.parametrize(("path", "kind"), KINDS)
def test_mountinfo(path: str, kind: str) -> None:
    assert mount_kind(path, MOUNTS) == kind


def test_a_network_share_is_refused_until_it_is_allowed_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No share is at hand here: only what the system says of the mount is made up."""
    from launcher.identity import file_systems, sqlite
    from launcher.identity.expectation import Expectation

    path = str(build(tmp_path / "x.db"))
    expected = Expectation("telemetry", DatabaseURL("sqlite", "", "", path), "file:5", "telemetry")
    monkeypatch.setattr(file_systems, "on_network", lambda _path: "nfs4")
    with pytest.raises(ConfigurationError, match=r"x\.db \(file:5\) is on a network share \(nfs4\)") as caught:
        sqlite.inspect(expected)
    assert "allow_network = true in [databases.telemetry]" in caught.value.hint
    assert sqlite.inspect(expected._replace(allow_network=True))


SEEDS = [bad.url for bad in REFUSED] + [url for url, _ in SHOWN] + [
    "sqlite:///data/x.db",
    "sqlite:////abs/50% off!/x.db",
    "sqlite:///C:/dev/x.db",
    "postgresql://user:s3cret@db.example.org:5432/app?sslmode=require",
    "mysql+pymysql://user:s3cret@[fe80::1]:3306/app?charset=utf8mb4",
]  # fmt: skip
PIECES = [
    "://",
    "/",
    "@",
    ":",
    "?",
    "%41",
    "%",
    "#",
    "[",
    "]",
    "\\",
    "..",
    "~",
    "$X",
    " ",
    "\r",
    "\0",
    "\udcff",
    "é",
    "s3cret",
    "&",
    "=",
]


def mutated(pick: random.Random, text: str) -> str:
    """The text with up to three changes that keep `s3cret` where it can be a password only."""
    for _ in range(pick.randint(1, 3)):
        at = pick.randint(0, len(text))
        match pick.randrange(4):
            case 0:
                text = text[:at] + pick.choice(PIECES[:-3]) + text[at:]
            case 1:
                text = text[:at] + text[at + pick.randint(1, 3) :]
            case 2:
                text = (
                    text[:at]
                    + chr(pick.choice([0, 10, 13, 27, 34, 39, 47, 58, 64, 92, 127, 160, 0x202E, 0xFFFF]))
                    + text[at:]
                )
            case _:
                text = text[:at] + pick.choice(["%40", "//", ":@", "@:", "?a=b", "[::1]"]) + text[at:]
    return text


def test_fuzzed_urls_end_in_a_database_or_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other exception, no file, and a password that is one by the grammar is never shown.

    AUTOPACK_FUZZ=1000000 makes a long run of it.
    """
    monkeypatch.chdir(tmp_path)
    pick = random.Random(20260701)
    texts = [mutated(pick, pick.choice(SEEDS)) for _ in range(int(os.environ.get("AUTOPACK_FUZZ", "4000")))]
    with untouched(tmp_path):
        for text in texts:
            base = pick.choice([None, str(tmp_path)])
            shown = _told_or_shown(text, base)
            elsewhere = re.sub(r":s3cret@|(?<=[?&]password)=s3cret", "", text)
            if SECRET not in elsewhere and ("=s3cret" not in text or "?" in text.split("=s3cret")[0]):
                assert SECRET not in shown, (text, shown)


def _told_or_shown(text: str, base: str | None) -> str:
    """What a person would see of the URL; one that is accepted means the same for a child."""
    refusal = None
    try:
        url = parse_database_url(text, "here", base)
    except ConfigurationError as error:
        refusal = error
    if refusal:
        assert (refusal.code, bool(refusal.hint)) == (78, True), text
        return f"{refusal.message} {refusal.hint}"
    assert (url.path == "") == (url.dialect != "sqlite"), text
    if url.path:
        assert os.path.isabs(url.path), text
        assert parse_database_url(url.text, "here", None) == url, text
    return url.shown
