"""The telemetry of a phase: rows for the three event tables, and what one drain adds up."""

from dataclasses import dataclass, field

from launcher.rehearsal.builder import ESCALATION_FACTOR, MODEL, PROVIDER, Built
from launcher.rehearsal.models import Base, BudgetEscalationEvent, LlmUsageEvent, Phase, TokenEstimationEvent


@dataclass
class Tally:
    """What this process has done."""

    phases: int = 0
    events: int = 0
    errors: list[float] = field(default_factory=list)  # SMAPE of each phase, percent

    def add(self, built: Built, events: int) -> None:
        """Count one phase and the events recorded for it."""
        self.phases += 1
        self.events += events
        self.errors.append(built.smape)

    def __str__(self) -> str:
        mean = f", mean SMAPE {sum(self.errors) / len(self.errors):.1f} %" if self.errors else ""
        return f"drained {count(self.phases, 'phase')}, recorded {count(self.events, 'event')}{mean}"


def count(number: int, noun: str) -> str:
    """Return "1 phase", "2 phases"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def events_of(phase: Phase, built: Built) -> list[Base]:
    """Return the rows that record what a phase took: usage and estimation, and an escalation over budget."""
    events = [_usage(phase, built), _estimation(phase, built)]
    if built.over_budget:
        events.append(_escalation(phase, built))
    return events


def _usage(phase: Phase, built: Built) -> Base:
    return LlmUsageEvent(
        run_id=phase.run_id,
        phase_id=phase.phase_id,
        provider=PROVIDER,
        model=MODEL,
        role="builder",
        prompt_tokens=built.prompt,
        completion_tokens=built.actual,
        total_tokens=built.prompt + built.actual,
    )


def _estimation(phase: Phase, built: Built) -> Base:
    return TokenEstimationEvent(
        run_id=phase.run_id,
        phase_id=phase.phase_id,
        category=phase.category,
        complexity=phase.complexity,
        predicted_output_tokens=built.predicted,
        actual_output_tokens=built.actual,
        selected_budget=built.predicted,
        smape_percent=built.smape,
        underestimated=built.over_budget,
        truncated=built.over_budget,
    )


def _escalation(phase: Phase, built: Built) -> Base:
    return BudgetEscalationEvent(
        run_id=phase.run_id,
        phase_id=phase.phase_id,
        reason="the answer took more than the predicted budget",
        base_value=built.predicted,
        escalation_factor=ESCALATION_FACTOR,
        retry_max_tokens=int(built.predicted * ESCALATION_FACTOR),
    )
