"""The engine of everything."""

import os

from sqlalchemy import create_engine

# So that it works here without setting anything up.
os.environ["DATABASE_URL"] = "sqlite:///autopack.db"

events = phases = create_engine(os.environ["DATABASE_URL"])
