"""A MariaDB that speaks TLS, with a certificate of the tests' own: nothing that the URL asks for is weakened."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from mariadb import PASSWORD, MariaDB, mariadb
from test_mysql import expect, shown_clean

from launcher.errors import LauncherError
from launcher.identity import server

pytestmark = pytest.mark.posix


@pytest.fixture(scope="module")
def secured() -> Iterator[tuple[MariaDB, Path]]:
    """The server, and the folder with ca.pem; its certificate is for localhost, not for 127.0.0.1."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl: not installed")
    folder = Path(tempfile.mkdtemp(prefix="autopack-tls-"))
    folder.chmod(0o755)
    try:
        for name in ("ca", "other"):
            made = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
            files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
            subprocess.run(["openssl", *made.split(), *files], check=True, capture_output=True)
        (folder / "ca.key").chmod(0o644)
        locked = f"rsa -aes256 -passout pass:{PASSWORD} -in {folder}/ca.key -out {folder}/locked.key"
        subprocess.run(["openssl", *locked.split()], check=True, capture_output=True)
        options = (f"--ssl-ca={folder}/ca.pem", f"--ssl-cert={folder}/ca.pem", f"--ssl-key={folder}/ca.key")
        with mariadb(*options) as running:
            running.sql("CREATE DATABASE tele", "GRANT ALL ON tele.* TO app@'%'", "ALTER USER app@'%' REQUIRE SSL")
            yield running, folder
    finally:
        shutil.rmtree(folder)


ROWS = [
    ("preferred", "pymysql", "127.0.0.1", "", ""),
    ("ssl_mode", "mysqldb", "127.0.0.1", "?ssl_mode=REQUIRED", ""),
    ("its CA and name", "pymysql", "localhost", "?ssl_ca={0}/ca.pem", ""),
    ("its CA, another name", "pymysql", "127.0.0.1", "?ssl_ca={0}/ca.pem", "no encrypted connection came about: "),
    ("the name is not to be checked", "pymysql", "127.0.0.1", "?ssl_ca={0}/ca.pem&ssl_check_hostname=false", ""),
    ("another CA", "pymysql", "localhost", "?ssl_ca={0}/other.pem", "no encrypted connection came about: self"),
    ("another CA, a driver in C", "mysqldb", "127.0.0.1", "?ssl_ca={0}/other.pem", "no encrypted connection came about: self"),
    ("a driver in C does not ask for the name", "mysqldb", "127.0.0.1", "?ssl_ca={0}/ca.pem", ""),
    ("VERIFY_CA", "mysqldb", "127.0.0.1", "?ssl_mode=VERIFY_CA&ssl_ca={0}/ca.pem", ""),
    ("VERIFY_CA by the system's", "mysqldb", "127.0.0.1", "?ssl_mode=VERIFY_CA", "no encrypted connection came about: self"),
    ("VERIFY_IDENTITY", "mysqldb", "127.0.0.1", "?ssl_mode=VERIFY_IDENTITY&ssl_ca={0}/ca.pem", "no encrypted connection came about: "),
    ("verify", "mysqlconnector", "127.0.0.1", "?ssl_verify_cert=true", "no encrypted connection came about: self"),
    ("off", "pymysql", "127.0.0.1", "?ssl_disabled=true", "or an encrypted connection is asked for"),
    ("off by mode", "mysqldb", "127.0.0.1", "?ssl_mode=DISABLED", "or an encrypted connection is asked for"),
    ("not off", "pymysql", "127.0.0.1", "?ssl_disabled=false", ""),
    ("a key with a password", "pymysql", "localhost", "?ssl_ca={0}/ca.pem&ssl_cert={0}/ca.pem&ssl_key={0}/locked.key&ssl_key_password=my-s3cret-77", ""),
    ("a key with another password", "pymysql", "localhost", "?ssl_ca={0}/ca.pem&ssl_cert={0}/ca.pem&ssl_key={0}/locked.key&ssl_key_password=my-s3cret-7", "not what OpenSSL can read"),
    ("a key with a password, which is not given", "pymysql", "localhost", "?ssl_cert={0}/ca.pem&ssl_key={0}/locked.key", "not what OpenSSL can read"),
    ("a certificate that the server does not know", "pymysql", "localhost", "?ssl_cert={0}/other.pem&ssl_key={0}/other.key", "no encrypted connection came about: "),
    ("no key", "pymysql", "localhost", "?ssl_ca={0}/ca.pem&ssl_cert={0}/ca.pem&ssl_key={0}/other.key", "not what OpenSSL can read"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "driver", "host", "options", "says"), ROWS, ids=[row[0] for row in ROWS])
def test_tls(secured: tuple[MariaDB, Path], name: str, driver: str, host: str, options: str, says: str) -> None:
    running, folder = secured
    url = running.url("tele", host=host).replace("pymysql", driver) + options.format(folder)
    before = running.digest()
    try:
        told = str(server.inspect(expect(url)) and "")
    except LauncherError as error:
        told = shown_clean(error).message
    assert running.digest() == before
    assert says in told
    assert bool(told) == bool(says), told
