"""A health check that reports another database than the one the server works on."""

import os

from launcher.output import tell
from launcher.ports import free_port
from launcher.rehearsal.drift.checks import drift_told, nothing_in_the_pinned, seed_and_drain
from launcher.rehearsal.drift.contents import EVENTS
from launcher.rehearsal.drift.scene import OTHER, PINNED, URL, Scene


def health_without(scene: Scene) -> str:
    """Play a server that praises one database and works on another; return the verdict."""
    from launcher.rehearsal.probe import Server

    port = free_port()
    scene.export("DATABASE_URL", URL)
    scene.must(scene.python("seed.py").code == 0, "seed.py failed")
    words = [scene.launcher[0], "serve.py", str(port)]
    tell(f"  {'>' if os.name == 'nt' else '$'} python serve.py {port} &")
    with Server(words, scene.folder, scene.env, port) as server:
        health = server.get("/health")
        tell(f"      GET /health -> {health}")
        scene.export("AUTOPACK_API_URL", server.address)
        scene.must(scene.python("drain.py").code == 0, "drain.py failed")
    nothing_in_the_pinned(scene)
    other = scene.other()
    scene.must(health["database"] == PINNED and health["status"] == "ok", f"/health said {health}")
    scene.must(other.events == EVENTS, f"{OTHER}: {other}")
    return f"/health praises {PINNED}; {other.events} of {EVENTS} events in {OTHER}"


def health_with(scene: Scene) -> str:
    """Play a drain with that server: it is found out and stopped before the drain; return the verdict."""
    drained = seed_and_drain(scene)
    scene.look()
    pinned = scene.pinned()
    told = drift_told(scene, drained)
    scene.must(pinned.complete == 0 and pinned.events == 0, f"the drain ran: {pinned}")
    scene.must(scene.other().events == 0, f"{OTHER}: {scene.other()}")
    scene.must(not _still_running(scene.folder), "the server still runs")
    return f"{told}; the server stopped, the drain not started"


def _still_running(folder: str) -> list[int]:
    """The processes that work in the folder, a zombie not counted."""
    import psutil

    found = []
    for process in psutil.process_iter(["cwd", "status"]):
        if process.info["cwd"] == folder and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found
