"""What may be shown of a database URL and of a driver's error: an allow list, never "all but the password"."""

import os
import re
import sqlite3

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:]+", re.ASCII)
NAME = re.compile(r"[\w .-]+")

# SQLSTATE of PostgreSQL, number of MySQL and MariaDB
MEANINGS = {
    "28P01": "the password was refused",
    "28000": "this user is not let in",
    "3D000": "no such database",
    "42P01": "a table is missing",
    "42501": "a right is missing",
    "40P01": "deadlock",
    "1044": "no such database, or no right to it",
    "1045": "user or password was refused",
    "1049": "no such database",
    "1146": "a table is missing",
    "1205": "waited too long for a lock",
    "1213": "deadlock",
    "2003": "the server does not answer",
}


def mask_url(url: URL, text: str) -> str:
    """Return url for people: kind, host, port and database, or the whole path; `text` is what it was parsed from.

    With a raw `@` in a password, its tail is parsed as host or database: two `@` show nothing but the kind.
    """
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{os.path.abspath(url.database or '')}"
    if text.count("@") > 1:
        return f"{url.drivername}://***"
    host = url.host or ""
    shown_host = host if not host or HOST.fullmatch(host) else "***"
    shown_name = url.database if url.database and NAME.fullmatch(url.database) else "***"
    user = "***@" if url.username or url.password else ""
    port = f":{url.port}" if url.port else ""
    return f"{url.drivername}://{user}{shown_host}{port}/{shown_name}"


def reason(error: SQLAlchemyError) -> str:
    """Return why the database refused, in one line.

    SQLite's own words hold no secret. A server driver's do (a host that is the tail of a password): of those only
    the kind and the code are shown.
    """
    if not isinstance(error, DBAPIError):
        return f"failed ({type(error).__name__})"
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    kind = type(cause or error).__name__
    found = code(error)
    if found:
        return f"{MEANINGS.get(found, 'refused')} ({kind} {found})"
    return f"the server cannot be reached, or refused ({kind})"


def code(error: DBAPIError) -> str:
    """Return the server's code for what went wrong (SQLSTATE, or a number of MySQL and MariaDB); "" for none."""
    cause = error.orig
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    first = cause.args[0] if cause is not None and cause.args else None
    return str(state or (first if isinstance(first, int) else ""))
