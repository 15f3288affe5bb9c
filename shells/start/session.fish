# Sourced by an interactive fish after its configuration (autopack-run PROFILE shell); see shells/session.py.

for __autopack_run_name in (string split -n ' ' -- $AUTOPACK_RUN_KEEP)
    set -l __autopack_run_copy AUTOPACK_RUN_KEEP_$__autopack_run_name
    if set -q $__autopack_run_copy
        set -gx $__autopack_run_name $$__autopack_run_copy
        set -e $__autopack_run_copy
    else
        set -eg $__autopack_run_name
        if set -qUx $__autopack_run_name # to erase it is the user's own business, and nothing else hides it
            echo "autopack-run: the profile unsets $__autopack_run_name, and a universal variable sets it; to remove it for good: set -eU $__autopack_run_name" >&2
            exec sh -c 'exit 78' # exit does not end a fish that is still starting
        end
    end
end
set -g __autopack_run_mark $AUTOPACK_RUN_MARK
set -e AUTOPACK_RUN_KEEP
set -e AUTOPACK_RUN_MARK
set -e AUTOPACK_RUN_START
set -e __autopack_run_name

function __autopack_run_show
    # The user's first, since it wants $status and $pipestatus as they are.
    set -l text (__autopack_run_user_prompt $argv | string collect --no-trim-newlines --allow-empty)
    printf '%s%s' $__autopack_run_mark $text
end

function __autopack_run_wrap --on-event fish_prompt --description 'also where a theme has defined its prompt anew'
    if not functions fish_prompt | string match -q '*__autopack_run_show*'
        functions -e __autopack_run_user_prompt
        functions -c fish_prompt __autopack_run_user_prompt
        function fish_prompt
            __autopack_run_show $argv
        end
    end
end
__autopack_run_wrap
