"""The words of the command line: what click parses, and which function each command calls."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from launcher import actions, errors
from launcher.errors import LauncherError
from launcher.nearest import did_you_mean
from launcher.output import tell
from launcher.parent import end_with
from launcher.plan import Request
from launcher.profile_commands import PROFILE_COMMANDS, Raw
from launcher.profiles import BUILT_COMMANDS, COMMANDS, Profile, ProfileFile


class ProfileGroup(click.Group):
    """`autopack-run PROFILE …`: the fixed actions, and the profile's tasks as the file names them."""

    def __init__(self, file: ProfileFile, profile: Profile) -> None:
        super().__init__(
            profile.name, invoke_without_command=True, callback=self._alone, help=profile.values.get("description")
        )
        self.file, self.profile = file, profile

    def _alone(self) -> int | None:
        """`autopack-run PROFILE`: the default task, or the list of tasks."""
        ctx = click.get_current_context()
        if ctx.invoked_subcommand is not None:
            return None
        default = self.profile.values.get("default")
        if default:
            return actions.task(self.file, self.profile, default, ctx.obj, [])
        tell("\n".join(actions.list_tasks(self.profile)))
        return 0

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [*self.profile.tasks, *PROFILE_COMMANDS]

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        if name in PROFILE_COMMANDS:
            if ctx.obj.if_missing:
                raise click.UsageError(f"--if-missing is for tasks that create the database, not for {name}")
            if ctx.obj.accept and name in ("env", "explain", "recover", "shell"):
                raise click.UsageError(f"--accept is for what proves the database, not for {name}")
            return _bound(PROFILE_COMMANDS[name], self.file, self.profile)
        task = self.profile.task(name)

        def start(words: list[str]) -> int:
            return actions.task(self.file, self.profile, name, click.get_current_context().obj, words)

        return Raw(name, callback=start, help=task.description)


