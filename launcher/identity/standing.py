"""Is it the very database that the ledger knows? Or copied, moved, promoted, replaced, rolled back, never adopted."""

import os
import re
from typing import Any

from launcher.errors import WrongDataError
from launcher.identity import ledger, ledger_file
from launcher.identity.expectation import Expectation, Identity
from launcher.identity.ledger_file import Entry
from launcher.identity.sqlite_path import same_file

_PLAIN = re.compile("[0-9A-Za-z-]+")
_ID = re.compile("[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""What the profile file takes for an `id`, as its schema says."""
NONE = "none"
"""The db_id of what has no stamp, for --accept."""


def judge_standing(identity: Identity, expected: Expectation) -> tuple[str, ...]:
    """Notes on what is no fault; raises WrongDataError where the database is not the one that was accepted.

    Its name is the right one: that comes first, and no override exists for it.
    """
    if not expected.root:
        return ()
    entries = ledger_file.read(expected.root)
    refuse_two_names(identity, expected, entries)
    _refuse_other_id(identity, expected)
    entry = entries.get(expected.name)
    fault = _fault(identity, expected, entry)
    if expected.accept:
        notes = _accepted(identity, expected, fault)
        return notes if fault else (*notes, *_rolled_back(identity, expected, entry))
    if fault is None:
        return _rolled_back(identity, expected, entry)
    # The file's id is the truth of a team, which shares no ledger: a copy is told, not refused. An older one is.
    if expected.db_id and fault.slug in ("copied-or-moved", "promoted"):
        note = f"{fault.message}; the id in the profile file accepts it"
        return (note, *_rolled_back(identity, expected, entry))
    raise fault


def _accepted(identity: Identity, expected: Expectation, fault: WrongDataError | None) -> tuple[str, ...]:
    found = identity.stamp.db_id if identity.stamp else NONE
    if not ledger.same_id(found, expected.accept):
        raise WrongDataError(
            "not-accepted",
            f"--accept db_id={expected.accept}: {identity.spot} has db_id {found}",
            "accept the one that is there, or fix the url",
        )
    if fault is None:
        return (f"--accept db_id={expected.accept} was not needed: the ledger knows it",)
    return (f"accepted for this once (--accept db_id={expected.accept}): {fault.message}",)


def _fault(identity: Identity, expected: Expectation, entry: Entry | None) -> WrongDataError | None:
    """What speaks against it, by the pair of logical and physical identity; None where it is the accepted one."""
    db_id = identity.stamp.db_id if identity.stamp else ""
    if entry is None:
        return None if expected.db_id and db_id else _not_adopted(identity, expected)
    logical, physical = ledger.same_id(entry.db_id, db_id), ledger.is_same(entry, identity, expected.root)
    if expected.db_id and not logical:  # the file has another id now than when the ledger was written
        return None
    if logical:
        return None if physical else _elsewhere(identity, expected, entry)
    return _replaced(identity, expected, entry) if physical else _another(identity, expected, entry)


def _spot(identity: Identity, expected: Expectation) -> str:
    return f"{identity.spot} ({expected.place})"


def _own(identity: Identity) -> str:
    return f"db_id {identity.stamp.db_id}" if identity.stamp else "no stamp"


def _known(entry: Entry) -> str:
    return f"db_id {entry.db_id}" if entry.db_id else "no stamp"


def told(physical: Any) -> str:
    """A physical identity for a person: `path telemetry.db, inode 12`."""
    return ", ".join(f"{key} {value}" for key, value in physical.items() if value is not None and key != "device")


def for_good(identity: Identity, expected: Expectation) -> str:
    """The command that accepts what was found, by its db_id, `none` where it has no stamp."""
    return f"autopack-run {_accept(identity)} {expected.profile} adopt"


def _accept(identity: Identity) -> str:
    """The option; a stamp may say anything, and what a shell could take for a command is left for a person to type."""
    db_id = identity.stamp.db_id if identity.stamp else NONE
    return f"--accept db_id={db_id if _PLAIN.fullmatch(db_id) else '…'}"


def _for_once(identity: Identity, expected: Expectation) -> str:
    """Without a db_id there is nothing that could be named."""
    stamp = identity.stamp
    return f"; for once: autopack-run {_accept(identity)} {expected.profile} TASK" if stamp else ""


def _refuse_other_id(identity: Identity, expected: Expectation) -> None:
    """What the profile file says is meant for all, so --accept does not stand above it."""
    if not expected.db_id or identity.stamp is None or ledger.same_id(identity.stamp.db_id, expected.db_id):
        return
    raise WrongDataError(
        "wrong-database",
        f"{_spot(identity, expected)} is a '{expected.name}' with {_own(identity)};"
        f" the profile file says id {expected.db_id}",
        f"fix the url or the id of [databases.{expected.name}]",
    )


def _not_adopted(identity: Identity, expected: Expectation) -> WrongDataError:
    db_id = identity.stamp.db_id if identity.stamp else ""
    team = f'; for the whole team: id = "{db_id}" in [databases.{expected.name}]' if _ID.fullmatch(db_id) else ""
    return WrongDataError(
        "not-adopted",
        f"{_spot(identity, expected)} says it is '{expected.name}' ({_own(identity)}),"
        " and this workspace has neither created nor adopted it",
        f"if it is the right one: autopack-run {expected.profile} adopt{team}",
    )


def _elsewhere(identity: Identity, expected: Expectation, entry: Entry) -> WrongDataError:
    found = ledger.place_of(expected.root, identity)
    if _is_promoted(found, entry.physical):
        return WrongDataError(
            "promoted",
            f"{_spot(identity, expected)} is on timeline {found['timeline']}, the ledger says"
            f" {entry.physical['timeline']}: a promoted standby, or a restore to a point in time."
            " If the old primary still runs, each of the two takes writes that the other has not",
            f"if the old primary is gone: autopack-run {expected.profile} adopt --moved",
        )
    link = f"; {identity.spot} is a link" if entry.kind == "sqlite" and os.path.islink(identity.spot) else ""
    original, itself = original_of(entry, expected.root), is_itself(entry, identity, expected.root)
    still = f"; the original is still at {original}" if original and not is_at(original, identity) else ""
    still = "; it is the same file by another path" if itself else still
    return WrongDataError(
        "copied-or-moved",
        f"{_spot(identity, expected)} was copied or moved: the ledger says {told(entry.physical)},"
        f" found {told(found)}, both with {_own(identity)}{link}{still}{older(identity, entry)}",
        f"moved: autopack-run {expected.profile} adopt --moved{'' if itself else _if_no_move(expected)}"
        f"{_for_once(identity, expected)}",
    )


def _if_no_move(expected: Expectation) -> str:
    """What has no stamp and no new id cannot be told from its original."""
    own = expected.stamped and not expected.db_id
    return (
        f";{' a copy, to be a database of its own: adopt --copy;' if own else ''} a restored backup: adopt --restored"
    )


def older(identity: Identity, entry: Entry) -> str:
    """What to add where the found one is behind the ledger's mark, or ""."""
    if not ledger.gone_back(entry, identity):
        return ""
    return f"; and it is older: its {_counter(entry)} is {identity.high_water}, and was {entry.high_water}"


def _counter(entry: Entry) -> str:
    return "change counter" if entry.kind == "sqlite" else "next transaction"


def _is_promoted(found: Any, known: Any) -> bool:
    """Whether only the timeline tells the two apart, as far as both sides know: a role may see less than another."""
    pairs = {key: (found.get(key), known.get(key)) for key in ("system_identifier", "oid", "timeline")}
    both = {key: one == other for key, (one, other) in pairs.items() if None not in (one, other)}
    return both.get("oid", False) and both.get("system_identifier", True) and not both.get("timeline", True)


def original_of(entry: Entry, root: str) -> str:
    """The path of the ledger's SQLite file where a file is still there, else ""."""
    path = os.path.join(os.path.realpath(root), str(entry.physical.get("path", "")))
    return os.path.normpath(path) if entry.kind == "sqlite" and os.path.isfile(path) else ""


def is_at(path: str, identity: Identity) -> bool:
    """Whether the file is the found one itself, by whatever name: a folder may be mounted in two places."""
    found = str(identity.physical.get("path", ""))
    if identity.physical.get("inode") == 0:  # a file system without such numbers
        return os.path.realpath(path) == os.path.realpath(found)
    return same_file(path, found)


def is_itself(entry: Entry, identity: Identity, root: str) -> bool:
    """Whether what was found is the very file that the ledger knows, by whatever path; none that took its place."""
    original = original_of(entry, root)
    numbers = entry.physical.get("inode"), identity.physical.get("inode")
    return bool(original) and is_at(original, identity) and numbers[0] == numbers[1]


def _replaced(identity: Identity, expected: Expectation, entry: Entry) -> WrongDataError:
    return WrongDataError(
        "replaced",
        f"{_spot(identity, expected)} was replaced in place: the ledger says {_known(entry)} here,"
        f" found {_own(identity)}",
        f"find out who did; if that is meant: {for_good(identity, expected)}",
    )


def _another(identity: Identity, expected: Expectation, entry: Entry) -> WrongDataError:
    return WrongDataError(
        "wrong-database",
        f"{_spot(identity, expected)} is another '{expected.name}': the ledger says {_known(entry)} at"
        f" {told(entry.physical)}, found {_own(identity)} at {told(ledger.place_of(expected.root, identity))}",
        f"fix the url of [databases.{expected.name}]; if that is meant: {for_good(identity, expected)}",
    )


def _rolled_back(identity: Identity, expected: Expectation, entry: Entry | None) -> tuple[str, ...]:
    """A number that only rises is below what it was when a task had ended here."""
    db_id = identity.stamp.db_id if identity.stamp else ""
    if entry is None or not ledger.same_id(entry.db_id, db_id) or not ledger.gone_back(entry, identity):
        return ()
    message = (
        f"{_spot(identity, expected)} was rolled back: its {_counter(entry)} is {identity.high_water}, and was"
        f" {entry.high_water} at {entry.seen}: an older state was put in its place, and what came after is not in it"
    )
    if expected.warns:
        return (message,)
    raise WrongDataError(
        "rolled-back", message, f"if that was a restore: autopack-run {expected.profile} adopt --restored"
    )


def refuse_two_names(identity: Identity, expected: Expectation, entries: dict[str, Entry]) -> None:
    """Raise WrongDataError where the ledger knows this very database under another name of the profile file."""
    db_id = identity.stamp.db_id if identity.stamp else ""
    for name, url, place in expected.others:
        entry = entries.get(name)
        # Another stamp: the other entry is an old one, of a database whose place this one has taken.
        if (
            entry is None
            or not ledger.same_id(entry.db_id, db_id)
            or not ledger.is_same(entry, identity, expected.root)
        ):
            continue
        raise WrongDataError(
            "two-names",
            f"'{expected.name}' ({expected.place}) and '{name}' ({place}: {url.shown}) are one database:"
            f" {identity.spot}, {told(entry.physical)}",
            "keep one of the two entries",
        )
