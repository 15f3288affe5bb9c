"""What a database URL means, told without asking any library that would touch the database.

Rules and measurements: IDENTITY.md, "What decides the design". One text opens different files under SQLAlchemy 2.0 and
2.1 where it holds `?` or `%` with two hexadecimal digits, so those are refused, and what a child gets is a text that
we build from an absolute path.
"""

import os
import re
from typing import NamedTuple

from launcher.errors import ConfigurationError
from launcher.identity import sqlite_path
from launcher.output import shown_options

# SQLAlchemy's own grammar (engine/url.py, `_parse_url`), so that we see the parts that it would see.
_URL = re.compile(
    r"""(?P<dialect>[A-Za-z][A-Za-z0-9_]*)(?:\+(?P<driver>\w+))?://
        (?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?
        (?:(?:\[(?P<host6>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>[^/?]*))?)?
        (?:/(?P<database>[^?]*))?
        (?:\?(?P<query>.*))?""",
    re.VERBOSE | re.DOTALL,
)
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?)://")
# Schemes that people write for others; anything else unknown may be a dialect of its own (mssql, oracle, …).
_MISTAKEN = {
    "sqlite3": "sqlite",
    "file": "sqlite",
    "postgres": "postgresql",
    "pgsql": "postgresql",
    "psql": "postgresql",
    "postgre": "postgresql",
    "pg": "postgresql",
}
_NO_DATABASE = ("http", "https", "ftp", "redis", "mongodb")
DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}
"""By dialect; a URL without a port means these."""
# Where libpq looks when nothing says a host (Debian's, others' and psycopg[binary]'s); nothing is written there.
_LIBPQ_DEFAULTS = ("", "localhost") if os.name == "nt" else ("", "/run/postgresql", "/var/run/postgresql", "/tmp")  # noqa: S108
_WITH_PORT = re.compile(r"[A-Za-z0-9.-]*:[0-9]*")
_HOST = re.compile(r"[A-Za-z0-9._:/-]+")
_USER = re.compile(r"[\w.-]+")  # no blank: it may stand where a colon was meant, and a password behind it
_OPTION = re.compile(r"[&;]\w+=")
_WORD = re.compile(r"[\w .-]+")
_EDGES = {
    "\r": "\\r (a CRLF .env?)",
    "\n": "\\n",
    "\t": "a tab",
    " ": "a blank",
    '"': 'a "',
    "'": "a '",
    "`": "a `",
    **dict.fromkeys("\u2018\u2019\u201a\u201c\u201d\u201e", "a curly quotation mark"),
    **dict.fromkeys("\ufeff\u200b", "a character that cannot be seen (a byte order mark?)"),
}
# Without a password: the last net over all output would make *** of the word.
_HINT = "the form is sqlite:///PATH or postgresql://USER@HOST:PORT/DATABASE, with :PASSWORD behind USER"


class DatabaseURL(NamedTuple):
    """One database. text: what a child gets. shown: the same without anything secret.

    path: the absolute file of a SQLite database, else "". The other fields are "" for SQLite.
    """

    dialect: str
    text: str
    shown: str
    path: str = ""
    host: str = ""
    port: str = ""
    database: str = ""

    def __repr__(self) -> str:
        """Without the text, which has the password: tracebacks and failing tests show it."""
        return f"DatabaseURL({self.shown})"


def parse_database_url(text: str, place: str, base: str | None) -> DatabaseURL:
    """The database that `text` means.

    place: where the text stands, in words. base: the folder that a relative SQLite path is relative to, or None
    where nothing declares it (a shell's variable). Raises ConfigurationError, never with the text of a server's URL.
    """
    _refuse_edges(text, place)
    if sqlite := _SQLITE.match(text):
        return _sqlite(sqlite[1], text[sqlite.end() :], place, base)
    match = _URL.fullmatch(text)
    if match is None:
        raise ConfigurationError("bad-url", f"DATABASE_URL from {place} is not a database URL (not shown)", _HINT)
    return _server(text, place, match)


