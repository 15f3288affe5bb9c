"""The guard inside a Python child: it keeps the pins, and records which databases the program opens (docs/guard.md).

Standard library only, Python 3.8 and later; this file parses on 2.7 too, where it does nothing. It costs a start less
than a millisecond, so what is needed only when something happens is imported then.
"""

import os
import sys

SUPPORTED = sys.version_info >= (3, 8)


def start():  # type: () -> None
    """Read the channel and set up what it asks for; without AUTOPACK_RUN_GUARD, and the second time, do nothing.

    Never raises: an error is told, and ends the process only where the task says `fail_closed`.
    """
    if not SUPPORTED or "AUTOPACK_RUN_GUARD" not in os.environ:
        return
    from _autopack_run_guard import state

    if state.active:
        return
    try:
        _start()
    except Exception as error:
        from _autopack_run_guard import record

        record.failed("could not start", error)


def _start():  # type: () -> None
    from _autopack_run_guard import children, imports, record, state, variables

    state.read()
    record.begin("exec")
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=record.forked)
    if state.mode != "allow":
        variables.restore()
        variables.keep()
    children.watch()
    imports.watch()
    if state.strict:
        from _autopack_run_guard import strict

        strict.listen()


def stand_aside():  # type: () -> None
    """Watch this process no more: it is a launcher, which looks at databases without using them."""
    from _autopack_run_guard import state

    state.active = False


def chain(own):  # type: (str) -> None
    """Run the sitecustomize that `own` hides, as if it had been found first; what it raises is Python's to tell."""
    folder = os.path.dirname(own)
    place = sys.path.index(folder) + 1 if folder in sys.path else 0
    if not SUPPORTED:
        return
    import _frozen_importlib
    import _frozen_importlib_external

    hidden = [entry for entry in sys.path[place:] if entry != folder]
    spec = _frozen_importlib_external.PathFinder.find_spec("sitecustomize", hidden)
    if spec is None or spec.loader is None:
        return
    module = _frozen_importlib.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)
