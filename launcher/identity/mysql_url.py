"""Where the drivers of MySQL and MariaDB would go by one URL, and not all to the same server."""

import os
from urllib.parse import unquote

from launcher.errors import ConfigurationError
from launcher.identity.expectation import Expectation
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
    in_c = os.name != "nt" and driver in _THROUGH_A_SOCKET
    local = host.casefold() in ("", "localhost")
    if in_c and local and not socket:
        raise _ambiguous(
            expected,
            f"says {'the host localhost' if host else 'no host'}, by which this driver goes to the server's default"
            " socket, whatever the port, and others over TCP",
            f"write {_IP} for the host, or add unix_socket=FILE of the server's socket behind the ?",
        )
    if socket and not local:
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


def _ambiguous(expected: Expectation, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError("ambiguous-url", f"{expected.spot} {what}; it was not contacted", hint)
