"""Which databases this process opens, and on which line it does so first."""

import os

import _autopack_run_guard as guard
from _autopack_run_guard import record

TYPE_CHECKING = False  # typing costs a start five milliseconds
if TYPE_CHECKING:
    from typing import Any

_FACTORY_POSITION = 5  # of `factory` among the arguments of sqlite3.connect
_seen = set()  # type: set[object]
_waiting = {}  # type: dict[str, str]
"""The lines that called aiosqlite.connect, by path: the thread that opens the file for them has no frame of theirs."""


def watch_sqlite(module: "Any") -> None:
    """Wrap `connect` and `Connection` of the sqlite3 module, wherever they stand."""
    import _sqlite3

    if not hasattr(_sqlite3, "_autopack_run"):
        connection = _recording(_sqlite3.Connection)
        _sqlite3._autopack_run = (_Connector(_sqlite3.connect, connection).connect, connection)  # type: ignore[attr-defined]
    module.connect, module.Connection = _sqlite3._autopack_run  # type: ignore[attr-defined]
    _sqlite3.connect, _sqlite3.Connection = module.connect, module.Connection  # type: ignore[misc]


def _recording(real: "Any") -> "Any":
    class Connection(real):  # type: ignore[misc]
        def __init__(self, database: "Any", *words: "Any", **named: "Any") -> None:
            opened = sqlite_place(database, named.get("uri", len(words) > 6 and words[6]))
            new = opened and not os.path.exists(opened)
            real.__init__(self, database, *words, **named)
            if opened:
                record_file(opened, new)

    Connection.__module__, Connection.__qualname__, Connection.__doc__ = "sqlite3", "Connection", real.__doc__
    return Connection


class _Connector:
    """Its bound method stands for sqlite3.connect: like a built-in, and unlike a function, it binds to no class."""

    def __init__(self, real: "Any", connection: "Any") -> None:
        self.real, self.connection = real, connection
        guard.like(_Connector.connect, real)

    def connect(self, *words: "Any", **named: "Any") -> "Any":
        if len(words) <= _FACTORY_POSITION and "factory" not in named:
            return self.real(*words, factory=self.connection, **named)
        factory = named["factory"] if "factory" in named else words[_FACTORY_POSITION]
        if isinstance(factory, type) and issubclass(factory, self.connection):
            return self.real(*words, **named)
        opened = sqlite_place(
            words[0] if words else named.get("database"), named.get("uri", len(words) > 7 and words[7])
        )
        new = opened and not os.path.exists(opened)
        result = self.real(*words, **named)
        if opened:
            record_file(opened, new)
        return result


def sqlite_place(database: "Any", uri: "Any") -> str:
    """The absolute path about to be opened where it is a new one here, else ""; raises where it is to be blocked."""
    if not guard.active:
        return ""
    key = database
    try:
        if key in _seen:
            return ""
        text = os.fsdecode(database)
        if not os.path.isabs(text):
            key = (text, os.getcwd())
            if key in _seen:
                return ""
    except (TypeError, ValueError, OSError):
        return ""
    place = _path(text, uri)
    if place and guard.block_databases:
        _refuse_other(place)
    _seen.add(key)
    return place


def _path(text: str, uri: "Any") -> str:
    if uri and text.startswith("file:"):
        from urllib.parse import unquote

        text, _, query = text[5:].partition("?")
        if "mode=memory" in query:
            return ":memory:"
        text = unquote(text.partition("#")[0])
        if text.startswith("//"):
            text = "/" + text[2:].partition("/")[2]
        if guard.WINDOWS and text[:1] == "/" and text[2:3] == ":":
            text = text[1:]
    if text in ("", ":memory:"):
        return ":memory:"
    return os.path.abspath(text)


def record_file(place: str, new: object = False) -> None:
    """Record the opening of the file with the line that did it. new: it was not there before."""
    from _autopack_run_guard import places, variables

    variables.check()
    device = inode = 0
    if place != ":memory:":
        try:
            found = os.stat(place)
            device, inode = found.st_dev, found.st_ino
        except OSError:
            pass  # deleted already, or never made
    where = _waiting.get(place) or places.own_place()
    event = {"event": "open", "kind": "sqlite", "place": place, "device": device, "inode": inode, "where": where}
    record.write(dict(event, new=bool(new) and place != ":memory:", blocked=False))


def watch_aiosqlite(module: "Any") -> None:
    """Remember who calls aiosqlite.connect."""
    real = module.connect

    def connect(database: "Any", *words: "Any", **named: "Any") -> "Any":
        from _autopack_run_guard import places

        if isinstance(database, (str, bytes, os.PathLike)):
            _waiting[_path(os.fsdecode(database), named.get("uri"))] = places.own_place()
        return real(database, *words, **named)

    module.connect = guard.like(connect, real)


def watch_servers(module: "Any") -> None:
    """Listen to every engine of SQLAlchemy before it connects to a server."""

    def connecting(dialect: "Any", _record: "Any", words: "Any", named: "Any") -> None:
        if not guard.active or dialect.name == "sqlite":
            return
        place = server_place(dialect.name, words, named)
        if place in _seen:
            return
        if guard.block_databases:
            _refuse_other(place)
        _seen.add(place)
        from _autopack_run_guard import places, variables

        variables.check()
        event = {"event": "open", "kind": dialect.name, "place": place, "device": 0, "inode": 0, "blocked": False}
        record.write(dict(event, new=False, where=places.own_place()))

    module.event.listen(module.engine.Engine, "do_connect", connecting)


def server_place(dialect: str, words: "Any", named: "Any") -> str:
    """The server and the database of connect()'s arguments, and nothing else of them."""
    parts = {}  # type: dict[str, object]
    text = words[0] if words and isinstance(words[0], str) else ""
    for word in text.split():  # a libpq string: `host=h dbname=d`
        name, _, value = word.partition("=")
        parts[name] = value
    parts.update((name, value) for name, value in named.items() if isinstance(value, (str, int)))

    def first(*names: str) -> str:
        return str(next((parts[name] for name in names if parts.get(name)), ""))

    host, port = first("host", "hostaddr", "server", "unix_socket"), first("port")
    database = first("dbname", "database", "db", "service_name")
    return f"{dialect}://{host}{port and ':' + port}/{database}"


def _refuse_other(place: str) -> None:
    from _autopack_run_guard import blocking

    blocking.refuse_other(place)
