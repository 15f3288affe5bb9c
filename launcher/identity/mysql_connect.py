"""One connection to a MySQL or MariaDB server, bounded in time, and the few ways to ask it something."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from launcher.errors import ConfigurationError
from launcher.identity import mysql_faults, mysql_options, mysql_words
from launcher.identity.expectation import Expectation, printable

if TYPE_CHECKING:
    from sqlalchemy import Connection

STATEMENT_SECONDS = 2
LOCK_SECONDS = 2


@contextmanager
def connected(expected: Expectation) -> Iterator[tuple["Connection", tuple[str, ...]]]:
    """An open connection with every limit set, and notes; what goes wrong inside comes out as LauncherError."""
    from sqlalchemy.exc import DBAPIError

    connection, notes = _connect(expected)
    try:
        limit(connection, STATEMENT_SECONDS)
        run(connection, "SET SESSION lock_wait_timeout = %s, innodb_lock_wait_timeout = %s", LOCK_SECONDS, LOCK_SECONDS)
        yield connection, notes
    except DBAPIError as error:
        raise mysql_faults.fault(error, expected) from None
    finally:
        _close(connection)


def run(connection: "Connection", sql: str, *values: Any) -> Any:
    """The cursor of a statement; %s stands for a value, and a % of the statement itself is written twice."""
    return connection.exec_driver_sql(sql, values)


def limit(connection: "Connection", seconds: float) -> None:
    """No statement takes longer than this from now on. MySQL's limit holds for SELECT alone; MariaDB's for all."""
    if is_mariadb(connection):
        run(connection, "SET SESSION max_statement_time = %s", seconds)
    else:
        run(connection, "SET SESSION max_execution_time = %s", int(seconds * 1000))


def is_mariadb(connection: "Connection") -> bool:
    """As SQLAlchemy read it from VERSION()."""
    return bool(getattr(connection.dialect, "is_mariadb", False))


def quoted(name: str) -> str:
    """The name as SQL for `run`."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def _connect(expected: Expectation) -> tuple["Connection", tuple[str, ...]]:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    _refuse_names(expected)
    url, driver, options = mysql_options.split(expected)
    try:
        arguments = mysql_options.arguments(url, driver, options, expected)
    except OSError as error:
        raise mysql_faults.bad_certificate(error, expected) from None
    try:
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
    except ImportError:
        raise mysql_faults.no_driver(expected) from None
    try:
        return engine.connect(), mysql_options.notes(options)
    except (AttributeError, TypeError):  # a mistake of ours, which is not to pass for the server's
        raise
    except Exception as error:  # PyMySQL raises RuntimeError, ValueError, UnicodeError and more here
        raise mysql_faults.fault(error, expected) from None


def _refuse_names(expected: Expectation) -> None:
    if not expected.url.database:
        raise ConfigurationError(
            "no-such-database",
            f"{expected.spot} names no database; it was not contacted",
            "write the database's name behind the host: mysql://USER@HOST:PORT/DATABASE",
        )
    if mysql_words.database(expected) != expected.url.database:
        raise ConfigurationError(
            "ambiguous-url",
            f"{expected.spot}: SQLAlchemy 2.1 decodes the % and two hexadecimal digits of its database name, 2.0 does"
            " not; it was not contacted",
            "write the name without them, or rename the database",
        )
    if expected.schema:
        raise ConfigurationError(
            "profile-file",
            f"[databases.{expected.name}] schema = '{printable(expected.schema)}', but {expected.spot} is on MySQL or"
            " MariaDB, where a database has no schemas (a schema is a database there)",
            f"leave schema away from [databases.{expected.name}]; the URL names the database",
        )


def _close(connection: "Connection") -> None:
    from contextlib import suppress

    with suppress(Exception):  # a connection that is lost cannot be rolled back
        connection.close()
