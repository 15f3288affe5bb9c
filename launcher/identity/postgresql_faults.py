"""What PostgreSQL's and libpq's errors mean for the operator, in our own words: theirs may quote a password."""

import re
from collections.abc import Callable

from launcher import output
from launcher.errors import BUSY, PERMISSION, UNREACHABLE, ConfigurationError, LauncherError, WrongDataError
from launcher.hints import command_line
from launcher.identity.expectation import Expectation, printable
from launcher.identity.secrets import secrets_of, without_secrets
from launcher.identity.url import libpq_places, names_service

_SHOWN_LENGTH = 200
_TIMEOUTS = {"25P03": "idle_in_transaction_session_timeout", "25P04": "transaction_timeout"}
_PREAMBLE = re.compile(r"connection to server (?:at|on) .{1,300}? failed: |\Aconnection (?:failed|is bad): ", re.DOTALL)
# psycopg tells no SQLSTATE of a connection that was refused. English words, of libpq, the server and pgbouncer; the
# first that fits counts, so that the text of a login that failed over TLS is not taken for a fault of TLS.
_WORDS = (
    ("no-login", r'role ".*" is not permitted to log in'),
    ("hba", r"no pg_hba\.conf entry|pg_hba\.conf rejects"),
    ("login", r"authentication failed|no password supplied|no such user"),
    ("login", r'role ".*" does not exist|certificate authentication failed'),
    ("idle", r"idle-in-transaction timeout"),
    ("statements", r"not allowed in statement pooling mode"),
    ("service", r"definition of service|service file"),
    ("require-auth", r"authentication method requirement"),
    ("root-file", r"root certificate (?:file|path)"),
    ("key-file", r"private key file"),
    ("certificate-file", r"certificate file"),
    ("no-database", r'database ".*" does not exist|no such database'),
    ("no-connect", r"permission denied for database"),
    ("not-allowed", r"is not currently accepting connections|database .* is disabled"),
    ("full", r"too many clients|connection slots|too many connections|no more connections allowed|query_wait_timeout"),
    ("starting", r"database system is|not yet accepting connections|in recovery mode"),
    ("standby", r"session is read-only|server is in hot standby"),
    ("primary", r"session is not read-only|server is not in hot standby"),
    ("parameter", r"unsupported startup parameter|invalid .*(?:option|value|parameter)|unrecognized configuration"),
    ("name", r"could not translate host name|failed to resolve host|Name or service not known|getaddrinfo"),
    ("refused", r"Connection refused|10061|failed: No such (?:file or directory|process)"),
    ("silent", r"time(?:d )?out|10060"),
    ("no-way", r"unreachable|No route to host|Permission denied|10051|10065"),
    ("foreign", r"expected authentication request|invalid response to SSL negotiation|protocol violation"),
    ("tls", r"\bSSL\b|certificate|\bTLS\b"),
    ("closed", r"closed the connection unexpectedly|Connection reset|connection to server was lost"),
)


def fault(error: BaseException, expected: Expectation) -> LauncherError:
    """The fault of a database error: by its SQLSTATE, and where there is none by the words of a refused connection."""
    state = getattr(error, "sqlstate", None)
    if state and not str(state).startswith("08"):  # pgbouncer gives its own words the class of a lost connection
        return _by_state(str(state), error, expected)
    text = str(error)
    kind = next((kind for kind, words in _WORDS if re.search(words, text)), "other")
    return _KINDS[kind](expected, words(text, expected))


def not_postgresql(error: BaseException, expected: Expectation) -> LauncherError:
    """The fault of a server that SQLAlchemy cannot make sense of, or of names that are no UTF-8."""
    return LauncherError(
        "unreachable",
        UNREACHABLE,
        f"{expected.spot} does not answer as PostgreSQL does: {words(str(error), expected)}",
        "is that the port of a PostgreSQL server?",
    )


def words(text: str, expected: Expectation) -> str:
    """Another program's words as one line, with every secret of the URL and of the PG… variables as ***."""
    text = without_secrets(_PREAMBLE.sub("", text), secrets_of(expected.url.text, expected.variables))
    return printable(" ".join(text.split())[:_SHOWN_LENGTH])


