"""What of a server's URL and of its libpq variables is nobody's to see, in every form in which a server may say it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from launcher.output import SAFE_OPTIONS

_PASSWORD = re.compile("PG(?:SSL)?PASSWORD|MYSQL_PWD|(?:ssl_?(?:key_?)?)?pass(?:word|wd|phrase)?", re.IGNORECASE)
_SECRET_VARIABLES = re.compile("PG.*(?:PASS|SECRET|KEY|TOKEN).*|MYSQL_PWD")
# Values that say nothing, and whose absence would make a message about TLS unreadable.
_PLAIN = re.compile(
    "true|false|none|disabled?|allow|prefer(?:red)?|required?|verify[-_](?:ca|full|identity)", re.IGNORECASE
)
_SHORTEST = 4  # characters: `1` or `yes` stands in every second message


def secrets_of(url_text: str, variables: Mapping[str, str]) -> set[str]:
    """The password and the values of all options that are not known to be harmless, raw, decoded and as quoted.

    url_text: a database URL, also one that SQLAlchemy cannot read. variables: the program's environment. A value of
    less than four characters is one of them only where it is a password.
    """
    found: set[str] = set()
    for name, value in (*_of_url(url_text), *_of_variables(variables)):
        if _PASSWORD.fullmatch(name) or (len(value) >= _SHORTEST and not _PLAIN.fullmatch(value)):
            found.update(_forms(value))
    return found - {""}


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret as ***, the longest first: one may be a piece of another."""
    forms = "|".join(map(re.escape, sorted(filter(None, secrets), key=len, reverse=True)))
    return re.sub(forms, "***", text) if forms else text


def _of_url(text: str) -> Iterator[tuple[str, str]]:
    """Names and values. Up to the last @ all is the login: a password may hold a raw ? or /, and the query no raw @."""
    login, _, place = text.partition("://")[2].rpartition("@")
    yield "password", login.partition(":")[2]
    yield "password", _as_sqlalchemy_reads(text)
    for pair in place.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        if unquote_plus(name) not in SAFE_OPTIONS:
            yield unquote_plus(name), value


def _as_sqlalchemy_reads(text: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return str(make_url(text).password or "")
    except (ArgumentError, ValueError):
        return ""


def _of_variables(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in variables.items() if _SECRET_VARIABLES.fullmatch(name))


def _forms(value: str) -> set[str]:
    plain = {value, unquote(value), unquote_plus(value)}
    encoded = {form for each in plain for form in (quote(each, safe=""), quote_plus(each))}
    # libpq's own strings: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
    escaped = {each.replace("\\", "\\\\").replace("'", "\\'") for each in plain}
    return plain | encoded | escaped | {" ".join(each.split()) for each in plain | escaped}
