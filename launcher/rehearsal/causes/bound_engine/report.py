"""Report on a drained run, with an engine that has its file's name built in."""

from app.base import Base
from app.telemetry import EVENT_TABLES, events_of
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

engine = create_engine("sqlite:///autopack.db")
Base.metadata.create_all(engine, tables=EVENT_TABLES)
with Session(engine) as session, session.begin():
    session.add_all(events_of("report"))
print("reported")
