"""Names as SQL for a person to paste, and a server's words without any secret of the URL."""

import re
from urllib.parse import unquote

from launcher.identity.expectation import Expectation, printable
from launcher.identity.secrets import secrets_of, without_secrets


def backquoted(name: str) -> str:
    """The name as SQL for a person."""
    return "`" + printable(name.replace("`", "``")) + "`"


def account(user: str, host: str) -> str:
    """'user'@'host', as GRANT wants it."""
    return "@".join("'" + printable(part.replace("\\", "\\\\").replace("'", "''")) + "'" for part in (user, host))


def account_in(cause: BaseException) -> tuple[str, str]:
    """The user and host of the account that the server's words name; `user` and `%` where they name none."""
    said = str(cause.args[1]) if len(cause.args) > 1 else ""
    found = re.search(r"(?:for|to) user '(.*?)'@'([^']*)'", said)
    return (found[1], found[2]) if found else ("user", "%")


def database(expected: Expectation) -> str:
    """The name that the URL means to a SQLAlchemy that decodes it."""
    return unquote(expected.url.database)


def words(cause: BaseException, expected: Expectation) -> str:
    """The server's words, without any secret of the URL, in one short line."""
    said = str(cause.args[1]) if len(cause.args) > 1 else ""
    said = without_secrets(said, secrets_of(expected.url.text, expected.variables))
    return printable(" ".join(said.split()))[:200]
