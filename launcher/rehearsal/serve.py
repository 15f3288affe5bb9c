"""The server: /health says which database it is really on, /runs/ID what is in it."""

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import click
import uvicorn
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from launcher.rehearsal import live
from launcher.rehearsal.database import Database, open_database
from launcher.rehearsal.errors import WorkloadError
from launcher.rehearsal.masking import reason
from launcher.rehearsal.runs import describe_run
from launcher.rehearsal.stopping import StopRequest

DETAIL = "DEBUG_DB_IDENTITY"
GRACE = 3  # seconds that an open request gets when the server stops


class Answers:
    """The routes, and the one database that they answer from."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def app(self, started: Callable[[], None]) -> Starlette:
        """Return the ASGI application, which calls `started` when the server starts it."""

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            started()
            yield

        routes = [Route("/health", self.health), Route("/runs/{run_id}", self.run)]
        return Starlette(routes=routes, exception_handlers={HTTPException: _as_json}, lifespan=lifespan)

    def health(self, request: Request) -> Response:
        """Answer who this is and where it is connected to, with the caller's nonce; 503 where it is not."""
        about: dict[str, Any] = {"pid": os.getpid()}
        if "nonce" in request.query_params:
            about["nonce"] = request.query_params["nonce"]
        return self._answer(self._identity, about)

    def run(self, request: Request) -> Response:
        """Answer with the run, its tiers and phases; 404 where there is none of this id."""
        run_id = request.path_params["run_id"]

        def read(connection: Connection) -> dict[str, Any]:
            found = describe_run(connection, run_id)
            if found is None:
                raise HTTPException(404, f"no run {run_id}")
            return found

        return self._answer(read, {})

    def warm_up(self) -> None:
        """Connect once, so that the database is open from the start; say so where it cannot be."""
        try:
            with self.database.engine.connect() as connection:
                live.identity(connection)
        except (WorkloadError, SQLAlchemyError) as error:
            click.echo(f"warning: answering 503 for now: {_short(error)}", err=True)

    def _identity(self, connection: Connection) -> dict[str, Any]:
        missing = live.missing_tables(connection)
        if missing:
            raise WorkloadError(f"{self.database.masked}: tables missing: {', '.join(missing)}")
        found: dict[str, Any] = {"status": "ok", "database": live.identity(connection)}
        if os.environ.get(DETAIL) == "1":
            file = found["database"].get("file")
            found["detail"] = {"url": self.database.masked, "file": file, "counts": live.counts(connection)}
        return found

    def _answer(self, read: Callable[[Connection], dict[str, Any]], about: dict[str, Any]) -> Response:
        try:
            with self.database.engine.connect() as connection:
                return JSONResponse({**about, **read(connection)})
        except (WorkloadError, SQLAlchemyError) as error:
            return JSONResponse({**about, "status": "unavailable", "reason": _short(error)}, 503)


def serve_on(host: str, port: int, stop: StopRequest) -> int:
    """Serve the database of DATABASE_URL until asked to stop; return the exit code.

    Raises WorkloadError where the address cannot be had or the URL names nothing.
    """
    database = open_database()
    live.remember_files(database.engine)
    with database.named_in_errors(), _listen(host, port) as listener:
        answers = Answers(database)
        answers.warm_up()
        address = f"[{host}]" if ":" in host else host
        click.echo(f"serving on http://{address}:{listener.getsockname()[1]} (pid {os.getpid()}); Ctrl-C stops it")
        _run(answers, listener, stop)
    if stop.code:
        click.echo("stopped", err=True)
    return stop.code


def _run(answers: Answers, listener: socket.socket, stop: StopRequest) -> None:
    """Run uvicorn until a signal comes.

    It puts its own handlers in place of ours and, when it has shut down, raises the signal again: for ours to note.
    What came before it had its own is seen when it starts the application.
    """

    def started() -> None:
        if stop.code:
            server.should_exit = True

    config = uvicorn.Config(answers.app(started), log_level="warning", timeout_graceful_shutdown=GRACE)
    server = uvicorn.Server(config)
    server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket: bound here, because uvicorn ends the process with a log where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise WorkloadError(f"cannot listen on {host} port {port}: {error.strerror}") from None


def _short(error: WorkloadError | SQLAlchemyError) -> str:
    return reason(error) if isinstance(error, SQLAlchemyError) else str(error)


def _as_json(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)
