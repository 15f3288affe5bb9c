"""A variable set in the syntax of another shell, in the real shells of this machine."""

import os

from launcher.output import tell
from launcher.rehearsal.drift.checks import all_in_the_pinned
from launcher.rehearsal.drift.scene import OTHER, PINNED, URL, Outcome, Scene
from launcher.rehearsal.drift.shells import BY_EXEC, LAUNCHER, PYTHON, USE_EXEC, Shell, known, shown


def shells_without(scene: Scene) -> str:
    """Play the wrong syntax in each shell: the seed goes to the default, silently; return the verdict."""
    told = []
    for name, shell in known(URL).items():
        if shell is None:
            tell(f"  {name}: none on this machine that runs, so it is not played")
            told.append(f"{name}: not played")
            continue
        _clear(scene)
        tell(f"  {name}:")
        done = _in_shell(scene, shell, shell.wrong)
        scene.look()
        scene.must(done.code == 0 and scene.has_other(), f"{name}: no damage, exit {done.code}")
        scene.must(not scene.pinned().size, f"{name}: {PINNED} was made")
        told.append(f"{name}: seeded {OTHER}, exit 0")
    return ", ".join(told)


def shells_with(scene: Scene) -> str:
    """Play what `env` writes in each shell, and `exec` where it refuses; return the verdict."""
    told = []
    for name, shell in known(URL).items():
        if shell is None:
            continue
        _clear(scene)
        scene.must(scene.run("seed create").code == 0, "seed create failed")
        tell(f"  {name}:")
        done = _in_shell(scene, shell, shell.right)
        if USE_EXEC in done.text:
            done = _in_shell(scene, shell, BY_EXEC)
        well = all_in_the_pinned(scene, done)
        scene.must(not scene.has_other(), f"{name}: there is an {OTHER}")
        told.append(f"{name}: {well}")
    scene.must(bool(told), "no shell of this machine could be played")
    return ", ".join(told)


def _in_shell(scene: Scene, shell: Shell, lines: tuple[str, ...]) -> Outcome:
    """Run the lines in the real shell, which finds the programs in variables."""
    script = shell.script(lines)
    if shell.suffix:
        name = f"typed{shell.suffix}"
        with open(os.path.join(scene.folder, name), "w", encoding="utf-8", newline="") as file:
            file.write(f"@echo off{os.linesep}{script}{os.linesep}")
        script = name
    programs = {PYTHON: scene.launcher[0], LAUNCHER: scene.launcher[1]}
    return scene.play([*shell.argv, script], shown(lines), programs)


def _clear(scene: Scene) -> None:
    """Each shell begins without databases."""
    for name in (PINNED, OTHER):
        if os.path.exists(path := os.path.join(scene.folder, name)):
            os.remove(path)
