"""Drain the run: claim a QUEUED phase, build it, record what it took, until none is left."""

import os
import sys

import click

from launcher.rehearsal import builder, claimant
from launcher.rehearsal.claims import Claims
from launcher.rehearsal.database import open_database
from launcher.rehearsal.errors import WorkloadError
from launcher.rehearsal.models import COMPLETE, EXECUTING, Phase
from launcher.rehearsal.progress import Progress
from launcher.rehearsal.recording import Tally, count, events_of
from launcher.rehearsal.stopping import StopRequest

SWITCH = "TELEMETRY_DB_ENABLED"
LOCKED_SECONDS = 5.0
LOCKED_PAUSE = 0.05  # seconds


def drain_run(run_id: str, seconds: float, stop: StopRequest) -> int:
    """Drain run_id in the database of DATABASE_URL, each phase taking so many seconds; return the exit code.

    0: nothing is left to claim; 130 or 143: asked to stop. Raises WorkloadError where database or run is missing.
    """
    database = open_database()
    with database.named_in_errors():
        claims = Claims(database, run_id, claimant.this_process())
        if claims.states() is None:
            raise WorkloadError(f"{database.masked}: no run {run_id} in it; create it first")
        return Drain(claims, seconds, stop).run()


class Drain:
    """One process's work on a run. `seconds` is how long a phase takes."""

    def __init__(self, claims: Claims, seconds: float, stop: StopRequest) -> None:
        self.claims = claims
        self.seconds = seconds
        self.stop = stop
        self.recording = os.environ.get(SWITCH) == "1"
        self.tally = Tally()

    def run(self) -> int:
        """Work until nothing is left to claim or a stop is asked for; return the exit code."""
        self._take_from_the_dead()
        if self.stop.code or self.claims.queued():
            self._introduce()
            with Progress(sys.stderr) as progress:
                self._work(progress)
            told = str(self.tally)
        else:
            told = "nothing to drain"
        self.claims.settle()
        click.echo(f"{told}; {self._state_of_run()}")
        self._tell_the_others()
        if self.stop.code:
            click.echo("stopped; run it again to resume", err=True)
        return self.stop.code

    def _introduce(self) -> None:
        click.echo(builder.ABOUT)
        if not self.recording:
            click.echo(f"{SWITCH} is not 1: events are not recorded")

    def _work(self, progress: Progress) -> None:
        waited = 0.0
        while not self.stop.code:
            progress.expect(self.claims.queued)
            phase = self.claims.claim()
            if phase is not None:
                self._execute(phase, progress)
                waited = 0.0
            elif not self._take_from_the_dead():
                # What is still claimed is a live drain's, or on another host. What is queued is locked: by a short
                # transaction, or by that of a killed drain, which the server rolls back in a moment.
                if waited > LOCKED_SECONDS or not self.claims.queued():
                    return
                self.stop.sleep(LOCKED_PAUSE)
                waited += LOCKED_PAUSE

    def _execute(self, phase: Phase, progress: Progress) -> None:
        """Build a claimed phase and complete it, or give it back where a stop is asked for."""
        if self.stop.sleep(self.seconds):
            self.claims.give_back(phase)
            progress.line(f"{phase.phase_id} given back")
            return
        built = builder.build(phase.phase_id)
        events = events_of(phase, built) if self.recording else []
        recorded = len(events)
        if not self.claims.complete(phase, events):
            progress.line(f"{phase.phase_id} was taken over by another drain: not recorded here")
            return
        self.tally.add(built, recorded)
        figures = f"predicted {built.predicted}  actual {built.actual}  SMAPE {built.smape:.1f} %"
        progress.line(f"{phase.phase_id} {COMPLETE}  {figures}", done=True)

    def _take_from_the_dead(self) -> bool:
        phases = self.claims.take_from_the_dead()
        for phase in phases:
            click.echo(f"{phase.phase_id} queued again: its drain ({phase.claimed_by}) is gone")
        return bool(phases)

    def _tell_the_others(self) -> None:
        """Name the phases that others hold: what a live drain finishes, and what this host cannot judge."""
        for phase in self.claims.executing():
            owner = claimant.parse(phase.claimed_by or "")
            if owner is not None:
                there = "" if owner.is_here else ", and left alone: whether that still runs cannot be told from here"
                click.echo(f"{phase.phase_id} {EXECUTING} on {owner.host} (pid {owner.pid}){there}")

    def _state_of_run(self) -> str:
        states = self.claims.states() or {}
        return f"{self.claims.run_id}: {states.get(COMPLETE, 0)} of {count(sum(states.values()), 'phase')} {COMPLETE}"
