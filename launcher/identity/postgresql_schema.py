"""Where a PostgreSQL role finds our tables by its search_path, where they are, and what it may do with them."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from launcher.errors import LauncherError, WrongDataError
from launcher.identity import postgresql_options, stamp_table
from launcher.identity.expectation import STAMP_TABLE, Expectation, printable
from launcher.identity.postgresql_faults import identifier, no_right
from launcher.identity.stamp_table import no_table

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# What is of such a kind is read, and would be written, where it comes from. By pg_class.relkind.
_NOT_OWN = {"f": "a foreign table", "v": "a view", "m": "a materialized view"}
_NO_STAMP = _NOT_OWN | {"p": "a partitioned table"}  # a partition may be a foreign table
ALEMBIC = "alembic_version"
OTHERS = 50
# By name through the index of pg_class, so that neither rows nor other tables cost anything. Another session's
# temporary tables are nobody's here; our own session may have some, since a pooler hands sessions on.
_RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text, pg_catalog.pg_table_is_visible(c.oid),
       n.oid = pg_catalog.pg_my_temp_schema(),
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       pg_catalog.has_any_column_privilege(c.oid, 'SELECT'),
       pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE') OR pg_catalog.has_table_privilege(c.oid, 'DELETE')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = ANY(:names) AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname <> 'information_schema'
  AND (n.nspname NOT LIKE 'pg!_%' ESCAPE '!' OR n.oid = pg_catalog.pg_my_temp_schema())
ORDER BY n.nspname
"""
# Not those of an extension, as PostGIS' spatial_ref_sys: CREATE EXTENSION has made them, and no program.
_OTHER_NAMES = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relkind IN ('r', 'p', 'f') AND NOT EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname LIMIT :limit
"""
_OTHER_CASE = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relkind IN ('r', 'p', 'f') AND lower(c.relname) = ANY(:names) LIMIT :limit
"""
_USAGE = "SELECT pg_catalog.has_schema_privilege(oid, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = :schema"

# Who may make a schema may have its tables there.
_CREATE = """
SELECT pg_catalog.has_schema_privilege(oid, 'CREATE')
       OR pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
FROM pg_catalog.pg_namespace WHERE nspname = :schema
"""


class Session(NamedTuple):
    """Whose session it is. path: the search_path in force; schema: the first of it that exists, or None.

    path_source: who has set the path, as in pg_settings.source; None where the client has not.
    """

    role: str
    database: str
    path: str
    schema: str | None
    path_source: str | None


class Relation(NamedTuple):
    """A table or view. kind: pg_class.relkind. visible: its bare name means it. usage: of its schema. reads, writes:
    may this role."""

    oid: int
    schema: str
    name: str
    kind: str
    visible: bool
    temporary: bool
    usage: bool
    reads: bool
    writes: bool


class Layout(NamedTuple):
    """schema: where our tables are, None where search_path reaches none. tables: ours there and Alembic's, by name."""

    schema: str | None
    tables: Mapping[str, Relation]


def required(expected: Expectation) -> list[str]:
    """The names of the tables that must be there, once each."""
    return list(dict.fromkeys((*expected.tables, *expected.needs_rows)))


def layout(db: "Connection", session: Session, expected: Expectation) -> Layout:
    """Where the stamp, the required tables and Alembic's are, all in one schema.

    Raises LauncherError where a bare name would lead elsewhere or the stamp is no table of this database's own (65), or
    a right is missing (77).
    """
    from sqlalchemy import text

    names = [STAMP_TABLE, *required(expected), ALEMBIC]
    found = [Relation(*row) for row in db.execute(text(_RELATIONS), {"names": names})]
    if expected.schema:
        _refuse_unusable(db, session, expected)
    home = expected.schema or _home(found, session, expected)
    for name in required(expected):
        _refuse_elsewhere(name, [each for each in found if each.name == name], home, session, expected)
    # Alembic's may be elsewhere (version_table_schema): the one that its bare name means, where ours are without.
    here = {each.name: each for each in found if each.schema == home or (each.name == ALEMBIC and each.visible)}
    here |= {each.name: each for each in found if each.schema == home}
    if STAMP_TABLE in here and (what := _NO_STAMP.get(here[STAMP_TABLE].kind)):
        raise bad_stamp(f"it is {what}, so its rows may be another database's", home, expected)
    for name in required(expected):
        if name in here and (what := _NOT_OWN.get(here[name].kind)):
            raise no_table(name, what, expected)
    return Layout(home, here)


