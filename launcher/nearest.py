"""The nearest known words to a mistyped one."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """At most three known words that look like `word`, the nearest first; differences of case do not count.

    Where none looks like it, those that it abbreviates or spells out count: `desc`, `environment`.
    """
    import difflib

    folded, written = {name.casefold(): name for name in known}, word.casefold()
    matches = difflib.get_close_matches(written, folded, n=3, cutoff=0.6)
    if not matches and len(written) >= 3:
        matches = [name for name in folded if name.startswith(written) or (len(name) > 2 and written.startswith(name))]
    return [folded[match] for match in matches[:3]]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'a' or 'b'?`, or "" where nothing is near."""
    matches = nearest(word, known)
    return f"did you mean {' or '.join(repr(match) for match in matches)}?" if matches else ""
