"""What an error of MySQL, MariaDB or PyMySQL means for the operator, in our own words: theirs quote hosts and users."""

from typing import Any

from launcher.errors import PERMISSION, UNREACHABLE, ConfigurationError, LauncherError
from launcher.hints import install_line
from launcher.identity.expectation import Expectation, printable
from launcher.identity.mysql_numbers import DENIED, LOST, NO_RIGHT, NO_TABLES_FAULT, TOLD
from launcher.identity.mysql_words import account, account_in, backquoted, database, words


def number(error: Any) -> int:
    """The server's or PyMySQL's number of the error; 0 where it has none."""
    first = (getattr(getattr(error, "orig", error), "args", ()) or (0,))[0]
    return first if isinstance(first, int) else 0


def fault(error: Exception, expected: Expectation) -> LauncherError:
    """What this error of SQLAlchemy's or PyMySQL's means."""
    cause: BaseException = getattr(error, "orig", None) or error
    code = number(cause)
    if code in TOLD:
        slug, exit_code, what, hint = TOLD[code]
        return LauncherError(slug, exit_code, f"{expected.spot}: {what}", hint.format(place=expected.place))
    if code in LOST:
        return _unreachable(cause, expected)
    if code == 1049:
        return _no_such_database(expected)
    if code == 1044:
        return _no_right_or_no_database(cause, expected)
    if code in NO_RIGHT:
        return no_right(expected, "SELECT", "*", *account_in(cause))
    if code:
        return LauncherError(
            "server-error",
            UNREACHABLE,
            f"{expected.spot}: the server answered with error {code}: {words(cause, expected)}",
            "look up that number in the server's documentation",
        )
    return _drivers_own(cause, expected)


def unreadable(error: Exception, table: str, expected: Expectation) -> LauncherError:
    """What an error means that came of reading this table or view alone: the table is broken, where the number is none
    of the server's, the connection's or the user's (a view whose table is gone, a crashed or missing file, …)."""
    cause: BaseException = getattr(error, "orig", None) or error
    code = number(cause)
    elsewhere = code in (*LOST, *NO_RIGHT, *NO_TABLES_FAULT) or TOLD.get(code, ("",))[0] in ("busy", "unreachable")
    if not code or elsewhere:
        return fault(error, expected)
    name, why = printable(table), words(cause, expected)
    if code in DENIED:  # the same as at a login, for a view whose definer is gone (MariaDB's sql_acl.cc)
        why = "the server denies access, as it does where the user is gone who defined a view"
    required = table in (*expected.tables, *expected.needs_rows)
    leave = ", or leave it out of tables and needs_rows" if required else ""
    return ConfigurationError(
        "unreadable-table",
        f"{expected.spot}: {name} cannot be read: {why} (error {code})",
        f"mend it on the server (CHECK TABLE {backquoted(table)} tells more){leave}",
    )


def _drivers_own(cause: BaseException, expected: Expectation) -> LauncherError:
    """Errors without a number, from PyMySQL itself."""
    said = str(cause)
    if isinstance(cause, RuntimeError) and ("cryptography" in said or "nacl" in said.lower()):
        package = "cryptography" if "cryptography" in said else "PyNaCl"
        return ConfigurationError(
            "no-driver",
            f"{expected.spot}: this user's way to log in (caching_sha2_password, sha256_password, ed25519) needs"
            f" {package}, which is not installed",
            install_line(package),
        )
    if isinstance(cause, UnicodeError) and "idna" in said:
        return ConfigurationError(
            "bad-url",
            f"{expected.spot}: its host is no host name: between its dots a part is empty, longer than 63 characters or"
            " of characters that none can have",
            f"fix the host in {expected.place}",
        )
    if isinstance(cause, UnicodeEncodeError):
        return ConfigurationError(
            "bad-url",
            f"{expected.spot}: the password has characters that PyMySQL cannot send",
            "give this user a password of Latin-1 characters",
        )
    return LauncherError(
        "server-error",
        UNREACHABLE,
        f"{expected.spot}: PyMySQL could not speak with it ({type(cause).__name__})",
        "is that a MySQL or MariaDB server, and are the options behind the ? right?",
    )


