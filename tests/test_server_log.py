"""What a server has printed: without passwords, whatever its size and its lines."""

import os
import stat
import time
import tracemalloc
from pathlib import Path

import pytest

from launcher import server_log
from launcher.output import masked

URL, CLEAN = "postgresql://user:s3cr@t@host/db", "postgresql://user:***@host/db"
PIECE = 65_536


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("", ""),
        ("no URL at all, me@example.org\n", "no URL at all, me@example.org\n"),
        (f"{URL}\n", f"{CLEAN}\n"),
        (f"a {URL} b {URL}?x=1\r\nlast", f"a {CLEAN} b {CLEAN}?***\r\nlast"),
        ("\udcff" + URL, "\udcff" + CLEAN),
        ('{"url": "mysql://h/d?password=x1", "n": 1}', '{"url": "mysql://h/d?***", "n": 1}'),
        ("['mysql://h/d?password=x1', 'mysql://h?x=1']", "['mysql://h/d?***', 'mysql://h?***']"),
        ("at mysql://h/d?password=x,1;2)3'4, at", "at mysql://h/d?*** at"),
        ("(pg://h/d?host=/run/x&sslmode=require), at", "(pg://h/d?host=/run/x&sslmode=require), at"),
        ("pg://h?host=/run,password=x port=1", "pg://h?host=*** port=1"),
        ("'pg+x://h?host=/run&password=x'; run", "'pg+x://h?host=/run&***'; run"),
        ("pg://h?sslmode=require;password=x", "pg://h?sslmode=***"),
        ("/x/pg:/h/db?password=x cannot be read", "/x/pg:/h/db?*** cannot be read"),
        ("no profile 'pg://h/db?password=a\"b c' in x", "no profile 'pg://***' in x"),
        ("no profile 'pg://u:a b@h/db' in x", "no profile 'pg://***' in x"),
        ("'pg://u/x:a@h/db', 'pg://u:a'", "'pg://u/x:***@h/db', 'pg://u:***'"),
        *(
            (text, text)
            for text in (
                "http://127.0.0.1:{port}/a http://h:80, http://h:PORT 'http://h:8000'",
                "sqlite:///C:/a b/x.db 'sqlite:///C:/a b/x.db' C:\\Program Files\\x 'C:\\a b\\x?y'",
                "postgresql://USER@HOST:PORT/DATABASE pg://[::1]:5432/db",
            )
        ),
        *((f"{'.' * (PIECE - cut)} {URL}\n", f"{'.' * (PIECE - cut)} {CLEAN}\n") for cut in (1, 20, 34, 60)),
        *((f"{'.' * (PIECE - cut)}{URL}\n", f"{'.' * (PIECE - cut)}{CLEAN}\n") for cut in (1, 2, 3, 20, 34, 60)),
        (f"{URL}\n" * 10_000, f"{CLEAN}\n" * 10_000),
    ],
    ids=lambda text: f"{len(text)} characters",
)
def test_passwords_are_masked(tmp_path: Path, text: str, clean: str) -> None:
    path = Path(server_log.create(str(tmp_path)))
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    server_log.mask(str(path))
    assert path.read_bytes().decode("utf-8", "surrogateescape") == clean
    assert os.listdir(tmp_path) == [path.name]
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "line",
    [
        "x://u:" * 100_000,
        "'pg://a \"" * 100_000,
        "x://" * 100_000,
        "u:/" * 100_000 + "@",
        "@" + "x://u:p" * 100_000,
        "?" + "x://a" * 100_000,
        "'x://a?b" * 100_000,
        "'x://a" * 100_000 + "?",
        "x://a" * 100_000 + '?"',
        'x://a?b"' * 100_000,
    ],
    ids=[
        "users",
        "spoiled",
        "schemes",
        "one @ at the end",
        "one @ at the beginning",
        "one ? at the beginning",
        "quotes",
        "one ? at the end",
        "one ? without options",
        "in double quotes",
    ],
)
def test_a_long_line_takes_linear_time(line: str) -> None:
    """Quadratic, each of them took minutes."""
    began = time.process_time()
    masked(line)
    assert time.process_time() - began < 5


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    path = Path(server_log.create(str(tmp_path)))
    path.write_text(f"{'.' * 100} {URL}\n" * 100_000, encoding="utf-8")
    tracemalloc.start()
    try:
        server_log.mask(str(path))
        server_log.show_last_lines("serve", str(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000
    assert "s3cr" not in path.read_text(encoding="utf-8")


def test_the_last_lines_of_a_large_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(server_log.create(str(tmp_path)))
    path.write_text("".join(f"line {number}\n" for number in range(100_000)) + f"{'.' * 1000}\n", encoding="utf-8")
    server_log.show_last_lines("serve", str(path))
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"autopack-run: the last lines of serve ({path}):"
    assert told[1:-1] == [f"  line {number}" for number in range(100_000 - 11, 100_000)]
    assert len(told[-1]) < 600
