"""The states of a phase in the database: QUEUED, EXECUTING, COMPLETE, each step one short transaction."""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import CursorResult, Update, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from launcher.rehearsal import claimant
from launcher.rehearsal.database import Database
from launcher.rehearsal.masking import code
from launcher.rehearsal.models import COMPLETE, EXECUTING, QUEUED, Base, Phase, Run, Tier, now

GIVEN_WAY = ("40P01", "40001", "1213", "1205")
"""The server has rolled this transaction back in favour of another one: deadlock, serialization, lock wait."""
TRIES = 5

T = TypeVar("T")


class Claims:
    """What one process (`me`) holds of the phases of one run."""

    def __init__(self, database: Database, run_id: str, me: claimant.Claimant) -> None:
        self._reader = database.engine
        self._writer = database.writer
        self.run_id = run_id
        self.me = me

    def states(self) -> dict[str, int] | None:
        """Return how many phases are in which state; None where the run does not exist."""
        query = select(Phase.state, func.count()).where(Phase.run_id == self.run_id).group_by(Phase.state)
        with Session(self._reader) as session:
            if session.get(Run, self.run_id) is None:
                return None
            return {state: int(count) for state, count in session.execute(query)}

    def queued(self) -> int:
        """Return how many phases wait, by the index alone."""
        with Session(self._reader) as session:
            waiting = select(func.count()).where(Phase.run_id == self.run_id, Phase.state == QUEUED)
            return int(session.scalar(waiting) or 0)

    def claim(self) -> Phase | None:
        """Return the first QUEUED phase, EXECUTING and claimed from now on; None where none can be had now.

        Two processes never get the same one: on SQLite the transaction lets one in at a time, elsewhere a row
        that another has locked is passed over.
        """
        query = select(Phase).where(Phase.run_id == self.run_id, Phase.state == QUEUED)
        query = query.order_by(Phase.phase_index).limit(1).with_for_update(skip_locked=True)

        def work(session: Session) -> Phase | None:
            phase = session.scalars(query).first()
            if phase is not None:
                phase.state = EXECUTING
                phase.claimed_by = str(self.me)
                phase.claimed_at = now()
                phase.attempts += 1
            return phase

        return self._write(work)

    def complete(self, phase: Phase, events: list[Base]) -> bool:
        """Set a claimed phase COMPLETE and record its events, both or neither; return whether it was still ours."""

        def work(session: Session) -> bool:
            if not _changed(session, self._mine(phase).values(state=COMPLETE, completed_at=now())):
                return False
            session.add_all(events)
            return True

        return self._write(work)

    def give_back(self, phase: Phase) -> None:
        """Queue a claimed phase again."""
        given = self._mine(phase).values(state=QUEUED, claimed_by=None, claimed_at=None)
        self._write(lambda session: _changed(session, given))

    def take_from_the_dead(self) -> list[Phase]:
        """Queue again what processes of this host claimed and did not live to finish; return those phases."""
        return [phase for phase in self.executing() if _is_dead(phase) and self._requeue(phase)]

    def executing(self) -> list[Phase]:
        """Return the phases that are claimed and not complete, in their order."""
        query = select(Phase).where(Phase.run_id == self.run_id, Phase.state == EXECUTING)
        with Session(self._reader, expire_on_commit=False) as session:
            return list(session.scalars(query.order_by(Phase.phase_index)))

    def settle(self) -> None:
        """Set the tiers and the run COMPLETE whose phases all are.

        After the phases' own transactions: two processes that finish at once would not see each other's there. What is
        to be set is read first and without a lock, since a COMPLETE phase stays so: drains that end while others are
        at work must not wait for them.
        """
        open_phases = select(Phase.id).where(Phase.run_id == self.run_id, Phase.state != COMPLETE)
        run = select(Run.id).where(Run.id == self.run_id, Run.state != COMPLETE, ~open_phases.exists())
        in_tier = open_phases.where(Phase.tier_id == Tier.id)
        tier = select(Tier.id).where(Tier.run_id == self.run_id, Tier.state != COMPLETE, ~in_tier.exists())
        with Session(self._reader) as session:
            tiers, runs = session.scalars(tier).all(), session.scalars(run).all()
        for number in sorted(tiers):
            done = update(Tier).where(Tier.id == number, Tier.state != COMPLETE).values(state=COMPLETE)
            self._write(partial(_changed, statement=done))
        if runs:
            over = update(Run).where(Run.id == self.run_id, Run.state != COMPLETE)
            self._write(lambda session: _changed(session, over.values(state=COMPLETE, completed_at=now())))

    def _write(self, work: Callable[[Session], T]) -> T:
        """Return what `work` does in a transaction of its own, once more where that had to give way."""
        for tries_left in reversed(range(TRIES)):
            try:
                with Session(self._writer, expire_on_commit=False) as session, session.begin():
                    return work(session)
            except DBAPIError as error:
                if not tries_left or code(error) not in GIVEN_WAY:
                    raise
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 (so that two do not meet again)
        raise AssertionError  # the last try returns or raises

    def _mine(self, phase: Phase) -> Update:
        return update(Phase).where(Phase.id == phase.id, Phase.state == EXECUTING, Phase.claimed_by == str(self.me))

    def _requeue(self, phase: Phase) -> bool:
        """Return whether it was still the dead process's: another drain may have been faster."""
        same = update(Phase).where(Phase.id == phase.id, Phase.state == EXECUTING, Phase.claimed_by == phase.claimed_by)
        queued = same.values(state=QUEUED, claimed_by=None, claimed_at=None)
        return self._write(lambda session: _changed(session, queued))


def _changed(session: Session, statement: Update) -> bool:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def _is_dead(phase: Phase) -> bool:
    owner = claimant.parse(phase.claimed_by or "")
    return owner is None or (owner.is_here and not owner.lives())
