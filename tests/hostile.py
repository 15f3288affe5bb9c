"""Values, names and words made to break a quoting; hostile_shells.py asks the real shells about them."""

import functools
import os
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

# For the long run by hand: AUTOPACK_TEST_VALUES=100000. Then the dice are new each time, and a failure shows its value.
IN_CI = 2_000
COUNT = int(os.environ.get("AUTOPACK_TEST_VALUES", IN_CI))

QUOTES = "'\"`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u00ab\u00b4\uff07\uff02"
SYNTAX = "$\\!%^&|<>()[]{}=;,:/?*#@~-+.ab01 \t"
CONTROLS = "".join(map(chr, [*range(1, 32), *range(0x7F, 0xA0)]))
FAR = "\u00e9e\u0301\u2013\u2014\u2015\u2028\u2029\ufeff\u200b\u202e\u3000\u00a0\u4e2d\U0001f600\U0010ffff\ue000\uf7ff\ufffd"
BYTES = "\udc80\udcc3\udca9\udcff"
LOST = "\0\ud800\udfff\ud83d"
# Each leaves a file or a variable behind in a shell that runs it, or pulls in what the machine has.
PROBE_TEXT = (
    "$(>witness)|`>witness`|';>witness;'|\";>witness;\"|;export INJECTED=1;|a[$(>witness)]|(>witness)|'\n>witness\n'|&>witness&"
    '|"&echo x>witness&|&set INJECTED=1&|"&set "INJECTED=1|;$env:INJECTED=1;|$($env:INJECTED=1)|%PATH%|%PATH:~0,1%|%%|%1|%*'
    "|%i|%~i|!PATH!|^!|^%|$HOME|${X:-d}|$'\\n'|\\\\|\\'|\\\"|''|\"\"|^\"|--%|@'\n|<#|#>|/?|\r\n|[char]0x41"
)
PROBES = PROBE_TEXT.split("|")
ASCII = "".join(map(chr, range(32, 127)))

CMD_WORDS = [
    "%cd:~,%",
    '\\"',
    '\\\\"',
    "a b",
    "",
    "%CMDCMDLINE:~0,9%",
    '"&calc&"',
    "-x",
    "@x",
    "x" * 500,
    "%TEMP%",
    '""',
]


def mixed(*alphabets: Sequence[str]) -> st.SearchStrategy[str]:
    """Short texts of the alphabets and the probes."""
    piece = st.one_of(*map(st.sampled_from, alphabets), st.sampled_from(PROBES))
    return st.lists(piece, max_size=10).map("".join)


TEXT = st.one_of(mixed(QUOTES, SYNTAX), mixed(QUOTES, SYNTAX, CONTROLS, FAR), st.text(max_size=16))
VALUES: dict[str, st.SearchStrategy[str]] = {
    "text": TEXT | mixed(SYNTAX, BYTES, LOST),
    # cmd: ASCII, since the lab's reads a file by the OEM page; seldom what it always refuses.
    "ascii": st.one_of(mixed('"\'', SYNTAX), mixed('"', '"%^&|<>() ', "=;,\t"), st.text(ASCII, max_size=24), mixed(CONTROLS[:31]))
    .filter(str.isascii),
    "name": st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True) | mixed(SYNTAX, FAR[:4], LOST),
    # For .cmd files: one word of a list.
    "arguments": st.one_of(mixed('" \\%', "^&|<>()!"), mixed(SYNTAX, QUOTES, SYNTAX, [*"abcdefgh ", "\r", "\n", "\x1a", "\0"]), mixed(SYNTAX, CMD_WORDS, FAR)),
    "words": st.text(st.sampled_from(QUOTES[:6] + SYNTAX + FAR[:10]), max_size=12),
}  # fmt: skip


@functools.cache
def drawn(kind: str, count: int) -> list[str]:
    """`count` values of that kind: the same ones in every run of the tests, others in every long run."""
    found: list[str] = []

    def draw(value: str) -> None:
        found.append(value)

    for part in range(0, count, 10_000):  # Hypothesis remembers all that it drew, and grows slow
        options = settings(
            max_examples=min(10_000, count - part),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        dice = part if count <= IN_CI else int.from_bytes(os.urandom(4))
        options(seed(dice)(given(VALUES[kind])(draw)))()
    return found
