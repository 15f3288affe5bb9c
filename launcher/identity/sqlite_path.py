"""The one file that a SQLite URL means, or why it means none (IDENTITY.md, fault table)."""

import os
import re

from launcher.errors import ConfigurationError

WINDOWS = os.name == "nt"
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_VARIABLE = re.compile(r"\$\{?[A-Za-z_]|%[A-Za-z_][A-Za-z0-9_]*%")
LOGIN = re.compile(r":[^/\\]*@")
_DRIVE = re.compile(r"[A-Za-z]:")
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file: reserved also with any extension.
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)


class AmbiguousPathError(ConfigurationError):
    """One text that is another file to SQLAlchemy 2.0 (`written`) than to 2.1 (`decoded`); both as they are shown."""

    def __init__(self, where: str, written: str, decoded: str, hint: str) -> None:
        super().__init__(
            "ambiguous-url",
            f"{where}: SQLAlchemy 2.0 opens '{written}', SQLAlchemy 2.1 opens {decoded}",
            hint,
        )
        self.written, self.decoded = f"'{written}'", decoded


def resolve(rest: str, where: str, base: str | None) -> str:
    """The absolute path behind `sqlite://` + rest.

    where: the sentence that errors begin with; base: the folder a relative path is relative to, or None where nothing
    declares it. Raises ConfigurationError.
    """
    if rest in ("", "/", "/:memory:", ":memory:"):
        raise ConfigurationError(
            "in-memory", f"{where}: a private in-memory database, another one in every program", "sqlite:///NAME.db"
        )
    if not rest.startswith("/"):
        hint = "sqlite:///PATH" if "@" in rest or "?" in rest else f"sqlite:///{rest}"
        raise ConfigurationError("bad-url", f"{where}: after two slashes stands a host, and SQLite has none", hint)
    path = rest[1:]
    _refuse_addresses(path, where)
    if re.split(r"[\\/]" if WINDOWS else "/", path)[-1] in ("", ".", ".."):
        raise ConfigurationError("bad-url", f"{where}: it names a folder", "sqlite:///folder/NAME.db")
    if WINDOWS:
        _refuse_windows(path, where)
    _refuse_ambiguous(path, where, base)
    if not WINDOWS and (_DRIVE.match(path) or "\\" in path):
        raise ConfigurationError(
            "bad-url", f"{where}: a Windows path, and this is not Windows", "sqlite:////absolute/path.db"
        )
    return _absolute(path, where, base)


def _refuse_addresses(path: str, where: str) -> None:
    if LOGIN.search(path):
        raise ConfigurationError(
            "bad-url", f"{where}: a user and a password, and SQLite has none", "sqlite:///PATH or postgresql://…"
        )
    if path.startswith("file:"):
        raise ConfigurationError(
            "ambiguous-url",
            f"{where}: a file: URI is a name to some programs and an address to others",
            "write the path",
        )


def _refuse_ambiguous(path: str, where: str, base: str | None) -> None:
    if "?" in path:
        before = path.split("?", 1)[0]
        raise ConfigurationError(
            "ambiguous-url",
            f"{where}: what stands after ? is an option to SQLAlchemy ('{before}'), a part of the name to others",
            "leave the ? away: options belong into the program, and a file's name must do without",
        )
    if _ENCODED.search(path):
        from urllib.parse import unquote

        decoded = unquote(path, errors="backslashreplace")
        # ascii: %1B would reach the terminal
        raise AmbiguousPathError(where, path, ascii(decoded), _which_name(path, decoded, base or ""))
    if path.startswith("~"):
        raise ConfigurationError(
            "unexpanded",
            f"{where}: nothing expands ~; the folder would be called '~'",
            f"sqlite:///{os.path.expanduser(path)}",
        )
    if match := _VARIABLE.search(path):
        raise ConfigurationError(
            "unexpanded",
            f"{where}: nothing expands '{match[0]}…'; it would be a part of the name",
            "in the profile file: {env:NAME}",
        )


