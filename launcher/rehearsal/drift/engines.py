"""Causes in the program's own engines: bound at import time, and a schema made by halves."""

from launcher.errors import WRONG_DATA
from launcher.output import tell
from launcher.rehearsal.drift.checks import all_in_the_pinned, drift_told, nothing_in_the_pinned, seed_and_drain
from launcher.rehearsal.drift.contents import EVENTS, PHASES
from launcher.rehearsal.drift.scene import OTHER, PINNED, URL, Scene


def bound_without(scene: Scene) -> str:
    """Play a drain whose events go to the default, since `.env` is read after the import; return the verdict."""
    scene.write(".env", f"DATABASE_URL={URL}")
    scene.must(scene.python("seed.py").code == 0, "seed.py failed")
    scene.must(scene.python("drain.py").code == 0, "drain.py failed")
    nothing_in_the_pinned(scene)
    pinned, other = scene.pinned(), scene.other()
    scene.must(other.events == EVENTS and pinned.complete == PHASES, f"{OTHER}: {other}; {PINNED}: {pinned}")
    return f"{other.events} of {EVENTS} events in {OTHER}, {pinned.events} in {PINNED}, exit 0"


def bound_with(scene: Scene) -> str:
    """Play the same drain, well now, and a report with the name built in, which is drift; return the verdict."""
    scene.write(".env", f"DATABASE_URL={URL}")
    well = all_in_the_pinned(scene, seed_and_drain(scene))
    scene.must(not scene.has_other(), f"there is an {OTHER}")
    tell("\n  An engine with the file's name built in takes no variable; that is found out:")
    return f"{well}; name built in: {drift_told(scene, scene.run('telemetry report'))}"


def partial_without(scene: Scene) -> str:
    """Play a component that makes half of the tables, and the drain that dies of it; return the verdict."""
    scene.export("DATABASE_URL", URL)
    scene.must(scene.python("collector.py").code == 0, "collector.py failed")
    drained = scene.python("drain.py")
    scene.look()
    pinned = scene.pinned()
    scene.must(drained.code == 1 and "no such table: phases" in drained.text, "no damage: the drain found its tables")
    scene.must(0 < pinned.events < EVENTS, f"{PINNED}: {pinned}")
    return f"{pinned.events} of {EVENTS} events in {PINNED}, then `no such table: phases`"


def partial_with(scene: Scene) -> str:
    """Play both again: each is refused by the names of the missing tables; return the verdict."""
    made = scene.run("seed collector")
    drained = scene.run("telemetry drain")
    scene.look()
    for name, outcome in (("seed collector", made), ("telemetry drain", drained)):
        scene.must(outcome.code == WRONG_DATA, f"{name} ended with {outcome.code}")
        scene.must("autopack-run: partial-schema: " in outcome.text, f"{name}: not refused by name")
        scene.must("phases" in outcome.text and "runs" in outcome.text, f"{name}: the missing tables were not named")
    scene.must("autopack_identity" not in scene.pinned().tables, "the partial database was stamped")
    return f"exit {drained.code} partial-schema before the start, the missing tables by name, no stamp"
