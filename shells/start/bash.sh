# Read by an interactive bash in place of ~/.bashrc (autopack-run PROFILE shell); see shells/session.py.
# shellcheck shell=bash

# No variable is local: `local` may be switched off or a function of the user's, and the copies must be read in any case.
__autopack_run_next() { # no splitting: IFS may be anybody's
    [[ $__autopack_run_rest == *[!\ ]* ]] || return 1
    __autopack_run_name=${__autopack_run_rest%% *} __autopack_run_rest=${__autopack_run_rest#* }
    __autopack_run_copy=AUTOPACK_RUN_KEEP_$__autopack_run_name
}

__autopack_run_restore() {
    __autopack_run_rest="$AUTOPACK_RUN_KEEP "
    while __autopack_run_next; do
        # A reference: what follows would act on the variable that it names. The unset takes other attributes away
        # (integer, upper case, array), which would work on the value.
        \builtin unset -n "$__autopack_run_name" 2>/dev/null || :
        \builtin unset -v "$__autopack_run_name" 2>/dev/null || :
        if [[ ${!__autopack_run_copy+x} ]]; then
            \builtin export "$__autopack_run_name=${!__autopack_run_copy}" 2>/dev/null || :
        fi
    done
    # Whatever the words above have come to mean in the user's file: only what is seen to stand is believed.
    __autopack_run_rest="$AUTOPACK_RUN_KEEP "
    __autopack_run_cases=
    # shellcheck disable=SC2050
    if [[ a == A ]]; then # nocasematch, by which other capitals would be the same value
        __autopack_run_cases=alike
        \builtin shopt -u nocasematch
        if [[ a == A ]]; then __autopack_run_lost nocasematch; fi
    fi
    while __autopack_run_next; do
        if [[ ${!__autopack_run_name+x}${!__autopack_run_name-} != "${!__autopack_run_copy+x}${!__autopack_run_copy-}" ]]; then
            __autopack_run_lost "$__autopack_run_name"
        fi
        \builtin unset -v "$__autopack_run_copy"
    done
    if [[ $__autopack_run_cases ]]; then \builtin shopt -s nocasematch; fi
    __autopack_run_mark=$AUTOPACK_RUN_MARK
    \builtin unset -v AUTOPACK_RUN_KEEP AUTOPACK_RUN_MARK __autopack_run_name __autopack_run_rest __autopack_run_copy \
        __autopack_run_cases
    if [[ ${AUTOPACK_RUN_KEEP+x} ]]; then
        __autopack_run_lost AUTOPACK_RUN_KEEP
    fi
}

__autopack_run_lost() {
    \builtin printf 'autopack-run: %s has been made read-only, or unset and export are changed, so this shell would be outside the profile\n' \
        "$1" >&2
    \builtin exit 78
    # shellcheck disable=SC2317 # the word before may be a function of the user's
    \command exit 78
    # shellcheck disable=SC2317
    \exit 78
}

__autopack_run_prompt() { # after everything else that builds a prompt
    if [[ ${PS1-} != "$__autopack_run_mark"* ]]; then
        PS1=$__autopack_run_mark${PS1-}
    fi
}

__autopack_run_begin() {
    __autopack_run_restore
    if [[ "$(\builtin trap -p INT)" == *AUTOPACK_RUN* ]]; then # otherwise the user's own
        \builtin trap - INT
    fi
    if (\builtin unset -v PS1) 2>/dev/null; then # read-only, it would be an error before every prompt
        __autopack_run_prompt
        # By a variable that is not exported: an exported PROMPT_COMMAND means nothing in a bash that is started inside.
        __autopack_run_show=__autopack_run_prompt
        \builtin export -n __autopack_run_mark __autopack_run_show # set -a has exported them
        if (\builtin unset -v PROMPT_COMMAND) 2>/dev/null; then
            __autopack_run_hook
        fi
    fi
}

__autopack_run_hook() {
    # shellcheck disable=SC2016,SC2128,SC2178,SC2179
    if [[ "$(\builtin declare -p PROMPT_COMMAND 2>/dev/null)" == "declare -a"* ]]; then
        PROMPT_COMMAND+=('"${__autopack_run_show:-:}"')
    else
        PROMPT_COMMAND=${PROMPT_COMMAND:+$PROMPT_COMMAND$'\n'}'"${__autopack_run_show:-:}"'
    fi
}

trap ': AUTOPACK_RUN; exit 130' INT # Ctrl-C would end this file, too
if [[ -r ~/.bashrc ]]; then
    # shellcheck disable=SC1090
    . ~/.bashrc
fi
__autopack_run_begin