def _which_name(written: str, decoded: str, base: str) -> str:
    """What to do about the two: the name that is there is the one that was meant; a share is not asked."""
    rename = "rename the file, so that no % is followed by two hexadecimal digits"
    if not decoded.isprintable() or "?" in decoded or _ENCODED.search(decoded) or written[:2] in ("//", "\\\\"):
        return rename
    as_it_is = f"write it as it is: sqlite:///{decoded}"
    one, other = (os.path.exists(os.path.join(base, name)) for name in (written, decoded))
    if one and other:  # either may be meant, whichever this profile's SQLAlchemy would open
        return f"both are there. For '{decoded}' {as_it_is}; for '{written}' {rename}"
    if not one and not other:
        return f"{as_it_is}; or {rename}"
    return rename if one else as_it_is


def _refuse_windows(path: str, where: str) -> None:
    drive, rest = os.path.splitdrive(path)
    if path.startswith(("\\\\?\\", "\\\\.\\", "//?/", "//./")):
        raise ConfigurationError("bad-url", f"{where}: a device path", "sqlite:///C:/folder/name.db")
    if drive and not rest.startswith(("/", "\\")):
        raise ConfigurationError(
            "bad-url", f"{where}: relative to the current folder of drive {drive}", f"sqlite:///{drive}/folder/{rest}"
        )
    if re.match(r"[/\\][A-Za-z]:[/\\]", path):
        raise ConfigurationError("bad-url", f"{where}: one slash too many", f"sqlite:///{path[1:]}")
    if not drive and rest.startswith(("/", "\\")):
        raise ConfigurationError(
            "bad-url", f"{where}: no drive; it would be the current one", "sqlite:///C:/folder/name.db"
        )
    for part in re.split(r"[\\/]", rest):
        if part not in ("", ".", "..") and part[-1] in ". ":
            raise ConfigurationError(
                "bad-url", f"{where}: Windows drops the '{part[-1]}' at the end of '{part}'", "take it away"
            )
        if _DEVICE.match(part):
            raise ConfigurationError(
                "bad-url", f"{where}: '{part}' is a device on Windows, not a file", "give it another name"
            )
        if match := re.search(r'[<>:"|*]', part):
            raise ConfigurationError(
                "bad-url", f"{where}: '{match[0]}' cannot be in a file's name on Windows", "give it another name"
            )


def _absolute(path: str, where: str, base: str | None) -> str:
    if not os.path.isabs(path):
        if base is None:
            raise ConfigurationError(
                "relative-url",
                f"{where}: relative to what? Programs in different folders would open different files",
                f"sqlite:///{os.path.abspath(path)}".replace("\\", "/")
                if WINDOWS
                else f"sqlite:///{os.path.abspath(path)}",
            )
        path = os.path.join(base, path)
    written, path = path, os.path.abspath(path)
    if ".." in written and not WINDOWS and os.path.realpath(written) != os.path.realpath(path):
        raise ConfigurationError(
            "ambiguous-url",
            f"{where}: behind a link, '..' is '{os.path.realpath(written)}' to the system, '{path}' by the text",
            "write the path without '..'",
        )
    if "?" in path or _ENCODED.search(path):
        raise ConfigurationError(
            "ambiguous-url",
            f"{where}, in full '{path}': SQLAlchemy 2.0 and 2.1 open different files for ? and % with two hex digits",
            "rename the folder",
        )
    _refuse_unspeakable(path, where)
    return path


def _refuse_unspeakable(path: str, where: str) -> None:
    """Refuse a path that this process cannot say to the system, as in the C locale without UTF-8 mode."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            "bad-value",
            f"{where}: {path[error.start]!a} cannot be written in this locale's encoding ({error.encoding})",
            "PYTHONUTF8=1, or a UTF-8 locale",
        ) from None


def file_uri(path: str) -> str:
    """The `file:` URI of an absolute path (https://www.sqlite.org/uri.html)."""
    slashed = path.replace("\\", "/") if os.name == "nt" else path
    kept = b"/:-_.~" + bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123))
    encoded = "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in os.fsencode(slashed))
    return f"file://{'' if encoded.startswith('/') else '/'}{encoded}"


def same_file(one: str, other: str) -> bool:
    """Whether two paths mean one file: by device and inode where both exist, else by their text."""
    try:
        return os.path.samestat(os.stat(one), os.stat(other))
    except OSError:
        return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))
