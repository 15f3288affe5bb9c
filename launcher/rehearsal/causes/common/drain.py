"""Execute the QUEUED phases one by one and record two events for each."""

import sys

from app.database import events, phases
from app.models import Phase
from app.telemetry import events_of
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session


def drain():
    """Return how many phases were executed."""
    with Session(phases, expire_on_commit=False) as queue, Session(events) as log:
        queued = queue.scalars(select(Phase).where(Phase.state == "QUEUED").order_by(Phase.id)).all()
        queue.commit()
        for phase in queued:
            log.add_all(events_of(phase.id))
            log.commit()
            phase.state = "COMPLETE"
            queue.commit()
    return len(queued)


try:
    print(f"drained {drain()} phases")
except SQLAlchemyError as error:
    sys.exit(f"drain: {getattr(error, 'orig', error)}")
