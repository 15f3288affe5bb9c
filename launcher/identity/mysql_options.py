"""From a database URL to PyMySQL's arguments, whatever driver the program itself will use."""

import re
from typing import TYPE_CHECKING, Any

from launcher.errors import ConfigurationError
from launcher.identity.expectation import Expectation, printable

if TYPE_CHECKING:
    from ssl import SSLContext

    from sqlalchemy import URL

# Below server.DEADLINE_SECONDS, so that the fault is told apart. connect_timeout alone does not end a silent server.
CONNECT_SECONDS = 3
READ_SECONDS = 3

# Whatever the server or its init_connect says: no row of ours is left out, SHOW GRANTS quotes every name with backticks
# (not with " as under ANSI_QUOTES and ORACLE, nor not at all), and a stamp that does not fit is an error, not cut off.
_SESSION = (
    "SET SESSION sql_select_limit = 18446744073709551615, sql_quote_show_create = 1,"
    " sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
)
_LIKE_PYMYSQL = ("pymysql", "aiomysql", "asyncmy")
_PASSED = ("unix_socket", "bind_address", "read_default_file", "read_default_group")
# SQLAlchemy lets the query win over the URL's own parts, and PyMySQL has an older name.
_PARTS = {
    "user": "user",
    "password": "password",
    "passwd": "password",
    "host": "host",
}
_TLS = (
    "ssl",
    "ssl_ca",
    "ssl_capath",
    "ssl_cert",
    "ssl_check_hostname",
    "ssl_cipher",
    "ssl_disabled",
    "ssl_key",
    "ssl_key_password",
    "ssl_mode",
    "ssl_verify_cert",
    "ssl_verify_identity",
)
_MODES = ("", "DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_NO = ("", "0", "false", "no", "off", "none")
# An init_command that leaves the program where it is, with the rights that it has: settings of the session, each with a
# plain value. Whatever needs a parenthesis, a comment or a second statement is none of them.
_VALUE = r"(?:[+-]?\w+(?:\.\w+)?|'[^'\\;]*'|\"[^\"\\;]*\")"
_SETTING = (
    r"(?:(?:SESSION|LOCAL) +|@@(?:(?:SESSION|LOCAL)\.)?)?"
    rf"(?!(?:PASSWORD|ROLE|DEFAULT)\b)[A-Z_]\w* *= *{_VALUE}"
)
_NAMES = r"NAMES +(?:\w+|'\w+')(?: +COLLATE +(?:\w+|'\w+'))?"
_ISOLATION = (
    r"(?:SESSION +)?TRANSACTION +ISOLATION +LEVEL +"
    r"(?:READ +UNCOMMITTED|READ +COMMITTED|REPEATABLE +READ|SERIALIZABLE)"
)
_HARMLESS = re.compile(rf" *SET +(?:{_SETTING}|{_NAMES}|{_ISOLATION})(?: *, *{_SETTING})* *", re.IGNORECASE | re.ASCII)


def split(expected: Expectation) -> tuple["URL", str, dict[str, str]]:
    """The URL for SQLAlchemy with PyMySQL and without options, the driver that it named, and its options."""
    from sqlalchemy import make_url

    url = make_url(expected.url.text)
    driver = url.drivername.partition("+")[2]
    options = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    return url.set(drivername="mysql+pymysql", query={}), driver, options


def arguments(url: "URL", driver: str, options: dict[str, str], expected: Expectation) -> dict[str, Any]:
    """What PyMySQL is called with.

    Raises ConfigurationError for an option about TLS that it cannot keep, and for an init_command that could lead the
    program elsewhere than the probe, which does not run it.
    """
    _refuse_command(options.get("init_command", ""), expected)
    found: dict[str, Any] = {
        "connect_timeout": _seconds(options.get("connect_timeout"), CONNECT_SECONDS),
        "read_timeout": _seconds(options.get("read_timeout"), READ_SECONDS),
        "write_timeout": _seconds(options.get("write_timeout"), READ_SECONDS),
        "init_command": _SESSION,
    }
    found |= {name: options[name] for name in _PASSED if options.get(name)}
    found |= {_PARTS[name]: value for name, value in options.items() if name in _PARTS and value}
    if options.get("port", "").isdecimal():
        found["port"] = int(options["port"])
    password = found.get("password") or url.password
    if password and driver not in _LIKE_PYMYSQL:
        found["password"] = password.encode()  # PyMySQL would send Latin-1, the drivers in C send UTF-8
    return found | _tls(driver, options, expected)


def notes(options: dict[str, str]) -> tuple[str, ...]:
    """What the program may do otherwise than the probe did."""
    return ("init_command of the URL was not run by the probe",) if options.get("init_command") else ()


def _refuse_command(statement: str, expected: Expectation) -> None:
    if statement and not (statement.isprintable() and _HARMLESS.fullmatch(statement)):
        raise ConfigurationError(
            "bad-url",
            f"{expected.spot}: its init_command (not shown) is more than one SET of session variables, so it could lead"
            " the program to another database or to other rights; it was not contacted",
            "write it as SET NAME = VALUE, or SET NAMES CHARSET, and all else into the program or the URL itself",
        )


def _seconds(text: str | None, most: int) -> int:
    return max(1, min(int(text), most)) if text and text.isascii() and text.isdecimal() else most


def _tls(driver: str, options: dict[str, str], expected: Expectation) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if name.startswith(("ssl", "tls"))}
    mode = given.get("ssl_mode", "").upper()
    unknown = sorted(name for name in given if name not in _TLS)
    if unknown or mode not in _MODES:
        raise _unknown(unknown[0] if unknown else "ssl_mode", expected)
    if mode == "DISABLED" or _flag(given, "ssl_disabled"):
        return {"ssl_disabled": True}
    strict = [name for name in given if name not in ("ssl_mode", "ssl_disabled") and _flag(given, name)]
    if not strict and mode in ("", "PREFERRED"):
        return {}
    return {"ssl": _context(driver, mode, given)}


