"""Whether a file belongs to somebody else than this user, root or Administrators."""

import os
import sys

# Well-known security identifiers: SYSTEM, Administrators, TrustedInstaller (learn.microsoft.com, "Well-known SIDs").
_TRUSTED_SIDS = (
    "S-1-5-18",
    "S-1-5-32-544",
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
)


def foreign_owner(path: str) -> str | None:
    """The owner of the file in words where it is not this user, root or Administrators; None where it is.

    A link counts with what it points to and with itself. An owner that cannot be told is a foreign one.
    """
    if sys.platform == "win32":
        sid = _owner_sid(path)
        return None if sid and sid in (*_TRUSTED_SIDS, _own_sid()) else f"another user ({sid or 'owner unknown'})"
    for look in (os.lstat, os.stat):
        try:
            uid = look(path).st_uid
        except OSError:
            return "an owner that cannot be told"
        if uid not in (0, os.geteuid()):
            return _user_name(uid)
    return None


def _user_name(uid: int) -> str:
    if sys.platform == "win32":
        return f"user {uid}"
    import pwd

    try:
        return f"another user ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"another user (uid {uid})"


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _advapi = ctypes.WinDLL("advapi32", use_last_error=True)
    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.LocalFree.argtypes = [ctypes.c_void_p]
    _kernel.GetCurrentProcess.restype = wintypes.HANDLE
    _kernel.CloseHandle.argtypes = [wintypes.HANDLE]
    # Without these ctypes hands pointers and handles over as 32-bit numbers, or refuses to.
    _advapi.OpenProcessToken.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE)]
    _advapi.ConvertSidToStringSidW.argtypes = [ctypes.c_void_p, ctypes.POINTER(wintypes.LPWSTR)]
    _advapi.GetTokenInformation.argtypes = [
        wintypes.HANDLE,
        ctypes.c_int,
        ctypes.c_void_p,
        wintypes.DWORD,
        ctypes.POINTER(wintypes.DWORD),
    ]

    def _sid_text(sid: ctypes.c_void_p) -> str | None:
        text = wintypes.LPWSTR()
        if not _advapi.ConvertSidToStringSidW(sid, ctypes.byref(text)):
            return None
        try:
            return text.value
        finally:
            _kernel.LocalFree(ctypes.cast(text, ctypes.c_void_p))

    def _owner_sid(path: str) -> str | None:
        """GetNamedSecurityInfoW(SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION)."""
        sid, descriptor = ctypes.c_void_p(), ctypes.c_void_p()
        failed = _advapi.GetNamedSecurityInfoW(
            ctypes.c_wchar_p(path), 1, 1, ctypes.byref(sid), None, None, None, ctypes.byref(descriptor)
        )
        if failed:
            return None
        try:
            return _sid_text(sid)
        finally:
            _kernel.LocalFree(descriptor)

    def _own_sid() -> str | None:
        """The user of this process's token: OpenProcessToken(TOKEN_QUERY), GetTokenInformation(TokenUser)."""
        token, size = wintypes.HANDLE(), wintypes.DWORD()
        if not _advapi.OpenProcessToken(_kernel.GetCurrentProcess(), 0x0008, ctypes.byref(token)):
            return None
        try:
            _advapi.GetTokenInformation(token, 1, None, 0, ctypes.byref(size))
            buffer = ctypes.create_string_buffer(size.value)
            if not _advapi.GetTokenInformation(token, 1, buffer, size, ctypes.byref(size)):
                return None
            return _sid_text(ctypes.c_void_p(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_void_p))[0]))
        finally:
            _kernel.CloseHandle(token)
