"""Create all tables and a run with 6 QUEUED phases."""

import os

from app.base import Base
from app.models import Phase, Run
from app.telemetry import EVENT_TABLES
from dotenv import load_dotenv
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

load_dotenv()
engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///autopack.db"))
Base.metadata.create_all(engine)
with Session(engine) as session, session.begin():
    session.add(Run(id="telemetry-collection-v4"))
    session.flush()
    session.add_all(Phase(id=f"phase-{number:02}", run_id="telemetry-collection-v4") for number in range(1, 7))
print(f"seeded 6 phases; {len(EVENT_TABLES)} tables for events are ready")
