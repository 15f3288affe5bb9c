@rem Run by an interactive cmd after its AutoRun (autopack-run PROFILE shell); see shells/session.py.
@echo off
set AUTOPACK_RUN_START=
set "AUTOPACK_RUN_LOST="
for %%n in (%AUTOPACK_RUN_KEEP%) do call :check %%n
if defined AUTOPACK_RUN_LOST (
    echo autopack-run: AutoRun of cmd has changed%AUTOPACK_RUN_LOST%, so this shell would be outside the profile 1>&2
    exit 78
)
set "AUTOPACK_RUN_KEEP="
set "AUTOPACK_RUN_LOST="
if not defined PROMPT set "PROMPT=$P$G"
call :mark
set "AUTOPACK_RUN_MARK="
echo on
@exit /b 0

:check
setlocal EnableDelayedExpansion
if "!%~1!"=="!AUTOPACK_RUN_KEEP_%~1!" (
    endlocal
    goto kept
)
endlocal
set "%~1="
if not defined AUTOPACK_RUN_KEEP_%~1 goto kept
call :restore %~1
setlocal EnableDelayedExpansion
if "!%~1!"=="!AUTOPACK_RUN_KEEP_%~1!" (
    endlocal
    goto kept
)
endlocal
set "AUTOPACK_RUN_LOST=%AUTOPACK_RUN_LOST% %~1"
:kept
set "AUTOPACK_RUN_KEEP_%~1="
exit /b 0

rem What a for variable holds is not read again; endlocal comes first, or its exclamation marks would be. What begins
rem with the character eol is skipped. The way back ends what setlocal has begun, also where nothing is done.

:restore
setlocal EnableDelayedExpansion
set "AUTOPACK_RUN_EOL=;"
if "!AUTOPACK_RUN_KEEP_%~1:~0,1!"==";" set "AUTOPACK_RUN_EOL=."
for /f "eol=%AUTOPACK_RUN_EOL% delims=" %%v in ("!AUTOPACK_RUN_KEEP_%~1!") do (
    endlocal
    set "%~1=%%v"
)
exit /b 0

:mark
setlocal EnableDelayedExpansion
for /f "delims=" %%v in ("!AUTOPACK_RUN_MARK!!PROMPT!") do (
    endlocal
    if defined AUTOPACK_RUN_MARK set "PROMPT=%%v"
    set "AUTOPACK_RUN_MARK="
)
exit /b 0
