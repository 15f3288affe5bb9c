"""Writing the stamp: the one place where the launcher writes into a database."""

from launcher.identity.expectation import Expectation, Stamp


def write_stamp(expected: Expectation, renewed: bool = False) -> Stamp:
    """Stamp the existing database at the expected place with its name; return the stamp.

    renewed: it gets a new db_id in the place of the one that it has (`adopt --copy`). Raises LauncherError where
    somebody else stamped it meanwhile or it cannot be written.
    """
    stamp = _new_stamp(expected)
    if expected.url.dialect == "sqlite":
        from launcher.identity import sqlite_stamp

        sqlite_stamp.write_stamp(expected, stamp, renewed)
    else:
        from launcher.identity import server

        server.write_stamp(expected, stamp, renewed)
    return stamp


def _new_stamp(expected: Expectation) -> Stamp:
    import uuid
    from datetime import UTC, datetime

    db_id = expected.db_id or str(uuid.uuid4())
    return Stamp(db_id, expected.name, datetime.now(UTC).isoformat(timespec="seconds"))