def same_database(one: DatabaseURL, other: DatabaseURL) -> bool:
    """Whether both mean one database: by device and inode or by path, or by hosts, ports and name."""
    if bool(one.path) != bool(other.path):
        return False
    if one.path:
        return sqlite_path.same_file(one.path, other.path)
    return _where(one) == _where(other)


def _where(url: DatabaseURL) -> tuple[object, ...]:
    return server_places(url), names_service(url), options_of(url).get("hostaddr")


def names_service(url: DatabaseURL) -> str:
    """The section of libpq's service file that it names, which says the rest of the place; "" for none."""
    return "".join(options_of(url).get("service", []))


def options_of(url: DatabaseURL) -> dict[str, list[str]]:
    """What stands behind its ?, by name; the values in their order."""
    from urllib.parse import parse_qs

    return parse_qs(url.text.partition("?")[2], keep_blank_values=True)


def server_places(url: DatabaseURL) -> frozenset[tuple[str, str, str, str]]:
    """Dialect, host, port and database of all places that a server's URL may mean, the same for all ways to write them.

    There are several where it names several hosts, or none and libpq has a default of its own. A socket's folder (of
    MySQL the socket) stands for a host. A database's name is as the server has it, capitals included; `%20` is a blank.
    """
    from urllib.parse import unquote

    # MariaDB's and MySQL's dialects speak to the same servers; a socket stands above host and port.
    dialect, options = "mysql" if url.dialect == "mariadb" else url.dialect, options_of(url)
    if socket := options.get("unix_socket"):
        places = [(socket[-1], "")]
    elif dialect == "postgresql":
        places = [(name, port) for host, port in libpq_places(url) for name in ([host] if host else _LIBPQ_DEFAULTS)]
    else:
        places = [(unquote(url.host), url.port)]
    default, database = str(DEFAULT_PORTS.get(dialect, "")), unquote(url.database)
    return frozenset(
        # A guard writes MySQL's socket in the host's place, which has no port.
        (dialect, _host(host), "" if dialect == "mysql" and host.startswith("/") else port or default, database)
        for host, port in places
    )


def libpq_places(url: DatabaseURL) -> list[tuple[str, str]]:
    """The host, or the folder of its socket, and the port of each server that a PostgreSQL URL names, as it says them.

    As SQLAlchemy reads them: what stands behind the ? is above what stands before it
    (https://docs.sqlalchemy.org/en/20/dialects/postgresql.html#specifying-multiple-fallback-hosts).
    """
    from urllib.parse import unquote

    options, host = options_of(url), unquote(url.host)
    named = options.get("host") or ([] if host else options.get("hostaddr")) or [host]
    ports = ",".join(options.get("port", [url.port])).split(",")
    places = []
    for number, each in enumerate(",".join(named).split(",")):
        name, _, written = each.rpartition(":") if _WITH_PORT.fullmatch(each) else (each, "", "")
        places.append((name, written or ports[number if number < len(ports) else 0]))
    return places


def _host(name: str) -> str:
    """The host in one spelling: no capitals, no root's dot, one form of an IPv6 address, one name for this machine."""
    if name.startswith("/"):  # a socket, or its folder: /var/run is a link
        return os.path.realpath(name)
    name = name.casefold().removesuffix(".")
    if ":" in name:
        import socket

        from launcher.sockets import plain

        try:
            name = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, name))
        except OSError:  # no address, so no other way to write it is known
            return name
        name = plain(name)
    return "localhost" if name in ("127.0.0.1", "::1") else name


def _refuse_edges(text: str, place: str) -> None:
    """Blanks, quotes and line ends that a file or a shell left at an end; control characters anywhere."""
    for end, verb in ((text[-1:], "ends with"), (text[:1], "begins with")):
        if end in _EDGES or end.isspace():
            shown = _EDGES.get(end) or f"U+{ord(end):04X}, a blank that is hard to see"
            raise ConfigurationError("bad-url", f"DATABASE_URL from {place} {verb} {shown}", "take it away")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ConfigurationError("bad-url", f"DATABASE_URL from {place} has a control character", "take it away")


