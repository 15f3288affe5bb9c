"""What a process of PowerShell was started for."""

from collections.abc import Sequence

from shells.started import Started

# PowerShell's parameters, each with its shortest abbreviation, for both names: 5.1 lacks some
# (https://github.com/PowerShell/PowerShell, CommandLineParameterParser.cs; about_PowerShell_exe).
PS_STAYS = "noexit:noe servermode:s socketservermode:so namedpipeservermode:nam sshservermode:sshs"
PS_FLAGS = "noprofile:nop nologo:nol noninteractive:noni login:l interactive:i sta:sta mta:mta help:h"
PS_VALUES = """
    executionpolicy:ex ep:ep encodedarguments:encodeda ea:ea inputformat:inp outputformat:o windowstyle:w
    workingdirectory:wo wd:wd configurationname:config configurationfile:configurationf custompipename:cus
    settingsfile:settings psconsolefile:p version:v
"""
PS_FILE = "file:f"
PS_COMMAND = "command:c commandwithargs:commandw cwa:cwa"
PS_ENCODED = "encodedcommand:e ec:ec"
PS_DASHES = ("-", "/", "\u2013", "\u2014", "\u2015")
# The PowerShell console of VS Code's extension has a prompt, although -Command without -NoExit started it
# (https://github.com/PowerShell/vscode-powershell/pull/2348).
PS_CONSOLE = "start-editorservices"


def powershell(arguments: Sequence[str]) -> Started:
    """PowerShell by either name. Without -Command and -File the first word is a script in 7, a command in 5.1."""
    stays = False
    at = 0
    while at < len(arguments):
        word, rest = arguments[at].strip(), list(arguments[at + 1 :])
        at += 1
        if word == "-":
            return Started(True)
        name = word[1:].removeprefix("-").lower()
        if not word.startswith(PS_DASHES) or "/" in name:
            return given(stays, [word, *rest], word)
        if abbreviates(name, PS_STAYS):
            stays = True
        elif abbreviates(name, PS_FILE):
            return given(stays or rest in ([], ["-"]), rest, rest[0] if rest else "")
        elif abbreviates(name, PS_COMMAND):
            return given(stays or rest in ([], ["-"]), rest, dotted(rest))
        elif abbreviates(name, PS_ENCODED):
            return given(stays or not rest, [decoded(each) for each in rest[:1]], "")
        elif abbreviates(name, PS_VALUES) and not abbreviates(name, PS_FLAGS):
            at += 1
    return Started(True)


def given(stays: bool, words: Sequence[str], script: str) -> Started:
    """Return what -Command, -File or neither of them started."""
    text = " ".join(words)
    prompt = stays or PS_CONSOLE in text.lower()
    return Started(prompt, text, "" if prompt or not script.lower().endswith(".ps1") else script)


def abbreviates(name: str, parameters: str) -> bool:
    """Whether the name is one of these parameters or a long enough beginning of one."""
    pairs = (each.split(":") for each in parameters.split())
    return any(full.startswith(name) and name.startswith(shortest) for full, shortest in pairs)


def dotted(words: Sequence[str]) -> str:
    """Return the script of a command that does no more than to run one, as CI systems write it: . 'C:\\x y.ps1'."""
    text = " ".join(words).strip()
    quoted = text.lstrip(".& ").strip("'\" ")
    return quoted if quoted.lower().endswith(".ps1") and not set(quoted) & set("'\";|\n") else ""


def decoded(base64: str) -> str:
    """Return the text of -EncodedCommand; what cannot be decoded stays as it is."""
    import binascii

    try:
        return binascii.a2b_base64(base64).decode("utf-16-le")
    except ValueError:
        return base64
