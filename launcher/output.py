"""What is printed: reports to standard output, everything for a person to standard error, one line a line."""

import errno
import os
import re
import sys
from typing import Any

# As it was handed over (`>&-`): the entry point opens another one in its place.
_CLOSED = sys.stdout is None


class OutputLost(Exception):  # noqa: N818 - it is no error of ours
    """Standard output could not be written whole; `error` is the system's own."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def tell(text: str) -> None:
    """Print the text and a line end to standard output. Raises OutputLost where that fails."""
    _tell(masked(text))


def _tell(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError as error:
        raise OutputLost(error) from None


def tell_json(report: Any) -> None:
    """Print the report as JSON. Raises OutputLost where that fails."""
    _tell(json_text(report, ascii_only=True))


def json_text(report: Any, ascii_only: bool = False) -> str:
    """The report as JSON, masked before it is encoded: afterwards a quotation mark would not be seen as one."""
    import json

    return json.dumps(_masked_all(report), indent=2, ensure_ascii=ascii_only)


def _masked_all(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {masked(key): _masked_all(each) for key, each in value.items()}
    return [_masked_all(each) for each in value] if isinstance(value, list | tuple) else value


def tell_bytes(data: bytes) -> None:
    """Write the bytes to standard output as they are. Raises OutputLost where that fails, or where it is closed."""
    if _CLOSED:
        raise OutputLost(OSError(errno.EBADF, os.strerror(errno.EBADF)))
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise OutputLost(error) from None


def say(text: str) -> None:
    """Print the text to standard error. One that is closed, full or a broken pipe changes nothing else.

    print(file=None), which is what a closed standard error gives, would write into the child's standard output; and
    what stays in the buffer of one that fails would fail again at the end and make the exit code 120
    (docs.python.org, "sys.exit").
    """
    if sys.stderr is None:
        return
    try:
        print(masked(text), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the end)


def printable(text: str, kept: str = "") -> str:
    """The text with everything escaped that a terminal would obey; `kept` names exceptions, such as a line end.

    A file's name, a description or a table's name may hold line ends and terminal sequences, with which it could forge
    a line of ours.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in kept else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


PLACE_OPTIONS = ("host", "hostaddr", "port", "service", "unix_socket")
"""Behind a URL's ?: where the server is."""
SAFE_OPTIONS = (
    *("application_name", "charset", "connect_timeout", "sslmode", "target_session_attrs"),
    *PLACE_OPTIONS,
)
"""Behind a URL's ?: what cannot hold a secret."""
_PLACE = re.compile(r"(?:[A-Za-z0-9._:/,-]|%2F)+", re.IGNORECASE)
_PLAIN = re.compile(r"[\w .-]+")

# A URL's user, up to the colon in front of its password, which goes on to the last @ of the word, and what stands
# behind its ?, up to the quotation mark in which the URL stands. A URL taken for a path loses a slash, and on Windows
# it gets backslashes, which JSON doubles. Nothing here may take more than linear time: a server's output may have lines
# of megabytes.
_WORD = re.compile(r"\S+")
_CREDENTIALS = re.compile(r"\w:[/\\]{1,4}[^\s:@?]*:")
_QUOTED = re.compile(r"('\w{1,20}(?:\+\w{1,20})?:[/\\]{1,4}[^\s?']{0,2000}\?)([^\s'\"]+)")
_UP_TO_OPTIONS = re.compile(r"\w:[/\\]{1,4}[^\s?]*\?")
# What nobody can take apart: a whole one, as we quote what was typed, with a blank or a " in it.
_SPOILED = re.compile(
    r"'(\w{2,20}(?:\+\w{1,20})?:[/\\]{1,4})(?=[^'\n]{0,2000}[ \"])[^'\n@?]{0,2000}[@?][^'\n]{0,2000}'"
)
# Without an @, what stands behind the colon is no password where it may be a port, or a word for one.
_UNFINISHED = re.compile(r"(\w://[^\s:/\\@?\[\]'\"]{1,200}:)(?!\d{1,5}(?:\W|$)|[{<$%]|PORT)[^\s/@?'\"`,;)\]]+")
_AFTER_A_URL = "'`.,;:)]}>"  # in a text


def _without_password(word: re.Match[str]) -> str:
    text = word[0]
    last = text.rfind("@")
    found = _CREDENTIALS.search(text, 0, last) if last > 0 else None
    return f"{text[: found.end()]}***{text[last:]}" if found else text


def _without_bare_options(word: re.Match[str]) -> str:
    text, told, at = word[0], list[str](), 0
    last = text.rfind("?") + 1
    while found := _UP_TO_OPTIONS.search(text, at, last):
        end = text.find('"', found.end())
        end = end if end >= 0 else len(text)
        told += text[at : found.end()], _options(text[found.end() : end])
        at = end
    return "".join(told) + text[at:]


def shown_options(query: str) -> str:
    """What stands behind a URL's ?, by an allow list: *** for what may hold a secret."""
    return "&".join(dict.fromkeys(map(_shown_option, query.split("&"))))


def _shown_option(option: str) -> str:
    name, _, value = option.partition("=")
    form = _PLACE if name in PLACE_OPTIONS else _PLAIN
    if name not in SAFE_OPTIONS:
        return "***"
    return option if not value or form.fullmatch(value) else f"{name}=***"


def _without_options(url: re.Match[str]) -> str:
    return url[1] + _options(url[2])


def _options(text: str) -> str:
    """What stands behind a URL's ?, as it is shown; unchanged, with the text after the URL, where nothing is hidden."""
    options = text.rstrip(_AFTER_A_URL)
    shown = shown_options(options) if options else ""
    return text if shown == options else shown


def masked(text: str) -> str:
    """The text without the password of any URL in it: the last net, for a URL that was typed where none belongs.

    What is meant to hold a URL is shown by an allow list (IDENTITY.md, "What decides the design", 11); this one is for
    a URL given as a profile's name, a path, an option's value.
    """
    if ":/" not in text and ":\\" not in text:
        return text
    text = _SPOILED.sub(r"'\1***'", text) if "'" in text else text
    text = _WORD.sub(_without_password, text) if "@" in text else text
    text = _UNFINISHED.sub(r"\1***", text)
    if "?" not in text:
        return text
    return _WORD.sub(_without_bare_options, _QUOTED.sub(_without_options, text))
