# Read by an interactive zsh in place of the user's .zshenv (autopack-run PROFILE shell); see shells/session.py.
# ZDOTDIR is the user's again from the first lines on, so that every other file is found, and the history stays, where
# it always is. What must come last is done before the first prompt, whatever the user has made of zsh's words by then.

if (( ${+AUTOPACK_RUN_KEEP_ZDOTDIR} )); then
    export ZDOTDIR=$AUTOPACK_RUN_KEEP_ZDOTDIR
else
    unset ZDOTDIR
fi

_autopack_run_restore() {
    builtin emulate -L zsh
    builtin local _autopack_run_name _autopack_run_copy
    for _autopack_run_name in ${(s: :)AUTOPACK_RUN_KEEP}; do
        _autopack_run_copy=AUTOPACK_RUN_KEEP_$_autopack_run_name
        if [[ ${(Pt)_autopack_run_name} == *readonly* ]]; then
            : # it may have the right value
        elif (( ${(P)+_autopack_run_copy} )); then
            # The unset takes attributes away (integer, array); one that is special to zsh would be so no more.
            [[ ${(Pt)_autopack_run_name} == *special* ]] || builtin unset -v $_autopack_run_name
            builtin typeset +U -gx "$_autopack_run_name=${(P)_autopack_run_copy}"
        else
            builtin unset -v $_autopack_run_name
        fi
    done
    for _autopack_run_name in ${(s: :)AUTOPACK_RUN_KEEP}; do
        _autopack_run_copy=AUTOPACK_RUN_KEEP_$_autopack_run_name
        if [[ ${(P)+_autopack_run_copy}${(P)_autopack_run_copy} != ${(P)+_autopack_run_name}${(P)_autopack_run_name} ]]; then
            _autopack_run_lost $_autopack_run_name
        fi
        builtin unset -v $_autopack_run_copy
    done
    builtin typeset -g +x _autopack_run_mark=$AUTOPACK_RUN_MARK
    builtin unset -v AUTOPACK_RUN_KEEP AUTOPACK_RUN_MARK AUTOPACK_RUN_KEEP_ZDOTDIR
    (( ! ${+AUTOPACK_RUN_KEEP} )) || _autopack_run_lost AUTOPACK_RUN_KEEP
}

_autopack_run_lost() {
    builtin print -ru2 -- "autopack-run: $1 has been made read-only, or unset and typeset are changed, so this shell would be outside the profile"
    builtin exit 78
    exit 78
}

_autopack_run_prompt() {
    builtin emulate -L zsh
    (( ! ${+AUTOPACK_RUN_KEEP} )) || _autopack_run_restore
    [[ $PROMPT == "$_autopack_run_mark"* || ${(t)PROMPT} == *readonly* ]] || PROMPT=$_autopack_run_mark$PROMPT
    # After the theme's, which builds the prompt anew.
    [[ ${(t)precmd_functions} == *readonly* ]] ||
        precmd_functions=(${precmd_functions:#_autopack_run_prompt} _autopack_run_prompt)
}

if [[ -o interactive ]]; then
    typeset -ga precmd_functions
    precmd_functions+=(_autopack_run_prompt)
    # Also where the user's files set precmd_functions anew: what is scheduled comes before the prompt, too.
    zmodload zsh/sched 2>/dev/null && sched +0 _autopack_run_prompt
fi

if [[ -r ${ZDOTDIR-$HOME}/.zshenv ]]; then
    source ${ZDOTDIR-$HOME}/.zshenv
fi
