"""Violations of the profile file's schema in words that help, with nothing in them that could be a secret."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from launcher.errors import ConfigurationError
from launcher.nearest import did_you_mean
from launcher.shown import announces_secret
from launcher.toml_lines import Keys, Source, dotted

# A text of the file that an error may repeat: no URL, nothing long, nothing a terminal would obey.
_HARMLESS = re.compile(r"[\w .,/\\{}-]{0,40}")
_VARIABLE_RULE = "names of variables are a letter or _, then letters, digits and _ (ASCII)"
_NAME_RULE = "names are letters, digits, '_', '.' and '-' (ASCII), the first a letter or a digit"
_SAMPLES = {
    "run": 'run = ["python", "…"]',
    "env": 'env = { NAME = "value" }',
    "url": 'url = "sqlite:///NAME.db"',
    "id": "the db_id of its stamp, as `autopack-run PROFILE check` shows it: 8-4-4-4-12 hexadecimal digits",
    "port": "port = 8000",
}


def worded(violation: Any, data: Mapping[str, Any], source: Source, schema: Mapping[str, Any]) -> ConfigurationError:
    """The error for a fastjsonschema.JsonSchemaValueException about `data`, which the file `source` holds."""
    keys = _keys(violation.name, data)
    if violation.rule == "additionalProperties" and isinstance(violation.value, dict):
        keys, what, hint = _unknown_key(violation, keys, schema)
    elif violation.rule == "propertyNames":
        keys, what, hint = _bad_name(violation, keys)
    elif violation.rule == "required":
        missing = next(key for key in violation.rule_definition if key not in violation.value)
        what, hint = f"the key '{missing}' is missing", _SAMPLES.get(missing, "")
    else:
        what, hint = _bad_value(violation, keys)
    return ConfigurationError("profile-file", f"{source.place(keys)}: {what}", hint)


def _keys(name: str, data: Any) -> Keys:
    """The path behind fastjsonschema's `data.profiles.v1.2.env`: only the data tells which dots belong to a name."""
    return _walk(name.removeprefix("data"), data) or ()


def _walk(rest: str, value: Any) -> Keys | None:
    if not rest:
        return ()
    for text, key, below in _members(value):
        if rest.startswith(text) and (tail := _walk(rest[len(text) :], below)) is not None:
            return (key, *tail)
    return None


def _members(value: Any) -> Iterator[tuple[str, str | int, Any]]:
    if isinstance(value, dict):
        yield from ((f".{key}", key, member) for key, member in value.items())
    elif isinstance(value, list):
        yield from ((f"[{index}]", index, member) for index, member in enumerate(value))


def _unknown_key(violation: Any, keys: Keys, schema: Mapping[str, Any]) -> tuple[Keys, str, str]:
    known = violation.definition.get("properties", {})
    unknown = next(key for key in violation.value if key not in known)
    place = _tables(schema).get(unknown)
    hints = [did_you_mean(unknown, known), f"'{unknown}' belongs into {place}" if place else ""]
    hint = " ".join(filter(None, hints)) or f"known keys here: {', '.join(sorted(known))}"
    return (*keys, unknown), f"unknown key {unknown!r}", hint


def _tables(schema: Mapping[str, Any]) -> dict[str, str]:
    """For each key of the schema, the tables that may have it."""
    top = schema["properties"]
    profile = top["profiles"]["additionalProperties"]["properties"]
    tables = {
        "[defaults]": top["defaults"]["properties"],
        "[databases.NAME]": top["databases"]["additionalProperties"]["properties"],
        "[profiles.NAME]": profile,
        "[profiles.NAME.tasks.NAME]": profile["tasks"]["additionalProperties"]["properties"],
    }
    keys = dict.fromkeys(key for table in tables.values() for key in table)
    return {key: " or ".join(name for name, table in tables.items() if key in table) for key in keys}


def _bad_name(violation: Any, keys: Keys) -> tuple[Keys, str, str]:
    pattern = violation.rule_definition["pattern"].strip("^$")
    name = next(key for key in violation.value if not re.fullmatch(pattern, key))
    rule = _VARIABLE_RULE if keys[-1:] == ("env",) else _NAME_RULE
    return (*keys, name), f"{name!r} cannot be a name here", rule


