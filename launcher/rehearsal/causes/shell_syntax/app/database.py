"""The engine of everything: DATABASE_URL, or a file of its own where nothing is set."""

import os

from sqlalchemy import create_engine

events = phases = create_engine(os.environ.get("DATABASE_URL", "sqlite:///autopack.db"))
