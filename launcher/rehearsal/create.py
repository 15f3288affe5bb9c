"""Create the run: all tables, one tier and its QUEUED phases."""

import os

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from launcher.rehearsal.database import Database, open_database
from launcher.rehearsal.errors import WorkloadError
from launcher.rehearsal.models import Base, Phase, Run, Tier

SUBJECTS = (
    ("Implement the retry policy of the queue client", "implementation", "medium"),
    ("Document the configuration loader", "docs", "low"),
    ("Test the token estimator", "tests", "medium"),
    ("Refactor the run state machine", "refactoring", "high"),
    ("Extend the health check", "implementation", "low"),
)


def create_run(run_id: str, phases: int) -> str:
    """Create run_id with so many QUEUED phases where DATABASE_URL says; return the line that tells about it.

    A run that is there already is left as it is. Raises WorkloadError where the database cannot be made.
    """
    database = open_database(create=True)
    _check_folder(database)
    with database.named_in_errors():
        made = _insert(database.writer, run_id, phases)
    if not made:
        return f"run {run_id} is there already in {database.masked}: nothing changed"
    return f"created run {run_id} with {phases} QUEUED phases in {database.masked}"


def _check_folder(database: Database) -> None:
    url = database.engine.url
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    if not os.path.isdir(os.path.dirname(os.path.abspath(url.database))):
        raise WorkloadError(f"{database.masked}: its folder does not exist; nothing was created")


def _insert(engine: Engine, run_id: str, phases: int) -> bool:
    """Return whether the run was made: in one transaction, tables included where the database allows that."""
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        with Session(connection) as session:
            if session.get(Run, run_id) is not None:
                return False
            session.add(Run(id=run_id))
            session.flush()
            tier = Tier(run_id=run_id, tier_id="tier-1", tier_index=0, name="Telemetry collection")
            session.add(tier)
            session.flush()
            session.add_all(_phase(run_id, tier.id, index) for index in range(phases))
            session.flush()
    return True


def _phase(run_id: str, tier: int, index: int) -> Phase:
    name, category, complexity = SUBJECTS[index % len(SUBJECTS)]
    return Phase(
        run_id=run_id,
        tier_id=tier,
        phase_id=f"phase-{index + 1:02}",
        phase_index=index,
        name=name,
        category=category,
        complexity=complexity,
    )
