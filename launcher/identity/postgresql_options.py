"""Settings that the client gives its session: the URL's `options`, else PGOPTIONS (postgresql.org, "libpq-connect")."""

import os
from urllib.parse import parse_qs

from launcher.hints import unset_line
from launcher.identity.expectation import Expectation

_CLIENT = "client"  # of pg_settings.source


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
    return "options" in parse_qs(expected.url.text.partition("?")[2], keep_blank_values=True)
