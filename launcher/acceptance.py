"""A database becomes this workspace's: after a `creates` task, or because an operator says so. Stamp and ledger."""

from typing import NamedTuple

from launcher.errors import ConfigurationError, LauncherError, WrongDataError
from launcher.identity import ledger, ledger_file
from launcher.identity.expectation import Expectation, Identity, printable
from launcher.identity.stamp import write_stamp
from launcher.identity.standing import NONE, for_good, is_at, is_itself, older, original_of, refuse_two_names
from launcher.identity.verdict import (
    inspect_database,
    judge,
    judge_name,
    judge_tables,
    look_at,
    refuse_two_urls,
    unstamped,
)


class Accepted(NamedTuple):
    """What was accepted. words: `adopted as 'telemetry' (db_id …)`, or that it was known already."""

    words: str
    identity: Identity


def accept_created(expected: Expectation) -> str:
    """After a task that creates it: it must have its tables; stamp it, and write it into the ledger.

    Returns what to tell, "" where an earlier run has done both. Raises LauncherError.
    """
    # A server's database was there before the task: what is missing now are its tables, which the judge words.
    expected = expected._replace(needs_rows=(), creates=expected.url.dialect == "sqlite")
    with ledger_file.held(expected.root):
        identity = inspect_database(expected)
        if identity is None:
            raise WrongDataError(
                "no-tables",
                f"the task ended with 0, and there is no database at {expected.url.shown} ({expected.place})",
                "does the program use DATABASE_URL? Run it with exec and look where it writes",
            )
        expected = expected._replace(creates=False)
        if identity.stamp is not None:
            judge(identity, expected)
            if not expected.accept:
                ledger.renew(expected.root, expected.name, identity, identity, expected.db_id)
            return ""
        judge_tables(identity, expected)
        refuse_two_names(identity, expected, ledger_file.read(expected.root))
        identity = _stamped(expected, identity, renewed=False)
        ledger.record(expected.root, expected.name, identity, "created")
    return f"{_name(identity, expected, 'stamped')} at {identity.spot}"


def adopt(expected: Expectation, how: str | None) -> Accepted:
    """Accept the existing database under the expected name. how: `moved`, `copy`, `restored`; None: the first time.

    Raises LauncherError where it is not one that this way of accepting is for.
    """
    _refuse_missing(expected)
    with ledger_file.held(expected.root):
        identity = inspect_database(expected)
        if identity is None:
            raise WrongDataError("not-proven", f"nothing to adopt at {expected.url.shown}")
        judge_name(identity, expected)
        judge_tables(identity, expected)
        entries = ledger_file.read(expected.root)
        refuse_two_names(identity, expected, entries)
        entry = entries.get(expected.name)
        if how == "copy":
            return _adopt_copy(identity, expected, entry)
        if how is not None:
            return _adopt_known(identity, expected, entry, how)
        if identity.stamp is not None or not expected.stamped:
            return _adopt_found(identity, expected)
        if entry is not None and entry.db_id and not ledger.same_id(expected.accept, NONE):
            raise unstamped(identity, expected)
        return _record(_stamped(expected, identity, renewed=False), expected, "adopted")


def _refuse_missing(expected: Expectation) -> None:
    """Before the launcher's folder is made for the ledger's lock: where there is no file, no folder is left behind."""
    if expected.url.dialect == "sqlite":
        from launcher.identity import sqlite_file

        refuse_two_urls(expected)
        sqlite_file.refuse_network(expected)
        sqlite_file.missing(expected)


def _adopt_found(identity: Identity, expected: Expectation) -> Accepted:
    """One that is stamped already, or never will be: the first time, or what `--accept` names."""
    try:
        judge(identity, expected._replace(needs_rows=(), revision=""))
    except LauncherError as error:
        if error.slug != "not-adopted":
            raise
        return _record(identity, expected, "adopted")
    if expected.accept:
        return _record(identity, expected, "accepted")
    entry = ledger_file.read(expected.root).get(expected.name)
    if entry is None or not _is_known(entry, identity, expected):  # its id in the profile file made it known
        return _record(identity, expected, "id")
    return Accepted(_name(identity, expected, "already"), identity)


def _is_known(entry: ledger_file.Entry, identity: Identity, expected: Expectation) -> bool:
    db_id = identity.stamp.db_id if identity.stamp else ""
    return ledger.same_id(entry.db_id, db_id) and ledger.is_same(entry, identity, expected.root)


def _adopt_known(identity: Identity, expected: Expectation, entry: ledger_file.Entry | None, how: str) -> Accepted:
    """A database that the ledger knows, by its stamp, somewhere else or as it was once."""
    if entry is None:
        raise WrongDataError(
            "not-adopted",
            f"adopt --{how}: the ledger does not know '{expected.name}' yet",
            f"the first time it is: autopack-run {expected.profile} adopt",
        )
    db_id = identity.stamp.db_id if identity.stamp else ""
    if not ledger.same_id(entry.db_id, db_id):
        raise WrongDataError(
            "wrong-database",
            f"adopt --{how}: {identity.spot} ({expected.place}) has {f'db_id {db_id}' if db_id else 'no stamp'},"
            f" the ledger knows '{expected.name}' by {f'db_id {entry.db_id}' if entry.db_id else 'none'}",
            f"if that is meant: {for_good(identity, expected)}",
        )
    if how == "moved":
        _refuse_unmoved(identity, expected, entry)
    return _record(identity, expected, how)


