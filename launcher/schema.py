"""The JSON Schema of the profile file: the one definition of what may stand in it."""

import os
from typing import Any

from launcher.errors import ConfigurationError
from launcher.toml_lines import Keys, Source

SCHEMA_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "autopack-run.schema.json")


def schema_text() -> str:
    """The JSON Schema as it stands in the package."""
    with open(SCHEMA_FILE, encoding="utf-8") as file:
        return file.read()


def validate(data: dict[str, Any], source: Source) -> None:
    """Raise ConfigurationError for the first key or value of `data` that the schema does not allow."""
    import json

    import fastjsonschema

    schema = json.loads(schema_text())
    check = fastjsonschema.compile(schema, use_default=False)
    try:
        check(data)
    except fastjsonschema.JsonSchemaValueException as violation:
        from launcher.violations import worded

        raise worded(violation, data, source, schema) from None
    _refuse_unsaid(data, (), source)


def _refuse_unsaid(value: Any, keys: Keys, source: Source) -> None:
    """What JSON Schema cannot say: no NUL, which no program and no path can have; 8000.0 is no integer."""
    if isinstance(value, str) and "\0" in value:
        raise ConfigurationError(
            "bad-value", f"{source.place(keys)} has a NUL character; no program can get it", "take it away"
        )
    if isinstance(value, float):
        raise ConfigurationError(
            "profile-file", f"{source.place(keys)}: {value} is not a whole number", f"{keys[-1]} = {value:.0f}"
        )
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        _refuse_unsaid(member, (*keys, key), source)