def bad_stamp(why: str, schema: str | None, expected: Expectation) -> WrongDataError:
    """The fault of a table with the stamp's name that is none."""
    rename = f"ALTER TABLE {identifier(schema or '')}.{STAMP_TABLE} RENAME TO {STAMP_TABLE}_old;"
    return stamp_table.bad_stamp(expected.spot, why, printable_hint(rename), expected)


def _home(found: list[Relation], session: Session, expected: Expectation) -> str | None:
    """The stamp's schema; without a stamp that of the first required table, else where new tables would go.

    Where no stamp is wanted, one elsewhere moves nothing; one beside our tables is read all the same.
    """
    stamps = [each for each in found if each.name == STAMP_TABLE and not each.temporary] if expected.stamped else []
    stamps = [each for each in stamps if each.visible or each.kind not in _NO_STAMP]
    if any(each.visible for each in stamps):
        return next(each.schema for each in stamps if each.visible)
    seen = {each.name: each.schema for each in found if each.visible and not each.temporary}
    first = next((seen[name] for name in required(expected) if name in seen), session.schema)
    if reachable := [each for each in stamps if each.usage]:
        raise _stamp_elsewhere(reachable[0], first, session, expected)
    if stamps and not any(name in seen for name in required(expected)) and not expected.creates:
        raise _no_usage(stamps[0].schema, session, expected)
    return first


def _stamp_elsewhere(stamp: Relation, first: str | None, session: Session, expected: Expectation) -> LauncherError:
    names = required(expected)[:3]
    where = f"{', '.join(map(printable, names))} would be in '{first}', " if names and first else ""
    return _other_schema(
        f"{where}the stamp is in '{printable(stamp.schema)}', which {_whose_path(session, expected)}"
        f" ({printable(session.path)}) does not reach",
        stamp.schema,
        session,
        expected,
    )


def _refuse_unusable(db: "Connection", session: Session, expected: Expectation) -> None:
    from sqlalchemy import text

    usage = db.execute(text(_USAGE), {"schema": expected.schema}).scalar()
    if usage is None and not expected.creates:
        raise _other_schema(f"there is no schema '{expected.schema}' (the profile file's)", None, session, expected)
    if usage is False:
        raise _no_usage(expected.schema, session, expected)


def _refuse_elsewhere(
    name: str, found: list[Relation], home: str | None, session: Session, expected: Expectation
) -> None:
    seen = next((each for each in found if each.visible), None)
    if seen and seen.schema == home:
        return
    what = f"'{printable(home)}'" if home else "no schema at all"
    why = "the profile file says" if expected.schema else "the stamp or the other tables are in"
    if seen:
        how = (
            "pg_temp: a temporary table of this session hides it; a pooler handed the session on"
            if seen.temporary
            else _path_words(session, expected)
        )
        raise _other_schema(
            f"{name} found in '{printable(seen.schema)}' ({how}), {why} {what}", home, session, expected, seen.temporary
        )
    here = next((each for each in found if each.schema == home), None)
    if here and not here.usage:
        raise _no_usage(here.schema, session, expected)
    if here:
        raise _other_schema(
            f"{name} is in {what}, which {_path_words(session, expected)} does not reach", home, session, expected
        )
    there = next((each for each in found if not each.temporary), None)
    if there and not expected.creates:
        if not there.usage:
            raise _no_usage(there.schema, session, expected)
        raise _other_schema(
            f"{name} is in '{printable(there.schema)}', which {_path_words(session, expected)} does not reach;"
            f" {why} {what}",
            there.schema,
            session,
            expected,
        )


def _path_words(session: Session, expected: Expectation) -> str:
    return f"{_whose_path(session, expected)}, {printable(session.path) or 'empty'}"


def _whose_path(session: Session, expected: Expectation) -> str:
    giver = postgresql_options.giver(session.path_source, expected)
    role = f"role '{printable(session.role)}'"
    return f"the search_path of {giver or role}"


