"""The queue: a run and its phases."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.base import Base


class Run(Base):
    """What a seed creates and a drain works through."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True)


class Phase(Base):
    """A piece of work: QUEUED, then COMPLETE."""

    __tablename__ = "phases"

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    state: Mapped[str] = mapped_column(default="QUEUED")
