"""Windows' programs that run nothing themselves, but start a Python."""

import os
import re

from launcher.python_words import is_launcher, is_python

# uv's launchers: a resource of this name, or (0.6 to 0.9 seen) a mark at the end of the file.
_UV_RESOURCE, _UV_ENDS = "UV_TRAMPOLINE_KIND".encode("utf-16-le"), (b"UVSC", b"UVPY")
_LARGEST = 2_000_000  # bytes; such launchers have 50 to 300 kB
_LIBRARY = re.compile(r"(?:lib|msys-|cyg)?(?:python|pypy)\d[^\\]*\.dll", re.IGNORECASE)


def is_starter(program: str) -> bool:
    """Whether the file, of Windows, runs nothing itself: it starts a Python, whose code is another file's.

    Such are py.exe, a python.exe without Python's library beside it (of a virtual environment, of the Python install
    manager, of uv, a shim), and a console script's .exe as pip or uv makes it.
    """
    if is_python(program):
        return not _has_library(os.path.dirname(program))
    return is_launcher(program) or _starts_script(program)


def _has_library(folder: str) -> bool:
    """Whether the folder is a real Python's: python311.dll, libpypy3-c.dll. A virtual environment may have a copy."""
    if not os.path.isabs(folder):  # a mere name
        return True
    if os.path.exists(os.path.join(folder, os.pardir, "pyvenv.cfg")):
        return False
    try:
        # Where Python 2.7 and 3.4 were installed for all users, their DLL is in System32, but not the standard library.
        standard = os.path.exists(os.path.join(folder, "Lib", "os.py"))
        return standard or any(_LIBRARY.fullmatch(name) for name in os.listdir(folder))
    except OSError:
        return True


def _starts_script(program: str) -> bool:
    """pip's is a small launcher with a zip file behind it, whose last record begins with PK; uv's has marks."""
    try:
        with open(program, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(-22, os.SEEK_END)
            end = file.read()
            if end.startswith(b"PK\5\6") or end.endswith(_UV_ENDS):
                return True
            file.seek(0)
            return size < _LARGEST and _UV_RESOURCE in file.read()
    except OSError:
        return False
