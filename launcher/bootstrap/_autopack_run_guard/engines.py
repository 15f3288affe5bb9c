"""Databases on servers, as SQLAlchemy reaches them."""

import _autopack_run_guard as guard
from _autopack_run_guard import databases, record

TYPE_CHECKING = False  # typing costs a start five milliseconds
if TYPE_CHECKING:
    from typing import Any

_KEY = "autopack_run"
_recorded = set()  # type: set[str]


def watch(module: "Any") -> None:
    """Listen to every engine of SQLAlchemy: before it connects to a server, and when it has."""

    def connecting(dialect: "Any", pooled: "Any", words: "Any", named: "Any") -> None:
        if guard.active and dialect.name != "sqlite":
            guard.safely(_try, dialect, pooled, words, named)

    def connected(_connection: "Any", pooled: "Any") -> None:
        place = pooled.info.pop(_KEY, "")
        if place and place not in _recorded:
            guard.safely(_record, place)

    module.event.listen(module.engine.Engine, "do_connect", connecting)
    module.event.listen(module.pool.Pool, "connect", connected)


def _try(dialect: "Any", pooled: "Any", words: "Any", named: "Any") -> None:
    place = server_place(dialect.name, words, named)
    databases.refuse_other(place)
    pooled.info[_KEY] = place  # one that cannot be reached was not opened


def _record(place: str) -> None:
    from _autopack_run_guard import places, variables

    _recorded.add(place)
    variables.check()
    event = {"event": "open", "place": place, "device": 0, "inode": 0}
    record.write(dict(event, where=places.own_place(), new=False, held=True, blocked=False))


def server_place(dialect: str, words: "Any", named: "Any") -> str:
    """The server and the database of connect()'s arguments, and nothing else of them."""
    from urllib.parse import quote

    parts = {}  # type: dict[str, object]
    text = words[0] if words and isinstance(words[0], str) else ""
    for word in text.split():  # a libpq string: `host=h dbname=d`
        name, _, value = word.partition("=")
        parts[name] = value
    parts.update((name, value) for name, value in named.items() if isinstance(value, (str, int)))

    def first(*names: str) -> str:
        return str(next((parts[name] for name in names if parts.get(name)), ""))

    host, port = first("host", "hostaddr", "server"), first("port")
    host = "" if host.startswith("/") else f"[{host}]" if ":" in host else host  # a socket's folder is no host
    database = quote(first("dbname", "database", "db", "service_name"), safe="")
    return f"{dialect}://{host}{port and ':' + port}/{database}"