class Root(click.Group):
    """The commands of the launcher; any other first word is a profile's name."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command:
        if name in COMMANDS and name not in BUILT_COMMANDS:
            raise _not_yet(name)
        command = super().get_command(ctx, name)
        if command:
            return command
        ctx.obj = _request(ctx.params)  # click finds the command before it calls the group
        try:
            file = actions.open_file(ctx.obj)
        except LauncherError as error:
            hint = did_you_mean(name, BUILT_COMMANDS)
            if error.slug == "no-profile-file" and hint:
                raise LauncherError(
                    "unknown-profile", errors.USAGE, f"no command '{name}', and {error.message}", hint
                ) from None
            raise
        return ProfileGroup(file, file.profile(name))


def _not_yet(name: str) -> LauncherError:
    return errors.ConfigurationError(
        "not-yet", f"this version has no '{name}' yet", "autopack-run --help lists what it has"
    )


def _bound(command: click.Command, file: ProfileFile, profile: Profile) -> click.Command:
    """The action with the profile filled in."""
    import copy

    bound = copy.copy(command)
    callback: Callable[..., Any] = command.callback  # type: ignore[assignment]
    bound.callback = lambda **options: callback(file, profile, click.get_current_context().obj, **options)
    return bound


def _sets(_ctx: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = [value.partition("=") for value in values]
    for name, mark, _ in pairs:
        if not mark or not (name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()):
            raise click.BadParameter("the form is NAME=VALUE, NAME of letters, digits and _")
    return tuple((name, value) for name, _, value in pairs)


def _accept(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    name, _, db_id = value.partition("=")
    if name != "db_id" or not db_id.strip():
        raise click.BadParameter("the form is db_id=ID, with the db_id that the error has named")
    return db_id.strip()


@click.group(
    cls=Root, context_settings={"help_option_names": ["-h", "--help"]}, subcommand_metavar="PROFILE ACTION [ARGS]..."
)
@click.option("-f", "--file", metavar="FILE", help="The profile file, in place of the nearest autopack-run.toml.")
@click.option("-q", "--quiet", is_flag=True, help="No banner and no notes.")
@click.option("-v", "--verbose", is_flag=True, help="More about what was looked for.")
@click.option(
    "--set", "sets", multiple=True, metavar="NAME=VALUE", callback=_sets, help="Set a variable above all layers."
)
@click.option(
    "--database",
    type=click.Choice(["profile", "env"]),
    help="Which DATABASE_URL counts where shell and profile differ.",
)
@click.option("--verify", is_flag=True, help="Prove the database first, for exec too.")
@click.option("--port", type=click.IntRange(1, 65535), help="The number that {port} stands for.")
@click.option("--allow-empty", is_flag=True, help="Start although needs_rows tables are empty.")
@click.option(
    "--pins",
    type=click.Choice(["block", "error", "allow"]),
    help="What an attempt to change a pin does: nothing (block), an error, or what it wants (allow).",
)
@click.option("--report", metavar="FILE", help="Write the verdict of the run there, as one JSON object.")
@click.option("--allow-unproven", is_flag=True, help="Go on although a server of 'with' cannot be proven.")
@click.option("--if-missing", is_flag=True, help="Start a task that creates the database only where there is none.")
@click.option("--end-with-parent", is_flag=True, help="End when the script that started this one is gone.")
@click.option("--end-with", type=click.IntRange(1), metavar="PID", help="End when this process is gone.")
@click.option(
    "--accept",
    metavar="db_id=ID",
    callback=_accept,
    help="For this once, the database of that db_id, though the ledger does not know it; with adopt, for good.",
)
@click.version_option(package_name="autopack-run", message="autopack-run %(version)s")
@click.pass_context
def root(ctx: click.Context, /, **_options: Any) -> None:
    """Start a program with the right environment, on the right database, and prove it.

    PROFILE is a name of autopack-run.toml; ACTION one of its tasks, or exec, env, shell, check, explain, adopt,
    recover.
    """
    ctx.obj = request = _request(ctx.params)
    for name in _without_meaning(request, ctx.invoked_subcommand):
        raise click.UsageError(f"--{name.replace('_', '-')} has no meaning for {ctx.invoked_subcommand}")
    if request.end_with_parent or request.end_with:
        end_with(request.end_with)


def _without_meaning(request: Request, command: str | None) -> list[str]:
    """The options given that a command which is not about one profile could only ignore."""
    if command not in COMMANDS:
        return []
    used = {"quiet", "verbose"} | ({"file"} if command in ("profiles", "quickstart", "onboarding") else set())
    return [name for name, value in request._asdict().items() if name not in used and value != getattr(Request(), name)]


def _request(options: dict[str, Any]) -> Request:
    return Request(**{name: options[name] for name in Request._fields})


@root.command(help="Write a first autopack-run.toml into this folder.")
def init() -> int:
    from launcher.discovery import current_folder
    from launcher.init import write_profile_file

    tell(f"wrote {write_profile_file(current_folder())}")
    return 0


@root.command(help="List the profiles with their databases and tasks.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
@click.pass_obj
def profiles(request: Request, as_json: bool) -> int:
    return actions.list_profiles(actions.open_file(request), as_json)


@root.command(help="Write quickstart scripts for PowerShell, cmd and sh: create, check, run, check.")
@click.argument("name", metavar="PROFILE")
@click.option("--task", "names", multiple=True, metavar="NAME", help="What to run; may be given again, in this order.")
@click.option("--check", is_flag=True, help="Write nothing; fail, with the difference, where they are stale.")
@click.pass_obj
def quickstart(request: Request, name: str, names: tuple[str, ...], check: bool) -> int:
    from launcher.quickstart import quickstart as act

    file = actions.open_file(request)
    return act(file, file.profile(name), names, check)


@root.command(help="Write ONBOARDING.md: the profiles, the first day in each shell, traps and errors.")
@click.option("--output", metavar="FILE", help="In place of ONBOARDING.md; - is standard output.")
@click.option("--check", is_flag=True, help="Write nothing; fail, with the difference, where it is stale.")
@click.pass_obj
def onboarding(request: Request, output: str | None, check: bool) -> int:
    from launcher.onboarding import onboarding as act

    if check and output == "-":
        raise click.UsageError("--check compares a file; --output - is none")
    return act(actions.open_file(request), output, check)


def _cause(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        from launcher.rehearsal.drift.command import PLAYS

        if value not in (*PLAYS, "all", "list"):
            raise click.BadParameter(f"'{value}' is none of {', '.join(PLAYS)}, all, list")
    return value


@root.command(help="Play a whole run in a fresh folder: create, check, drain with its server, check; or drift.")
@click.option(
    "--in", "folder", metavar="DIR", help="A new or empty folder, in place of one below the system's temporary one."
)
@click.option("--url", metavar="URL", help="A database in place of the SQLite file.")
@click.option(
    "--drift", metavar="CAUSE", callback=_cause, help="A cause of drift, without and with the launcher; all; list."
)
def rehearse(folder: str | None, url: str | None, drift: str | None) -> int:
    from launcher.rehearsal import command

    if drift is None:
        return command.rehearse(folder, url)
    if url is not None:
        raise click.UsageError("--url has no meaning for --drift, which makes its own databases")
    return command.rehearse_drift(drift, folder)


@root.command(help="Print the JSON Schema of the profile file.")
def schema() -> int:
    from launcher.schema import schema_text

    tell(schema_text().rstrip())
    return 0
