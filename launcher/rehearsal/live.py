"""What the engine's own connection says of the database it is on; nothing of it is read from the environment."""

import os
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, column, event, func, inspect, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from launcher.rehearsal.errors import WorkloadError
from launcher.rehearsal.models import REQUIRED_TABLES, Base

STAMP = table("autopack_identity", column("key"), column("value"))
STAMP_KEYS = ("db_id", "database")
COUNT_LIMIT = 1000  # a count of all rows takes seconds on a large table

POSTGRESQL = """
SELECT current_database() AS database, current_schema() AS schema, inet_server_port() AS port,
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS oid
"""
DATABASES = "PRAGMA database_list"
MYSQL = "SELECT DATABASE() AS `database`, @@hostname AS host, @@port AS port"

Fields = dict[str, Any]


def remember_files(engine: Engine) -> None:
    """Note with each connection to a SQLite file which file that is (device and inode)."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["file"] = _numbers(_main_file(connection.execute(DATABASES)))


def identity(connection: Connection) -> Fields:
    """Return which database a connection is on. Raises WorkloadError where that cannot be said."""
    kind = connection.dialect.name
    return {"kind": kind, **_PLACES.get(kind, _unknown)(connection), "stamp": _stamp(connection)}


def missing_tables(connection: Connection) -> list[str]:
    """Return the names of the workload's tables that are not there."""
    return sorted(REQUIRED_TABLES - set(inspect(connection).get_table_names()))


def counts(connection: Connection) -> dict[str, int | str]:
    """Return the number of rows of each table, or ">=1001"."""
    found: dict[str, int | str] = {}
    for each in Base.metadata.sorted_tables:
        some = select(text("1")).select_from(each).limit(COUNT_LIMIT + 1).subquery()
        number = connection.scalar(select(func.count()).select_from(some)) or 0
        found[each.name] = number if number <= COUNT_LIMIT else f">={number}"
    return found


def _numbers(path: str) -> tuple[int, int]:
    # Never open() it: closing that would drop the locks that SQLite holds in this process.
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _main_file(rows: Iterable[Any]) -> str:
    """Return the path of `main`; `temp` and what is attached are listed beside it."""
    return next(str(file) for _, name, file in rows if name == "main")


def _sqlite(connection: Connection) -> Fields:
    path = _main_file(connection.exec_driver_sql(DATABASES))
    try:
        device, inode = _numbers(path)
    except OSError as error:
        raise WorkloadError(f"the file is gone from its place ({error.strerror})") from None
    if (device, inode) != connection.info["file"]:
        raise WorkloadError("another file is in the place of the one that this server has open")
    return {"file": path, "device": device, "inode": inode}


def _postgresql(connection: Connection) -> Fields:
    fields: Fields = dict(connection.execute(text(POSTGRESQL)).one()._mapping)
    try:
        with connection.begin_nested():
            query = text("SELECT system_identifier::text FROM pg_control_system()")
            fields["system_identifier"] = connection.scalar(query)
    except DBAPIError:
        # Not every role may ask; oid and stamp must do then.
        fields["system_identifier"] = None
    return fields


def _mysql(connection: Connection) -> Fields:
    return dict(connection.execute(text(MYSQL)).one()._mapping)


def _unknown(_connection: Connection) -> Fields:
    return {}


_PLACES = {"sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mysql, "mariadb": _mysql}


def _stamp(connection: Connection) -> dict[str, str] | None:
    """Return what the launcher, or whoever else, wrote into the database about it; None: no such table."""
    if not inspect(connection).has_table(STAMP.name):
        return None
    rows = connection.execute(select(STAMP.c.key, STAMP.c.value).where(STAMP.c.key.in_(STAMP_KEYS)))
    return {str(key): str(value) for key, value in rows}
