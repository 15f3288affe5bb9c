"""Templates of the package `templates/`, with undefined names being errors."""

from importlib.resources import files


def render(name: str, **values: object) -> str:
    """The template of that name with the values filled in; raises jinja2.UndefinedError for a name it does not get."""
    from jinja2 import Environment, StrictUndefined

    text = files("launcher.templates").joinpath(name).read_text(encoding="utf-8")
    # Braces are the profile file's own placeholders, so the templates mark theirs with << >>.
    environment = Environment(
        undefined=StrictUndefined,
        variable_start_string="<<",
        variable_end_string=">>",
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (no HTML)
    )
    return environment.from_string(text).render(values)
