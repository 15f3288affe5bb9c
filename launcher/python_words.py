"""What a Python command line says: which options keep the guard out, and which script or module it runs."""

import re
from collections.abc import Iterator, Sequence

_NAME = re.compile(r"(?:python|pypy)[\d.]*w?(?:_d)?(?:\.exe)?", re.IGNORECASE)
_LAUNCHER = re.compile(r"pyw?(?:\.exe)?", re.IGNORECASE)  # of Windows: `py -3.11 script`
# Options with a value in the next word (https://docs.python.org/3/using/cmdline.html).
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")
_SKIPPING = "IES"  # they skip sitecustomize or PYTHONPATH; -P and -s do not (STYLE.md, measured)


def is_python(program: str) -> bool:
    """Whether the program's file is named as Python's are."""
    return _NAME.fullmatch(_base(program)) is not None


def is_launcher(program: str) -> bool:
    """Whether it is `py`, which starts a Python on Windows."""
    return _LAUNCHER.fullmatch(_base(program)) is not None


def skipping_option(words: Sequence[str]) -> str:
    """The option of a Python command line that keeps the guard out, as `-I`, or "". `env` in front is passed over."""
    rest = list(words)
    while rest and _base(rest[0]) == "env":
        rest = [word for word in rest[1:] if "=" not in word and not word.startswith("-")] if rest[1:] else []
    if not rest or not (is_python(rest[0]) or is_launcher(rest[0])):
        return ""
    for option in _options(rest[1:]):
        for letter in option[1:] if not option.startswith("--") else "":
            if letter in _SKIPPING:
                return f"-{letter}"
            if letter in "cmWX" or letter.isdigit():
                break
    return ""


def script(words: Sequence[str]) -> str:
    """Python's script, `-m module` or `-c`, of the words behind its name; any other word may hold a secret."""
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-") or word == "-":
            return word
        elif not word.startswith(("--", "-W", "-X")) and (found := re.match(r"-[^cm]*([cm])(.*)", word)):
            return "-c" if found[1] == "c" else f"-m {found[2] or next(rest, '')}"
    return ""


def _options(words: Sequence[str]) -> Iterator[str]:
    """The options in front of the script; -c and -m end them."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word in ("-", "--"):
            return
        yield word
        if word in _WITH_VALUE:
            next(rest, None)
        elif not word.startswith(("--", "-W", "-X")) and re.match(r"-[^cm]*[cm]", word):
            return


def _base(program: str) -> str:
    return program.replace("\\", "/").rsplit("/", 1)[-1]
