"""The collector: makes the tables and records a first pair of events, to see that it works."""

from app.base import Base
from app.database import events
from app.telemetry import events_of
from sqlalchemy.orm import Session

# app.models has not been imported here, so "all" are only the tables of app.telemetry.
Base.metadata.create_all(events)
with Session(events) as session, session.begin():
    session.add_all(events_of("first"))
print("collector is ready: recorded 2 events")