def _other_schema(
    what: str, schema: str | None, session: Session, expected: Expectation, temporary: bool = False
) -> LauncherError:
    entry = f"schema = … in [databases.{expected.name}] where another one is meant"
    path = f"ALTER ROLE {identifier(session.role)} IN DATABASE {identifier(session.database)} SET search_path"
    if temporary:
        hint = "have the pooler drop temporary tables (server_reset_query_always), or reconnect"
    elif postgresql_options.giver(session.path_source, expected):
        hint = f"{postgresql_options.remedy('search_path', expected)};  or {entry}"
    else:
        hint = f"{path} = {identifier(schema)};  or {entry}" if schema else entry
    return WrongDataError("other-schema", f"{expected.spot}: {what}", printable_hint(hint))


def printable_hint(hint: str) -> str:
    """Names out of a database may hold what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in hint)


def _no_usage(schema: str, session: Session, expected: Expectation) -> LauncherError:
    return no_right(
        f"role '{printable(session.role)}' may not use schema '{printable(schema)}'",
        printable_hint(f"GRANT USAGE ON SCHEMA {identifier(schema)} TO {identifier(session.role)}"),
        expected,
    )


def refuse_no_create(db: "Connection", session: Session, expected: Expectation) -> None:
    """Raise LauncherError (77) where a task may not create its tables: since 15 not everybody may in `public`."""
    from sqlalchemy import text

    schema = expected.schema or session.schema
    asked = {"schema": schema}
    if schema is None or db.execute(text(_CREATE), asked).scalar() is not False:
        return
    raise no_right(
        f"role '{printable(session.role)}' may not create tables in schema '{printable(schema)}'",
        printable_hint(f"GRANT CREATE ON SCHEMA {identifier(schema)} TO {identifier(session.role)}"),
        expected,
    )


def judge_rights(found: Layout, session: Session, expected: Expectation) -> tuple[str, ...]:
    """Notes on tables that cannot be written; raises LauncherError (77) with the GRANT for what must be possible."""
    ours = [found.tables[name] for name in required(expected) if name in found.tables]
    revision = [ALEMBIC] if expected.revision else []
    read = [found.tables[name] for name in (STAMP_TABLE, *revision) if name in found.tables] + ours
    if unread := [each for each in read if not each.reads]:
        raise _lacks("read", "SELECT", unread, session, expected)
    closed = [each for each in ours if not each.writes]
    if not (expected.writes or expected.creates) or not closed:
        return ()
    if len(closed) == len(ours):
        raise _lacks("write", "SELECT, INSERT, UPDATE, DELETE", ours, session, expected)
    return (f"role '{printable(session.role)}' cannot write {', '.join(printable(each.name) for each in closed)}",)


def _lacks(
    verb: str, rights: str, tables: Iterable[Relation], session: Session, expected: Expectation
) -> LauncherError:
    names = ", ".join(f"{identifier(each.schema)}.{identifier(each.name)}" for each in tables)
    return no_right(
        f"role '{printable(session.role)}' may not {verb} {printable_hint(names)}",
        printable_hint(f"GRANT {rights} ON {names} TO {identifier(session.role)}"),
        expected,
    )


def table_names(db: "Connection", found: Layout, expected: Expectation) -> tuple[str, ...]:
    """The required tables that are there, and up to OTHERS of the schema's but an extension's, sorted."""
    if found.schema is None:
        return ()
    asked: dict[str, Any] = {"schema": found.schema, "limit": OTHERS}
    here = {name for name, each in found.tables.items() if each.schema == found.schema}
    names = here | set(_names(db, _OTHER_NAMES, asked))
    if any(name not in found.tables for name in required(expected)):  # `Phases`, where phases is missing, tells much
        names |= set(_names(db, _OTHER_CASE, asked | {"names": [name.lower() for name in required(expected)]}))
    return tuple(sorted(map(printable, names)))


def _names(db: "Connection", sql: str, parameters: Mapping[str, Any]) -> list[str]:
    from sqlalchemy import text

    return [str(name) for (name,) in db.execute(text(sql), parameters)]
