"""The names that shells keep for themselves: read-only, computed, or reset. A launcher's value would not stay there.

Each list is asked of the real shell in tests/test_shells_names.py, which also takes the names of the manuals.
"""

# bash(1), "Shell Variables", 5.3 included. Unsetting BASH_XTRACEFD closes the file it names, which may be 2.
BASH = """
    BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_CMDS BASH_COMMAND BASH_LINENO BASH_MONOSECONDS BASH_SOURCE
    BASH_SUBSHELL BASH_TRAPSIG BASH_VERSINFO BASH_XTRACEFD COLUMNS DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME
    GROUPS HISTCMD LINENO LINES OPTIND PIPESTATUS PPID RANDOM SECONDS SHELLOPTS SHLVL SRANDOM UID _
"""

# unset OPTIND ends dash: "Illegal number".
DASH = "LINENO OPTIND PPID"

# ksh93(1), "Parameter Expansion". A__z carries the attributes of exported variables to a child ksh: ksh sets its own
# beside a variable of that name.
KSH = """
    A__z COLUMNS HISTCMD JOBMAX KSH_VERSION LINENO LINES MAILCHECK OPTIND PPID RANDOM SECONDS SHLVL TMOUT _
    _AST_FEATURES
"""

# The POSIX shells that may stand behind sh and are none of the above: busybox's ash, mksh(1), yash(1).
SH = f"{BASH} {DASH} {KSH} HISTSIZE KSHEGID KSHEUID KSHGID KSHUID OPTARG PGRP USER_ID"

# zshparam(1), zshmodules(1): integers evaluate a value, arrays and tables take none, read-only ones end the text;
# HISTCHARS and KEYBOARD_HACK are cut, USERNAME changes the user, ARGV0 is taken out of the environment. Those of a
# module that is not loaded yet are kept too: a later zmodload would fail on them.
ZSH = """
    ARGC ARGV0 COLUMNS EGID EPOCHREALTIME EPOCHSECONDS ERRNO EUID FUNCNEST GID HISTCHARS HISTCMD HISTSIZE KEYBOARD_HACK
    LINENO LINES OPTIND PPID RANDOM SAVEHIST SECONDS SHLVL TRY_BLOCK_ERROR TRY_BLOCK_INTERRUPT TTYIDLE UID USERNAME
    WATCH ZCURSES_COLORS ZCURSES_COLOR_PAIRS ZFTP_SESSION ZLE_RPROMPT_INDENT ZSH_EVAL_CONTEXT ZSH_SUBSHELL _
    aliases argv builtins cdpath commands dirstack dis_aliases dis_builtins dis_functions dis_functions_source
    dis_galiases dis_patchars dis_reswords dis_saliases epochtime errnos fignore fpath funcfiletrace funcsourcetrace
    funcstack functions functions_source functrace galiases histchars history historywords jobdirs jobstates jobtexts
    keymaps langinfo mailpath manpath mapfile module_path modules nameddirs options parameters patchars path pipestatus
    psvar reswords saliases status sysparams termcap terminfo userdirs usergroups watch widgets zcurses_attrs
    zcurses_colors zcurses_keycodes zcurses_windows zgdbm_tied zsh_eval_context zsh_scheduled_events
"""

# Computed as long as nobody has set them (set /?); one that is set hides the computed one for the rest of the session.
CMD = "CD CMDCMDLINE CMDEXTVERSION DATE ERRORLEVEL HIGHESTNUMANODENUMBER RANDOM TIME"

# "Special variables" of the fish manual, 4.x included. fish_user_paths is put into PATH by the shell, fish_trace
# prints every command.
FISH = """
    CMD_DURATION COLUMNS FISH_VERSION LINES PWD SHLVL _ argv fish_kill_signal fish_killring fish_pid
    fish_terminal_color_theme fish_trace fish_user_paths history hostname last_pid pipestatus status status_generation
    umask version
"""
