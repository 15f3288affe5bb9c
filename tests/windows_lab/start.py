"""Starts one program inside the lab, exactly as asked. Windows only; run by tests/windows.py as `start.py JOB.json`.

Needed because of what Linux and Wine cannot hand over by themselves: Wine sets PATH, TEMP, USERNAME and their like
anew in its first process; Linux keeps eight bits of an exit code; PowerShell needs a console or CREATE_NO_WINDOW.
The job: {"args": […], "env": {…}, "no_window": bool}; beside it, JOB.json.code gets the exit code.
"""

import ctypes
import json
import os
import subprocess
import sys

CREATE_NO_WINDOW = 0x08000000
KILL_ON_JOB_CLOSE = 0x2000
EXTENDED_LIMITS = 9
LIMIT_FLAGS_AT, LIMITS_SIZE = 16, 144  # of JOBOBJECT_EXTENDED_LIMIT_INFORMATION, 64 bit


def limit(job: int, flags: int) -> None:
    """Give the job these limits and no other."""
    limits = (ctypes.c_char * LIMITS_SIZE)()
    ctypes.c_uint32.from_buffer(limits, LIMIT_FLAGS_AT).value = flags
    ctypes.windll.kernel32.SetInformationJobObject(ctypes.c_void_p(job), EXTENDED_LIMITS, limits, LIMITS_SIZE)


def own_job() -> int:
    """Put this process in a job that ends everything in it when this process is killed (a test's timeout)."""
    kernel32 = ctypes.windll.kernel32
    kernel32.CreateJobObjectW.restype = ctypes.c_void_p
    job: int = kernel32.CreateJobObjectW(None, None)
    limit(job, KILL_ON_JOB_CLOSE)
    kernel32.AssignProcessToJobObject(ctypes.c_void_p(job), ctypes.c_void_p(-1))
    return job


def main(path: str) -> int:
    """Run the job, write its exit code."""
    with open(path, encoding="utf-8") as f:
        asked = json.load(f)
    job = own_job()
    given = {name.upper() for name in asked["env"]}  # one entry a folded name
    base = {name: value for name, value in os.environ.items() if name not in given}
    try:
        code = subprocess.call(
            asked["args"],
            env=base | asked["env"],
            stdin=sys.stdin,  # named, because with CREATE_NO_WINDOW they would be those of the new console
            stdout=sys.stdout,
            stderr=sys.stderr,
            creationflags=CREATE_NO_WINDOW if asked["no_window"] else 0,
        )
    except OSError as e:
        print(f"start.py: {asked['args'][0]}: {e}", file=sys.stderr)
        code = 127
    limit(job, 0)  # what outlives the program is for the test to find
    with open(path + ".code", "w", encoding="utf-8") as f:
        f.write(str(code))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
