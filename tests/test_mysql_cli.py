"""The command line on a real MariaDB: adopted, proven, started, and refused."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mariadb import PASSWORD, MariaDB
from running import last_line, run, write
from test_mysql import MADE

pytestmark = pytest.mark.posix

PROFILE = f"""
[defaults]
python = {json.dumps(sys.executable)}
[databases.telemetry]
url = "%s"
tables = ["phases", "runs"]
[databases.dev]
url = "mysql+pymysql://dev@127.0.0.1:1/dev"
[profiles.telemetry]
database = "telemetry"
[profiles.telemetry.tasks.drain]
run = ["python", "-c", "print('child ran')"]
"""


@pytest.fixture(scope="module")
def maria(mariadb_server: MariaDB) -> MariaDB:
    mariadb_server.sql("CREATE OR REPLACE DATABASE tele", "GRANT ALL PRIVILEGES ON tele.* TO app@'%'")
    mariadb_server.sql(*MADE, database="tele")
    return mariadb_server


def test_a_copy_beside_its_original_was_not_moved(maria: MariaDB, tmp_path: Path) -> None:
    write(tmp_path, PROFILE % maria.url("tele"))
    assert run(["telemetry", "adopt"], tmp_path).returncode == 0
    maria.sql("CREATE OR REPLACE DATABASE other", "GRANT ALL PRIVILEGES ON other.* TO app@'%'")
    maria.sql(*MADE, "CREATE TABLE autopack_identity AS SELECT * FROM tele.autopack_identity", database="other")
    write(tmp_path, PROFILE % maria.url("other"))
    moved = run(["telemetry", "adopt", "--moved"], tmp_path)
    assert (moved.returncode, "still there (database tele of the same server)" in moved.stderr) == (65, True)
    maria.sql("DROP TABLE tele.autopack_identity")
    assert run(["telemetry", "adopt", "--moved"], tmp_path).returncode == 0


def test_from_unstamped_to_started(maria: MariaDB, tmp_path: Path) -> None:
    write(tmp_path, PROFILE % maria.url("tele"))
    before = maria.digest()
    unstamped = run(["telemetry", "drain"], tmp_path)
    assert (unstamped.returncode, unstamped.stdout) == (65, "")
    assert last_line(unstamped).startswith("autopack-run: unstamped: ")
    assert maria.digest() == before
    adopted = run(["telemetry", "adopt"], tmp_path)
    assert adopted.returncode == 0, adopted.stderr
    stamped = maria.digest()
    checked, drained = run(["telemetry", "check"], tmp_path), run(["telemetry", "drain"], tmp_path)
    assert (checked.returncode, drained.returncode, drained.stdout) == (0, 0, "child ran\n"), drained.stderr
    write(tmp_path, PROFILE % maria.url("tele", password="another-77"))
    denied = run(["telemetry", "drain"], tmp_path)
    assert (denied.returncode, denied.stdout) == (77, "")
    assert last_line(denied).startswith("autopack-run: wrong-password: ")
    write(tmp_path, (PROFILE % maria.url("tele")).replace("telemetry", "other"))
    other = run(["other", "drain"], tmp_path)
    assert (other.returncode, other.stdout) == (65, "")
    assert last_line(other).startswith("autopack-run: wrong-database: ")
    assert maria.digest() == stamped
    for result in (unstamped, adopted, checked, drained, denied, other):
        assert PASSWORD not in result.stdout + result.stderr
        assert "another-77" not in result.stdout + result.stderr


def test_workspaces_that_adopt_at_one_moment(maria: MariaDB, tmp_path: Path) -> None:
    """The losers were told to rename the winner's stamp away."""
    maria.sql("DROP TABLE IF EXISTS tele.autopack_identity")
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()
        write(folder, PROFILE % maria.url("tele"))
    with ThreadPoolExecutor(len(folders)) as pool:
        first = list(pool.map(lambda folder: run(["telemetry", "adopt"], folder), folders))
    assert 0 in [done.returncode for done in first]
    for done in first:
        assert "RENAME" not in done.stderr
        assert done.returncode == 0 or "somebody else stamped it meanwhile" in done.stderr or done.returncode == 75
    for folder in folders:
        assert run(["telemetry", "adopt"], folder).returncode == 0
        assert run(["telemetry", "check"], folder).returncode == 0
