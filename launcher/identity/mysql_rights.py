"""Whether a task that writes can write there: replicas, read-only servers, and what the user may do."""

import re
from typing import TYPE_CHECKING, NamedTuple

from launcher.errors import LauncherError, WrongDataError
from launcher.identity import mysql_faults, mysql_numbers
from launcher.identity.expectation import Expectation
from launcher.identity.mysql_connect import is_mariadb, run

if TYPE_CHECKING:
    from sqlalchemy import Connection

_OFF = ("0", "OFF")
_GRANT = re.compile(
    r"GRANT (?P<rights>.+?) ON (?:TABLE )?(?P<database>\*|`(?:[^`]|``)*`)\.(?P<table>\*|`(?:[^`]|``)*`) TO "
)
# https://mariadb.com/kb/en/read_only/ and https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html
_BYPASS = {"ALL PRIVILEGES", "SUPER", "READ_ONLY ADMIN", "CONNECTION_ADMIN"}
_WRITES = {"ALL PRIVILEGES", "INSERT", "UPDATE", "DELETE"}


class Grant(NamedTuple):
    """Rights to tables. database: a pattern of LIKE; table: "" for all; both "" for the whole server."""

    rights: frozenset[str]
    database: str
    table: str


class Standing(NamedTuple):
    """grants: None where they cannot be told, for instance because some come with a role."""

    replica: bool
    read_only: bool
    grants: tuple[Grant, ...] | None


def standing(connection: "Connection", settings: dict[str, str], expected: Expectation) -> Standing:
    """How far the server lets anybody, and this user, write. Raises LauncherError for a task that writes where a
    replica or a read-only server would not let it."""
    grants = _grants(connection)
    replica = _is_replica(connection)
    blocks = _blocking(settings, grants)
    writes = expected.writes or expected.creates
    if writes and replica:
        raise WrongDataError(
            "replica",
            f"{expected.spot} is a replica of another server: what is written there is lost"
            " to that one, or stops the replication",
            "fix the url: name the primary server",
        )
    if writes and blocks:
        raise mysql_faults.read_only(expected, blocks)
    return Standing(replica, bool(blocks), grants)


def _blocking(settings: dict[str, str], grants: tuple[Grant, ...] | None) -> str:
    """The setting that keeps this user from writing, or ""."""
    on = [name for name, value in settings.items() if name.endswith("read_only") and value.upper() not in _OFF]
    for name in ("innodb_read_only", "super_read_only", "transaction_read_only", "tx_read_only"):
        if name in on:
            return name
    # Where the grants cannot be told, read_only is believed: a false alarm names its setting, a lost task does not.
    bypass = grants is not None and any(not each.database and each.rights & _BYPASS for each in grants)
    return "read_only" if "read_only" in on and not bypass else ""


def refuse_no_write(
    standing: Standing, database: str, account: tuple[str, str], ours: dict[str, str], expected: Expectation
) -> None:
    """Raise LauncherError where a task that writes has no right to change any of the tables that it needs."""
    if not (expected.writes or expected.creates) or standing.grants is None or not ours:
        return
    wanted = _WRITES | ({"CREATE"} if expected.creates else set())
    here = [each for each in standing.grants if each.rights & wanted and _means(each.database, database)]
    if any(not each.table or each.table.casefold() in ours for each in here):
        return
    fault = mysql_faults.no_right(expected, "INSERT, UPDATE, DELETE", "*", *account)
    message = f"{fault.message} (this task writes)"
    raise LauncherError(fault.slug, fault.code, message, fault.hint)


def _means(pattern: str, database: str) -> bool:
    """Whether a grant's database, where % and _ stand for others unless escaped, is this one."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    signs = {"%": ".*", "_": "."}
    form = "".join(signs.get(part) or re.escape(part[1:] if part[0] == "\\" and part[1:] else part) for part in parts)
    return not pattern or re.fullmatch(form, database, re.DOTALL | re.IGNORECASE) is not None


def _grants(connection: "Connection") -> tuple[Grant, ...] | None:
    from sqlalchemy.exc import DBAPIError

    try:
        lines = [str(row[0]) for row in run(connection, "SHOW GRANTS")]
    except DBAPIError as error:
        if mysql_faults.number(error) not in mysql_numbers.UNTOLD:
            raise
        return None
    found = []
    for line in lines:
        match = _GRANT.match(line)
        if match:
            rights = re.sub(r"\([^)]*\)", "", match["rights"])  # columns
            names = frozenset(each.strip().upper() for each in rights.split(","))
            found.append(Grant(names, _bare(match["database"]), _bare(match["table"])))
        elif not line.startswith(("GRANT PROXY", "SET DEFAULT ROLE", "REVOKE")) and " ON " not in line:
            return None  # a role, whose grants this list may lack
    return tuple(found)


def _bare(name: str) -> str:
    return "" if name == "*" else name[1:-1].replace("``", "`")


def _is_replica(connection: "Connection") -> bool:
    """As far as this user may know: MariaDB tells everybody how many replication threads run, and only some more."""
    from sqlalchemy.exc import DBAPIError

    ways = (
        ("SHOW ALL SLAVES STATUS", "SHOW GLOBAL STATUS WHERE Variable_name = 'Slaves_running' AND Value <> '0'")
        if is_mariadb(connection)
        else ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
    )
    for way in ways:
        try:
            if run(connection, way).fetchall():
                return True
        except DBAPIError as error:
            if mysql_faults.number(error) not in mysql_numbers.UNTOLD:
                raise
    return False
