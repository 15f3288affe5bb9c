"""The engine of everything: as in containers, a file with the URL outranks the variable."""

import os
from pathlib import Path

from dotenv import load_dotenv
from sqlalchemy import create_engine

load_dotenv()


def database_url():
    """Return what DATABASE_URL_FILE's file says, or else DATABASE_URL."""
    secret = os.environ.get("DATABASE_URL_FILE")
    if secret:
        return Path(secret).read_text(encoding="utf-8").strip()
    return os.environ["DATABASE_URL"]


events = phases = create_engine(database_url())
