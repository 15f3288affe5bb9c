"""Connections to database servers of which nothing shows the database: why a run is not proven."""

from collections.abc import Sequence
from urllib.parse import unquote

from launcher.identity.url import DEFAULT_PORTS, DatabaseURL, server_places
from launcher.observed import Observed
from launcher.records import Records
from launcher.sockets import End
from launcher.usage import Pinned, Used, few

_NAMES = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}
_SERVERS = {5432: "PostgreSQL", 3306: "MySQL", 1433: "SQL Server", 1521: "Oracle"}


def unknown_servers(
    pinned: Pinned, observed: Sequence[Observed], records: Sequence[Records], used: Sequence[Used]
) -> list[str]:
    """What is in doubt, in words. records: of each of `observed`; used: what all of them are known to have used."""
    return _on_pinned_server(pinned, observed, records, used) + _on_other_servers(pinned, observed, used)


def _on_pinned_server(
    pinned: Pinned, observed: Sequence[Observed], records: Sequence[Records], used: Sequence[Used]
) -> list[str]:
    """Connections to the pinned database's own server by processes of which nothing shows the database there."""
    if pinned.url is None or pinned.url.path:
        return []
    known = [(end, each.by) for each in used if not each.blocked for end in _ends(each.place)]
    found = dict[tuple[str, int], list[str]]()
    for each, said in zip(observed, records, strict=True):
        copies = {process.pid for process in said.processes if process.how == "fork"}
        for pid, host, there in sorted(each.watch.connections):
            if not _is_pinned_server(pinned.url, host, there):
                continue
            # What a guarded process has opened, its copies may use on without a record of their own.
            family = each.watch.family(pid) if pid in copies else set()
            if not any(_is_there(end, host, there) and by.keys() & {pid, *family} for end, by in known):
                process = each.watch.processes.get(pid)
                found.setdefault((host, there), []).append(f"{process.name if process else each.label} (pid {pid})")
    name = _NAMES.get(pinned.url.dialect, pinned.url.dialect)
    return [
        f"connected to {host}:{port} ({name}) by {few(who)}, and nothing shows to which database there"
        for (host, port), who in found.items()
    ]


def _is_pinned_server(url: DatabaseURL, address: str, port: int) -> bool:
    """Whether the numeric address and the port may be the URL's; a host's name may stand for any address."""
    if url.path:
        return False
    ends = [(host, int(written or 0)) for _, host, written, _ in server_places(url)]
    return any(_is_there(end, address, port) for end in ends)


def _is_there(end: End, address: str, port: int) -> bool:
    """Whether the host and the port may be those of the connection."""
    return end[1] == port and _may_be(end[0], address)


def _may_be(host: str, address: str) -> bool:
    if host in ("localhost", "127.0.0.1", "::1"):
        return address in ("127.0.0.1", "::1")
    if ":" in host:  # there are many ways to write one
        return ":" in address
    return address == host or (not host.startswith("/") and not host.replace(".", "").isdigit())


def _on_other_servers(pinned: Pinned, observed: Sequence[Observed], used: Sequence[Used]) -> list[str]:
    """Connections to other database servers of which no guard knows the database, as by a driver without SQLAlchemy."""
    known = [end for each in used for end in _ends(each.place)]
    talked = sorted({(each.host, each.port) for seen in observed for each in seen.watch.connections})
    return [
        f"connected to {host}:{port} ({_SERVERS[port]}?), and no guard knows to which database there"
        for host, port in talked
        if port in _SERVERS
        and not any(_is_there(end, host, port) for end in known)
        and not (pinned.url and _is_pinned_server(pinned.url, host, port))
    ]


def _ends(place: str) -> list[End]:
    """The hosts with their ports of a guard's `dialect://host:port/name`; none of a file."""
    dialect, mark, rest = place.partition("://")
    if not mark:
        return []
    found = []
    for each in rest.partition("/")[0].split(","):
        host, _, port = each.rpartition(":") if each.rpartition(":")[2].isdigit() else (each, "", "")
        found.append((unquote(host.strip("[]")).casefold(), int(port) if port else DEFAULT_PORTS.get(dialect, 0)))
    return found
