"""Locales, zsh's options and fish's HOME: what arrives is what was meant."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from parts import need
from shell_rows import POSIX_ROWS, read_back

from shells.base import CannotCarry
from shells.formats import as_dotenv
from shells.table import SHELLS

LOCALES = {"zh_CN.GBK": "GBK", "ja_JP.SJIS": "SHIFT_JIS", "zh_TW.BIG5": "BIG5", "zh_CN.GB18030": "GB18030"}


def make_locale(folder: Path, name: str, charset: str) -> None:
    """Compile it from Debian's sources into the folder, for LOCPATH."""
    words = ["-c", "-i", name.partition(".")[0], "-f", charset, str(folder / name)]
    subprocess.run([need("locales"), *words], check=False, capture_output=True)  # its warnings make 1 of its code
    assert (folder / name).is_dir()


@pytest.mark.posix
@pytest.mark.parametrize("locale", LOCALES)
def test_a_backslash_after_a_character_of_two_bytes(
    tmp_path: Path, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_locale(tmp_path, locale, LOCALES[locale])
    monkeypatch.setenv("LOCPATH", str(tmp_path))
    monkeypatch.setenv("LC_ALL", locale)
    values = {"V1": "\u4e2d\\", "V2": "; set -gx INJECTED 1 #\u4e2d'x", "V3": "\u00c3\\server\\"}
    read_back(tmp_path / "fish", POSIX_ROWS["fish"], values)


@pytest.mark.posix
def test_csh_junkie_quotes(tmp_path: Path) -> None:
    read_back(tmp_path / "zsh", POSIX_ROWS["zsh"], {"V": "a\\\nb\n'\n"}, "setopt cshjunkiequotes")


def test_fish_would_write_home_otherwise() -> None:
    with pytest.raises(CannotCarry, match="HOME"):
        SHELLS["fish"].set_env("HOME", "/a//b")


@pytest.mark.parametrize("value", ["'\\", "'a\"\\", "a\n\\"])
def test_what_only_a_newer_python_dotenv_reads_back_is_refused(value: str) -> None:
    with pytest.raises(CannotCarry):
        as_dotenv({"V": value})


@pytest.mark.posix
def test_env_hands_over_the_bytes_of_exec(tmp_path: Path) -> None:
    make_locale(tmp_path, "de_DE.ISO-8859-1", "ISO-8859-1")
    (tmp_path / "autopack-run.toml").write_text('[profiles.p.env]\nA = "{env:X}"\nB = "\u00e9"\n', encoding="utf-8")
    env = {**os.environb, b"LOCPATH": os.fsencode(tmp_path), b"LC_ALL": b"de_DE.ISO-8859-1", b"X": b"\xc3\xa9\xe9"}
    launcher = [os.fsencode(sys.executable), b"-c", b"from autopack_run import main; raise SystemExit(main())"]
    done = subprocess.run(
        [*launcher, b"-q", b"p", b"env", b"--shell", b"sh"], cwd=tmp_path, env=env, capture_output=True, check=False
    )
    assert b"'A=\xc3\xa9\xe9'" in done.stdout, done.stderr
    assert b"'B=\xe9'" in done.stdout
