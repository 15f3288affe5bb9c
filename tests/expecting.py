"""What a profile file could say about a database on a server, put together by hand."""

from typing import Any

from launcher.identity.expectation import Expectation
from launcher.identity.url import parse_database_url

PLACE = "autopack-run.toml:3"


def expect(url: str, **fields: Any) -> Expectation:
    """The expectation of a database `telemetry` at that URL."""
    return Expectation("telemetry", parse_database_url(url, PLACE, None), PLACE, "prod", **fields)
