# Read by an interactive sh, dash or ksh as its ENV file (autopack-run PROFILE shell); see shells/session.py.
# shellcheck shell=sh

autopack_run_restore() {
    while :; do # no splitting: IFS may be anybody's
        case $AUTOPACK_RUN_KEEP in
            *[!\ ]*) ;;
            *) break ;;
        esac
        AUTOPACK_RUN_NAME=${AUTOPACK_RUN_KEEP%% *} AUTOPACK_RUN_KEEP=${AUTOPACK_RUN_KEEP#* }
        # No command word in what eval reads: it could be an alias of the user's by now.
        eval "AUTOPACK_RUN_COPY=\${AUTOPACK_RUN_KEEP_$AUTOPACK_RUN_NAME+x\$AUTOPACK_RUN_KEEP_$AUTOPACK_RUN_NAME}"
        # A reference of ksh's: what follows would act on the variable that it names.
        command unset -n "$AUTOPACK_RUN_NAME" 2>/dev/null || :
        # A special builtin that fails ends the file: so what cannot be unset is found out in a subshell.
        if (unset -v "$AUTOPACK_RUN_NAME") 2>/dev/null; then
            unset -v "$AUTOPACK_RUN_NAME"
            if [ -n "$AUTOPACK_RUN_COPY" ]; then
                export "$AUTOPACK_RUN_NAME=${AUTOPACK_RUN_COPY#x}"
            fi
        fi
        eval "AUTOPACK_RUN_NOW=\${$AUTOPACK_RUN_NAME+x\$$AUTOPACK_RUN_NAME}"
        if [ "$AUTOPACK_RUN_NOW" != "$AUTOPACK_RUN_COPY" ]; then
            echo "autopack-run: $AUTOPACK_RUN_NAME has been made read-only, so this shell would be outside the profile" >&2
            exit 78
        fi
        unset -v "AUTOPACK_RUN_KEEP_$AUTOPACK_RUN_NAME"
    done
    case $(trap) in
        *AUTOPACK_RUN*) trap - INT ;;
        *INT*) ;; # the user's own
        *) trap - INT ;; # a shell that shows no trap in a subshell
    esac
    AUTOPACK_RUN_NAME=$AUTOPACK_RUN_MARK
    unset -v AUTOPACK_RUN_KEEP AUTOPACK_RUN_KEEP_ENV AUTOPACK_RUN_MARK AUTOPACK_RUN_START AUTOPACK_RUN_FILE_OF_ENV \
        AUTOPACK_RUN_COPY AUTOPACK_RUN_NOW
    if (unset -v PS1) 2>/dev/null; then
        PS1=$AUTOPACK_RUN_NAME${PS1-\$ }
    fi
    unset -v AUTOPACK_RUN_NAME
}

# `command` before a special builtin: whatever is wrong in the user's words, only they end of it, and not this file,
# which is read as one command, so that no alias of the user's gets into it.
if :; then
    AUTOPACK_RUN_KEEP="$AUTOPACK_RUN_KEEP "
    trap ': AUTOPACK_RUN; exit 130' INT # Ctrl-C would end the file, too
    if [ "${AUTOPACK_RUN_KEEP_ENV+x}" ]; then
        export ENV="$AUTOPACK_RUN_KEEP_ENV"
        AUTOPACK_RUN_FILE_OF_ENV=$ENV
        case $ENV in
            *\"* | *\\) ;;
            *) command eval "AUTOPACK_RUN_FILE_OF_ENV=\"$ENV\"" ;; # every such shell expands it so
        esac
    else
        unset -v ENV
        AUTOPACK_RUN_FILE_OF_ENV=
        case ${KSH_VERSION-} in # ksh alone has a file of its own without ENV
            *MIRBSD*) AUTOPACK_RUN_FILE_OF_ENV=~/.mkshrc ;;
            ?*) AUTOPACK_RUN_FILE_OF_ENV=~/.kshrc ;;
        esac
    fi
    if [ -n "$AUTOPACK_RUN_FILE_OF_ENV" ] && [ -r "$AUTOPACK_RUN_FILE_OF_ENV" ]; then
        # shellcheck disable=SC1090
        command . "$AUTOPACK_RUN_FILE_OF_ENV"
    fi
    autopack_run_restore
    unset -f autopack_run_restore
fi
