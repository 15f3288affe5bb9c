"""What a drain measures: two events for each phase."""

from sqlalchemy.orm import Mapped, mapped_column

from app.base import Base


class LlmUsageEvent(Base):
    """The tokens that a phase used."""

    __tablename__ = "llm_usage_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    phase_id: Mapped[str]
    total_tokens: Mapped[int]


class TokenEstimationEvent(Base):
    """The tokens that were predicted for it."""

    __tablename__ = "token_estimation_v2_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    phase_id: Mapped[str]
    predicted_tokens: Mapped[int]


EVENT_TABLES = [LlmUsageEvent.__table__, TokenEstimationEvent.__table__]


def events_of(phase_id):
    """Return the two events of a phase."""
    return [
        LlmUsageEvent(phase_id=phase_id, total_tokens=826),
        TokenEstimationEvent(phase_id=phase_id, predicted_tokens=5200),
    ]
