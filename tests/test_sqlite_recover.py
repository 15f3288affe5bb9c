"""`recover`: copies first, then SQLite itself finishes what a killed writer left."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from sqlite_states import SPILL, WAL, build, killed, process, snapshot, untouched
from test_identity import expect, proven

from launcher.errors import LauncherError
from launcher.identity.recover import Recovery, recover


def rows(path: Path, table: str) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def left_over(path: Path, kind: str) -> None:
    """What a killed writer leaves: 3 runs are committed, 2 phases of 3 deleted and committed where it is a -wal."""
    if kind == "journal":
        killed(build(path), *SPILL)
        return
    killed(build(path, WAL), "DELETE FROM phases WHERE id < 3")
    if kind == "wal without shm":
        Path(f"{path}-shm").unlink()


KINDS = ["journal", "wal without shm", "wal and shm"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_work_is_finished_after_everything_was_copied(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    left_over(path, kind)
    before = snapshot(tmp_path)
    found = recover(expect(path))
    copies = snapshot(Path(found.folder))
    assert {name: copies[name] for name in copies if name != "."} == {n: before[n] for n in before if n != "."}
    assert Path(found.folder).parent == tmp_path
    assert Path(found.folder).name.startswith("x.db.before-recover-20")
    assert sorted(p.name for p in tmp_path.iterdir()) == [Path(found.folder).name, "x.db"][::-1]
    assert found.sound == "ok"
    assert any(line.startswith("x.db: ") for line in found.before)
    assert (rows(path, "runs"), rows(path, "phases")) == (3, 3 if kind == "journal" else 1)
    assert proven(path).stamp
    _tells(kind, found)


def _tells(kind: str, found: Recovery) -> None:
    told = "\n".join(found.changed)
    if kind == "journal":
        assert "x.db-journal: " in told
    else:
        assert "x.db-wal: " in told
        assert "table phases: 3 rows -> 1 rows" in told


def test_copies_are_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(time, "strftime", lambda *_: "20260101T000000Z")
    folders = []
    for _ in range(2):
        (tmp_path / "x.db").unlink(missing_ok=True)
        left_over(tmp_path / "x.db", "journal")
        folders.append(Path(recover(expect(tmp_path / "x.db")).folder).name)
    assert folders == ["x.db.before-recover-20260101T000000Z", "x.db.before-recover-20260101T000000Z-2"]


@pytest.mark.posix
def test_behind_a_link_the_journal_of_the_file_itself_counts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    left_over(tmp_path / "data" / "x.db", "journal")
    (tmp_path / "link.db").symlink_to(tmp_path / "data" / "x.db")
    found = recover(expect(tmp_path / "link.db"))
    assert Path(found.folder).parent == tmp_path / "data"
    assert rows(tmp_path / "data" / "x.db", "runs") == 3


def _nothing(path: Path) -> None:
    build(path)


def _text(path: Path) -> None:
    path.write_text("hello\n" * 50)
    Path(f"{path}-journal").write_text("hello")


def _other(path: Path) -> None:
    killed(build(path, name="dev"), *SPILL)


def _orphan(path: Path) -> None:
    left_over(path, "wal and shm")
    path.unlink()


REFUSED = [
    ("nothing to recover", _nothing, 78, "nothing-to-recover", "no hot journal and no -wal"),
    ("no file", lambda path: None, 78, "no-database-file", "no database file"),
    ("a -wal without its database", _orphan, 65, "orphan-wal", "committed data"),
    ("text", _text, 65, "not-sqlite", "it starts with 'hello…'"),
    ("another database's name", _other, 65, "wrong-database", "this|is 'dev'"),
]


@pytest.mark.parametrize(("name", "make", "code", "slug", "says"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(name: str, make: object, code: int, slug: str, says: str, tmp_path: Path) -> None:
    make(tmp_path / "x.db")  # type: ignore[operator]
    with untouched(tmp_path), pytest.raises(LauncherError, match=says) as caught:
        recover(expect(tmp_path / "x.db"))
    assert (caught.value.code, caught.value.slug) == (code, slug)
    assert caught.value.hint


HELD = [
    ("journal writer", SPILL),
    ("WAL writer", (WAL, "DELETE FROM phases WHERE id < 3")),
    ("WAL writer, exclusive", ("PRAGMA locking_mode=EXCLUSIVE", WAL, "DELETE FROM phases WHERE id < 3")),
]


@pytest.mark.parametrize(("name", "statements"), HELD, ids=[row[0] for row in HELD])
def test_not_while_somebody_has_it_open(name: str, statements: tuple[str, ...], tmp_path: Path) -> None:
    path = build(tmp_path / "x.db")
    with process(path, *statements), untouched(tmp_path), pytest.raises(LauncherError, match="has it open") as caught:
        recover(expect(path))
    assert (caught.value.code, caught.value.slug) == (75, "busy")
