"""Values and names that shells are asked about in test_shells_real.py and test_shells_names.py."""

import json
import random
from pathlib import Path

DATA = Path(__file__).parent / "data"
VALUES = {row["id"]: row["value"] for row in json.loads((DATA / "values.json").read_text("utf-8"))["vectors"]}
NAMES = [row["name"] for row in json.loads((DATA / "names.json").read_text("utf-8"))["names"] if row["accept"]]

# Each one leaves a file or a variable behind in a shell that runs it.
PROBES = [
    "$(touch witness)",
    "`touch witness`",
    "'; touch witness; export INJECTED=1; '",
    "a[$(touch witness)]",
    "\\'; touch witness; set -gx INJECTED 1; '\\",
    "(touch witness)",
    "'\n$env:INJECTED = 1; ni witness\n'",
    "'; ni witness; $env:INJECTED = 1; '",
    *(f"{quote}; ni witness; $env:INJECTED = 1; {quote}" for quote in "'\u2018\u2019\u201a\u201b\"\u201c\u201d"),
    '"&echo x>witness&set INJECTED=1&"',
    '"&echo x>witness&set INJECTED=1&rem ',
    '""&echo x>witness&set "INJECTED=1',
    'a^"&echo x>witness&set INJECTED=1&^"',
    "%COMSPEC:~0,0%&echo x>witness",
    'a" >witness',
    'x")&(echo x>witness',
]
ALPHABET = "ab '\"`$\\!%^&|<>()[]{}=;,:/?*#@~-+.\t\x0b\x1b\x7f\n\u00e9\u2019\u4e2d\U0001f600"
dice = random.Random(4)
RANDOM = ["".join(dice.choices(ALPHABET, k=dice.randint(1, 24))) for _ in range(300)]
ASCII_ALPHABET = "".join(char for char in ALPHABET if char.isascii() and char != "\n")
RANDOM += ["".join(dice.choices(ASCII_ALPHABET, k=dice.randint(1, 24))) for _ in range(300)]
# cmd holds few more than 1,360 careted and doubled pairs.
LONG = ["\n'" * 1_000, '"%' * 1_360, "x" * 131_000, "'" * 131_000]
# What only bytes can carry: PEP 383.
BYTES = ["\udcff", "a\udcc3\udc28b", "\udce2\udc28\udca1'", "\udc83'\udca2"]
# Every character of the ranges where spaces, quotes, controls and marks are; those from U+F600 on fish keeps for bytes.
EVERY = ["".join(map(chr, range(low, low + 0x400))) for low in (0x80, 0x480, 0x1C00, 0x2000, 0x2C00, 0xF400, 0xFC00)]
CONTROLS = [f"a{chr(code)}b{chr(code)}" for code in [*range(1, 32), *range(127, 160)]]
ALL = [*VALUES.values(), *PROBES, *RANDOM, *LONG, *BYTES, *EVERY, *CONTROLS]

# From the manuals: bash(1) "Shell Variables", zshparam(1), zshmodules(1), zshzle(1), ksh93(1), dash(1), the fish
# manual's environment variables; those of newer versions and those that exist only in some state of the shell, too.
DOCUMENTED = """
    BASH BASH_ARGV0 BASH_COMPAT BASH_ENV BASH_EXECUTION_STRING BASH_LOADABLES_PATH BASH_MONOSECONDS BASH_REMATCH
    BASH_TRAPSIG BASH_VERSION BASH_XTRACEFD CHILD_MAX COMP_CWORD COMP_KEY COMP_LINE COMP_POINT COMP_TYPE COMP_WORDBREAKS
    COMP_WORDS COMPREPLY COPROC EMACS ENV EPOCHREALTIME EPOCHSECONDS EXECIGNORE FCEDIT FIGNORE FUNCNAME FUNCNEST
    GLOBIGNORE GLOBSORT GROUPS HISTCONTROL HISTFILE HISTFILESIZE HISTIGNORE HISTSIZE HISTTIMEFORMAT HOSTFILE HOSTNAME
    HOSTTYPE IGNOREEOF INPUTRC INSIDE_EMACS LANG LC_ALL LC_COLLATE LC_CTYPE LC_MESSAGES LC_MONETARY LC_NUMERIC LC_TIME
    MACHTYPE MAIL MAILCHECK MAILPATH MAPFILE OPTARG OPTERR OSTYPE POSIXLY_CORRECT PROMPT_COMMAND PROMPT_DIRTRIM PS0 PS1
    PS2 PS3 PS4 READLINE_ARGUMENT READLINE_LINE READLINE_MARK READLINE_POINT REPLY SHELL SRANDOM TIMEFORMAT TMOUT TMPDIR
    auto_resume histchars IFS HOME PATH CDPATH PWD OLDPWD TERM EDITOR VISUAL PAGER USER LOGNAME DISPLAY TZ
    ARGV0 BAUD CORRECT_IGNORE CORRECT_IGNORE_FILE CPUTYPE DIRSTACKSIZE ERRNO FPATH HISTCHARS HISTORY_IGNORE HOST
    KEYBOARD_HACK KEYTIMEOUT LISTMAX LOGCHECK MANPATH MATCH MBEGIN MEND MODULE_PATH NO_COLOR NULLCMD POSTEDIT PROMPT
    PROMPT2 PROMPT3 PROMPT4 PROMPT_EOL_MARK PSVAR READNULLCMD REPORTMEMORY REPORTTIME RPROMPT RPROMPT2 RPS1 RPS2
    SAVEHIST SPROMPT STTY TERMINFO TERMINFO_DIRS TIMEFMT TMPPREFIX TMPSUFFIX TTY USERNAME VENDOR WATCH WATCHFMT
    WORDCHARS ZBEEP ZDOTDIR ZFTP_HOST ZLE_LINE_ABORTED ZLE_REMOVE_SUFFIX_CHARS ZLE_RPROMPT_INDENT
    ZLE_SPACE_SUFFIX_CHARS ZLS_COLORS ZSH_ARGZERO ZSH_NAME ZSH_PATCHLEVEL ZSH_VERSION chpwd_functions compstate match
    mbegin mend precmd_functions prompt reply signals widgets words zle_bracketed_paste zle_highlight
    A__z HISTEDIT JOBMAX KSH_VERSION SH_OPTIONS VPATH _AST_FEATURES
    BROWSER CMD_DURATION FISH_DEBUG FISH_DEBUG_OUTPUT FISH_VERSION LS_COLORS PYTHONPATH XDG_DATA_DIRS argv
    fish_ambiguous_width fish_autosuggestion_enabled fish_bind_mode fish_color_command fish_complete_path
    fish_cursor_selection_mode fish_emoji_width fish_escape_delay_ms fish_features fish_function_path fish_greeting
    fish_handle_reflow fish_history fish_key_bindings fish_kill_signal fish_killring fish_pid fish_private_mode
    fish_read_limit fish_sequence_key_delay_ms fish_term24bit fish_term256 fish_terminal_color_theme fish_trace
    fish_transient_prompt fish_user_paths history hostname last_pid pipestatus status status_generation umask version
"""
