"""What several plays look at: the two database files, and what the launcher told."""

from launcher.errors import WRONG_DATA
from launcher.rehearsal.drift.contents import EVENTS, PHASES
from launcher.rehearsal.drift.scene import OTHER, PINNED, Outcome, Scene, source


def seed_and_drain(scene: Scene) -> Outcome:
    """The operator's two steps with the launcher."""
    seeded = scene.run("seed create")
    scene.must(seeded.code == 0, f"seed create ended with {seeded.code}")
    return scene.run("telemetry drain")


def all_in_the_pinned(scene: Scene, drained: Outcome) -> str:
    """The drain was well: all events where they belong, and no other file."""
    scene.look()
    pinned = scene.pinned()
    scene.must(drained.code == 0, f"the drain ended with {drained.code}")
    scene.must(pinned.events == EVENTS and pinned.complete == PHASES, f"{PINNED}: {pinned}")
    return f"{pinned.events} of {EVENTS} events in {PINNED}"


def nothing_in_the_pinned(scene: Scene) -> None:
    """The damage is there: another file, and no event where it belongs."""
    scene.look()
    scene.must(scene.pinned().events == 0, f"no damage: {scene.pinned().events} events are in {PINNED}")
    scene.must(scene.has_other(), f"no damage: there is no {OTHER}")


def drift_told(scene: Scene, outcome: Outcome) -> str:
    """The exit code, the file and the line that opened another database."""
    place = scene.place(outcome.text, OTHER)
    scene.must(outcome.code == WRONG_DATA, f"exit {outcome.code} in place of {WRONG_DATA}")
    scene.must("autopack-run: drift: " in outcome.text, "no drift was told")
    scene.must(OTHER in outcome.text, f"{OTHER} was not named")
    scene.must(bool(source(place).strip()), f"no file and line was named: {place}")
    return f"exit {outcome.code}, {place}"
