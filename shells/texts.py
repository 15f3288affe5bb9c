"""Whether a text that a shell runs reads what we print: eval "$(autopack-run ...)" and its like."""

from collections.abc import Iterable
from enum import IntEnum


class Part(IntEnum):
    """What a one-shot shell does with our output. The greater outweighs the smaller."""

    PASSES = 0
    """It hands it on, as a shim does: the reader is further up."""
    UNCLEAR = 1
    """It may read it, or write it where somebody else reads it."""
    READS = 2


OURS = r"autopack[-_]run"
# What evaluates the output of the command in the same statement, in any of the shells.
EVALUATES = (
    r"\b(?:eval|source|iex|invoke-expression)\b|\bfor\s+/f\b|(?:^|[;&|({]\s*)\.\s+<\(|\bscriptblock\]::create|\|\s*\.\s"
)
DOT = r"(?:^|[;&|({'\"]|\b(?:then|do|else))\s*\.\s+\S"
# What evaluates a file or a variable in which an earlier statement left it.
APPLIES = rf"\b(?:eval|source|iex|invoke-expression|call)\b|{DOT}|&\s*\$"
KEEPS = r">|\||\$\(|`|<\(|^\s*\$[\w:{}]+\s*=|\btee\b"
# Our command by another name (a variable, a path).
HIDDEN = r"\senv(?=[\s)\"'`|>;]|$)"
# What reads in another text, in which anything may stand.
INCLUDES = rf"\b(?:eval|source|source_env|iex|invoke-expression|import-module)\b|\bcall\s+\S+\.(?:cmd|bat)\b|{DOT}"
# Of these it is known that they make no more than an environment.
HARMLESS = r"activate\b|\bconda\b|\b(?:py|rb|nod|jen)env\b|\bnvm\b|\bdirenv\s+hook\b|\bbrew\s+shellenv\b|vcvars"
# Our command in a variable or a list, which another statement may start.
ASSIGNED = rf"=\s*[\"'(@]*[^\s;&|]*{OURS}"
SHOWS = r"^[&|\s({]*(?:(?:then|do|else)\s+)?@?(?:echo|printf|write-\w+)\b"
HERE_TEXT = r"<<-?\s*(['\"]?)(\w+)\1[^\n]*\n.*?\n\s*\2\b"
COMMENTS = r"(?im)^\s*(?:#|rem\s|::).*$"
JOINED = r"[\\`^]\r?\n|(?<=[(|{])\s*\r?\n\s*|\r?\n\s*(?=\||\))"


def part_of(text: str) -> Part:
    """Return what a shell that runs this text does with our output; the text may be of any shell.

    It is no parser: where it is unsure it says UNCLEAR, and the answer is then none or not changed by it.
    """
    import re

    text = re.sub(HERE_TEXT, " ", text, flags=re.DOTALL)
    text = re.sub(COMMENTS, "", text)
    text = re.sub(JOINED, " ", text)
    text = re.sub(r"[12]?>\s*(?:&\s*[12]|/dev/null\b|nul\b|\$null\b)", " ", text, flags=re.IGNORECASE)
    statements = [each for line in text.splitlines() for each in _statements(line)]
    found = Part.UNCLEAR if _includes(text, statements) else Part.PASSES
    if not re.search(rf"{OURS}|{HIDDEN}", text, re.IGNORECASE):
        return found
    kept = applied = False
    for statement in statements:
        ours = re.search(OURS, statement, re.IGNORECASE)
        evaluated = re.search(EVALUATES, statement, re.IGNORECASE)
        if ours and re.search(SHOWS, statement, re.IGNORECASE):
            found = max(found, Part.UNCLEAR if evaluated else Part.PASSES)
            continue
        if ours and evaluated:
            return Part.READS
        hidden = evaluated and re.search(HIDDEN, statement, re.IGNORECASE)
        kept = kept or bool(ours and re.search(KEEPS, statement))
        applied = applied or bool(not ours and re.search(APPLIES, statement, re.IGNORECASE))
        found = max(found, Part.UNCLEAR if hidden or (ours and kept) else Part.PASSES)
    return Part.READS if kept and applied else found


def _includes(text: str, statements: Iterable[str]) -> bool:
    """Whether a statement that does not name us reads in what may do so, or starts what a variable names."""
    import re

    hidden = re.search(ASSIGNED, text, re.IGNORECASE) is not None
    for statement in statements:
        includes = re.search(INCLUDES, statement, re.IGNORECASE) and not re.search(OURS, statement, re.IGNORECASE)
        if includes and (hidden or not re.search(HARMLESS, statement, re.IGNORECASE)):
            return True
    return False


def _statements(line: str) -> list[str]:
    """Split at ; and && and ||, but not inside parentheses, where all belongs to the evaluation around it."""
    statements, depth, start, at = list[str](), 0, 0, 0
    while at < len(line):
        depth += (line[at] == "(") - (line[at] == ")")
        if depth <= 0 and (line[at] == ";" or line[at : at + 2] in ("&&", "||")):
            statements.append(line[start:at])
            start = at + 1
        at += 1
    return [*statements, line[start:]]