def _sqlite(scheme: str, rest: str, place: str, base: str | None) -> DatabaseURL:
    path = sqlite_path.resolve(rest, f"DATABASE_URL from {place} is '{_shown_sqlite(scheme, rest)}'", base)
    child = f"{scheme}:///{path.replace(chr(92), '/') if sqlite_path.WINDOWS else path}"
    return DatabaseURL("sqlite", child, child, path)


def _shown_sqlite(scheme: str, rest: str) -> str:
    """A SQLite URL without what could be a passphrase: SQLCipher's stands before the @ or after the ?."""
    before, mark, _ = rest.partition("?")
    if not before.startswith("/") and "@" in before:
        before = "***@" + before.rsplit("@", 1)[1]
    before = sqlite_path.LOGIN.sub(":***@", before)  # a server's URL under a changed scheme
    return f"{scheme}://{before}{mark and '?***'}"


def _server(text: str, place: str, match: re.Match[str]) -> DatabaseURL:
    dialect, host = match["dialect"].lower(), match["host6"] or match["host"] or ""
    if "%00" in text:  # libpq takes its end for the end of all options, TLS included
        raise ConfigurationError("bad-url", f"DATABASE_URL from {place} has a %00 (NUL) in it", "take it away")
    if dialect in _MISTAKEN or dialect in _NO_DATABASE:
        known = _MISTAKEN.get(dialect)
        raise ConfigurationError(
            "bad-url",
            f"DATABASE_URL from {place} begins with {match['dialect']}://, which SQLAlchemy does not know",
            f"write {known}:///PATH"
            if known == "sqlite"
            else f"write {known}:// and the rest as it is"
            if known
            else _HINT,
        )
    if match["dialect"] != dialect:
        raise ConfigurationError(
            "bad-url", f"DATABASE_URL from {place} has capitals in its scheme", f"write {dialect}://"
        )
    # The query too: after `p@s3?cret@host` the tail of the password would pass for host and query.
    if any("@" in part for part in (host, match["port"] or "", match["database"] or "", match["query"] or "")):
        raise ConfigurationError("bad-url", f"DATABASE_URL from {place} has a raw @ in the password", "write it as %40")
    if _OPTION.search(match["database"] or ""):
        raise ConfigurationError(
            "bad-url",
            f"DATABASE_URL from {place} has an option behind & or ; where none is before it",
            "the first stands behind a ?; in a database's name write %26 and %3B",
        )
    port = match["port"] or ""
    if port and not (port.isascii() and port.isdecimal() and int(port[:6]) < 65536):
        raise ConfigurationError("bad-url", f"the port in DATABASE_URL from {place} is no number up to 65535", _HINT)
    return DatabaseURL(dialect, text, _shown(match), "", host, port, match["database"] or "")


def _shown(match: re.Match[str]) -> str:
    """The URL by an allow list: only parts that cannot hold a secret, and only where they have their usual form."""
    scheme = match["dialect"] + (f"+{match['driver']}" if match["driver"] else "")
    user = f"{_known(match['user'], _USER)}{':***' if match['password'] is not None else ''}@" if match["user"] else ""
    host = f"[{_known(match['host6'], _HOST)}]" if match["host6"] else _known(match["host"], _HOST)
    port = f":{match['port']}" if match["port"] else ""
    database = f"/{_known(match['database'], _WORD)}" if match["database"] is not None else ""
    options = f"?{shown_options(match['query'])}" if match["query"] else ""
    return f"{scheme}://{user}{host}{port}{database}{options}"


def _known(text: str | None, form: re.Pattern[str]) -> str:
    return text if text and form.fullmatch(text) else ("***" if text else "")
