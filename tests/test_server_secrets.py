"""Servers that say the password back: what the launcher tells of their words has no secret in any form."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.posix
pytest.importorskip("psycopg")
pytest.importorskip("pymysql")
pytest.importorskip("pwd")  # of POSIX
from expecting import expect  # noqa: E402
from postgres import listening  # noqa: E402

from launcher.errors import LauncherError  # noqa: E402
from launcher.identity import server  # noqa: E402
from launcher.identity.secrets import secrets_of, without_secrets  # noqa: E402


def postgresql_says(words: str) -> AbstractContextManager[int]:
    """A server that answers with ErrorResponse (https://www.postgresql.org/docs/current/protocol-message-formats.html)
    and an SQLSTATE that nobody knows."""
    fields = f"SFATAL\0VFATAL\0CXX999\0M{words}\0\0".encode()
    return listening(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


def mysql_says(words: str) -> AbstractContextManager[int]:
    """A server that answers with ERR_Packet (https://mariadb.com/kb/en/err_packet/) and a number that nobody knows."""
    body = b"\xff" + (9876).to_bytes(2, "little") + b"#HY000" + words.encode()
    return listening(len(body).to_bytes(3, "little") + b"\0" + body)


class Server(NamedTuple):
    says: Callable[[str], AbstractContextManager[int]]
    scheme: str
    query: str
    slug: str


SERVERS = {
    "postgresql": Server(postgresql_says, "postgresql+psycopg", "sslmode=disable&gssencmode=disable", "unreachable"),
    "mysql": Server(mysql_says, "mysql+pymysql", "charset=utf8mb4", "server-error"),
}


class Form(NamedTuple):
    """login, query, variables: where the secret stands. repeats: the forms of it in the server's words."""

    login: str
    repeats: tuple[str, ...]
    query: str = ""
    variables: Mapping[str, str] = {}


FORMS = {
    "plain": Form("u:s3cret", ("s3cret",)),
    "raw ?": Form("u:s3c?ret", ("s3c?ret", "s3c%3Fret")),
    "raw /": Form("u:s3c/ret", ("s3c/ret",)),
    "%40": Form("u:p%40ss-w", ("p@ss-w", "p%40ss-w")),
    "blanks": Form("u:a%20b%20%20c", ("a b  c", "a%20b%20%20c", "a+b++c")),
    "a plus sign": Form("u:a+b+c", ("a+b+c", "a b c")),
    "of regular expressions": Form("u:x.*+(%5B%5D)%5Cd", ("x.*+([])\\d", "x.*+([])\\\\d")),
    "quotation marks": Form("u:it%27s%22me", ("it's\"me", "it\\'s\"me")),
    "very short": Form("u:q7", ("q7",)),
    "?password=": Form("u", ("hid den", "hid+den", "hid%20den"), "password=hid+den"),
    "?passwd=": Form("u", ("hid?den",), "passwd=hid%3Fden"),
    "short ?password=": Form("u", ("q7",), "password=q7"),
    "a made up option": Form("u:s3cret", ("tok-en-1", "s3cret"), "made_up=tok-en-1"),
    "PGPASSWORD": Form("u", ("from outside",), variables={"PGPASSWORD": "from outside"}),
    "PGSSLPASSWORD": Form("u", ("from outside",), variables={"PGSSLPASSWORD": "from outside"}),
    "PGPASSFILE": Form("u", ("/home/x/.pgpass",), variables={"PGPASSFILE": "/home/x/.pgpass"}),
}


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_server_that_repeats_it(kind: str, form: Form) -> None:
    says, scheme, query, slug = SERVERS[kind]
    with says(f"no entry: {' and '.join(form.repeats)} were refused") as port:
        url = f"{scheme}://{form.login}@127.0.0.1:{port}/main?{query}{form.query and '&' + form.query}"
        with pytest.raises(LauncherError) as raised:
            server.inspect(expect(url, variables=form.variables))
    error = raised.value
    assert (error.code, error.slug) == (69, slug)
    for secret in form.repeats:
        assert secret not in error.message
        assert secret not in error.hint
    assert f"no entry: {' and '.join(['***'] * len(form.repeats))} were refused" in error.message


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:s3cret@h/d?x=1&made_up=yes", "1 of 1: yes, ***"),
        ("mysql://u:s3cret@h/d?charset=utf8mb4&passwd=yes", "1 of 1: ***, ***"),
        ("mysql://u:s3cret@h:port/d", "1 of 1: yes, ***"),
        ("mysql://h/d", "1 of 1: yes, s3cret"),
    ],
    ids=["short values", "a short password", "a URL that SQLAlchemy cannot read", "no secret"],
)
def test_what_is_replaced(url: str, said: str) -> None:
    assert without_secrets("1 of 1: yes, s3cret", secrets_of(url, {"PATH": "1 of 1"})) == said


def test_the_longest_first() -> None:
    assert without_secrets("abc ab", {"ab", "abc"}) == "*** ***"
