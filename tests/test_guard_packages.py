"""The test suites of real packages come out under the guard as they do without it, test by test."""

import ast
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from package_folders import installed, source
from running import clean_env, run, write

PYTEST = "pytest==9.2.0"
_LEFT_OUT = ("compat", "echo_via_pager", "options", "stream_lifecycle", "style", "termui")
SUITES = {
    # Without what collects 31,000 cases to deselect them, and 1,500 that vary words and colours.
    "click": (
        "8.5.1",
        [PYTEST],
        [f"--ignore-glob=*/test_{name}.py" for name in _LEFT_OUT],
        ["exec"],
    ),
    # IPython writes into the home folder.
    "python-dotenv": ("1.2.4", ["click==8.5.1", PYTEST], ["--ignore=tests/test_ipython.py"], ["exec", "task"]),
    "sqlite-utils": (
        "4.2.1",
        ["click==8.5.1", "hypothesis==6.170.17", "cogapp==3.6.0", "tabulate==0.10.0", PYTEST],
        # Most of the time for half of the tests; the others use the same functions.
        [
            f"--ignore=tests/test_{name}.py"
            for name in (
                *("cli", "cli_bulk", "cli_convert", "cli_insert", "cli_memory", "create", "create_table_parser"),
                *("docs", "enable_counts", "hypothesis", "mutator_transactions", "transform"),
            )
        ],
        ["task"],
    ),
}


def outcomes(report: Path) -> dict[str, str]:
    """passed, failed, error or skipped by the test's full name."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        found[f"{case.get('classname')}::{case.get('name')}"] = kinds[0] if kinds else "passed"
    return found


def clearing(project: Path) -> set[str]:
    """The tests that empty os.environ, the pin included: on purpose, so in a task (`block`) they must come out otherwise."""
    found = set()
    for path in project.glob("tests/**/test_*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and "clear=True" in "".join(
                ast.get_source_segment(text, part) or "" for part in [*node.decorator_list, node]
            ):
                found.add(node.name)
    return found


def play(folder: Path, how: str, packages: Path, options: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run the suite in folder/project; the report goes to folder/report.xml."""
    tests = ["-m", "pytest", "-p", "no:cacheprovider", "-q", "--junitxml", str(folder / "report.xml"), *options]
    python = [sys.executable, *tests, f"--basetemp={folder / 'tmp'}"]
    env = {"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"}
    project = folder / "project"
    if how == "without":
        return subprocess.run(
            python,
            cwd=project,
            env=clean_env(env | {"PYTHONUTF8": "1", "DATABASE_URL": f"sqlite:///{(folder / 'main.db').as_posix()}"}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    write(
        folder,
        f"""
        [databases.main]
        url = "sqlite:///main.db"
        [profiles.p]
        database = "main"
        env = {{ {", ".join(f"{name} = {json.dumps(text)}" for name, text in env.items())} }}
        [profiles.p.tasks.task]
        run = {json.dumps(python)}
        cwd = "project"
        verify = false
        """,
    )
    return run(["p", "task"] if how == "task" else ["p", "exec", *python], project, timeout=200)


@pytest.fixture(scope="module", params=SUITES)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[set[str], dict]]:  # type: ignore[type-arg]
    """The tests that clear the environment, and what came of its suite each way: the finished process and the outcomes."""
    name = request.param
    version, needs, options, ways = SUITES[name]
    how = ["without", *ways]
    packages = installed(f"{name}=={version}", *needs)
    unpacked = source(name, version)
    # Names of one length: where a path's length shows in a test's output, it is the same.
    folders = {each: tmp_path_factory.mktemp(f"{each:_<8}") for each in how}
    for folder in folders.values():
        shutil.copytree(unpacked, folder / "project")
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2) as pool:
        runs = dict(zip(how, pool.map(lambda each: play(folders[each], each, packages, options), how), strict=True))
    yield clearing(unpacked), {each: (runs[each], outcomes(folders[each] / "report.xml")) for each in how}
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.posix  # the lab has no PyPI, and these suites are slow there
def test_the_suite_comes_out_the_same(played: tuple[set[str], dict]) -> None:  # type: ignore[type-arg]
    clears, runs = played
    _, plain = runs.pop("without")
    assert list(plain.values()).count("passed") > 200
    for how, (done, guarded) in runs.items():
        assert guarded.keys() == plain.keys()
        different = {test: (plain[test], guarded[test]) for test in plain if plain[test] != guarded[test]}
        if how == "task":
            different = {
                test: pair for test, pair in different.items() if test.split("::")[1].split("[")[0] not in clears
            }
        assert not different, f"{how}: {different}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
