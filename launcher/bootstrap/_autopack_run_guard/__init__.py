"""The guard inside a Python child: it keeps the pins, and records which databases the program opens (docs/guard.md).

Standard library only, Python 3.8 and later; this file parses on 2.7 too, where it does nothing. It costs a start less
than a millisecond: what every start needs stands here and in `variables`, the rest is imported when something happens.
"""

import os
import sys
import time

TYPE_CHECKING = False  # typing costs a start five milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable  # noqa: F401 (type comments, for Python 2.7 to parse)
    from typing import Any  # noqa: F401 (likewise)

SUPPORTED = sys.version_info >= (3, 8)
WINDOWS = os.name == "nt"
BOOTSTRAP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

active = False
mode = "allow"
"""What an attempt to change a pin does: `block`, `error` or `allow`."""
block_databases = False
strict = False
fail_closed = False
pins = {}  # type: dict[str, str]
"""The value of each pin by its folded name; `X_FILE` beside each, closed by an empty value."""
folders = []  # type: list[str]
"""The run folders that records go to: this launch's, and those of the launches around it."""
disputed = False
"""Under `exec`, whether a .env file wanted another value for a pin: tests must then not work on the pinned database."""
channel = {}  # type: dict[str, str]
"""The variables that a child must find for its own guard to start."""


LIMIT = 2000
"""Records of one process; a test suite that opens a new file a test must not fill the disk."""
# The first line of a record, and what is written over it when a later one finds no room.
LOST = (repr({"event": "error", "text": "records were lost: the folder took no more"}) + "\n").encode("ascii")
SPARE = b"#" * (len(LOST) - 1) + b"\n"
# What a program replaces in `os` (a fake file system, a fake clock) must not reach the records.
_open, _write, _close, _getpid = os.open, os.write, os.close, os.getpid
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
_record_name = ""
_count = 0


def fold(name):  # type: (str) -> str
    """One name for all spellings of a variable."""
    return name.upper() if WINDOWS else name


def start():  # type: () -> None
    """Read the channel and set up what it asks for; without AUTOPACK_RUN_GUARD, and the second time, do nothing.

    Never raises: an error is told, and ends the process only where the task says `fail_closed`.
    """
    if not SUPPORTED or active or "AUTOPACK_RUN_GUARD" not in os.environ:
        return
    try:
        _read(os.environ)
        _start()
    except Exception as error:
        failed("could not start", error)


def safely(act, *words):  # type: (Callable[..., object], object) -> Any
    """What the guard's part returns; its own failure is told and is not the program's: None then."""
    __tracebackhide__ = True
    try:
        return act(*words)
    except Exception as error:
        if getattr(error, "autopack_run", False):  # meant for the program
            raise
        failed("stumbled", error)
    return None


def failed(what, error):  # type: (str, Exception) -> None
    """The guard itself failed: tell it, or, where the task wants that, end the process."""
    try:
        from _autopack_run_guard import record

        record.failed(what, error)
    except Exception:  # noqa: S110 - no descriptor free, no memory: then it cannot be told either
        pass
    if fail_closed:
        os._exit(70)


def _read(environ):  # type: (os._Environ[str]) -> None
    """The environment is the only channel; it is read once."""
    global active, mode, block_databases, strict, fail_closed  # noqa: PLW0603 (a process has one launch)
    words = environ["AUTOPACK_RUN_GUARD"].split()
    fail_closed = "fail_closed" in words
    strict, block_databases = "strict" in words, "databases=block" in words
    mode = "error" if "pins=error" in words else "allow" if "pins=allow" in words else "block"
    for name in environ.get("AUTOPACK_RUN_PINS", "").split():
        value = environ.get("AUTOPACK_RUN_PIN_" + name)
        if value is not None:
            pins[fold(name)] = value
            pins[fold(name + "_FILE")] = ""
    for name in ("AUTOPACK_RUN_RUN", "AUTOPACK_RUN_OUTER"):
        folders.extend(folder for folder in environ.get(name, "").split("\n") if folder)
    for name in environ:
        if fold(name).startswith("AUTOPACK_RUN_"):
            channel[name] = environ[name]
    active = True


