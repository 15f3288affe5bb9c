"""The nearest known words to a mistyped one."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """At most three known words that look like `word`, the nearest first; differences of case do not count."""
    import difflib

    folded = {name.casefold(): name for name in known}
    return [folded[match] for match in difflib.get_close_matches(word.casefold(), folded, n=3, cutoff=0.6)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'a' or 'b'?`, or "" where nothing is near."""
    matches = nearest(word, known)
    return f"did you mean {' or '.join(repr(match) for match in matches)}?" if matches else ""
