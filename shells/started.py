"""What a shell's process was started for, told by its arguments: a prompt, commands given as words, or a script."""

from collections.abc import Sequence
from typing import NamedTuple

# Options that take the next word: bash(1) and zsh(1); fish(1), where C, c, d and their like are single letters.
POSIX_VALUES = ("--rcfile", "--init-file", "--emulate")
FISH_LETTERS = "cCdofDp"
FISH_VALUES = ("--debug", "--debug-output", "--features", "--profile", "--profile-startup", "--debug-stack-frames")


class Started(NamedTuple):
    """prompt: commands come from a person or from standard input; text: commands given as words; script: a file."""

    prompt: bool
    text: str = ""
    script: str = ""


def posix(arguments: Sequence[str]) -> Started:
    """sh and its kin. What follows the options is the command of -c, or the script."""
    letters, at = "", 0
    while at < len(arguments):
        word = arguments[at]
        if word in ("-", "--"):
            at += 1
            break
        if word[:1] not in ("-", "+") or len(word) == 1:
            break
        at += 1
        if word.startswith("--"):
            at += word in POSIX_VALUES
            continue
        if word[0] == "-":
            letters += word[1:] if "o" not in word else word[1 : word.index("o")] + attached(word)[1]
        at += attached(word)[0]
    rest = arguments[at:]
    if "c" in letters:
        return Started(False, rest[0] if rest else "")
    return Started("s" in letters or not rest, script="" if "s" in letters or not rest else rest[0])


def attached(word: str) -> tuple[int, str]:
    """Return how many further words a word of letters takes, and the letters behind its o: zsh joins -oNAME."""
    behind = word.partition("o")[2]
    if len(behind) > 2:
        return 0, ""
    return word.count("o") + word.count("O"), behind


def fish(arguments: Sequence[str]) -> Started:
    """fish: -C is no end of it, -c is."""
    commands = list[str]()
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "--":
        word, following = arguments[at], arguments[at + 1 : at + 2]
        at += 1
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            if name in ("--command", "--init-command", *FISH_VALUES):
                at += not equals
                commands += [value] if equals else following
                commands = commands if name == "--command" else commands[:-1]
            continue
        letter = next((each for each in word[1:] if each in FISH_LETTERS), "")
        value = word.partition(letter)[2] if letter else ""
        at += bool(letter) and not value
        if letter == "c":
            commands += [value] if value else following
    rest = [word for word in arguments[at:] if word != "--"]
    if commands:
        return Started(False, "\n".join(commands))
    return Started(not rest, script=rest[0] if rest else "")


def cmd(arguments: Sequence[str]) -> Started:
    """cmd.exe, which takes its line as a text: switches may touch each other (/d/c), and /c or /k ends them.

    Its quotes are not an argument list's, so the words are only nearly what was typed; /r is /c (cmd /?).
    """
    line = " ".join(arguments)
    at = line.find("/")
    while at >= 0:
        letter = line[at + 1 : at + 2].lower()
        if letter in ("c", "r", "k"):
            text = line[at + 2 :].strip()
            return Started(letter == "k", text, "" if letter == "k" else batch_file(text))
        at = line.find("/", at + 1)
    return Started(True)


def batch_file(text: str) -> str:
    """Return the batch file that the command runs, or ""; a path may hold spaces, and its quotes may be lost."""
    bare = text.strip("\"'@ ")
    if bare[:5].lower() == "call ":
        bare = bare[5:].strip('" ')
    low = bare.lower()
    for end in (".bat", ".cmd"):
        found = low.find(end)
        behind = low[found + len(end) : found + len(end) + 1]
        path = low[:found]
        if path and behind in ("", " ", '"', ")", "&") and not set(path) & set("&|<>^%") and ".exe " not in path:
            return bare[: found + len(end)]
    return ""
