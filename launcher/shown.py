"""What of a variable's value may be shown.

An allow list, since no list of secrets is ever complete (IDENTITY.md, "What decides the design", 11).
"""

import os
import re

# Parts of a name that announce a secret; a number under such a name is one too.
_SECRET_NAME = re.compile(
    r"AUTH|CREDENTIAL|COOKIE|DSN|LICEN[CS]E|PASS|PRIVATE|PWD|SALT|SECRET|SIGN|URI|URL"
    r"|(?:^|_)(?:CERT|KEY|KEYS|PIN|PW|TOKEN)(?:_|$)|APIKEY"
)
# Values that cannot be one: a number or version, a word without digits, an option's small list of such words.
_PLAIN = re.compile(r"[+-]?[0-9][0-9._]{0,15}|[A-Za-z][A-Za-z_-]{0,15}")
# Names whose values are folders and files, or settings of Python and of the language, on every system.
_OPEN_NAMES = re.compile(
    r"PATH|PATHEXT|PWD|HOME|USERPROFILE|TEMP|TMP|TMPDIR|SYSTEMROOT|COMSPEC|SHELL|TERM|LANG|LC_[A-Z]+|TZ|VIRTUAL_ENV"
    r"|PYTHON[A-Z]+|LD_LIBRARY_PATH|CONDA_PREFIX"
)
# What cannot be in the name of a file of the project without doubt: an option, a user, a second value.
_DOUBTFUL = re.compile(r"[=?&@;|<>*\"']")
_LOOPBACK = re.compile(r"(?:http|ws)s?://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?(?:/[A-Za-z_/-]{0,40})?")


def announces_secret(name: str) -> bool:
    """Whether a variable of that name may hold a secret, whatever its value looks like."""
    return _SECRET_NAME.search(name.upper()) is not None and not _is_open(name)


def may_show(name: str, text: str, root: str) -> bool:
    """Whether the value can be shown. root: the project's folder, whose own paths are no secret."""
    if "://" in text:
        return _LOOPBACK.fullmatch(text) is not None
    if not text.isprintable():
        return False  # a terminal would obey it
    if _is_open(name):
        return True
    if announces_secret(name):
        return False
    return _PLAIN.fullmatch(text) is not None or _is_inside(text, root)


def _is_inside(text: str, root: str) -> bool:
    rest = text[len(root) :]
    return len(root) > 1 and text.startswith(root) and rest[:1] in ("", "/", os.sep) and not _DOUBTFUL.search(rest)


def _is_open(name: str) -> bool:
    return _OPEN_NAMES.fullmatch(name.upper()) is not None
