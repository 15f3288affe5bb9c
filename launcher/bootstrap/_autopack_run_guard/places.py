"""Which line of the program's own code did it: the standard library and installed packages are passed over."""

import os
import sys

import _autopack_run_guard as guard

TYPE_CHECKING = False  # types would be loaded for nothing
if TYPE_CHECKING:
    from types import FrameType

_LIBRARY = os.path.dirname(os.__file__)
_PACKAGES = ("site-packages", "dist-packages")
# Where a program is itself an installed package, these are still not its own code.
_TOOLS = (
    *("sqlalchemy", "aiosqlite", "dotenv", "environ", "environs", "dynaconf", "pydantic_settings"),
    *("_pytest", "pytest", "pluggy", "xdist", "execnet", "click", "flask", "uvicorn", "gunicorn"),
)


def own_place() -> str:
    """`file:line` of the innermost line of the program's own code, else of the library that acted."""
    frames = list(_frames(sys._getframe(1)))
    for chosen in (_is_own, _is_test, _is_typed, _is_program):
        for file, line in frames + _awaiting():
            if chosen(file):
                return os.environ["PYTEST_CURRENT_TEST"] if chosen is _is_test else _text(file, line)
    return _text(*frames[0]) if frames else "?"


def _frames(frame: "FrameType | None") -> "list[tuple[str, int]]":
    found = []
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(guard.BOOTSTRAP):
            found.append((file, frame.f_lineno))
        frame = frame.f_back
    return found


def _awaiting() -> "list[tuple[str, int]]":
    """The lines that wait for what runs now: SQLAlchemy's greenlet has no frame above it but its task."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return []
    try:
        task = asyncio.current_task()
        step = task.get_coro() if task is not None else None
    except RuntimeError:  # no loop runs in this thread
        return []
    found = []
    while step is not None and getattr(step, "cr_frame", None) is not None:
        found.append((step.cr_frame.f_code.co_filename, step.cr_frame.f_lineno))
        step = step.cr_await
    return found[::-1]


def _is_own(file: str) -> bool:
    return not (file.startswith(("<", _LIBRARY)) or _package(file))


def _is_test(_file: str) -> bool:
    """A test whose own line is not among the frames, since a decorator acts for it."""
    return "PYTEST_CURRENT_TEST" in os.environ


def _is_typed(file: str) -> bool:
    """`python -c`, a prompt; other names in angle brackets are of code that a library has made up."""
    return file in ("<string>", "<stdin>")


def _is_program(file: str) -> bool:
    package = _package(file)
    return bool(package) and package not in _TOOLS


def _package(file: str) -> str:
    """The installed package that the file belongs to, or ""."""
    parts = file.replace("\\", "/").split("/")
    for number, part in enumerate(parts[:-1]):
        if part in _PACKAGES:
            return parts[number + 1].partition(".")[0]
    return ""


def _text(file: str, line: int) -> str:
    return f"{file if file.startswith('<') else os.path.abspath(file)}:{line}"


def calling_module(names: "tuple[str, ...]") -> "FrameType | None":
    """The innermost frame whose module is one of the names, or a vendored copy of it (`x.vendor.dotenv.main`)."""
    frame = sys._getframe(1)  # type: FrameType | None
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if isinstance(module, str) and any(module == name or module.endswith("." + name) for name in names):
            return frame
        frame = frame.f_back
    return None
