"""The words behind PROFILE: what click parses, and which action each one calls."""

from typing import Any

import click

from launcher import actions
from launcher.plan import EnvForm, Request
from launcher.profiles import Profile, ProfileFile


class Raw(click.Command):
    """A command whose words are the child's, untouched: no option of ours, no `--`, no expansion."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.params = {"words": list(args)}
        return []


@click.command(cls=Raw, options_metavar="", help="Start any program with the profile's variables: exec [--] CMD...")
def exec_(file: ProfileFile, profile: Profile, request: Request, words: list[str]) -> int:
    marked, words = words[:1] == ["--"], words[1:] if words[:1] == ["--"] else words
    if not words or (words[0].startswith("-") and not marked):
        raise click.UsageError("exec needs a program: autopack-run PROFILE exec [--] CMD [ARGS]...")
    return actions.execute(file, profile, request, words)


@click.command(help="Print what the profile changes, as text for a shell to evaluate.")
@click.option("--shell", metavar="NAME", help="The shell; detected where it is left away.")
@click.option("--for-f", is_flag=True, help="For cmd, lines that `for /f` hands over one by one.")
@click.option("--format", type=click.Choice(["json", "dotenv"]), help="For programs, in place of a shell.")
def env(file: ProfileFile, profile: Profile, request: Request, **options: Any) -> int:
    wanted = EnvForm(**options)
    if wanted.format and (wanted.for_f or wanted.shell is not None):
        raise click.UsageError("--format is in place of a shell; leave --shell and --for-f away")
    return actions.emit(file, profile, request, wanted)


@click.command(help="Open an interactive shell inside the profile; exit leaves it.")
@click.option("--shell", metavar="NAME", help="The shell; detected where it is left away.")
def shell(file: ProfileFile, profile: Profile, request: Request, shell: str | None) -> int:
    return actions.open_shell(file, profile, request, shell)


@click.command(help="Prove the database's identity; start nothing.")
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
def check(file: ProfileFile, profile: Profile, request: Request, as_json: bool) -> int:
    from launcher.database_actions import check as act

    return act(file, profile, request, as_json)


@click.command(help="Show where each value comes from, masked.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON object.")
def explain(file: ProfileFile, profile: Profile, request: Request, name: str | None, as_json: bool) -> int:
    return actions.explain(file, profile, request, name, as_json)


@click.command(help="Accept an existing database under the profile's name: stamp and ledger.")
@click.option("--moved", is_flag=True, help="It is the one that the ledger knows, in another place.")
@click.option("--copy", is_flag=True, help="It is a copy: it gets a db_id of its own.")
@click.option("--restored", is_flag=True, help="It was restored from a backup: an older state is meant.")
def adopt(file: ProfileFile, profile: Profile, request: Request, **hows: bool) -> int:
    from launcher.database_actions import adopt as act

    chosen = [how for how, given in hows.items() if given]
    if len(chosen) > 1:
        raise click.UsageError(f"--{' and --'.join(chosen)} exclude each other")
    return act(file, profile, request, chosen[0] if chosen else None)


@click.command(help="Finish what a killed writer left, after copying the files aside.")
def recover(file: ProfileFile, profile: Profile, request: Request) -> int:
    from launcher.database_actions import recover as act

    return act(file, profile, request)


PROFILE_COMMANDS: dict[str, click.Command] = {
    "exec": exec_,
    "env": env,
    "shell": shell,
    "check": check,
    "explain": explain,
    "adopt": adopt,
    "recover": recover,
}
