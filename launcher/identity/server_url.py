"""A server's URL must say itself where it leads: what is left out, drivers fill in, and not all from the same place."""

from urllib.parse import parse_qsl

from launcher.errors import ConfigurationError
from launcher.identity import mysql_url
from launcher.identity.expectation import Expectation, printable

_LIBPQ = ("postgresql", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+psycopg2cffi")
_FILLING = ("PGHOST", "PGHOSTADDR", "PGPORT")
_BALANCES = "PGLOADBALANCEHOSTS"
_BALANCED = "may lead the program to another host than the proven one: load_balance_hosts"
_ANOTHER_NAME = ("database", "db")
# Each stands above the URL's own parts for some driver, and the probe (psycopg, PyMySQL) does not know it.
_MOVING = (
    *("conninfo", "dsn", "filedsn", "odbc_connect", "server", "servicefile", "dns_srv", "failover"),
    *("sock", "socket", "unix_sock", "named_pipe", "pipe"),
    *("default_file", "default_group", "option_files", "option_groups"),
)


def refuse_unsaid(expected: Expectation) -> None:
    """Raise ConfigurationError where the drivers of a server would reach different ones, or databases, by one URL."""
    options = dict(parse_qsl(expected.url.text.partition("?")[2], keep_blank_values=True))
    if moving := next((name for name in options if name.casefold() in _MOVING), ""):
        raise _ambiguous(
            expected,
            f"has the option {printable(moving)} (not shown), by which the program may reach another server than the"
            " proven one",
            "write host, port and database into the URL itself; a socket is host=FOLDER on PostgreSQL, unix_socket=FILE"
            " on MySQL and MariaDB",
        )
    if named := [name for name in _ANOTHER_NAME if name in options]:
        raise _ambiguous(expected, f"names a database before the ? and after it ({named[0]}=)", "name it once")
    if expected.url.dialect == "postgresql":
        _refuse_filled(expected, options)
    else:
        mysql_url.refuse_unsaid(expected)


def _refuse_filled(expected: Expectation, options: dict[str, str]) -> None:
    """libpq takes what is missing from PG… variables and the service file, asyncpg from some of them, pg8000 from none
    (https://www.postgresql.org/docs/current/libpq-envars.html)."""
    url, scheme = expected.url, expected.url.text.partition("://")[0]
    set_names = [name for name in _FILLING if expected.variables.get(name)]
    if "service" in options:
        raise _ambiguous(expected, "names a service, whose file some drivers do not know", _WRITE)
    # Also where the URL says all: by its file's hostaddr libpq went to another server than SQLAlchemy's psycopg 3.
    if expected.variables.get("PGSERVICE"):
        raise _ambiguous(
            expected,
            "is not all that counts: PGSERVICE is set, whose file stands above it for some drivers",
            _unset("PGSERVICE"),
        )
    if "PGHOSTADDR" in set_names:
        raise _ambiguous(
            expected, "says a host, and PGHOSTADDR is set, which stands above it for some drivers", _unset("PGHOSTADDR")
        )
    if options.get("load_balance_hosts", "disable") != "disable":
        raise _ambiguous(expected, f"{_BALANCED} in it", "take it away: the first host that answers is the one then")
    if expected.variables.get(_BALANCES, "disable") != "disable" and "load_balance_hosts" not in options:
        raise _ambiguous(expected, f"{_BALANCED}, as {_BALANCES} says", _unset(_BALANCES))
    said = url.host or options.get("host") or options.get("hostaddr")
    if not said and (set_names or scheme not in _LIBPQ):
        filled = f"{set_names[0]} is set, which" if set_names else f"a default, which {scheme} has for itself, and it"
        raise _ambiguous(expected, f"says no host; {filled} does not count for every driver", _WRITE)
    ported = url.port or options.get("port")
    if said and not ported and (filling := [name for name in set_names if name != "PGHOST"]):
        raise _ambiguous(expected, f"says no port; {filling[0]} is set, which does not count for every driver", _WRITE)


def _unset(name: str) -> str:
    from launcher.hints import unset_line

    return unset_line(name)


_WRITE = "write host and port into the URL; in the profile file {env:PGHOST} and {env:PGPORT} can stand in it"


def _ambiguous(expected: Expectation, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError("ambiguous-url", f"{expected.spot} {what}", hint)
