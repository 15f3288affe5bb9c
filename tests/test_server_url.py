"""What a server's URL leaves out, or says twice, and drivers read differently; what is shown of it."""

from pathlib import Path
from typing import Any

import pytest
from running import last_line, run, write

from launcher.errors import ConfigurationError
from launcher.identity.expectation import Expectation, ServerIdentity
from launcher.identity.server_url import refuse_unsaid
from launcher.identity.url import parse_database_url
from launcher.identity.verdict import judge_tables


def expected(text: str, variables: dict[str, str]) -> Expectation:
    return Expectation("main", parse_database_url(text, "a test", None), "a test", "p", variables=variables)


REFUSED = [
    ("postgresql:///db", {"PGHOST": "h"}, "PGHOST is set"),
    ("postgresql:///db", {"PGSERVICE": "s"}, "PGSERVICE is set"),
    ("postgresql://h:5432/db", {"PGSERVICE": "s"}, "PGSERVICE is set"),
    ("postgresql+psycopg:///db?host=h&port=5432", {"PGSERVICE": "s"}, "PGSERVICE is set"),
    ("postgresql+asyncpg:///db", {}, "says no host"),
    ("postgresql+pg8000:///db", {}, "says no host"),
    ("postgresql://h/db", {"PGPORT": "6432"}, "PGPORT is set"),
    ("postgresql+asyncpg://h/db", {"PGSERVICE": "s"}, "PGSERVICE is set"),
    ("postgresql://h:5432/db", {"PGHOSTADDR": "192.0.2.1"}, "PGHOSTADDR is set"),
    ("postgresql+asyncpg://h:5432/db?database=other", {}, "(database=)"),
    ("postgresql+pg8000://h:5432/db?unix_sock=/run/s3cret", {}, "has the option unix_sock (not shown)"),
    ("postgresql+psycopg://h:5432/db?conninfo=hostaddr%3D192.0.2.1", {}, "has the option conninfo"),
    ("postgresql+psycopg2://h:5432/db?dsn=host%3Dother", {}, "has the option dsn"),
    ("mysql+pymysql://h:3306/db?database=other&db=db", {}, "(database=)"),
    ("mysql+pymysql://h:3306/db?host=other", {}, "says its host twice"),
    ("mysql+pymysql://h:3306/db?port=3307", {}, "says its port twice"),
    ("mysql+mysqlconnector://h:3306/db?option_files=/etc/my.cnf", {}, "has the option option_files"),
    ("mysql+mysqlconnector://h:3306/db?failover=x", {}, "has the option failover"),
    ("mariadb+mariadbconnector://h:3306/db?default_file=/etc/my.cnf", {}, "has the option default_file"),
    ("mariadb+mariadbconnector://h:3306/db?default_group=x", {}, "has the option default_group"),
    ("mysql+mysqldb://h:3306/db?named_pipe=1", {}, "has the option named_pipe"),
    ("mysql+pyodbc://h:3306/db?odbc_connect=SERVER%3Dother", {}, "has the option odbc_connect"),
    ("mysql+pyodbc://h:3306/db?SERVER=other", {}, "has the option SERVER"),
    ("mysql+mysqldb://h:3306/db?read_default_file=/etc/my.cnf", {}, "has the option read_default_file"),
    ("mysql+aiomysql://h:3306/db?read_default_group=x", {}, "has the option read_default_group"),
    ("mysql+pymysql://h:3306/db?read_default_file=my.cnf", {}, "nor finds it from every folder"),
    ("mysql+pymysql://h:3306/db?read_default_file=~/my.cnf", {}, "nor finds it from every folder"),
    ("postgresql:///db?host=a,b&port=1,2&load_balance_hosts=random", {}, "load_balance_hosts in it"),
    ("postgresql:///db?host=a,b&port=1,2", {"PGLOADBALANCEHOSTS": "random"}, "as PGLOADBALANCEHOSTS says"),
]


@pytest.mark.parametrize(("url", "variables", "says"), REFUSED, ids=lambda value: str(value)[:40])
def test_refused(url: str, variables: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        refuse_unsaid(expected(url, variables))
    assert caught.value.slug == "ambiguous-url"
    assert says in caught.value.message
    assert "s3cret" not in caught.value.message
    assert caught.value.hint


TAKEN = [
    ("postgresql:///db", {}),
    ("postgresql+psycopg:///db?host=/run/postgresql", {"PGHOST": "other"}),
    ("postgresql://h:5432/db", {"PGHOST": "other", "PGPORT": "1", "PGSERVICE": ""}),
    ("postgresql://h/db", {"PGHOST": "other"}),
    ("mysql+pymysql://h:3306/db?read_default_file=/etc/my.cnf&read_default_group=x", {}),
    ("mysql+pymysql://localhost/db?unix_socket=/run/s", {}),
    ("mysql+mysqldb://h/db?host=h&charset=utf8mb4", {}),
    ("postgresql:///db?host=a,b&port=1,2", {}),
    ("postgresql:///db?host=a,b&port=1,2&load_balance_hosts=disable", {"PGLOADBALANCEHOSTS": "random"}),
]


@pytest.mark.parametrize(("url", "variables"), TAKEN, ids=lambda value: str(value)[:40])
def test_taken(url: str, variables: dict[str, str]) -> None:
    refuse_unsaid(expected(url, variables))


@pytest.mark.parametrize("mark", ["&", ";"])
def test_an_option_behind_another_mark_is_refused_and_not_shown(tmp_path: Path, mark: str) -> None:
    text = f'[databases.main]\nurl = "postgresql+psycopg://u@127.0.0.1:9/db{mark}password=s3cret"\n'
    write(tmp_path, text + '[profiles.p]\ndatabase = "main"\n')
    for words in (["p", "check"], ["p", "check", "--json"], ["p", "explain"], ["profiles"], ["p", "adopt"]):
        done = run(words, tmp_path)
        assert "s3cret" not in done.stdout + done.stderr
    assert (done.returncode, "bad-url" in last_line(done)) == (78, True)


def test_a_password_behind_a_blank_is_not_shown_as_the_user() -> None:
    assert "s3cret" not in parse_database_url("postgresql://u s3cret@h/db", "a test", None).shown


def test_postgresql_tells_capitals_apart() -> None:
    physical: dict[str, Any] = {"system_identifier": "1", "oid": 1, "timeline": 1}
    found = ServerIdentity(
        "postgresql", "x", "db", physical, "15", "public", False, False, 1, 1, ("Phases", "runs"), None, None, ()
    )
    wanted = expected("postgresql://h/db", {})._replace(tables=("runs", "phases"))
    with pytest.raises(Exception, match="Missing: phases"):
        judge_tables(found, wanted)
    judge_tables(found._replace(kind="mysql"), wanted)