def _start():  # type: () -> None
    if folders:
        begin("exec")
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=forked)
    if mode != "allow":
        from _autopack_run_guard import variables

        variables.restore()
        variables.keep()
    _watch_starts()
    _watch_folder()
    _watch_imports()
    if strict:
        from _autopack_run_guard import hook

        hook.listen()


def begin(how):  # type: (str) -> None
    """Start this process's record. how: `exec`, or `fork` for a copy of a guarded process."""
    global _record_name, _count  # noqa: PLW0603 (a process has one record)
    _record_name = "guard-%d-%x.txt" % (_getpid(), time.time_ns())  # noqa: UP031 (2.7 parses this)
    _count = 0
    # Whom a virtual environment's python.exe has started; nobody else there may see that one before it has ended.
    parent = os.getppid() if WINDOWS else 0
    write({"event": "start", "program": _program(), "python": sys.executable, "parent": parent, "how": how}, SPARE)


def forked():  # type: () -> None
    """After a fork, in the child: what it does is its own doing."""
    record = sys.modules.get("_autopack_run_guard.record")
    if record is not None:
        record.captured.clear()
    databases = sys.modules.get("_autopack_run_guard.databases")
    if databases is not None:
        databases.forget()
    begin("fork")


def _program():  # type: () -> str
    """The script or module of the command line; its arguments may hold secrets."""
    words = getattr(sys, "orig_argv", None)  # Python 3.10
    if words is None:
        return ""
    rest = iter(words[1:])
    for word in rest:
        if word in ("-X", "-W"):
            next(rest, "")
        elif word == "-m":
            return "-m " + next(rest, "")
        elif word.startswith("-"):
            if word == "-c":
                return "-c"
        else:
            return str(word)
    return ""


def write(event, before=b""):  # type: (dict[str, object], bytes) -> None
    """Append the event to this process's record: one Python literal a line. before: a line in front of it."""
    global _count  # noqa: PLW0603 (a process has one record)
    if not folders or _count > LIMIT:
        return
    _count += 1
    if _count > LIMIT:
        event = {"event": "error", "text": "more than %d records; the rest is not recorded" % LIMIT}  # noqa: UP031 (2.7 parses this)
    shown = {name: masked(value) if isinstance(value, str) else value for name, value in event.items()}
    line = ascii(dict(shown, pid=_getpid(), at=time.time_ns())) + "\n"
    for folder in list(folders):
        path = os.path.join(folder, _record_name)
        try:
            _append(path, before + line.encode("ascii"))
        except OSError as error:
            folders.remove(folder)
            from _autopack_run_guard import record

            record.lost(path, error)


def _append(path, data):  # type: (str, bytes) -> None
    handle = _open(path, _FLAGS, 0o600)
    try:
        if _write(handle, data) != len(data):
            raise OSError(28, "No space left on device")
    finally:
        _close(handle)


def masked(text):  # type: (str) -> str
    """The text without what stands between the :// and the last @ of a word."""
    if ":/" not in text or "@" not in text:
        return text
    return " ".join(map(_masked_word, text.split(" ")))


def _masked_word(word):  # type: (str) -> str
    start, end = word.find(":/"), word.rfind("@")
    shown = start + (3 if word[start:].startswith("://") else 2)
    return word[:shown] + "***" + word[end:] if -1 < start < end else word


def stand_aside():  # type: () -> None
    """Watch this process no more: it is a launcher, which looks at databases without using them."""
    global active  # noqa: PLW0603 (a process has one launch)
    active = False


def _watch_starts():  # type: () -> None
    """Wrap what of `os` starts a program with an environment of its own; subprocess follows when it is imported."""
    # On POSIX os.spawn* are Python: they fork, and an error in the child would be exit code 127 without a word.
    spawns = ("spawnv", "spawnve", "startfile") if WINDOWS else ("_spawnvef",)
    for name in ("execv", "execve", "posix_spawn", "posix_spawnp", "system") + spawns:  # noqa: RUF005 (2.7 parses this)
        if hasattr(os, name):
            setattr(os, name, _starting(getattr(os, name)))


