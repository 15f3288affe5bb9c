"""Which databases this process opens, and on which line it does so first."""

import abc
import os

import _autopack_run_guard as guard
from _autopack_run_guard import record

TYPE_CHECKING = False  # typing costs a start five milliseconds
if TYPE_CHECKING:
    from typing import Any

_URI_POSITION = 7  # of `uri` among the arguments of sqlite3.connect
_places = set()  # type: set[str]
"""What has been recorded, by its real path: a link may lead elsewhere the next time."""
_seen = set()  # type: set[str]
"""The same as the program writes it: a second connect must cost next to nothing."""
_relative = set()  # type: set[str]
"""Those of them that mean another file after a chdir."""
_waiting = {}  # type: dict[str, str]
"""The lines that called aiosqlite.connect, by path: the thread that opens the file for them has no frame of theirs."""


def watch_sqlite(module: "Any") -> None:
    """Wrap `connect` and `Connection` of the sqlite3 module, wherever they stand."""
    import _sqlite3

    if not hasattr(_sqlite3, "_autopack_run"):
        wrapped = (_Connector(_sqlite3.connect).connect, _recording(_sqlite3.Connection))
        _sqlite3._autopack_run = wrapped  # type: ignore[attr-defined]
    module.connect, module.Connection = _sqlite3._autopack_run  # type: ignore[attr-defined]
    _sqlite3.connect, _sqlite3.Connection = module.connect, module.Connection  # type: ignore[misc]


def forget() -> None:
    """After a fork: what the child opens is its own doing."""
    _places.clear()
    _seen.clear()
    _relative.clear()


def forget_relative() -> None:
    """After a chdir: the same words mean another file."""
    _seen.difference_update(_relative)
    _relative.clear()


class _Connector:
    """Its bound method stands for sqlite3.connect: like a built-in, and unlike a function, it binds to no class."""

    def __init__(self, real: "Any") -> None:
        self.real = real
        guard.like(_Connector.connect, real)

    def __reduce__(self) -> "Any":
        return _connector, ()  # a pool of processes gets its own

    def connect(self, *words: "Any", **named: "Any") -> "Any":
        if words and words[0].__class__ is str and words[0] in _seen:
            return self.real(*words, **named)
        return _opening(self.real, words[0] if words else named.get("database"), words, named)


def _connector() -> "Any":
    import sqlite3

    return getattr(sqlite3.connect, "__self__", sqlite3)


def _opening(real: "Any", database: "Any", words: "Any", named: "Any") -> "Any":
    uri = named.get("uri", len(words) > _URI_POSITION and words[_URI_POSITION])
    place = guard.safely(sqlite_place, database, uri)
    before = size(place) if place else 0
    result = real(*words, **named)
    if guard.active:  # only now: what could not be opened may be opened by the next attempt
        guard.safely(_opened, place, before, database, uri)
    return result


def size(place: str) -> int:
    """The bytes of the file, -1 where there is none."""
    try:
        return os.stat(place).st_size
    except (OSError, ValueError):
        return -1


def _opened(place: "Any", before: int, database: "Any", uri: "Any") -> None:
    if place:
        record_file(place, before)
    if isinstance(database, str) and not uri and not guard.disputed:
        _remember(database)


def _remember(database: str) -> None:
    """The next connect with these words is one that need not be looked at; a link may lead elsewhere by then."""
    if database != ":memory:" and real_path(database) != os.path.abspath(database):
        return
    _seen.add(database)
    if not os.path.isabs(database):
        _relative.add(database)


def _recording(real: "Any") -> "Any":
    """A class in the place of sqlite3.Connection: called itself, or as a factory's base, it records.

    Connections that `connect` makes are of the real class, which is quicker, and count as instances of this one.
    """

    class Same(abc.ABCMeta):  # so that a class may be this one's and abc.ABC's
        def __instancecheck__(cls, instance: "Any") -> bool:
            return isinstance(instance, real) if cls is Connection else super().__instancecheck__(instance)

        def __subclasscheck__(cls, subclass: "Any") -> bool:
            return issubclass(subclass, real) if cls is Connection else super().__subclasscheck__(subclass)

        def __eq__(cls, other: object) -> bool:
            return cls is other or (cls is Connection and other is real)

        def __hash__(cls) -> int:
            return hash(real) if cls is Connection else type.__hash__(cls)

    class Connection(real, metaclass=Same):  # type: ignore[misc]
        def __init__(self, *words: "Any", **named: "Any") -> None:
            def begin(*given: "Any", **options: "Any") -> None:
                real.__init__(self, *given, **options)

            _opening(begin, words[0] if words else named.get("database"), words, named)

    Connection.__module__, Connection.__qualname__, Connection.__doc__ = "sqlite3", "Connection", real.__doc__
    return Connection


def sqlite_place(database: "Any", uri: "Any") -> str:
    """The absolute path about to be opened where it is a new one here, else ""; raises where it is to be blocked."""
    if not guard.active or not isinstance(database, (str, bytes, os.PathLike)):
        return ""
    try:
        place = _path(os.fsdecode(database), uri)
    except (TypeError, ValueError, OSError):  # the current folder may be gone
        return ""
    if _key(place) in _places and not guard.disputed:
        return ""
    refuse_other(place)
    return place


def _key(place: str) -> str:
    return place if place == ":memory:" else real_path(place)


def real_path(path: str) -> str:
    """The path without links; on Windows as it stands where the system cannot tell: a device (NUL), a lost share."""
    try:
        return os.path.realpath(path)
    except OSError:
        return os.path.abspath(path)


def _path(text: str, uri: "Any") -> str:
    if uri and text.startswith("file:"):
        from urllib.parse import unquote

        text, _, query = text[5:].partition("#")[0].partition("?")
        options = dict(unquote(word).partition("=")[::2] for word in query.split("&"))  # the last of a name counts
        if options.get("mode") == "memory" or options.get("vfs") == "memdb":
            return ":memory:"
        text = unquote(text)
        if text.startswith("//"):
            text = "/" + text[2:].partition("/")[2]
        if guard.WINDOWS and text[:1] == "/" and text[2:3] == ":":
            text = text[1:]
    if text in ("", ":memory:"):
        return ":memory:"
    return os.path.abspath(text)


def record_file(place: str, before: int) -> None:
    """Record the opening of the file with the line that did it, once. before: its size before that, -1 for none."""
    if _key(place) in _places:
        return
    _places.add(_key(place))
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
    event = {"event": "open", "place": place, "device": device, "inode": inode, "where": where}
    record.write(dict(event, new=before < 0 and place != ":memory:", held=before > 0, blocked=False))


def _wait_for(database: "Any", uri: "Any") -> None:
    from _autopack_run_guard import places

    if isinstance(database, (str, bytes, os.PathLike)):
        _waiting[_path(os.fsdecode(database), uri)] = places.own_place()


def watch_aiosqlite(module: "Any") -> None:
    """Remember who calls aiosqlite.connect."""
    real = module.connect

    def connect(database: "Any", *words: "Any", **named: "Any") -> "Any":
        guard.safely(_wait_for, database, named.get("uri"))
        return real(database, *words, **named)

    module.connect = guard.like(connect, real)


def refuse_other(place: str, kind: "type[Exception] | None" = None) -> None:
    """Raise where the database must not be opened: it is another one (`databases = "block"`), or a test's mistake.

    kind: the OperationalError of a server's driver.
    """
    if guard.block_databases or guard.disputed:
        from _autopack_run_guard import blocking

        if guard.disputed:
            blocking.refuse_disputed(place, kind)
        if guard.block_databases:
            blocking.refuse_other(place, kind)
