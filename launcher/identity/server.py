"""Databases on servers: the one way in, bounded by one deadline whatever the name server, the network or it does."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from launcher.errors import UNREACHABLE, ConfigurationError, LauncherError
from launcher.identity import server_url
from launcher.identity.expectation import Expectation, ServerIdentity, Stamp

DEADLINE_SECONDS = 5.0
"""Around the whole probe: connecting, logging in and asking."""

KINDS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
"""The module that knows a dialect's servers."""

T = TypeVar("T")


def inspect(expected: Expectation) -> ServerIdentity | None:
    """What stands at the expected place, in one read-only transaction; None where a task that creates it found nothing.

    Raises LauncherError with the fault's code and words. Nothing is created, locked for writing or changed.
    """
    _refuse_unknown(expected)
    _refuse_without_identity(expected)
    server_url.refuse_unsaid(expected)
    _import_first(expected)
    if KINDS[expected.url.dialect] == "postgresql":
        from launcher.identity import postgresql

        return bounded(lambda: postgresql.inspect(expected), expected)
    from launcher.identity import mysql

    return bounded(lambda: mysql.inspect(expected), expected)


def write_stamp(expected: Expectation, stamp: Stamp, renewed: bool = False) -> None:
    """Write the stamp into the existing database; renewed: in the place of the one that it has (`adopt --copy`).

    Raises LauncherError where somebody else stamped it meanwhile, or it cannot be written.
    """
    _refuse_unknown(expected)
    if KINDS[expected.url.dialect] == "postgresql":
        from launcher.identity import postgresql_stamp

        return bounded(lambda: postgresql_stamp.write_stamp(expected, stamp, renewed), expected)
    from launcher.identity import mysql_stamp

    return bounded(lambda: mysql_stamp.write_stamp(expected, stamp, renewed), expected)


def still_there(expected: Expectation, physical: Mapping[str, Any], db_id: str) -> str:
    """The name of the ledger's database on the expected server, "" where it has none any more, or none to be seen.

    PostgreSQL: the one with its oid; MySQL and MariaDB: the one of its name, with the db_id in its stamp.
    """
    if KINDS[expected.url.dialect] == "postgresql":
        from launcher.identity import postgresql

        return bounded(lambda: postgresql.name_of(int(physical["oid"]), expected), expected)
    from launcher.identity import mysql

    name = str(physical["database"])
    return name if bounded(lambda: mysql.bears(name, db_id, expected), expected) else ""


def stamp_still_there(expected: Expectation, oid: int) -> str:
    """The schema of the expected PostgreSQL database whose stamp is the table with that oid, "" where none is."""
    from launcher.identity import postgresql

    return bounded(lambda: postgresql.schema_of_stamp(oid, expected), expected)


def _import_first(expected: Expectation) -> None:
    """What a slow disk takes to load them is none of the server's time."""
    import contextlib
    import importlib

    for name in ("sqlalchemy", "psycopg" if KINDS[expected.url.dialect] == "postgresql" else "pymysql"):
        with contextlib.suppress(ImportError):  # told by the one that needs it
            importlib.import_module(name)


def _refuse_unknown(expected: Expectation) -> None:
    if expected.url.dialect not in KINDS:
        raise ConfigurationError(
            "unknown-dialect",
            f"{expected.spot}: autopack-run can prove SQLite, PostgreSQL, MySQL and MariaDB; this was not contacted",
            "" if expected.creates else "a task with verify = false starts unproven",
        )


def _refuse_without_identity(expected: Expectation) -> None:
    if KINDS[expected.url.dialect] == "mysql" and not expected.stamped:
        raise ConfigurationError(
            "no-identity",
            f"{expected.spot}: MySQL and MariaDB give a database no identity of its own, so"
            " stamp = false leaves nothing to know it by",
            f"leave stamp = false away from [databases.{expected.name}]",
        )


def bounded(ask: Callable[[], T], expected: Expectation) -> T:
    """What `ask` returns or raises, in a thread of its own: no timeout of a driver bounds its name server (measured).

    PyMySQL's connect_timeout did not end a silent server, and libpq asks the name server for as long as that likes.
    """
    import threading

    found: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(ask())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="probe", daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    if raised:
        raise raised[0]
    if not found:
        raise LauncherError(
            "unreachable",
            UNREACHABLE,
            f"{expected.spot} did not answer within {DEADLINE_SECONDS:.0f} s",
            "is that host and port right, and does anything between here and there drop the connection?",
        )
    return found[0]
