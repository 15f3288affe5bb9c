"""Settings that the client gives its session: the URL's `options`, else PGOPTIONS (postgresql.org, "libpq-connect")."""

import os

from launcher.hints import unset_line
from launcher.identity.expectation import Expectation
from launcher.identity.url import options_of

_CLIENT = "client"  # of pg_settings.source


def names(setting: str, expected: Expectation) -> bool:
    """Whether it is among what the client gives, so that asking the server for its source is worth while."""
    given = options_of(expected.url).get("options") or [expected.variables.get("PGOPTIONS", "")]
    return any(setting in text for text in given)


def giver(source: str | None, expected: Expectation) -> str:
    """What gave the session a setting of that source: `the URL's options`, `PGOPTIONS`; "" where it was the server."""
    if source != _CLIENT:
        return ""
    return "the URL's options" if _in_url(expected) else "PGOPTIONS"


def remedy(setting: str, expected: Expectation) -> str:
    """How to take the setting away there: a line to type where the shell has set PGOPTIONS."""
    if _in_url(expected):
        return f"take {setting} out of the options of {expected.place}"
    ours = os.environ.get("PGOPTIONS")
    if ours and ours == expected.variables.get("PGOPTIONS"):
        return unset_line("PGOPTIONS")
    return f"take {setting} out of the profile's PGOPTIONS"


def _in_url(expected: Expectation) -> bool:
    return "options" in options_of(expected.url)
