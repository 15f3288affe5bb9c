"""A connection to PostgreSQL as the program would make it, whatever driver its URL names: ours is always psycopg."""

import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from launcher.errors import ConfigurationError
from launcher.hints import install_line
from launcher.identity import postgresql_faults
from launcher.identity.expectation import Expectation
from launcher.identity.url import libpq_places

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, Engine

CONNECT_SECONDS = 3
_NAME_BYTES = 63  # NAMEDATALEN - 1 of pg_config_manual.h
OUR_NAME = "autopack-run"
# asyncpg's words for sslmode are libpq's (https://magicstack.github.io/asyncpg/current/api/index.html, `ssl`).
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_ABOUT_TLS = re.compile("ssl|tls|cert", re.IGNORECASE)
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
# No option says that these are not set. A service's settings also stand between options and variables.
_NO_OPTION = ("PGSERVICE", "PGREQUIREAUTH", "PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION")
_environ_in_use = threading.Lock()


@contextmanager
def connected(expected: Expectation, readonly: bool = True) -> "Iterator[Connection]":
    """One connection, closed afterwards; what happens on it is one transaction, which nobody commits but the caller.

    Raises LauncherError where it cannot be made, and for every database error inside.
    """
    url = address(expected)
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, DBAPIError
    from sqlalchemy.pool import NullPool

    # prepare_threshold: prepared statements are a session's, and pgbouncer lends another session each transaction.
    by_environ = _by_environ(url, expected.variables)
    arguments = {"prepare_threshold": None, **({} if by_environ else _as_options(url, expected.variables))}
    options = {"postgresql_readonly": readonly, "isolation_level": "REPEATABLE READ"}
    try:
        engine = create_engine(
            url, poolclass=NullPool, connect_args=arguments, use_native_hstore=False, execution_options=options
        )
    except ArgumentError as error:  # hosts and ports after the ? that do not go together
        told = postgresql_faults.words(str(error), expected)
        raise ConfigurationError("bad-url", f"{expected.spot}: {told}", "change what stands after the ?") from None
    try:
        with _opened(engine, expected, by_environ) as connection:
            yield connection
    except DBAPIError as error:
        raise postgresql_faults.fault(error.orig or error, expected) from None
    except UnicodeDecodeError as error:  # a name in a database without an encoding (SQL_ASCII)
        raise postgresql_faults.not_postgresql(error, expected) from None
    finally:
        engine.dispose()


def _opened(engine: "Engine", expected: Expectation, by_environ: bool) -> "Connection":
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        with _environ_of(expected.variables) if by_environ else nullcontext():
            return engine.connect()
    except DBAPIError:
        raise
    except (AssertionError, SQLAlchemyError, UnicodeError, ValueError) as error:
        raise postgresql_faults.not_postgresql(error, expected) from None


def driver_notes(expected: Expectation) -> tuple[str, ...]:
    """A line where the URL leaves the driver to SQLAlchemy's version."""
    if not expected.url.text.startswith("postgresql://"):
        return ()
    return (
        f"{expected.place} names no driver: postgresql:// is psycopg2 in SQLAlchemy 2.0, psycopg 3 in 2.1;"
        " write postgresql+psycopg:// or postgresql+psycopg2://",
    )


def address(expected: Expectation) -> "URL":
    """The URL for psycopg, with what libpq knows of its options.

    Raises ConfigurationError where psycopg is missing, the URL names no database or two, or an option about TLS would
    be lost.
    """
    try:
        import psycopg  # noqa: F401 (only whether it is there)
    except ImportError as error:
        raise _no_driver(error, expected) from None
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(expected.url.text)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            "bad-url", f"the URL from {expected.place} is not a database URL (not shown)"
        ) from None
    _refuse_names(url, expected)
    options = _options(url.query, expected)
    return url.set(drivername="postgresql+psycopg", query=options)


def _no_driver(error: ImportError, expected: Expectation) -> ConfigurationError:
    lacking = getattr(error, "name", None) in ("psycopg", None)
    return ConfigurationError(
        "no-driver",
        f"{expected.spot} cannot be proven: "
        + ("psycopg is not installed beside autopack-run" if lacking else "psycopg cannot be loaded here"),
        install_line("psycopg[binary]", extra="postgresql"),
    )


