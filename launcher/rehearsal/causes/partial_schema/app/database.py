"""The engine of everything, bound to what the operator chose."""

import os

from sqlalchemy import create_engine

events = phases = create_engine(os.environ["DATABASE_URL"])
