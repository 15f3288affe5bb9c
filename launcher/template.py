"""Templates of the package `templates/`, with undefined names being errors."""

from collections.abc import Callable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any


def render(name: str, **values: object) -> str:
    """The template of that name with the values filled in; raises jinja2.UndefinedError for a name it does not get."""
    return render_through({}, name, **values)


def render_through(filters: Mapping[str, Callable[[str], str]], name: str, **values: object) -> str:
    """The same with filters that a placeholder may put its value through, such as the `quote` of a shell."""
    from jinja2 import Environment, StrictUndefined

    text = _folder().joinpath(name).read_text(encoding="utf-8")
    environment = Environment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (no HTML)
        **(BRACES_FREE if name.endswith(".toml.j2") else ASCII_FREE),
    )
    environment.filters.update(filters)
    return environment.from_string(text).render(values)


def _folder() -> Traversable:
    try:
        return files("launcher.templates")
    except ModuleNotFoundError:  # a checkout on Python's path, where no build has put it into the package
        return Path(__file__).parent.with_name("templates")


# Braces are the profile file's own placeholders, so the templates of one mark theirs with << >>.
BRACES_FREE: dict[str, Any] = {"variable_start_string": "<<", "variable_end_string": ">>"}
# What a script or a page is written in is ASCII, so nothing in it can be taken for one of these.
ASCII_FREE: dict[str, Any] = {
    "variable_start_string": "«",
    "variable_end_string": "»",
    "block_start_string": "«%",
    "block_end_string": "%»",
    "comment_start_string": "«#",
    "comment_end_string": "#»",
    "trim_blocks": True,
    "lstrip_blocks": True,
}