def _refuse_unmoved(identity: Identity, expected: Expectation, entry: ledger_file.Entry) -> None:
    original, restored = _original(entry, identity, expected), f"autopack-run {expected.profile} adopt --restored"
    if original:
        raise WrongDataError(
            "copied-or-moved",
            f"adopt --moved: the original is still there ({original}), so {identity.spot} is a copy",
            f"a database of its own: autopack-run {expected.profile} adopt --copy; or take the original away first;"
            f" a backup that takes its place: {restored}",
        )
    if told := older(identity, entry):
        raise WrongDataError("rolled-back", f"adopt --moved: {identity.spot} was moved{told}", f"if meant: {restored}")


def _original(entry: ledger_file.Entry, identity: Identity, expected: Expectation) -> str:
    """Where the ledger's database still is beside the one that was found, "" where it is not, or cannot be seen."""
    if ledger.is_same(entry, identity, expected.root):
        return ""
    if entry.kind == "sqlite":
        path = original_of(entry, expected.root)
        return _bearing(path, entry.db_id) if path and not is_at(path, identity) else ""
    *servers, database = ("system_identifier", "oid") if entry.kind == "postgresql" else ("host", "port", "database")
    known, found = entry.physical, identity.physical
    if known.get(database) in (None, found.get(database)):
        return _original_schema(entry, identity, expected)
    if any(known.get(key) is None or known[key] != found.get(key) for key in servers):
        return ""
    from launcher.identity import server

    name = server.still_there(expected, known, entry.db_id)
    return printable(f"database {name} of the same server") if name else ""


def _original_schema(entry: ledger_file.Entry, identity: Identity, expected: Expectation) -> str:
    """Likewise for two schemas of one PostgreSQL database, which their stamps' tables tell apart."""
    known, found = entry.physical, identity.physical
    one, other = known.get("system_identifier"), found.get("system_identifier")
    stamp, here = known.get("stamp_oid"), found.get("stamp_oid")
    another_server = None not in (one, other) and one != other
    if entry.kind != "postgresql" or another_server or stamp is None or here in (None, stamp):
        return ""
    from launcher.identity import server

    schema = server.stamp_still_there(expected, stamp)
    return printable(f"schema {schema} of the same database") if schema else ""


def _bearing(path: str, db_id: str) -> str:
    """The path where the file there is the original, as far as its stamp tells; also where it cannot be looked at."""
    try:
        found = look_at(path)
    except LauncherError as error:
        return f"{path}, which cannot be looked at: {error.message}"
    own = found.stamp.db_id if found and found.stamp else ""
    return path if found is not None and ledger.same_id(own, db_id) else ""


def _adopt_copy(identity: Identity, expected: Expectation, entry: ledger_file.Entry | None) -> Accepted:
    """A copy becomes a database of its own, by a db_id of its own."""
    if expected.db_id or not expected.stamped:
        key = f'id = "{expected.db_id}"' if expected.db_id else "stamp = false"
        raise ConfigurationError(
            "profile-file",
            f"adopt --copy gives the copy a db_id of its own, and [databases.{expected.name}] says {key}",
            "take that key away first",
        )
    if identity.stamp is None:
        raise WrongDataError(
            "unstamped",
            f"adopt --copy: {identity.spot} has no stamp that it could have been copied with",
            f"autopack-run {expected.profile} adopt",
        )
    db_id = identity.stamp.db_id
    if not ledger.same_id(entry.db_id if entry else "", db_id) and not ledger.same_id(expected.accept, db_id):
        raise WrongDataError(
            "not-accepted",
            f"adopt --copy writes a new db_id into {identity.spot}, and the ledger does not know the original"
            f" (db_id {db_id}): this may be the original",
            f"if it is a copy: {for_good(identity, expected)} --copy",
        )
    if entry is not None and ledger.same_id(entry.db_id, db_id):
        _refuse_no_copy(identity, expected, entry)
    return _record(_stamped(expected, identity, renewed=True), expected, "copied")


def _refuse_no_copy(identity: Identity, expected: Expectation, entry: ledger_file.Entry) -> None:
    """A new db_id in the one and only file would leave none with the old one."""
    known = ledger.is_same(entry, identity, expected.root)
    if known or is_itself(entry, identity, expected.root):
        raise WrongDataError(
            "not-a-copy",
            f"adopt --copy: {identity.spot} is the very database that the ledger knows, not a copy"
            f"{'' if known else '; it is the same file by another path'}",
            f"autopack-run {expected.profile} {'check' if known else 'adopt --moved'}",
        )


def _stamped(expected: Expectation, identity: Identity, renewed: bool) -> Identity:
    """Stamp it, and look again: what the ledger keeps is what stands there afterwards."""
    if not expected.stamped:
        return identity
    write_stamp(expected, renewed)
    return inspect_database(expected._replace(needs_rows=())) or identity


def _record(identity: Identity, expected: Expectation, how: str) -> Accepted:
    ledger.record(expected.root, expected.name, identity, how)
    added = {"copied": " as a database of its own:", "adopted": " as", "id": ", by the id of the profile file, as"}
    return Accepted(_name(identity, expected, f"adopted{added.get(how, f' ({how}) as')}"), identity)


def _name(identity: Identity, expected: Expectation, words: str) -> str:
    db_id = f"db_id {identity.stamp.db_id}" if identity.stamp else "no stamp (stamp = false)"
    return f"{words} '{expected.name}' ({db_id})"
