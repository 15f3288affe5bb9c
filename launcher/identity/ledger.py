"""The ledger: which databases this workspace has accepted, as `known_hosts` keeps hosts (IDENTITY.md)."""

import os
from datetime import UTC, datetime
from typing import Any

from launcher.identity.expectation import Identity
from launcher.identity.ledger_file import Entry, change


def record(root: str, name: str, identity: Identity, how: str) -> None:
    """Write what was found as the accepted database of that name. Raises LauncherError where that cannot be done."""

    def add(entries: dict[str, Entry]) -> None:
        entries[name] = _new(root, identity, how)

    change(root, add)


def renew(root: str, name: str, began: Identity, now: Identity, file_id: str = "") -> None:
    """After a verified task: the high-water mark rises, and the entry follows its database where it may.

    began: as it was proven; now: as the task left it. file_id: the `id` of the profile file, which stands above the
    ledger. An entry that somebody has changed meanwhile stays as it is.
    """

    def follow(entries: dict[str, Entry]) -> None:
        new, old = _new(root, now, "id"), entries.get(name)
        by_file = same_id(new.db_id, file_id)
        if old is None or (by_file and not same_id(old.db_id, new.db_id)):
            entries[name] = new
        elif same_id(old.db_id, new.db_id) and ((same := is_same(old, began, root)) or by_file):
            entries[name] = _renewed(old, new, same, gone_back(old, now))

    change(root, follow)


def _renewed(old: Entry, new: Entry, same: bool, older: bool) -> Entry:
    """What this user, or a standby, cannot see of the same database is not forgotten; nor is its mark."""
    if same:
        unseen = {key: value for key, value in old.physical.items() if new.physical.get(key) is None}
        new = new._replace(physical={**new.physical, **unseen})
    if older or (same and new.high_water is None):
        new = new._replace(high_water=old.high_water, seen=old.seen)
    return new._replace(how=old.how, since=old.since)


def _new(root: str, identity: Identity, how: str) -> Entry:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    db_id = identity.stamp.db_id if identity.stamp else ""
    return Entry(db_id, identity.kind, place_of(root, identity), identity.settled, how, now, now)


def place_of(root: str, identity: Identity) -> dict[str, Any]:
    """The physical identity as the ledger keeps it: a file below `{root}` by its path there, so that a workspace may
    be renamed as a whole; a copy of the workspace has other files, which their inode numbers tell."""
    physical = dict(identity.physical)
    if "path" in physical:
        real, home = os.path.realpath(physical["path"]), os.path.join(os.path.realpath(root), "")
        below = os.path.normcase(real).startswith(os.path.normcase(home))
        physical["path"] = real[len(home) :].replace(os.sep, "/") if below else real
    return physical


def is_same(entry: Entry, identity: Identity, root: str) -> bool:
    """Whether the entry and what was found are physically one database, as far as both sides know.

    Not by the device number of a file: some systems number their devices anew at every start (btrfs, overlays).
    """
    found = place_of(root, identity)
    pairs = {key: (entry.physical.get(key), found.get(key)) for key in found if key != "device"}
    if "path" in pairs:
        pairs["path"] = (os.path.normcase(str(pairs["path"][0])), os.path.normcase(str(pairs["path"][1])))
        if 0 in pairs["inode"]:  # a file system without such numbers
            del pairs["inode"]
    known = [pair for pair in pairs.values() if None not in pair]
    return entry.kind == identity.kind and bool(known) and all(one == other for one, other in known)


def same_id(one: str, other: str) -> bool:
    """Whether two db_ids are one; people write them in capitals too."""
    return one.casefold() == other.casefold()


def gone_back(entry: Entry, identity: Identity) -> bool:
    """Whether its number is below the entry's mark, wherever it is now; the numbers of two servers say nothing.

    Where a user may not see which server it is, the database's own number there has to do.

    SQLite's counter has 32 bits and begins again after the last.
    """
    found, server = identity.high_water, "system_identifier"
    if entry.high_water is None or found is None or entry.kind != identity.kind:
        return False
    if entry.kind == "sqlite":
        return (found - entry.high_water) % 2**32 >= 2**31
    servers = entry.physical.get(server), identity.physical.get(server)
    alike = entry.physical.get("oid") == identity.physical.get("oid") if None in servers else servers[0] == servers[1]
    return alike and found < entry.high_water