def _typed(expected: Expectation, program: str, *words: str) -> str:
    """The command line of one of PostgreSQL's programs for this server; "" where the URL names several."""
    (host, port), *others = libpq_places(expected.url)
    if others or names_service(expected.url):
        return ""
    where = (*(("-h", host) if host else ()), "-p", port or "5432")
    return output.printable(command_line(program, *where, *words))


def identifier(name: str) -> str:
    """The name as SQL, quoted only where it must be."""
    from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

    if re.fullmatch("[a-z_][a-z0-9_]*", name) and name not in RESERVED_WORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def _role(expected: Expectation) -> str:
    from sqlalchemy.engine import make_url

    return printable(identifier(make_url(expected.url.text).username or "ROLE"))


def busy(what: str, expected: Expectation, hint: str = "try again in a moment") -> LauncherError:
    """The fault of what will pass by itself."""
    return LauncherError("busy", BUSY, f"{expected.spot} {what}", hint)


def no_right(what: str, grant: str, expected: Expectation) -> LauncherError:
    """The fault of a missing right; grant: the SQL that gives it."""
    return LauncherError("no-right", PERMISSION, f"{expected.spot}: {what}", f"as its owner: {grant};")


def _unreachable(what: str, hint: str = "") -> Callable[[Expectation, str], LauncherError]:
    def made(expected: Expectation, told: str) -> LauncherError:
        text, ready = what.format(told=told), hint.format(ready=_typed(expected, "pg_isready")).strip()
        return LauncherError("unreachable", UNREACHABLE, f"{expected.spot} {text}", ready)

    return made


def _login(expected: Expectation, told: str) -> LauncherError:
    return LauncherError(
        "wrong-password",
        PERMISSION,
        f"{expected.spot} refused the login: no such user, or a wrong password; the server does not say which",
        f"{_typed(expected, 'psql', '-U', 'USER', '-d', expected.url.database) or 'psql'} asks for the password and"
        " tries it",
    )


def _no_login(expected: Expectation, told: str) -> LauncherError:
    role = _role(expected)
    return LauncherError(
        "wrong-password",
        PERMISSION,
        f"{expected.spot} refused the login: the password is right, and role {role} is not permitted to log in",
        f"as its administrator: ALTER ROLE {role} LOGIN;",
    )


def _no_entry(expected: Expectation, told: str) -> LauncherError:
    has = "rejects" if "rejects" in told else "has no entry for"
    plain = "no encryption" in told and "SSL encryption" not in told
    return LauncherError(
        "wrong-password",
        PERMISSION,
        f"{expected.spot} refused the login: its pg_hba.conf {has} this user, database and host: {told}",
        f"{'sslmode=require in the URL, where that file has a hostssl line for them; else ' if plain else ''}have its"
        " administrator change that file, then: SELECT pg_reload_conf();",
    )


def _no_database(expected: Expectation, told: str) -> LauncherError:
    listed = _typed(expected, "psql", "-U", "USER", "-l")
    made = _typed(expected, "createdb", "-U", "USER", expected.url.database)
    return ConfigurationError(
        "no-such-database",
        f"{expected.spot}: the server has no database '{printable(expected.url.database)}'. Nothing was created",
        f"{listed} lists those that it has; {made} makes it" if made else "make it on that server: CREATE DATABASE …;",
    )


def _no_connect(expected: Expectation, told: str) -> LauncherError:
    grant = f"GRANT CONNECT ON DATABASE {printable(identifier(expected.url.database))} TO {_role(expected)}"
    return no_right("this role may not connect to that database", grant, expected)


def _not_allowed(expected: Expectation, told: str) -> LauncherError:
    name = printable(identifier(expected.url.database))
    return no_right("that database takes no connections", f"ALTER DATABASE {name} ALLOW_CONNECTIONS true", expected)


def _option(what: str, hint: str) -> Callable[[Expectation, str], LauncherError]:
    def made(expected: Expectation, told: str) -> LauncherError:
        return ConfigurationError("bad-url", f"{expected.spot}: {what}: {told}", hint)

    return made


def _too_slow(setting: str, expected: Expectation) -> LauncherError:
    hint = f"ALTER ROLE {_role(expected)} SET {setting} = '1min';  or try again in a moment"
    return busy(f"did not answer in time: {setting}, which is set there, ended the session", expected, hint)


def replica(expected: Expectation) -> LauncherError:
    """The fault of a standby for a task that writes."""
    return WrongDataError(
        "replica",
        f"{expected.spot} is a replica (in recovery), and this task writes",
        f"point [databases.{expected.name}] at the primary server",
    )


