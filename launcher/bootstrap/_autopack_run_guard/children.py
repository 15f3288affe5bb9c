"""The programs that this process starts: their `env=` keeps the pins, and carries the channel for their own guard."""

import os

import _autopack_run_guard as guard
from _autopack_run_guard import record, variables

TYPE_CHECKING = False  # typing costs a start five milliseconds
if TYPE_CHECKING:
    from typing import Any

_PYTHONPATH = "PYTHONPATH"
# They tell about the system, and modules of the standard library run them: platform, ctypes.util, uuid, locale.
_SYSTEM = frozenset(
    (
        *("uname", "ldconfig", "gcc", "cc", "ld", "objdump", "ip", "ifconfig", "arp", "netstat", "lsb_release"),
        *("hostname", "date", "id", "whoami", "tput", "stty", "locale", "ver"),
    )
)
_SHELL_POSITION, _ENV_POSITION = 8, 10  # among the arguments of subprocess.Popen
_ENV_PLACES = {"execve": 2, "posix_spawn": 2, "posix_spawnp": 2, "spawnve": 3, "_spawnvef": 3}


def start(real: "Any", words: "Any", named: "Any") -> "Any":
    """Call the real function of `os` with an environment that keeps the pins, and record what it starts."""
    name = real.__name__
    place = _ENV_PLACES.get(name)
    if "env" in named:
        named["env"] = kept(named["env"])
    elif place and len(words) > place:
        words = (*words[:place], kept(words[place]), *words[place + 1 :])
    if name.startswith("exec"):
        return _replaced(real, words, named)
    if guard.active and name == "system":
        guard.safely(note, 0, "cmd" if guard.WINDOWS else "sh")
    if guard.active and name == "startfile":  # which program that is, Windows alone knows
        guard.safely(note, 0, "os.startfile")
    if guard.active and name in ("spawnv", "spawnve") and not named:
        return _spawned(real, *words)
    result = real(*words, **named)
    if guard.active and name.startswith("posix_spawn"):
        guard.safely(lambda: note(result, _program(named["argv"] if "argv" in named else words[1])))
    return result


def _spawned(real: "Any", mode: int, path: "Any", *words: "Any") -> "Any":
    """Windows' os.spawnv and os.spawnve tell a handle, or the code where they wait: they wait here instead."""
    if mode not in (os.P_WAIT, os.P_NOWAIT, os.P_NOWAITO):
        guard.safely(note, 0, _program([path]))
        return real(mode, path, *words)
    handle = real(os.P_NOWAIT, path, *words)
    guard.safely(lambda: note(_pid(handle), _program([path])))
    if mode != os.P_WAIT:
        return handle
    code = os.waitpid(handle, 0)[1] >> 8
    return code - 2**32 if code >= 2**31 else code


def _pid(handle: int) -> int:
    import ctypes

    get = ctypes.WinDLL("kernel32").GetProcessId  # type: ignore[attr-defined]  # typeshed has it on Windows alone
    get.argtypes = [ctypes.c_void_p]
    return int(get(handle))


def _replaced(real: "Any", words: "Any", named: "Any") -> "Any":
    """This process becomes another program: whether that has a guard, its own record tells."""
    recording = guard.active and bool(guard.folders)
    if recording:
        program = words[0] if words else named.get("path", "")
        shown = _program(program) if isinstance(program, (str, bytes, os.PathLike)) else ""
        guard.safely(record.write, {"event": "exec", "program": shown})
    try:
        return real(*words, **named)
    finally:  # it has not become another one
        if recording:
            guard.safely(record.begin, "exec")


def watch_subprocess(module: "Any") -> None:
    """Wrap subprocess.Popen, which run(), call(), check_output(), os.popen() and asyncio all use."""
    real = module.Popen.__init__
    if hasattr(real, "__wrapped__"):
        return

    def __init__(self: "Any", *words: "Any", **named: "Any") -> None:  # noqa: N807 (it takes the place of one)
        program = guard.safely(_named, words, named) if guard.active else "?"
        if guard.active and program not in _SYSTEM:
            words, named = _with_env(words, named)
        real(self, *words, **named)
        if guard.active:
            guard.safely(note, self.pid, program or "?")

    module.Popen.__init__ = guard.like(__init__, real)


