"""The workload's command line: `python -m launcher.rehearsal create|drain|serve`.

It knows nothing of the launcher: DATABASE_URL in its environment is all it is told.
"""

import io
import sys

import click

from launcher.rehearsal.errors import WorkloadError
from launcher.rehearsal.stopping import INTERRUPTED, StopRequest

RUN = "telemetry-collection-v4"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """An Autopack-shaped workload on the database that DATABASE_URL names."""


@cli.command()
@click.option("--run-id", default=RUN, show_default=True, help="The run to create.")
@click.option("--phases", default=10, show_default=True, type=click.IntRange(1, 10_000), help="How many QUEUED phases.")
def create(run_id: str, phases: int) -> int:
    """Create all tables and a run with QUEUED phases."""
    from launcher.rehearsal.create import create_run

    click.echo(create_run(run_id, phases))
    return 0


@cli.command()
@click.option("--run-id", default=RUN, show_default=True, help="The run to drain.")
@click.option(
    "--seconds-per-phase",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="How long the offline builder takes.",
)
def drain(run_id: str, seconds_per_phase: float) -> int:
    """Execute the QUEUED phases one by one; after a stop or a kill, run it again to resume."""
    stop = StopRequest()
    stop.listen()
    from launcher.rehearsal.drain import drain_run

    return drain_run(run_id, seconds_per_phase, stop)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
def serve(host: str, port: int) -> int:
    """Answer /health and /runs/ID from the database; DEBUG_DB_IDENTITY=1 adds detail to /health."""
    stop = StopRequest()
    stop.listen()
    try:
        from launcher.rehearsal.serve import serve_on
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise WorkloadError("serve needs starlette and uvicorn: pip install starlette uvicorn") from None
    return serve_on(host, port, stop)


def main() -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A folder's name may have letters that a console in cp437 has not.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(cli.main(prog_name="python -m launcher.rehearsal", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except WorkloadError as error:
        click.echo(f"error: {error}", err=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
