"""Pinned variables in os.environ and os.environb, and at os.putenv and os.unsetenv."""

import os
import sys

import _autopack_run_guard as guard

TYPE_CHECKING = False  # typing costs a start five milliseconds
if TYPE_CHECKING:
    from typing import Any

_environ: "Any" = os.environ  # its insides are used, which typeshed does not show
_Environ: "Any" = type(os.environ)
_set, _delete = _Environ.__setitem__, _Environ.__delitem__
_putenv, _unsetenv = os.putenv, os.unsetenv

# Apart, since under `python -bb` a look-up that compares bytes with text is an error.
_watched = set()  # type: set[str]
_watched_bytes = set()  # type: set[bytes]


def _is_pin(key: "Any") -> bool:
    kind = key.__class__
    if kind is str:
        return (guard.fold(key) if guard.WINDOWS else key) in _watched
    if kind is bytes:
        return key in _watched_bytes
    # Their subclasses, which may say anything of themselves.
    if isinstance(key, str):
        return guard.fold(str.__str__(key)) in _watched
    return isinstance(key, bytes) and bytes(key) in _watched_bytes


def restore() -> None:
    """Put right what a shell script or another program between the launcher and this Python has changed.

    Where pins raise (exec), a changed one ends the process instead: whoever set it wanted another database, and must
    not get the operator's. A removed one stays removed there.
    """
    for name, pinned in guard.pins.items():
        value = os.environ.get(name)
        if value is None and (guard.mode == "error" or pinned == ""):
            continue
        if value != pinned:
            from _autopack_run_guard import attempts

            attempts.found_changed(name, value)
            _set(_environ, name, pinned)


def keep() -> None:
    """Guard the pins from here on."""
    for name in guard.pins:
        _watched.add(name)
        _watched_bytes.add(os.fsencode(name))
    _Environ.__setitem__, _Environ.__delitem__ = _guarded_set, _guarded_delete
    _Environ.popitem, _Environ.clear = _popitem, _clear
    os.putenv, os.unsetenv = _guarded_putenv, _guarded_unsetenv


def _refused(key: "Any", value: "Any", how: str) -> bool:
    """Whether it must not happen; told, or raised, then."""
    if not guard.active:
        return False
    name = guard.fold(os.fsdecode(key))
    text = None if value is None else os.fsdecode(value)
    if text == guard.pins[name] or (text is None and guard.pins[name] == ""):
        return text is None
    __tracebackhide__ = True  # of pytest: the line that matters is the test's own
    if not guard.safely(_tell_attempt, name, text, how) and guard.mode == "error":
        raise RuntimeError(f"{name} is pinned by autopack-run")
    return True


def _tell_attempt(name: str, value: "str | None", how: str) -> bool:
    from _autopack_run_guard import attempts

    __tracebackhide__ = True
    attempts.refused(name, value, how)
    return True


def _guarded_set(self: "Any", key: "Any", value: "Any") -> None:
    __tracebackhide__ = True
    if _is_pin(key) and isinstance(value, (str, bytes)) and _refused(key, value, "os.environ[...] ="):
        return
    _set(self, key, value)


def _guarded_delete(self: "Any", key: "Any") -> None:
    __tracebackhide__ = True
    if _is_pin(key) and key in self and _refused(key, None, "removed from os.environ"):
        return
    _delete(self, key)


def _guarded_putenv(name: "Any", value: "Any") -> None:
    __tracebackhide__ = True
    if _is_pin(name) and isinstance(value, (str, bytes)) and _refused(name, value, "os.putenv"):
        return
    _putenv(name, value)


def _guarded_unsetenv(name: "Any") -> None:
    __tracebackhide__ = True
    if _is_pin(name) and _refused(name, None, "os.unsetenv"):
        return
    _unsetenv(name)


def _popitem(self: "Any") -> "Any":
    """Remove and return a variable that is no pin: a loop that pops until nothing is left must end."""
    for key in self:
        if not (guard.active and _is_pin(key)):
            value = self[key]
            del self[key]
            return key, value
    if len(self):
        guard.safely(_tell_cleared, "os.environ.popitem()")
        raise KeyError("popitem(): only variables that autopack-run has pinned are left")
    raise KeyError("popitem(): the environment is empty")


def _clear(self: "Any") -> None:
    """Remove all variables but the pins.

    unittest.mock clears and fills again at the end of every patch.dict(os.environ). At its beginning, with clear=True,
    a test wants no variables at all; where pins raise (exec) it gets that: without DATABASE_URL it cannot reach the
    operator's database by it.
    """
    scene = _mocking() if guard.active else ""
    bare = bool(scene) and guard.mode == "error"
    if bare and scene == "begin":
        guard.safely(_tell_bare)
    elif guard.active and not scene:
        guard.safely(_tell_cleared, "os.environ.clear()")
    elif scene == "begin":
        guard.safely(_tell_cleared, "patch.dict(os.environ, clear=True)")
    for key in list(self):
        if bare:
            _drop(self, key)
        elif not (guard.active and _is_pin(key)):
            del self[key]


def _drop(self: "Any", key: "Any") -> None:
    # Not _delete: what os.environ's own method calls is the guarded os.unsetenv.
    encoded = self.encodekey(key)
    _unsetenv(encoded)
    del self._data[encoded]


def _tell_cleared(how: str) -> None:
    from _autopack_run_guard import attempts

    for name, value in guard.pins.items():
        if value and name in os.environ:
            attempts.refused(name, None, how)


def _tell_bare() -> None:
    from _autopack_run_guard import attempts

    for name, value in guard.pins.items():
        if value and name in os.environ:
            attempts.removed(name)


def _mocking() -> str:
    """Whether unittest.mock clears the environment, at the `begin` or the `end` of a patch; "" where it does not."""
    if "unittest.mock" not in sys.modules and "mock" not in sys.modules:
        return ""
    from _autopack_run_guard import places

    frame = places.calling_module(("unittest.mock", "mock.mock"))
    if frame is None:
        return ""
    while frame is not None:
        if frame.f_code.co_name == "_unpatch_dict":
            return "end"
        frame = frame.f_back
    return "begin"


def check() -> None:
    """Tell where os.environ has another value by now, by a way that no wrapper sees; `block` puts it right.

    Such ways are os.environ._data and another object in the place of os.environ.
    """
    if not guard.active or guard.mode == "allow":
        return
    for name, pinned in guard.pins.items():
        value = os.environ.get(name)
        if value is not None and value != pinned:
            from _autopack_run_guard import attempts

            attempts.noticed(name, value)
            if guard.mode == "block":
                os.environ[name] = pinned
