"""How a plan's variables are composed: layer upon layer, and the URL that they end in."""

import os
from collections.abc import Mapping

from launcher import pins
from launcher.environment import PROCESS, Origin, apply
from launcher.errors import ConfigurationError
from launcher.identity.url import parse_database_url
from launcher.pins import DATABASE_URL
from launcher.placeholders import Placeholders
from launcher.plan import Plan


def compose(plan: Plan) -> dict[str, str]:
    """Set all layers in the plan's environment; returns the folders of `_apply_env_files`.

    Raises ConfigurationError for what is not unambiguous.
    """
    env_folders = _apply_env_files(plan)
    shell = _apply_shell(plan)
    for values in plan.tables:
        for layer in values.layers():
            apply(plan.environment, layer, plan.expand)
    _apply_database(plan, shell)
    for name, text in plan.request.sets:
        plan.environment.set(name, text, Origin("set", f"--set {name}"))
    plan.composed = True
    return env_folders


def _apply_env_files(plan: Plan) -> dict[str, str]:
    """Set what the `.env` files say; returns, by folded name, the folder of the file that says it."""
    paths, place = plan.setting("env_files")
    folders: dict[str, str] = {}
    if not paths:
        return folders
    from launcher.env_files import read_env_file

    lookup = Placeholders({"root": plan.file.root, "profile": plan.profile.name})

    def before(name: str) -> str | None:
        return plan.environment.text(name) if (text := plan.shell.text(name)) is None else text

    for written in paths:
        path = pins.absolute(plan.file.root, lookup.expand(written, place, plan.shell.text))
        if not os.path.lexists(path):  # a folder or a pipe is something, and reading it is an error
            plan.skipped.append(path)
            continue
        assignments, notes = read_env_file(path, before)
        plan.notes += notes
        for name, text, line in assignments:
            plan.environment.set(name, text, Origin("env_file", line))
            folders[plan.environment.fold(name)] = os.path.dirname(path)
    return folders


def _apply_shell(plan: Plan) -> tuple[str, str] | None:
    """Set the shell's variables, those behind `X_FILE` included; returns what the shell says of DATABASE_URL."""
    for value in plan.shell:
        plan.environment.set(*value)
    said: dict[str, tuple[str, str] | None] = {}
    for pin in plan.pin_names:
        if pin == DATABASE_URL and plan.request.database == "profile":
            continue
        said[pin] = shell = pins.shell_value(pin, plan.shell)
        if shell:
            plan.environment.set(pin, shell[0], Origin(PROCESS, shell[1]))
            # It has been read; were X removed by `unset`, the file must not bring it back in the child.
            plan.environment.remove(pins.file_name(pin), Origin(PROCESS, f"counts as the shell's {pin}"))
    return said.get(DATABASE_URL)


def _apply_database(plan: Plan, shell: tuple[str, str] | None) -> None:
    name = plan.profile.values.get("database")
    if name:
        entry = plan.file.databases[name]
        place = f"{plan.profile.name}, from {plan.file.source.place(('databases', name, 'url'))}"
        plan.environment.set(DATABASE_URL, plan.expand(entry.table["url"], place), Origin("database", place))
    value, choice = plan.environment.get(DATABASE_URL), plan.request.database
    if any(plan.environment.fold(name) == DATABASE_URL for name, _ in plan.request.sets):
        return
    if choice == "profile" and (value is None or value.origin.kind not in ("file", "database")):
        raise ConfigurationError(
            "no-database-url",
            f"--database profile: profile '{plan.profile.name}' names no database",
            f'database = "NAME" in [profiles.{plan.profile.name}] of {plan.file.source.path}',
        )
    if choice == "env" and not shell:
        raise ConfigurationError(
            "no-database-url", "--database env: the shell has no DATABASE_URL", "leave --database away"
        )
    if not shell or value is None or value.origin.kind not in ("file", "database"):
        return
    standing = parse_database_url(value.text, value.origin.place, plan.file.root)
    pins.refuse_nested(DATABASE_URL, plan.outer_pins, standing, value.origin.place)
    decided = pins.decide(shell, standing, value.origin.place, choice)
    if decided is not standing:
        plan.environment.set(DATABASE_URL, decided.text, Origin(PROCESS, f"{shell[1]}, chosen by --database env"))


def settle_url(plan: Plan, env_folders: Mapping[str, str]) -> None:
    """Replace DATABASE_URL by the text that means one database everywhere."""
    value = plan.environment.get(DATABASE_URL)
    if value and not value.text and value.origin.kind == "set":
        raise ConfigurationError("bad-url", "--set DATABASE_URL is empty", "leave it away")
    if value is None or not value.text:
        return
    base = {
        "file": plan.file.root,
        "database": plan.file.root,
        "env_file": env_folders.get(plan.environment.fold(value.name)),
    }
    plan.url = parse_database_url(value.text, value.origin.place, base.get(value.origin.kind))
    if plan.url.text != value.text:
        plan.environment.restate(value.name, plan.url.text)