def _bad_value(violation: Any, keys: Keys) -> tuple[str, str]:
    value, rule, wanted = violation.value, violation.rule, violation.rule_definition
    key = keys[-1] if keys else ""
    shown = _shown(value, keys)
    if rule == "type":
        return _WORDS[wanted](value, keys, shown)
    if rule == "enum":
        words = ", ".join(f'"{word}"' for word in wanted)
        return f"{shown} is not one of its values", (did_you_mean(value, wanted) if isinstance(value, str) else "") or (
            f"one of: {words}"
        )
    if rule in ("minimum", "maximum"):
        limits = violation.definition
        return f"{shown} is not between {limits['minimum']} and {limits['maximum']}", _SAMPLES.get(str(key), "")
    if rule == "pattern":
        in_list = isinstance(key, int)
        return f"{shown} {'cannot be a name here' if in_list else 'does not have the form'}", (
            _VARIABLE_RULE if in_list else _SAMPLES.get(str(key), "")
        )
    return "is empty", _SAMPLES.get(str(key), "")  # minLength, minItems: the schema has no other rules


def _not_text(value: Any, keys: Keys, shown: str) -> tuple[str, str]:
    text = f'"{_as_text(value, keys)}"'
    if isinstance(keys[-1], int):
        return f"{shown} is not a string", f"write {text} in the list {dotted(keys[-2:-1])}"
    why = "; variables are text" if "env" in keys[-2:-1] else ""
    also = f'  or  {keys[-1]} = "{str(value).lower()}"' if isinstance(value, bool) else ""
    return f"{shown} is not a string{why}", f"{keys[-1]} = {text}{also}"


def _not_a_list(value: Any, keys: Keys, shown: str) -> tuple[str, str]:
    key = str(keys[-1])
    if key == "run":  # its words are not repeated: a password may stand among them
        return f"{shown} is not a list of words; 'run' never is a string for a shell", _SAMPLES["run"]
    word = value if isinstance(value, str) and _HARMLESS.fullmatch(value) else "…"
    return f"{shown} is not a list", f"{key} = ['{word}']" if "\\" in word else f'{key} = ["{word}"]'


def _not_a_table(_value: Any, keys: Keys, shown: str) -> tuple[str, str]:
    if keys[:1] == ("databases",) and len(keys) == 2:
        return f"{shown} is not a table", f"[{dotted(keys)}], below it {_SAMPLES['url']}"
    return f"{shown} is not a table", _SAMPLES.get(str(keys[-1]), f"[{dotted(keys)}]")


def _not_a_boolean(value: Any, keys: Keys, shown: str) -> tuple[str, str]:
    word = str(value).lower()
    meant = {"1": "true", "0": "false", "yes": "true", "no": "false", "true": "true", "false": "false"}.get(word)
    return f"{shown} is neither true nor false", f"{keys[-1]} = {meant or 'true'}, without quotes"


def _not_a_number(value: Any, keys: Keys, shown: str) -> tuple[str, str]:
    digits = isinstance(value, str) and value.isascii() and value.isdigit()
    return f"{shown} is not a whole number", f"{keys[-1]} = {value if digits else 8000}, without quotes"


_WORDS: dict[str, Callable[[Any, Keys, str], tuple[str, str]]] = {
    "string": _not_text,
    "array": _not_a_list,
    "object": _not_a_table,
    "boolean": _not_a_boolean,
    "integer": _not_a_number,
}


def _shown(value: Any, keys: Keys) -> str:
    """A value of the file as TOML writes it, where it is harmless; else only its kind."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        private = any(key in ("env", "url", "run", "health") for key in keys)
        return "this text" if private or not _HARMLESS.fullmatch(value) else repr(value)
    return _as_text(value, keys, plain=True) if not _is_private(keys) else "this value"


def _is_private(keys: Keys) -> bool:
    return "env" in keys and isinstance(keys[-1], str) and announces_secret(keys[-1])


def _as_text(value: Any, keys: Keys, plain: bool = False) -> str:
    """The text to write for a value that is none; a secret's stays out of it."""
    if isinstance(value, dict | list) or _is_private(keys):
        return "…"
    if isinstance(value, bool):
        return str(value).lower() if plain else str(int(value))
    return str(value)