def _watch_folder():  # type: () -> None
    """Know of every chdir, in place of asking for the current folder at every sqlite3.connect of a relative path."""
    native = sys.modules["nt" if WINDOWS else "posix"]
    for name in ("chdir", "fchdir"):
        if hasattr(os, name):
            wrapper = _moving(getattr(os, name))
            setattr(os, name, wrapper)
            setattr(native, name, wrapper)


def _moving(real):  # type: (Callable[..., object]) -> object
    def moves(*words, **named):  # type: (object, object) -> None
        real(*words, **named)
        databases = sys.modules.get("_autopack_run_guard.databases")
        if databases is not None:
            safely(databases.forget_relative)

    return like(moves, real)


def _starting(real):  # type: (object) -> object
    def starts(*words, **named):  # type: (object, object) -> object
        from _autopack_run_guard import children

        return children.start(real, words, named)

    return like(starts, real)


def like(wrapper, real):  # type: (object, object) -> object
    """The wrapper with the name, the words and the signature of the real one (functools would cost a start more)."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        if hasattr(real, name):
            setattr(wrapper, name, getattr(real, name))
    wrapper.__wrapped__ = real  # type: ignore[attr-defined]
    return wrapper


# What acts on a module after its import: module and function of this package.
_AFTER = {
    "subprocess": ("children", "watch_subprocess"),
    "_sqlite3": ("databases", "watch_sqlite"),
    "sqlite3.dbapi2": ("databases", "watch_sqlite"),
    "sqlite3": ("databases", "watch_sqlite"),
    "sqlalchemy": ("engines", "watch"),
    "psycopg.connection": ("drivers", "watch_psycopg"),
    "psycopg.connection_async": ("drivers", "watch_psycopg_async"),
    "psycopg2": ("drivers", "watch_psycopg2"),
    "asyncpg.connect_utils": ("drivers", "watch_asyncpg"),
    "pg8000.core": ("drivers", "watch_pg8000"),
    "pymysql.connections": ("drivers", "watch_pymysql"),
    "aiosqlite.core": ("databases", "watch_aiosqlite"),
    "dotenv.main": ("dotenvs", "watch"),
    "dynaconf.vendor.dotenv.main": ("dotenvs", "watch"),
}


def _watch_imports():  # type: () -> None
    """Act on what is imported already (coverage's .pth file comes before sitecustomize), and wait for the rest."""
    for name in _AFTER:
        if name in sys.modules:
            _act(name, sys.modules[name])
    sys.meta_path.insert(0, _Finder())  # type: ignore[arg-type]


def _act(name, module):  # type: (str, object) -> None
    if not active:
        return
    try:
        part, function = _AFTER[name]
        package = __import__("_autopack_run_guard." + part)
        getattr(getattr(package, part), function)(module)
    except Exception as error:
        failed("cannot watch " + name, error)


class _Finder(object):  # noqa: UP004 (Python 2.7 parses this)
    """Finds nothing itself: it asks the others, and has the loader call us afterwards."""

    def find_spec(self, name, path=None, target=None):  # type: (str, object, object) -> object
        if name not in _AFTER:
            return None
        for finder in sys.meta_path:
            if isinstance(finder, _Finder) or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)  # type: ignore[arg-type]
            if spec is not None:
                _follow(name, spec.loader)
                return spec
        return None


def _follow(name, loader):  # type: (str, object) -> None
    real = getattr(loader, "exec_module", None)
    if real is None or isinstance(loader, type):  # a built-in module's loader is one class for all of them
        return

    def exec_module(module):  # type: (object) -> object
        result = real(module)
        if getattr(module, "__name__", "") == name:  # a zip file's loader is one object for all its modules
            _act(name, module)
        return result

    loader.exec_module = exec_module  # type: ignore[attr-defined]


def chain(own):  # type: (str) -> None
    """Run the sitecustomize that `own` hides, as if it had been found first; what it raises is Python's to tell."""
    if not SUPPORTED:
        return
    import _frozen_importlib
    import _frozen_importlib_external

    folder = os.path.dirname(own)
    place = sys.path.index(folder) + 1 if folder in sys.path else 0
    hidden = [entry for entry in sys.path[place:] if entry != folder]
    spec = _frozen_importlib_external.PathFinder.find_spec("sitecustomize", hidden)
    if spec is None or spec.loader is None:
        return
    module = _frozen_importlib.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)
