"""Databases on servers, as SQLAlchemy reaches them."""

import os

import _autopack_run_guard as guard
from _autopack_run_guard import databases, record

TYPE_CHECKING = False  # typing costs a start five milliseconds
if TYPE_CHECKING:
    from typing import Any

_KEY = "autopack_run"
PLACE = ("host", "hostaddr", "port", "dbname", "service")
"""What libpq is told of the place; the rest of a connection's options says how."""
NOWHERE = ("", 0)
_recorded = set()  # type: set[tuple[str, tuple[str, int]]]


def watch(module: "Any") -> None:
    """Listen to every engine of SQLAlchemy: before it connects to a server, and when it has."""

    def connecting(dialect: "Any", pooled: "Any", words: "Any", named: "Any") -> None:
        if guard.active and dialect.name != "sqlite":
            guard.safely(_try, dialect, pooled, words, named)

    def connected(connection: "Any", pooled: "Any") -> None:
        asked = pooled.info.pop(_KEY, None)
        if asked:
            guard.safely(_record, connection, *asked)

    module.event.listen(module.engine.Engine, "do_connect", connecting)
    module.event.listen(module.pool.Pool, "connect", connected)


def _try(dialect: "Any", pooled: "Any", words: "Any", named: "Any") -> None:
    place = server_place(dialect.name, words, named)
    databases.refuse_other(place, getattr(dialect.loaded_dbapi, "OperationalError", None))
    # One that cannot be reached was not opened. A listener of the program's own may change the words until then.
    pooled.info[_KEY] = dialect.name, words, named


def _record(connection: "Any", dialect: str, words: "Any", named: "Any") -> None:
    """What it is connected to counts, where the driver says that; else what it was called with in the end."""
    place, end = live_place(dialect, connection)
    record_place(place or server_place(dialect, words, named), end)


def live_place(dialect: str, connection: "Any") -> "tuple[str, tuple[str, int]]":
    """The server and the database that the driver says of its connection (psycopg, psycopg2, asyncpg), and its far end.

    "" and NOWHERE where it does not say them.
    """
    info = getattr(connection, "info", None)
    if hasattr(info, "dbname"):
        place = server_place(dialect, (), {"host": info.host, "port": info.port, "dbname": info.dbname})
        return place, peer(connection)
    return asyncpg_place(getattr(connection, "driver_connection", None))


def asyncpg_place(connection: "Any") -> "tuple[str, tuple[str, int]]":
    """Likewise of asyncpg's own connection; "" of any other."""
    ends, parameters = getattr(connection, "_addr", None), getattr(connection, "_params", None)
    if not ends or not hasattr(parameters, "database"):
        return "", NOWHERE
    host, port = ends if isinstance(ends, tuple) else (os.path.dirname(ends), ends.rpartition(".")[2])
    place = server_place("postgresql", (), {"host": host, "port": port, "dbname": parameters.database})
    return place, _end(connection._transport.get_extra_info("peername"))


def peer(connection: "Any") -> "tuple[str, int]":
    """The numeric address and the port at the other end: a host's name may have led elsewhere (PGHOSTADDR)."""
    import _socket  # not socket, which gevent replaces

    try:
        end = _socket.socket(fileno=connection.fileno())
    except Exception:  # whatever a driver raises of a connection that is none any more
        return NOWHERE
    try:
        return far_end(end)
    finally:
        end.detach()  # it stays open


def far_end(end: "Any") -> "tuple[str, int]":
    """The numeric address and the port that the socket is connected to, NOWHERE for no TCP."""
    return _end(peer_name(end))


def peer_name(end: "Any") -> "Any":
    """What the socket is connected to: a tuple for TCP, a file's name for a Unix socket, None where unknown."""
    try:
        return end.getpeername()
    except (AttributeError, OSError):  # a program's own socket may be anything that reads and writes
        return None


def _end(name: "Any") -> "tuple[str, int]":
    return (name[0], name[1]) if isinstance(name, tuple) else NOWHERE


def record_place(place: str, end: "tuple[str, int]" = NOWHERE) -> None:
    """Record that the place was connected to, with the line that did it, once. end: where that led."""
    if (place, end) in _recorded:
        return
    from _autopack_run_guard import places, variables

    _recorded.add((place, end))
    variables.check()
    event = {"event": "open", "place": place, "address": end[0], "port": end[1], "device": 0, "inode": 0}
    record.write(dict(event, where=places.own_place(), new=False, held=True, blocked=False))


def server_place(dialect: str, words: "Any", named: "Any") -> str:
    """The server and the database of connect()'s arguments, and nothing else of them."""
    from urllib.parse import quote

    parts = {}  # type: dict[str, object]
    text = words[0] if words and isinstance(words[0], str) else ""
    for word in text.split():  # a libpq string: `host=h dbname=d`
        name, _, value = word.partition("=")
        parts[name] = value
    parts.update((name, _joined(value)) for name, value in named.items() if isinstance(value, (str, int, list, tuple)))

    def first(*names: str) -> str:
        return str(next((parts[name] for name in names if parts.get(name)), ""))

    # libpq connects to hostaddr where both are said, and takes the host for TLS and passwords only.
    host, port = first("hostaddr", "host", "server"), first("port")
    if dialect == "postgresql":  # what a call leaves out
        host, port = host or os.environ.get("PGHOST", ""), port or os.environ.get("PGPORT", "")
    elif parts.get("unix_socket"):  # stands above host and port
        host, port = str(parts["unix_socket"]), ""
    hosts, ports = host.split(","), port.split(",")
    if len(ports) < len(hosts):
        ports = ports[:1] * len(hosts)
    places = [_address(each, ports[number]) for number, each in enumerate(hosts)]
    database = quote(first("dbname", "database", "db", "service_name"), safe="")
    return f"{dialect}://{','.join(places)}/{database}"


def _joined(value: "Any") -> "Any":
    """Several hosts or ports as libpq writes them."""
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _address(host: str, port: str) -> str:
    from urllib.parse import quote

    host = quote(host, safe="") if host.startswith("/") else f"[{host}]" if ":" in host else host  # a socket's folder
    return f"{host}{port and ':' + port}"
