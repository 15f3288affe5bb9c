"""Start a program on Windows, tie it to the launcher's life, and wait."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

from launcher.batch import batch_command_line, system_cmd
from launcher.child import Command, raise_start_error
from launcher.errors import INTERRUPTED, NOT_EXECUTABLE, LauncherError
from launcher.programs import is_batch


def run(command: Command) -> int:
    """The program's exit code as sys.exit takes it, or 130 where Ctrl-C came.

    Ctrl-C and Ctrl-Break reach every process of the console, so nothing is passed on, and the child stays in the
    launcher's group (CREATE_NEW_PROCESS_GROUP would switch Ctrl-C off in it). The launcher's own handler only notes
    it and waits: were it to end, its job would end the child in the middle of its own handler.
    """
    seen: set[int] = set()
    before = {number: signal.signal(number, lambda number, _frame: seen.add(number)) for number in _keys()}
    try:
        child = _start(command)
        release = _tie(child, is_batch(command.program))
        code = child.wait()
        release()
    except OSError as error:
        raise_start_error(error, command)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signal.SIGINT in seen:
        return INTERRUPTED
    # Windows codes are unsigned, sys.exit's are signed (cpython#125896).
    return code - 2**32 if code >= 2**31 else code


def _keys() -> list[signal.Signals]:
    return [getattr(signal, name) for name in ("SIGINT", "SIGBREAK") if hasattr(signal, name)]


def _start(command: Command) -> "subprocess.Popen[bytes]":
    # Without SYSTEMROOT a child cannot even load Winsock.
    env = (
        {}
        if "SYSTEMROOT" in map(str.upper, command.env)
        else {"SYSTEMROOT": os.environ.get("SYSTEMROOT", "C:\\Windows")}
    )
    env |= command.env
    if not is_batch(command.program):
        return subprocess.Popen(command.words, executable=command.program, env=env)
    if command.folder.startswith("\\\\"):
        # It would run the file in C:\Windows instead ("UNC paths are not supported").
        raise LauncherError(
            "batch-argument",
            NOT_EXECUTABLE,
            f"cmd.exe cannot run {command.program} in the network folder {command.folder}",
            "give the share a drive letter (net use), or start the program itself instead of its .cmd file",
        )
    line = batch_command_line(command.program, command.words[1:], env)
    return subprocess.Popen(line, executable=system_cmd(), env=env)


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    # winnt.h, JOBOBJECT_EXTENDED_LIMIT_INFORMATION and its flags
    _EXTENDED_LIMIT_INFORMATION = 9
    _KILL_ON_JOB_CLOSE = 0x2000
    _BREAKAWAY_OK = 0x0800
    _SILENT_BREAKAWAY_OK = 0x1000

    class _BasicLimits(ctypes.Structure):
        _fields_ = (
            ("PerProcessUserTimeLimit", ctypes.c_int64),
            ("PerJobUserTimeLimit", ctypes.c_int64),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
        )

    class _ExtendedLimits(ctypes.Structure):
        _fields_ = (
            ("BasicLimitInformation", _BasicLimits),
            ("IoInfo", ctypes.c_uint64 * 6),
            ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t),
            ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        )

    def _tie(child: "subprocess.Popen[bytes]", whole: bool) -> Callable[[], object]:
        """Let the child end when the launcher ends, however that happens: the handle of its job is never closed.

        whole: what it starts ends with it, too; so with a batch file, where that is the real program. Else
        SILENT_BREAKAWAY_OK: what the child starts is not ours to end. Returns the call that lets go of what runs on
        after the child has ended by itself. Failing to make a job is not fatal: an old system, or one that puts the
        launcher itself into a job that forbids it, must still be able to run tasks.
        """
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateJobObjectW.restype = wintypes.HANDLE
        kernel.SetInformationJobObject.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD]
        kernel.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
        job = kernel.CreateJobObjectW(None, None)
        breakaway = _BREAKAWAY_OK if whole else _SILENT_BREAKAWAY_OK

        def limit(flags: int) -> bool:
            limits = _ExtendedLimits()
            limits.BasicLimitInformation.LimitFlags = flags
            size = ctypes.sizeof(limits)
            return bool(kernel.SetInformationJobObject(job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), size))

        if job and limit(_KILL_ON_JOB_CLOSE | breakaway):
            kernel.AssignProcessToJobObject(job, int(child._handle))  # type: ignore[attr-defined]
        return lambda: limit(breakaway)

else:

    def _tie(_child: "subprocess.Popen[bytes]", _whole: bool) -> Callable[[], object]:
        """Job objects are Windows'."""
        return lambda: None
