"""`autopack-run rehearse`: the operator's own commands on a small real workload, and the evidence afterwards."""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from launcher.discovery import FILE_NAME
from launcher.errors import INTERRUPTED, ConfigurationError, WrongDataError
from launcher.hints import install_line
from launcher.identity.expectation import Expectation
from launcher.identity.url import DatabaseURL, parse_database_url
from launcher.output import tell
from launcher.rehearsal.evidence import EVENTS, collect
from launcher.template import render

RUN = "telemetry-collection-v4"
PHASES = 10
NAME = "telemetry"
FILE_URL = "sqlite:///autopack_telemetry_seed.db"
TABLES = ("runs", "tiers", "phases", *EVENTS)
LEFT_OUT = ("DATABASE_URL", "DATABASE_URL_FILE")


def rehearse(folder: str | None, url: str | None) -> int:
    """Play the run in a fresh folder, showing each command; return 0, or the code of the step that failed.

    folder: a new or empty one, or None for one below the system's temporary folder. url: a database in place of the
    SQLite file, without tables of the workload's names. Raises LauncherError where it cannot begin, and where the
    evidence is not what it must be.
    """
    _require_extra()
    database = _checked(url)
    home = _fresh(folder)
    _write_profile_file(home, database.text if database else FILE_URL)
    tell(f"Rehearsal in {home}\n")
    if database and "***" in database.shown:
        tell(f"({FILE_NAME} there holds the URL with its password, for your eyes only: remove it when you are done)\n")
    stage = Stage(home)
    try:
        for action in ("seed create", "telemetry check", "telemetry drain"):
            if code := stage.play(action):
                return code
        drained = stage.last_run()
        if code := stage.play("telemetry check"):
            return code
    except KeyboardInterrupt:
        return INTERRUPTED
    _show_evidence(stage, drained, database)
    return 0


def rehearse_drift(cause: str, folder: str | None) -> int:
    """Play a cause of drift, "all" of them, or "list" them, in a fresh folder; return 0 where it was caught.

    Raises LauncherError where it cannot begin, and where a play did not end as it must.
    """
    from launcher.rehearsal.drift import command as drift

    if cause == "list":
        tell("\n".join(f"{name:<16} {play.about}" for name, play in drift.PLAYS.items()))
        return 0
    _require_extra()
    return drift.rehearse_drift(cause, _fresh(folder))


def _require_extra() -> None:
    from importlib.util import find_spec

    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise ConfigurationError(
            "no-extra",
            f"the rehearsal needs {' and '.join(missing)}",
            install_line(*missing, extra="rehearsal"),
        )


def _checked(url: str | None) -> DatabaseURL | None:
    """The database that --url names, reachable and without any table; None where it names none."""
    if url is None:
        return None
    database = parse_database_url(url, "--url", None)
    variables = {name: text for name, text in os.environ.items() if name not in LEFT_OUT}
    _refuse_used(Expectation(NAME, database, "--url", "telemetry", creates=True, tables=TABLES, variables=variables))
    return database


def _refuse_used(expected: Expectation) -> None:
    """Raise WrongDataError for a database that an earlier rehearsal, or somebody's work, is in."""
    from launcher.identity.verdict import inspect_database

    found = inspect_database(expected)
    if found is None:
        return
    ours = [name for name in found.tables if name.casefold() in TABLES]
    held = f"tables of the rehearsal's names: {', '.join(ours)}" if ours else f"tables: {', '.join(found.tables[:5])}"
    held = f"the stamp of '{found.stamp.database}' (db_id {found.stamp.db_id})" if found.stamp else held
    raise WrongDataError(
        "database-not-empty",
        f"--url {expected.url.shown} has {held}; a rehearsal begins without, and leaves what is there alone",
        "--url with an empty database, made for it (createdb NAME; CREATE DATABASE NAME)",
    )


def _fresh(folder: str | None) -> str:
    if folder is None:
        return os.path.realpath(tempfile.mkdtemp(prefix="autopack-rehearsal-"))
    if "://" in folder:
        raise ConfigurationError("folder-not-empty", "--in: a URL is no folder", "--url takes a database")
    home = os.path.abspath(folder)
    try:
        os.makedirs(home, exist_ok=True)
        if os.listdir(home):
            raise ConfigurationError(
                "folder-not-empty", f"--in {home}: there is something in it already", "--in with a new folder"
            )
    except OSError as error:
        raise ConfigurationError(
            "folder-not-empty", f"--in {home}: {error.strerror}", "--in with a new folder"
        ) from None
    return home


def _write_profile_file(home: str, url: str) -> None:
    values = {"python": sys.executable, "url": url}
    quoted = {name: json.dumps(_braced(text), ensure_ascii=False) for name, text in values.items()}
    path = os.path.join(home, FILE_NAME)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # the URL may have a password
    with open(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(render("rehearsal.toml.j2", **quoted))


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


class Stage:
    """A rehearsal's folder, and the operator's commands played in it."""

    def __init__(self, home: str) -> None:
        import autopack_run

        self.home = home
        # The entry point by its path: this very launcher, whatever else is on PATH or in the folder.
        self._launcher = [sys.executable, os.path.abspath(autopack_run.__file__)]
        self._env = {name: text for name, text in os.environ.items() if name.upper() not in LEFT_OUT}
        if dropped := [name for name in LEFT_OUT if os.environ.get(name)]:
            tell(f"(this shell's {' and '.join(dropped)} is left out of the rehearsal)\n")

    def play(self, action: str) -> int:
        """Run `autopack-run ACTION` in the folder with the terminal's own streams; return its exit code."""
        tell(f"$ autopack-run {action}")
        code = subprocess.run([*self._launcher, *action.split()], cwd=self.home, env=self._env, check=False).returncode
        tell(f"(exit {code})\n" if code else "")
        return code

    def report(self, action: str) -> Any:
        """What `autopack-run ACTION --json` prints, parsed."""
        words = [*self._launcher, *action.split(), "--json"]
        return json.loads(
            subprocess.run(words, cwd=self.home, env=self._env, check=True, stdout=subprocess.PIPE).stdout
        )

    def last_run(self) -> Any:
        """The report of the newest run in the folder."""
        runs = os.path.join(self.home, ".autopack-run", "runs")
        with open(os.path.join(runs, max(os.listdir(runs)), "report.json"), encoding="utf-8") as file:
            return json.load(file)


def _show_evidence(stage: Stage, drained: dict[str, Any], database: DatabaseURL | None) -> None:
    """Print what the folder and the database show; raise WrongDataError where that is not one proven database."""
    evidence = collect(stage.home, stage.report("telemetry check"), drained, RUN, database)
    tell("Evidence")
    for name, text in evidence.lines:
        tell(f"  {name:<10} {text}")
    if evidence.complete != PHASES or evidence.wrong:
        raise WrongDataError(
            "rehearsal", "; ".join(evidence.wrong) or f"{evidence.complete} of {PHASES} phases are COMPLETE"
        )
    tell(f"\nTo go on by hand: cd {stage.home}")
