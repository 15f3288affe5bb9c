"""`{root}`, `{profile}`, `{port}`, `{python}`, `{pathsep}`, `{env:NAME}` in the values of a profile file."""

import os
from collections.abc import Callable, Mapping

from launcher.errors import ConfigurationError
from launcher.nearest import did_you_mean

Lookup = Callable[[str], str | None]
NAMES = ("root", "profile", "port", "python", "pathsep", "env:NAME")


class Placeholders:
    """Fills in placeholders. What costs something (a free port, the interpreter) is found on first use.

    known: the text, or how to get it, of each name but `pathsep` and `env:…`.
    """

    def __init__(self, known: Mapping[str, str | Callable[[], str]]) -> None:
        self._known = known

    def expand(self, text: str, place: str, env: Lookup) -> str:
        """`text` with its placeholders filled in; env gives the value of a variable or None.

        Raises ConfigurationError for an unknown or unfinished placeholder and for a variable that is not set.
        """
        if "{" not in text and "}" not in text:
            return text
        parts: list[str] = []
        position = 0
        while position < len(text):
            character = text[position]
            if text[position : position + 2] in ("{{", "}}"):
                parts.append(character)
                position += 2
            elif character == "{":
                end = text.find("}", position)
                name = text[position + 1 : end] if end > 0 else ""
                parts.append(self._value(name, place, env))
                position = end + 1
            elif character == "}":
                raise ConfigurationError("placeholder", f"{place}: a single }}", "write }} for a literal brace")
            else:
                parts.append(character)
                position += 1
        return "".join(parts)

    def _value(self, name: str, place: str, env: Lookup) -> str:
        if name.startswith("env:"):
            return self._variable(name[4:], place, env)
        if name == "pathsep":
            return os.pathsep
        if name not in self._known:
            hint = did_you_mean(name, NAMES) or "known: " + ", ".join(f"{{{known}}}" for known in NAMES)
            raise ConfigurationError(
                "placeholder", f"{place}: unknown placeholder {{{name}}}", f"{hint}; {{{{ is a brace"
            )
        value = self._known[name]
        return value if isinstance(value, str) else value()

    @staticmethod
    def _variable(name: str, place: str, env: Lookup) -> str:
        text = env(name)
        if text is None:
            raise ConfigurationError(
                "placeholder",
                f"{place}: {{env:{name}}}: {name} is not set",
                f"set {name}, or give it a value in env_files",
            )
        return text