def _by_state(state: str, error: BaseException, expected: Expectation) -> LauncherError:
    told = words(str(getattr(getattr(error, "diag", None), "message_primary", None) or error), expected)
    match state:
        case "55P03":
            held = "another session holds a lock on what must be read, and has not let go of it"
            return busy(f"cannot be looked at now: {held} (a migration?)", expected)
        case "57014":
            return busy("did not answer in time (statement_timeout)", expected)
        case "25P03" | "25P04":
            return _too_slow(_TIMEOUTS[state], expected)
        case "53300" | "57P03" | "57P01" | "57P02" | "40001" | "40P01" | "53200":
            return busy(f"is busy: {told}", expected)
        case "28P01" | "28000":
            return _login(expected, told)
        case "3D000":
            return _no_database(expected, told)
        case "25006":
            return read_only(told, expected)
        case "42501":
            return _denied(told, expected)
    return LauncherError(
        "server-error",
        UNREACHABLE,
        f"{expected.spot}: the server answered with error {state}: {told}",
        "look up that SQLSTATE in the server's documentation (PostgreSQL: Appendix A, Error Codes)",
    )


def _denied(told: str, expected: Expectation) -> LauncherError:
    """A right that we did not ask about before; the server's words name what it is a right to."""
    return LauncherError(
        "no-right",
        PERMISSION,
        f"{expected.spot}: {told}",
        f"have its owner GRANT role {_role(expected)} what the server names: in psql \\dp lists the rights to tables,"
        " \\dn+ to schemas, \\l to databases",
    )


def read_only(why: str, expected: Expectation, hint: str = "") -> LauncherError:
    """The fault of a database that takes no writes, for a task that writes."""
    return LauncherError(
        "read-only-server",
        PERMISSION,
        f"{expected.spot} is read-only ({why}), and this task writes",
        hint or "use a server that can be written",
    )


_KINDS: dict[str, Callable[[Expectation, str], LauncherError]] = {
    "login": _login,
    "no-login": _no_login,
    "hba": _no_entry,
    "no-database": _no_database,
    "no-connect": _no_connect,
    "not-allowed": _not_allowed,
    "full": lambda expected, told: busy("has too many connections", expected),
    "starting": lambda expected, told: busy("is starting up, recovering or shutting down", expected),
    "standby": lambda expected, told: replica(expected),
    "primary": lambda expected, told: WrongDataError(
        "replica",
        f"{expected.spot} is no replica, and target_session_attrs in the URL asks for one",
        "leave target_session_attrs away, or name the replica's host",
    ),
    "parameter": _option("an option was not accepted", "change what stands after the ? of the URL"),
    "idle": lambda expected, told: _too_slow(_TIMEOUTS["25P03"], expected),
    "statements": _option("a pooler is in the way", "in the pooler: pool_mode = transaction, or session"),
    "service": _option("service= or PGSERVICE", "write it into ~/.pg_service.conf, or where PGSERVICEFILE says"),
    "require-auth": _option("require_auth or PGREQUIREAUTH", "let it name the way that the server asks for"),
    "root-file": _option("sslrootcert or PGSSLROOTCERT", "let it name the file of the CA, or the word system"),
    "key-file": _option("sslkey or PGSSLKEY", "look at that file and its rights, and at sslpassword where it has one"),
    "certificate-file": _option("sslcert or PGSSLCERT", "look at that file and its rights"),
    "name": _unreachable("cannot be found: no name server knows that host", "is the host's name right?"),
    "refused": _unreachable("refused the connection: nobody listens there", "is it running? {ready}"),
    "silent": _unreachable(
        "did not answer in time",
        "is that host and port right, and does no lock on its catalogs hold the login back? {ready}",
    ),
    "no-way": _unreachable("cannot be reached from here: {told}", "is that host right, and the network up?"),
    "foreign": _unreachable("does not speak PostgreSQL's protocol", "is that the port of a PostgreSQL server?"),
    "tls": _unreachable(
        "and TLS: {told}", "change sslmode and the certificates in the URL, or the server's ssl setting"
    ),
    "closed": _unreachable("closed the connection: {told}", "does its log say why? {ready}"),
    "other": _unreachable("refused the connection: {told}", "{ready}"),
}
