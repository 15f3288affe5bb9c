"""Where the drivers of MySQL and MariaDB would go by one URL, and not all to the same server."""

import os
from urllib.parse import unquote

from launcher.errors import ConfigurationError
from launcher.identity.expectation import Expectation, printable
from launcher.identity.url import options_of

# Built on the servers' own C libraries: the host localhost, in which they see no host at all, is the default socket.
_THROUGH_A_SOCKET = ("", "mysqldb", "mariadbconnector", "pyodbc")
_IP = "127.0.0.1"
_PORT_VARIABLE = "MYSQL_TCP_PORT"


def refuse_unsaid(expected: Expectation) -> None:
    """Raise ConfigurationError where the URL's driver would reach another server than PyMySQL, which proves it."""
    options = {name: values[-1] for name, values in options_of(expected.url).items()}
    driver = expected.url.text.partition("://")[0].partition("+")[2]
    host, socket = options.get("host") or unquote(expected.url.host), options.get("unix_socket")
    _refuse_twice(expected, options)
    _refuse_file(expected, driver, options)
    in_c = os.name != "nt" and driver in _THROUGH_A_SOCKET
    local = host.casefold() in ("", "localhost")
    if in_c and local and not socket:
        raise _ambiguous(
            expected,
            f"says {'the host localhost' if host else 'no host'}, by which this driver goes to the server's default"
            " socket, whatever the port, and others over TCP",
            f"write {_IP} for the host, or add unix_socket=FILE of the server's socket behind the ?",
        )
    if socket and not local and driver != "pymysql":  # which always takes the socket
        raise _ambiguous(
            expected,
            "says a host and a unix_socket; some drivers take the one, some the other",
            "write localhost for the host, or take unix_socket away",
        )
    ported = expected.url.port or options.get("port") or socket
    if in_c and not ported and expected.variables.get(_PORT_VARIABLE):
        from launcher.hints import unset_line

        raise _ambiguous(
            expected,
            f"says no port; {_PORT_VARIABLE} is set, which does not count for every driver",
            f"write the port into the URL, or: {unset_line(_PORT_VARIABLE)}",
        )


def _refuse_twice(expected: Expectation, options: dict[str, str]) -> None:
    """SQLAlchemy lets the query win, but not every program goes through it."""
    for name, part in (("host", unquote(expected.url.host)), ("port", expected.url.port)):
        if part and options.get(name, part) != part:
            raise _ambiguous(expected, f"says its {name} twice, before and after the ?", "leave one away")


def _refuse_file(expected: Expectation, driver: str, options: dict[str, str]) -> None:
    """A client's my.cnf: which groups are read, and whether it stands above the URL, differs from driver to driver.

    PyMySQL reads as the probe does, which is PyMySQL, where the file's path means the same in every folder.
    """
    named = next((name for name in options if name.startswith("read_default_")), "")
    if not named or (driver == "pymysql" and os.path.isabs(options.get("read_default_file", "/"))):
        return
    raise _ambiguous(
        expected,
        f"has the option {printable(named)}: not every driver reads the same from that file, nor finds it from every"
        " folder",
        "write host, port and database into the URL itself; mysql+pymysql:// may name the file by its absolute path",
    )


def _ambiguous(expected: Expectation, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError("ambiguous-url", f"{expected.spot} {what}; it was not contacted", hint)