def _context(driver: str, mode: str, given: dict[str, str]) -> "SSLContext":
    """At least as strict as the driver that the URL names would be. Raises OSError for a file that cannot be read.

    PyMySQL and its kin check the name in the certificate where they get a CA; the drivers in C only where told.
    """
    import ssl

    ca, capath = given.get("ssl_ca") or None, given.get("ssl_capath") or None
    context = ssl.create_default_context(cafile=ca, capath=capath)
    # Python 3.13's default refuses the certificates that the servers make for themselves.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    anchored = bool(ca or capath)
    identity = mode == "VERIFY_IDENTITY" or _flag(given, "ssl_verify_identity")
    verify = identity or mode == "VERIFY_CA" or _flag(given, "ssl_verify_cert", anchored)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    named = _flag(given, "ssl_check_hostname", anchored and driver in _LIKE_PYMYSQL)
    context.check_hostname = identity or (verify and named)
    if given.get("ssl_cert"):
        # Without a password of some kind OpenSSL would ask at the terminal for it.
        secret = given.get("ssl_key_password", "")
        context.load_cert_chain(given["ssl_cert"], given.get("ssl_key") or None, password=lambda: secret)
    if given.get("ssl_cipher"):
        context.set_ciphers(given["ssl_cipher"])
    return context


def _flag(given: dict[str, str], name: str, default: bool = False) -> bool:
    return given[name].lower() not in _NO if name in given else default


def _unknown(name: str, expected: Expectation) -> ConfigurationError:
    return ConfigurationError(
        "bad-url",
        f"{expected.spot}: the option {printable(name)} is about TLS, and PyMySQL, which looks"
        " at the database before the program does, cannot keep it as it stands; it was not contacted",
        "say it with ssl_mode (DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY), ssl_ca, ssl_cert, ssl_key",
    )
