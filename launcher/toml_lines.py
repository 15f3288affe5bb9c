"""On which line of a TOML file a key stands; tomllib does not tell.

The file is cut into statements by asking tomllib itself where each one ends, so that multi-line strings and arrays
cannot mislead. Only errors and `explain` need it, so its cost (about 1 ms for 100 lines) is nobody's.
"""

from typing import Any

Keys = tuple[str, ...]


def line_of(text: str, keys: Keys) -> int | None:
    """The 1-based line on which `keys` is declared, or of the nearest table around it; None: nowhere."""
    lines = _statement_lines(text)
    for length in range(len(keys), 0, -1):
        if (line := lines.get(keys[:length])) is not None:
            return line
    return None


def _statement_lines(text: str) -> dict[Keys, int]:
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for number, statement in _statements(text):
        path = _only_path(statement)
        if path is None:
            continue
        if statement[0].lstrip().startswith("["):
            table = path
        else:
            path = table + path
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], number)
    return lines


def _statements(text: str) -> list[tuple[int, list[str]]]:
    """Each statement with the number of its first line."""
    found: list[tuple[int, list[str]]] = []
    pending: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        pending.append(line)
        if _parsed(pending) is not None:
            found.append((number - len(pending) + 1, pending))
            pending = []
    return found


def _parsed(statement: list[str]) -> dict[str, Any] | None:
    import tomllib

    try:
        return tomllib.loads("\n".join(statement))
    except tomllib.TOMLDecodeError:
        return None


def _only_path(statement: list[str]) -> Keys | None:
    """The dotted key of a statement that has one: a header's whole path, an assignment's left side."""
    parsed = _parsed(statement)
    if not parsed:
        return None
    header = statement[0].lstrip().startswith("[")
    depth = None if header else _left_side_depth(statement[0])
    path: list[str] = []
    value: Any = parsed
    while isinstance(value, dict) and len(value) == 1 and (depth is None or len(path) < depth):
        key, value = next(iter(value.items()))
        path.append(key)
    return tuple(path)


def _left_side_depth(line: str) -> int:
    """How many keys stand left of the `=`: `a.b = {…}` has two; the inline table's own keys do not count."""
    for position, character in enumerate(line):
        if character == "=" and (parsed := _parsed([line[:position] + "=0"])) is not None:
            depth, value = 0, parsed
            while isinstance(value, dict):
                depth += 1
                value = next(iter(value.values()))
            return depth
    return 1
