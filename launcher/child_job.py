"""A Windows job object: what is in it ends when the launcher does, however that happens."""

import sys

CREATE_SUSPENDED = 0x4  # winbase.h; as what is to be put into a job must be started
if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    # winnt.h, JOBOBJECT_EXTENDED_LIMIT_INFORMATION and its flags
    _EXTENDED_LIMIT_INFORMATION = 9
    _KILL_ON_JOB_CLOSE = 0x2000
    _BREAKAWAY_OK = 0x0800
    _SILENT_BREAKAWAY_OK = 0x1000
    _CTRL_BREAK_EVENT = 1

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

    class Job:
        """One program's job; its handle is never closed, so that the system does it at the launcher's end.

        whole: what the program starts ends with it, too. Else it is not ours to end (SILENT_BREAKAWAY_OK). Failing to
        make a job is not fatal: an old system, or one that puts the launcher itself into a job that forbids it, must
        still be able to run tasks.
        """

        def __init__(self, whole: bool) -> None:
            self._kernel = kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            kernel.CreateJobObjectW.restype = wintypes.HANDLE
            kernel.SetInformationJobObject.argtypes = [wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD]
            kernel.AssignProcessToJobObject.argtypes = [wintypes.HANDLE, wintypes.HANDLE]
            kernel.TerminateJobObject.argtypes = [wintypes.HANDLE, wintypes.UINT]
            self.whole = whole
            self._breakaway = _BREAKAWAY_OK if whole else _SILENT_BREAKAWAY_OK
            self._handle = kernel.CreateJobObjectW(None, None)
            self._holds = bool(self._handle) and self._limit(_KILL_ON_JOB_CLOSE | self._breakaway)

        def take(self, process: int) -> None:
            """Put the process, by its handle, into the job, and let it run: it was created suspended.

            So nothing that it starts can be outside. NtResumeProcess, as subprocess keeps no handle of the thread.
            """
            if self._holds:
                self._holds = bool(self._kernel.AssignProcessToJobObject(self._handle, process))
            resume = ctypes.WinDLL("ntdll").NtResumeProcess
            resume.argtypes = [wintypes.HANDLE]
            resume(process)

        def let_go(self) -> None:
            """What is in the job no longer ends with the launcher."""
            self._limit(self._breakaway)

        def end(self) -> None:
            """End all that is in the job, by force."""
            if self._holds:
                self._kernel.TerminateJobObject(self._handle, 1)

        def _limit(self, flags: int) -> bool:
            limits = _ExtendedLimits()
            limits.BasicLimitInformation.LimitFlags = flags
            size, kind = ctypes.sizeof(limits), _EXTENDED_LIMIT_INFORMATION
            return bool(self._kernel.SetInformationJobObject(self._handle, kind, ctypes.byref(limits), size))

    def send_break(group: int) -> bool:
        """Ctrl-Break to a process group of our console; whether that could be sent."""
        return bool(ctypes.WinDLL("kernel32").GenerateConsoleCtrlEvent(_CTRL_BREAK_EVENT, group))
