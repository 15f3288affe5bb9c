"""The one set of tables of this client."""

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """Knows the tables of the modules that have been imported, and of no others."""
