"""Start a program on Windows, tie it to the launcher's life, and wait."""

import signal
import subprocess
import sys

from launcher.batch import batch_command_line, system_cmd
from launcher.child import Command, raise_start_error
from launcher.errors import INTERRUPTED
from launcher.programs import is_batch


def run(command: Command) -> int:
    """The program's exit code as sys.exit takes it, or 130 where Ctrl-C came.

    Ctrl-C reaches every process of the console, so nothing is passed on, and the child stays in the launcher's group
    (CREATE_NEW_PROCESS_GROUP would switch Ctrl-C off in it). The launcher's own handler only notes it and waits.
    """
    interrupts: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: interrupts.append(number))
    try:
        child = _start(command)
    except OSError as error:
        raise_start_error(error, command)
    _tie(child)
    code = child.wait()
    if interrupts:
        return INTERRUPTED
    # Windows codes are unsigned, sys.exit's are signed (cpython#125896).
    return code - 2**32 if code >= 2**31 else code


def _start(command: Command) -> "subprocess.Popen[bytes]":
    # Without SYSTEMROOT a child cannot even load Winsock.
    env = {"SYSTEMROOT": "C:\\Windows"} if "SYSTEMROOT" not in map(str.upper, command.env) else {}
    env |= command.env
    if is_batch(command.program):
        line = batch_command_line(command.program, command.words[1:])
        return subprocess.Popen(line, executable=system_cmd(env), env=env)
    return subprocess.Popen(command.words, executable=command.program, env=env)


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    # winnt.h, JOBOBJECT_EXTENDED_LIMIT_INFORMATION and its flags
    _EXTENDED_LIMIT_INFORMATION = 9
    _KILL_ON_JOB_CLOSE = 0x2000
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

    def _tie(child: "subprocess.Popen[bytes]") -> None:
        """Let the child end when the launcher ends, however that happens: the handle of its job is never closed.

        SILENT_BREAKAWAY_OK: what the child starts is not ours to end. Failing to make a job is not fatal: an old
        system, or one that puts the launcher itself into a job that forbids it, must still be able to run tasks.
        """
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateJobObjectW.restype = wintypes.HANDLE
        kernel.SetInformationJobObject.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD]
        kernel.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
        job = kernel.CreateJobObjectW(None, None)
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = _KILL_ON_JOB_CLOSE | _SILENT_BREAKAWAY_OK
        size = ctypes.sizeof(limits)
        if job and kernel.SetInformationJobObject(job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), size):
            kernel.AssignProcessToJobObject(job, int(child._handle))  # type: ignore[attr-defined]

else:

    def _tie(_child: "subprocess.Popen[bytes]") -> None:
        """Job objects are Windows'."""