def _refuse_names(url: "URL", expected: Expectation) -> None:
    spot = expected.spot
    if not expected.url.database:
        raise ConfigurationError(
            "no-such-database",
            f"{spot} names no database: libpq would take the one called like the user",
            "write it after the last /: postgresql://USER@HOST:PORT/DATABASE",
        )
    if _ENCODED.search(expected.url.database):
        raise ConfigurationError(
            "ambiguous-url",
            f"{spot}: SQLAlchemy 2.1 decodes the % and two hexadecimal digits of its database name, 2.0 does not",
            "rename the database",
        )
    if (length := len(expected.url.database.encode())) > _NAME_BYTES:
        raise ConfigurationError(
            "bad-url",
            f"{spot}: the name of its database has {length} bytes; PostgreSQL cuts names at {_NAME_BYTES}, so there is"
            " none of that name",
            f"write its first {_NAME_BYTES} bytes, if that is the one",
        )
    if not all(_can_be_host(host) for host, _ in libpq_places(expected.url)):
        raise ConfigurationError(
            "bad-url",
            f"{spot}: its host is no host name: between its dots a part is empty, longer than 63 characters or of"
            " characters that none can have",
            f"fix the host in {expected.place}",
        )
    for option, part in (("dbname", url.database), ("host", url.host), ("port", url.port), ("user", url.username)):
        if part and option in url.query and url.query[option] != str(part):
            raise ConfigurationError(
                "ambiguous-url", f"{spot} says its {option} twice, before and after the ?", "leave one away"
            )


def _can_be_host(name: str) -> bool:
    """Whether it is a folder of sockets, or what Python can hand to a name server."""
    try:
        return name.startswith(("/", "@")) or bool(name.encode("idna")) or not name
    except UnicodeError:
        return False


def _options(query: Mapping[str, Any], expected: Expectation) -> dict[str, Any]:
    from psycopg.pq import Conninfo

    known = {option.keyword.decode() for option in Conninfo.get_defaults()} - {"client_encoding"}
    options: dict[str, Any] = {"application_name": OUR_NAME, "client_encoding": "utf8"}
    for name, value in query.items():
        if name in known:
            options[name] = value
        elif name == "ssl" and value in _SSL_MODES:
            options["sslmode"] = value
        elif _ABOUT_TLS.search(name):
            raise ConfigurationError(
                "bad-url",
                f"{expected.spot}: what its option '{_plain(name)}' asks of TLS, libpq cannot"
                " be told, and without it the proof could go over a connection that the program would refuse",
                f"write it as sslmode=… ({', '.join(_SSL_MODES)}), or ssl=… for asyncpg",
            )
    options["connect_timeout"] = str(_seconds(options.get("connect_timeout")))
    return options


def _plain(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]{1,40}", name) else "***"


def _seconds(asked: object) -> int:
    try:
        return min(CONNECT_SECONDS, max(int(str(asked)), 0) or CONNECT_SECONDS)
    except ValueError:
        return CONNECT_SECONDS


def _by_environ(url: "URL", variables: Mapping[str, str]) -> bool:
    if "service" in url.query or "PGSERVICE" in variables:
        return True
    return any(name in os.environ and name not in variables for name in _NO_OPTION)


def _as_options(url: "URL", variables: Mapping[str, str]) -> dict[str, str]:
    """What libpq would take from the program's PG… variables, as options, so that no variable of this process counts.

    Those that only this process has become what libpq has without them. The process's own stay as they are: another
    thread may be starting a program with them.
    """
    from psycopg.pq import Conninfo

    parts = {"user": url.username, "password": url.password, "host": url.host, "port": url.port, "dbname": url.database}
    given = {*url.query, *(keyword for keyword, part in parts.items() if part is not None)}
    options: dict[str, str] = {}
    for option in Conninfo.get_defaults():
        keyword, variable = option.keyword.decode(), (option.envvar or b"").decode()
        if not variable or keyword in given:
            continue
        if variable in variables:
            options[keyword] = variables[variable]
        elif variable in os.environ:
            options[keyword] = (option.compiled or b"").decode() or _unsaid(keyword)
    return options


def _unsaid(keyword: str) -> str:
    """What an option without a default of its own becomes where nothing says it: mostly "", which libpq takes so."""
    if keyword == "sslcertmode":
        return "allow"
    if keyword != "user":
        return ""
    if sys.platform == "win32":
        return os.getlogin()
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user without a name: libpq refuses that by itself
        return ""


@contextmanager
def _environ_of(variables: Mapping[str, str]) -> Iterator[None]:
    """libpq reads PG… names from the process itself: while we connect, those are the program's, not our own.

    Another thread sees it, so this is for what cannot be said by options alone.
    """
    theirs = {name: text for name, text in variables.items() if name.startswith("PG")}
    with _environ_in_use:
        ours = {name: text for name, text in os.environ.items() if name.startswith("PG")}
        try:
            _exchange(ours, theirs)
            yield
        finally:
            _exchange(theirs, ours)


def _exchange(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    for name in before.keys() - after.keys():
        os.environ.pop(name, None)
    os.environ.update({name: text for name, text in after.items() if os.environ.get(name) != text})
