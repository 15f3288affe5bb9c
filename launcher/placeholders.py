"""`{root}`, `{profile}`, `{port}`, `{python}`, `{pathsep}`, `{env:NAME}` in the values of a profile file."""

import os
import re
from collections.abc import Callable, Iterable, Mapping

from launcher.environment import Lookup
from launcher.errors import ConfigurationError
from launcher.nearest import did_you_mean

NAMES = ("root", "profile", "port", "python", "pathsep", "env:NAME")
# What an error may repeat. Between braces of JSON or of a format string may stand a password.
_WORD = re.compile(r"(?:env:)?[A-Za-z_][A-Za-z0-9_()]{0,40}")


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
                if end < 0:
                    raise _literal(place, "a { without its }")
                name = text[position + 1 : end]
                if "://" in text and name not in self._known and not name.startswith("env:") and name not in NAMES:
                    raise _literal(place, "a { in a URL that begins no placeholder")  # it may be the password's
                parts.append(self._value(name, place, env))
                position = end + 1
            elif character == "}":
                raise _literal(place, "a } without its {")
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
            raise self._unknown(name, place)
        value = self._known[name]
        return value if isinstance(value, str) else value()

    def _unknown(self, name: str, place: str) -> ConfigurationError:
        if not _WORD.fullmatch(name):
            return _literal(place, "a { that begins no placeholder")
        if name in NAMES:
            return ConfigurationError("placeholder", f"{place}: {{{name}}} has no value here", _known(self._known))
        hint = did_you_mean(name, NAMES) or _known(NAMES)
        return ConfigurationError(
            "placeholder", f"{place}: unknown placeholder {{{name}}}", f"{hint} A literal brace is {{{{"
        )

    @staticmethod
    def _variable(name: str, place: str, env: Lookup) -> str:
        text = env(name)
        if text is not None:
            return text
        if not _WORD.fullmatch(name):
            raise _literal(place, "an {env:…} that names no variable")
        from launcher.hints import set_line

        raise ConfigurationError(
            "placeholder",
            f"{place}: {{env:{name}}}: {name} is not set",
            f"{set_line(name, 'VALUE')}; or give it a value in a file of env_files",
        )


def _literal(place: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        "placeholder", f"{place}: {what}", f"literal braces are written {{{{ and }}}}. {_known(NAMES)}"
    )


def _known(names: Iterable[str]) -> str:
    return f"Placeholders: {', '.join(f'{{{name}}}' for name in names)}."
