"""The JSON Schema of the profile file, and its violations in words that help."""

import os
from typing import Any, NamedTuple

from launcher.errors import ConfigurationError
from launcher.toml_lines import Keys, line_of

SCHEMA_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "autopack-run.schema.json")


class Source(NamedTuple):
    """A profile file's path and text: what an error needs to say where a key stands."""

    path: str
    text: str

    def place(self, keys: Keys) -> str:
        """`FILE:LINE (key.path)`, without the line where the key is not written in the file."""
        line = line_of(self.text, keys)
        return f"{self.path}{f':{line}' if line else ''} ({'.'.join(keys)})"


def schema_text() -> str:
    """The JSON Schema as it stands in the package."""
    with open(SCHEMA_FILE, encoding="utf-8") as file:
        return file.read()


def validate(data: dict[str, Any], source: Source) -> None:
    """Raise ConfigurationError for the first key or value of `data` that the schema does not allow."""
    import json

    import fastjsonschema

    check = fastjsonschema.compile(json.loads(schema_text()), use_default=False)
    try:
        check(data)
    except fastjsonschema.JsonSchemaValueException as violation:
        raise _violation(violation, source) from None


def _violation(violation: Any, source: Source) -> ConfigurationError:
    keys = tuple(violation.path[1:])
    if violation.rule == "additionalProperties" and isinstance(violation.value, dict):
        return _unknown_key(violation, keys, source)
    if violation.rule == "propertyNames" or (keys and keys[-1] == "propertyNames"):
        return _bad_name(violation, keys, source)
    where = source.place(keys) if keys else source.path
    if violation.rule == "required":
        return ConfigurationError("profile-file", f"{where}: the key 'url' is missing", 'url = "sqlite:///NAME.db"')
    what, hint = _expected(violation, keys)
    return ConfigurationError("profile-file", f"{where}: {what}", hint)


def _unknown_key(violation: Any, keys: Keys, source: Source) -> ConfigurationError:
    from launcher.nearest import did_you_mean

    known = sorted(violation.definition.get("properties", {}))
    unknown = next(key for key in violation.value if key not in known)
    hint = did_you_mean(unknown, known) or f"known keys here: {', '.join(known)}"
    return ConfigurationError("profile-file", f"{source.place((*keys, unknown))}: unknown key '{unknown}'", hint)


def _bad_name(violation: Any, keys: Keys, source: Source) -> ConfigurationError:
    table = keys[:-1] if keys and keys[-1] == "propertyNames" else keys
    name = str(violation.value)
    rule = "a letter or _, then letters, digits and _" if table[-1:] == ("env",) else "letters, digits, '_', '.', '-'"
    return ConfigurationError(
        "profile-file", f"{source.place(table)}: {name!r} cannot be a name here", f"names are {rule}"
    )


def _expected(violation: Any, keys: Keys) -> tuple[str, str]:
    value, definition = violation.value, violation.rule_definition
    if violation.rule == "enum":
        return f"{_shown(value)} is not one of the values", "one of: " + ", ".join(f'"{word}"' for word in definition)
    if violation.rule == "type" and definition == "string":
        if "env" in keys:
            return f"{_shown(value)} is not a string; variables are text", f'{keys[-1]} = "{_as_text(value)}"'
        return f"{_shown(value)} is not a string", f'{keys[-1]} = "{_as_text(value)}"'
    if violation.rule == "type" and definition == "array" and isinstance(value, str):
        return (
            "is a list of words, never a string for a shell",
            f"{keys[-1]} = [{', '.join(map(_quoted, value.split()))}]",
        )
    if violation.rule == "type":
        return f"{_shown(value)} is not of type {definition}", ""
    if violation.rule == "pattern":
        return f"{_shown(value)} does not have the form {definition}", ""
    return f"{violation.message.split(' ', 1)[-1]}", ""


def _shown(value: Any) -> str:
    """A value of the file, short, as TOML writes it. Of what may hold a secret only the kind."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and "://" not in value:
        return repr(value[:40])
    return {"str": "this text", "dict": "a table", "list": "a list"}.get(type(value).__name__, type(value).__name__)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value) if isinstance(value, int | float) else "…"


def _quoted(word: str) -> str:
    return f'"{word}"'
