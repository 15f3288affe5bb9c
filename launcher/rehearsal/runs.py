"""A run as JSON: its tiers, their phases, and how many are in which state."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from launcher.rehearsal.models import Phase, Run, Tier


def describe_run(connection: Connection, run_id: str) -> dict[str, Any] | None:
    """Return the run, ready for JSON; None where there is none of this id."""
    with Session(connection) as session:
        run = session.get(Run, run_id)
        if run is None:
            return None
        tiers = session.scalars(select(Tier).where(Tier.run_id == run_id).order_by(Tier.tier_index)).all()
        phases = session.scalars(select(Phase).where(Phase.run_id == run_id).order_by(Phase.phase_index)).all()
        return {
            "run_id": run.id,
            "state": run.state,
            "created_at": _instant(run.created_at),
            "completed_at": _instant(run.completed_at),
            "counts": dict(Counter(phase.state for phase in phases)),
            "tiers": [_tier(tier, [phase for phase in phases if phase.tier_id == tier.id]) for tier in tiers],
        }


def _tier(tier: Tier, phases: list[Phase]) -> dict[str, Any]:
    return {
        "tier_id": tier.tier_id,
        "name": tier.name,
        "state": tier.state,
        "phases": [_phase(phase) for phase in phases],
    }


def _phase(phase: Phase) -> dict[str, Any]:
    return {
        "phase_id": phase.phase_id,
        "name": phase.name,
        "category": phase.category,
        "complexity": phase.complexity,
        "state": phase.state,
        "attempts": phase.attempts,
        "claimed_by": phase.claimed_by,
        "claimed_at": _instant(phase.claimed_at),
        "completed_at": _instant(phase.completed_at),
    }


def _instant(moment: datetime | None) -> str | None:
    """Return an ISO 8601 text in UTC: SQLite and MariaDB give back what was UTC without saying so."""
    if moment is None:
        return None
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return known.astimezone(UTC).isoformat()
