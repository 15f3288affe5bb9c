"""The engines of the drain: one for the events, one for the queue."""

import os

from app.base import Base
from app.telemetry import EVENT_TABLES
from dotenv import load_dotenv
from sqlalchemy import create_engine

# Bound while this module is imported, when nobody has read .env yet: the default counts.
events = create_engine(os.environ.get("DATABASE_URL", "sqlite:///autopack.db"))
Base.metadata.create_all(events, tables=EVENT_TABLES)

load_dotenv()  # and only now is known which database was meant
phases = create_engine(os.environ["DATABASE_URL"])