def _unreachable(cause: BaseException, expected: Expectation) -> LauncherError:
    """PyMySQL has one number for most of these; the operating system's error, which it keeps, tells them apart."""
    import socket
    import ssl

    below = getattr(cause, "original_exception", None) or cause.__context__
    what, hint = "the connection was lost", "look at the server's log; is that a MySQL or MariaDB server?"
    if isinstance(below, ssl.SSLError):
        why = getattr(below, "verify_message", "") or (below.reason or "").replace("_", " ").lower()
        what = f"no encrypted connection came about: {printable(why) or 'the server broke it off'}"
        hint = "look at ssl_ca, ssl_cert and ssl_key; the name in the certificate must be the host's"
    elif isinstance(below, socket.gaierror):
        what, hint = "no such host: its name was not found", f"fix the host in {expected.place}"
    elif isinstance(below, ConnectionRefusedError):
        what, hint = "connection refused: nothing listens there", "start the server, or fix the host and port"
    elif isinstance(below, FileNotFoundError):
        what, hint = "there is no socket of that name", "start the server, or fix unix_socket"
    elif isinstance(below, PermissionError):
        what, hint = "the socket may not be opened", "run as a user who may, or leave unix_socket out"
    elif isinstance(below, TimeoutError):
        what = "it did not answer in time"
        hint = "is that host and port right, and does anything between here and there drop the connection?"
    elif isinstance(below, OSError) and number(cause) == 2003:
        what = f"no connection: {printable(below.strerror or type(below).__name__)}"
        hint = "is that host and port right?"
    return LauncherError("unreachable", UNREACHABLE, f"{expected.spot}: {what}", hint)


def _no_such_database(expected: Expectation) -> LauncherError:
    seed = f"make it with: {expected.seed}, or " if expected.seed and not expected.creates else ""
    return ConfigurationError(
        "no-such-database",
        f"{expected.spot}: the server has no database of that name. Nothing was created",
        f"fix the name, or {seed}on the server: CREATE DATABASE {backquoted(database(expected))}",
    )


def _no_right_or_no_database(cause: BaseException, expected: Expectation) -> LauncherError:
    """A server tells a user without rights to a database not even whether it is there."""
    user, host = account_in(cause)
    name = backquoted(database(expected))
    return LauncherError(
        "no-right",
        PERMISSION,
        f"{expected.spot}: either there is no such database, or this user has no right to it;"
        " the server does not say which",
        f"where it is there: GRANT ALL PRIVILEGES ON {name}.* TO {account(user, host)};"
        f" where it is not: CREATE DATABASE {name}, then the same GRANT",
    )


def no_right(expected: Expectation, right: str, table: str, user: str, host: str) -> LauncherError:
    """No right to something in the database: 77 with the GRANT that helps. table: `*` for all of them."""
    what = f"table {printable(table)}" if table != "*" else "its tables"
    ask = f"{right} on {what}"
    name = f"{backquoted(database(expected))}.{table if table == '*' else backquoted(table)}"
    return LauncherError(
        "no-right",
        PERMISSION,
        f"{expected.spot}: {account(user, host)} has no right to {ask}",
        f"GRANT {right} ON {name} TO {account(user, host)}",
    )


def read_only(expected: Expectation, setting: str) -> LauncherError:
    """The server's setting of this name keeps a task from writing."""
    return LauncherError(
        "read-only-server",
        PERMISSION,
        f"{expected.spot}: {setting} is on: a replica, or set read-only by its operator",
        f"name the server that takes writes, or on this one: SET GLOBAL {setting} = OFF",
    )


def no_driver(expected: Expectation) -> ConfigurationError:
    """PyMySQL is not installed."""
    return ConfigurationError(
        "no-driver",
        f"{expected.spot}: PyMySQL, which looks at the database before the program does, is not installed",
        install_line("pymysql", extra="mysql"),
    )


def bad_certificate(error: OSError, expected: Expectation) -> ConfigurationError:
    """A file that an option about TLS names cannot be read, or holds something else."""
    import ssl

    told = "" if isinstance(error, ssl.SSLError) else error.strerror
    why = told or "not what OpenSSL can read, or locked by another password"
    return ConfigurationError(
        "bad-url",
        f"{expected.spot}: a file of ssl_ca, ssl_cert or ssl_key cannot be used: {printable(why)}",
        "look at these files, and at ssl_key_password where the key has one",
    )
