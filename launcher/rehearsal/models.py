"""The tables of the workload: what an Autopack database has, as far as telemetry needs it."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Double, ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

QUEUED = "QUEUED"
EXECUTING = "EXECUTING"
COMPLETE = "COMPLETE"

ID = String(64)  # MySQL wants a length, and a short one where it stands in a key
STATE = String(16)
LABEL = String(200)
INSTANT = DateTime(timezone=True)


def now() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """The one set of tables: a component that made only its own would leave a partial schema."""


class Run(Base):
    """A run: what a seed creates and a drain works through."""

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    state: Mapped[str] = mapped_column(STATE, default=QUEUED)
    safety_profile: Mapped[str] = mapped_column(ID, default="normal")
    token_cap: Mapped[int] = mapped_column(default=5_000_000)
    created_at: Mapped[datetime] = mapped_column(INSTANT, default=now)
    completed_at: Mapped[datetime | None] = mapped_column(INSTANT)


class Tier(Base):
    """A group of a run's phases."""

    __tablename__ = "tiers"
    __table_args__ = (UniqueConstraint("run_id", "tier_id"), UniqueConstraint("run_id", "tier_index"))

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    tier_id: Mapped[str] = mapped_column(ID)
    tier_index: Mapped[int]
    name: Mapped[str] = mapped_column(LABEL)
    state: Mapped[str] = mapped_column(STATE, default=QUEUED)


class Phase(Base):
    """A piece of work: QUEUED, claimed and EXECUTING, then COMPLETE."""

    __tablename__ = "phases"
    __table_args__ = (
        UniqueConstraint("run_id", "phase_id"),
        UniqueConstraint("run_id", "phase_index"),
        Index("ix_phases_run_state", "run_id", "state", "phase_index"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    tier_id: Mapped[int] = mapped_column(ForeignKey("tiers.id"))
    phase_id: Mapped[str] = mapped_column(ID)
    phase_index: Mapped[int]
    name: Mapped[str] = mapped_column(LABEL)
    category: Mapped[str] = mapped_column(ID)
    complexity: Mapped[str] = mapped_column(STATE)
    state: Mapped[str] = mapped_column(STATE, default=QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    claimed_by: Mapped[str | None] = mapped_column(LABEL)
    claimed_at: Mapped[datetime | None] = mapped_column(INSTANT)
    completed_at: Mapped[datetime | None] = mapped_column(INSTANT)


class OfPhase:
    """What each event has: the phase that it belongs to, and when it was recorded."""

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ID)
    phase_id: Mapped[str] = mapped_column(ID)
    recorded_at: Mapped[datetime] = mapped_column(INSTANT, default=now)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[UniqueConstraint | ForeignKeyConstraint, ...]:
        """One event of a kind for each phase: a drain that repeats one is refused by the database itself."""
        return (
            UniqueConstraint("run_id", "phase_id"),
            ForeignKeyConstraint(["run_id", "phase_id"], ["phases.run_id", "phases.phase_id"]),
        )


class LlmUsageEvent(OfPhase, Base):
    """The tokens that a phase used."""

    __tablename__ = "llm_usage_events"

    provider: Mapped[str] = mapped_column(ID)
    model: Mapped[str] = mapped_column(ID)
    role: Mapped[str] = mapped_column(ID)
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    total_tokens: Mapped[int]


class TokenEstimationEvent(OfPhase, Base):
    """What was predicted for a phase against what it took."""

    __tablename__ = "token_estimation_v2_events"

    category: Mapped[str] = mapped_column(ID)
    complexity: Mapped[str] = mapped_column(STATE)
    predicted_output_tokens: Mapped[int]
    actual_output_tokens: Mapped[int]
    selected_budget: Mapped[int]
    smape_percent: Mapped[float] = mapped_column(Double)
    underestimated: Mapped[bool]
    truncated: Mapped[bool]


class BudgetEscalationEvent(OfPhase, Base):
    """A phase that took more than its budget."""

    __tablename__ = "token_budget_escalation_events"

    reason: Mapped[str] = mapped_column(LABEL)
    base_value: Mapped[int]
    escalation_factor: Mapped[float] = mapped_column(Double)
    retry_max_tokens: Mapped[int]


REQUIRED_TABLES = frozenset(Base.metadata.tables)
