"""Fixtures of the whole suite."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from parts import need
from terminal import Place
from windows import Windows

if TYPE_CHECKING:  # of POSIX
    from mariadb import MariaDB
    from postgres import Postgres


@pytest.fixture(scope="session")
def windows() -> Windows:
    """A Windows to run programs in: the lab on Linux, this machine on Windows; elsewhere the test is skipped."""
    return Windows()


@pytest.fixture(scope="session")
def postgres_server() -> "Iterator[Postgres]":
    """One PostgreSQL for all tests that ask no more of it than databases of their own; nothing in it moves by itself."""
    pytest.importorskip("psycopg")
    pytest.importorskip("pwd")
    from postgres import postgres

    with postgres(autovacuum="off") as running:
        yield running


@pytest.fixture(scope="session")
def mariadb_server() -> "Iterator[MariaDB]":
    """One MariaDB for all tests that put back what they change; its plain user's rights are each module's to grant."""
    pytest.importorskip("pymysql")
    pytest.importorskip("pwd")
    from mariadb import mariadb

    with mariadb() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, shell: str) -> Place:
    """A home of its own for that shell, with files of its user's in it."""
    need(shell)
    return Place(tmp_path, shell)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip by name what this system cannot run; how it is run (uv, the lab's suite) makes no difference."""
    if sys.platform != "win32":
        if os.environ.get("CI_WINDOWS_SUITE"):  # the suite that Windows Python runs beside this one has them too
            for item in items:
                marked = any(item.get_closest_marker(mark) for mark in ("posix", "lab"))
                if "windows" in getattr(item, "fixturenames", ()) and not marked:
                    item.add_marker(pytest.mark.skip(reason="left to the Windows suite of this run"))
        return
    for item in items:
        for mark in ("posix", "lab"):
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=f"{mark}: not to be had on Windows"))
