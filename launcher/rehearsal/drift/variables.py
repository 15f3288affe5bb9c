"""Causes in variables: a script overrides the operator's choice, and X_FILE outranks X."""

import os

from launcher.errors import CONFIGURATION
from launcher.output import tell
from launcher.rehearsal.drift.checks import all_in_the_pinned, nothing_in_the_pinned, seed_and_drain
from launcher.rehearsal.drift.contents import EVENTS
from launcher.rehearsal.drift.scene import OTHER, PINNED, URL, Scene, source


def override_without(scene: Scene) -> str:
    """Play a drain whose script overrides the operator's choice; return the verdict."""
    tell("  The developer's own database, from last week:")
    scene.export("DATABASE_URL", f"sqlite:///{OTHER}")
    scene.must(scene.python("seed.py").code == 0, "seed.py failed")
    tell("  The operator's, today:")
    scene.export("DATABASE_URL", URL)
    scene.must(scene.python("seed.py").code == 0, "seed.py failed")
    drained = scene.python("drain.py")
    nothing_in_the_pinned(scene)
    other = scene.other()
    scene.must(drained.code == 0 and other.events == EVENTS, f"exit {drained.code}, {OTHER}: {other}")
    return f"{other.events} of {EVENTS} events in the developer's {OTHER}, 0 in {PINNED}, exit 0"


def override_with(scene: Scene) -> str:
    """Play the same drain: the pin is kept, and the line told; return the verdict."""
    drained = seed_and_drain(scene)
    well = all_in_the_pinned(scene, drained)
    place = scene.place(drained.text, "kept")
    scene.must(not scene.has_other(), f"there is an {OTHER}")
    scene.must("kept DATABASE_URL" in drained.text, "no override was told")
    scene.must('os.environ["DATABASE_URL"] =' in source(place), f"the line was not named: {place}")
    return f"kept, {place}; {well}"


def file_without(scene: Scene) -> str:
    """Play a drain that follows a left DATABASE_URL_FILE; return the verdict."""
    _leave_the_file(scene)
    scene.export("DATABASE_URL", URL)
    scene.must(scene.python("seed.py").code == 0, "seed.py failed")
    drained = scene.python("drain.py")
    nothing_in_the_pinned(scene)
    scene.must(drained.code == 1 and "no such table: phases" in drained.text, f"no damage: exit {drained.code}")
    return f"0 of {EVENTS} events in {PINNED}, `no such table: phases`, an {OTHER} that nobody asked for"


def file_with(scene: Scene) -> str:
    """Play it with the file closed, and with the file as the shell's own word; return the verdict."""
    _leave_the_file(scene)
    well = all_in_the_pinned(scene, seed_and_drain(scene))
    tell("\n  Set in the shell, it is the operator's own word, and contradicts the profile:")
    scene.export("DATABASE_URL_FILE", os.path.join(scene.folder, "database_url.txt"))
    refused = scene.run("telemetry drain")
    scene.must(refused.code == CONFIGURATION, f"a DATABASE_URL_FILE of the shell: exit {refused.code}")
    scene.must("DATABASE_URL_FILE" in refused.text, "DATABASE_URL_FILE was not named")
    scene.must(not scene.has_other(), f"there is an {OTHER}")
    return f"closed, {well}; in the shell: exit {refused.code}"


def _leave_the_file(scene: Scene) -> None:
    """What is left of a container's configuration."""
    path = os.path.join(scene.folder, OTHER).replace(os.sep, "/")
    scene.write("database_url.txt", f"sqlite:///{path}")
    scene.write(".env", "DATABASE_URL_FILE=database_url.txt")