def _named(words: "Any", named: "Any") -> str:
    """The program that Popen is to start; a shell's command line may hold secrets."""
    shell = named.get("shell", len(words) > _SHELL_POSITION and words[_SHELL_POSITION])
    given = named.get("args", words[0] if words else "")
    if shell and not (isinstance(given, str) and given in _SYSTEM):
        return "cmd" if guard.WINDOWS else "sh"
    return _program(given)


def _with_env(words: "Any", named: "Any") -> "Any":
    if len(words) > _ENV_POSITION:
        return (*words[:_ENV_POSITION], _inherited(words[_ENV_POSITION]), *words[_ENV_POSITION + 1 :]), named
    return words, dict(named, env=_inherited(named.get("env")))


def _inherited(env: "Any") -> "Any":
    """None stays None as long as os.environ is as it must be."""
    if not guard.active:
        return env
    if env is None:
        guard.safely(variables.check)
        if _complete(os.environ):
            return None
        env = dict(os.environ)
    return kept(env)


def _complete(env: "Any") -> bool:
    if not env.get(_PYTHONPATH, "").startswith(guard.BOOTSTRAP):
        return False
    return all(env.get(name) is not None for name in guard.channel)


def kept(env: "Any") -> "Any":
    """The environment for a child with the pins as they are, and with the channel.

    A pin with another value is refused as an assignment is. One that is left out is put back, but where pins raise
    (exec): a test that takes the variable away from its child must not get the operator's database.
    """
    if not guard.active or not hasattr(env, "items"):
        return env
    whole = guard.safely(_kept, env)
    return env if whole is None else whole


def _kept(env: "Any") -> "Any":
    env = dict(env)
    names = {}  # type: dict[str, list[Any]]
    for name in env:
        names.setdefault(guard.fold(os.fsdecode(name)), []).append(name)
    if guard.mode != "allow":
        for name, pinned in guard.pins.items():
            # Windows' names are one whatever their capitals, and which of several counts is the child's matter.
            for written in names.get(name, [None]):
                _keep(env, name, written, pinned)
    _carry(env, {name: written[-1] for name, written in names.items()})
    return env


def _keep(env: "Any", name: str, written: "Any", pinned: str) -> None:
    if written is None:
        if guard.mode == "block" and pinned:
            _restored(name)
            env[name] = pinned
        return
    value = os.fsdecode(env[written])
    if value != pinned:
        from _autopack_run_guard import attempts

        attempts.refused(name, value, "env= of a child")
        env[written] = os.fsencode(pinned) if isinstance(env[written], bytes) else pinned


def _restored(name: str) -> None:
    from _autopack_run_guard import places

    event = {"event": "override", "name": name, "where": places.own_place(), "how": "left out of env= of a child"}
    record.write(dict(event, outcome="restored", value="", source=""))


def _carry(env: "Any", names: "dict[str, Any]") -> None:
    """Add what the child's guard needs; where this launch has no verdict (exec), a child is left as it is given."""
    if guard.mode == "error" and not guard.folders:
        return
    for name, value in guard.channel.items():
        if guard.fold(name) not in names:
            env[name] = value
    written = names.get(_PYTHONPATH, _PYTHONPATH)
    path = os.fsdecode(env.get(written, ""))
    if not path.startswith(guard.BOOTSTRAP):
        text = guard.BOOTSTRAP + (os.pathsep + path if path else "")
        env[written] = os.fsencode(text) if isinstance(env.get(written), bytes) else text


def note(pid: int, program: str) -> None:
    """Record that a program was started; whether a guard has started in it, its own record tells."""
    if program in _SYSTEM:
        record.write({"event": "system", "child": pid})
    elif guard.folders:
        from _autopack_run_guard import places

        record.write({"event": "spawn", "child": pid, "program": program, "where": places.own_place()})


def _program(words: "Any") -> str:
    """The program's name; its arguments may hold secrets."""
    first = words if isinstance(words, (str, bytes, os.PathLike)) else next(iter(words or ()), "")
    text = os.fsdecode(first)
    if guard.WINDOWS and isinstance(words, str):  # a whole command line
        text = text.split('"')[1] if text.startswith('"') else text.split(" ", 1)[0]
    return os.path.basename(text)
