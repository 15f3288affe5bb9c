"""Fixtures of the whole suite."""

import sys

import pytest
from windows import Windows


@pytest.fixture(scope="session")
def windows() -> Windows:
    """A Windows to run programs in: the lab on Linux, this machine on Windows; elsewhere the test is skipped."""
    return Windows()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip by name what this system cannot run; how it is run (uv, the lab's suite) makes no difference."""
    if sys.platform != "win32":
        return
    for item in items:
        for mark in ("posix", "lab"):
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=f"{mark}: not to be had on Windows"))
