"""One launch, worked out: which profile and task, which variables with which origins, which database, which Python."""

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import NamedTuple

from launcher import pins
from launcher.environment import PROCESS, Environment, Origin, apply
from launcher.errors import ConfigurationError
from launcher.identity.url import DatabaseURL, parse_database_url
from launcher.interpreter import Interpreter, find_python
from launcher.pins import DATABASE_URL
from launcher.placeholders import Placeholders
from launcher.ports import free_port
from launcher.profiles import Inherited, Profile, ProfileFile, Task
from launcher.server_order import order

# What a child is told about its launch; an outer launch's facts are not the inner one's.
FACTS = "AUTOPACK_RUN_"
KEPT = ("AUTOPACK_RUN_SHELL", "AUTOPACK_RUN_TREE")


class Request(NamedTuple):
    """What stands before PROFILE on the command line.

    database: `profile`, `env` or None; port: a number or None; pins: `block`, `error`, `allow` or None; report: a file.
    """

    file: str | None = None
    sets: tuple[tuple[str, str], ...] = ()
    database: str | None = None
    verify: bool = False
    port: int | None = None
    allow_empty: bool = False
    pins: str | None = None
    report: str | None = None
    allow_unproven: bool = False
    quiet: bool = False
    verbose: bool = False


class Plan:
    """A launch in the making: `environment` and `url` are final once `make_plan` has returned it.

    notes: what the operator should be told. skipped: files that were looked for and not there. shell: the variables
    as the launcher found them. outer: those that an outer launch has set for its own children's guards.
    """

    def __init__(
        self,
        file: ProfileFile,
        profile: Profile,
        task: Task | None,
        request: Request,
        variables: Mapping[str, str],
    ) -> None:
        self.file = file
        self.profile = profile
        self.task = task
        self.request = request
        self.variables = variables
        self.shell = _shell(variables)
        self.outer = _outer(variables)
        self.environment = Environment(self.shell.windows)
        self.url: DatabaseURL | None = None
        self.notes: list[str] = []
        self.skipped: list[str] = []
        self.composed = False
        self._known: dict[str, str | Callable[[], str]] = {
            "root": file.root,
            "profile": profile.name,
            "port": lambda: str(self.port),
            "python": lambda: self.python.path,
        }

    @property
    def tables(self) -> tuple[Inherited, ...]:
        """Where settings are looked up, the lowest first: defaults, profile, task."""
        task = (self.task.values,) if self.task else ()
        return (self.file.defaults, self.profile.values, *task)

    def setting(self, key: str) -> tuple[str | None, str]:
        """The profile's value of a key that `defaults` may have too, and its place."""
        for values in (self.profile.values, self.file.defaults):
            if values.get(key) is not None:
                return values.get(key), values.place(key)
        return None, ""

    @property
    def pin_names(self) -> tuple[str, ...]:
        """DATABASE_URL and every name in `pin`."""
        named = [name for values in (self.file.defaults, self.profile.values) for name in values.get("pin", ())]
        return tuple({self.environment.fold(name): name for name in (DATABASE_URL, *named)}.values())

    @property
    def pinned(self) -> tuple[str, ...]:
        """The pins that stand."""
        return tuple(name for name in self.pin_names if self.environment.text(name))

    @property
    def outer_folders(self) -> list[str]:
        """The run folders of the launches around this one, which record what happens inside."""
        listed = (self.outer.get(f"{FACTS}{name}", "") for name in ("RUN", "OUTER"))
        return [folder for text in listed for folder in text.split("\n") if folder]

    @property
    def outer_pins(self) -> dict[str, str]:
        """What the launches around this one have pinned, by name."""
        prefix = f"{FACTS}PIN_"
        return {name[len(prefix) :]: text for name, text in self.outer.items() if name.startswith(prefix)}

    def again(self, task: Task | None, port: int | None) -> "Plan":
        """The same launch for another task of the profile, or with another port, which stands above the task's own."""
        request = self.request._replace(port=port)
        return complete(Plan(self.file, self.profile, task, request, self.variables))

    @property
    def spoken(self) -> str:
        """The profile as a command line names it, with the -f of this one: for the commands in hints."""
        return self.spoken_as(self.profile.name)

    def spoken_as(self, profile: str) -> str:
        """Another profile of the same file, likewise."""
        return f'-f "{self.request.file}" {profile}' if self.request.file else profile

    def expand(self, text: str, place: str) -> str:
        """The text with its placeholders filled in from the variables as they stand now."""
        return Placeholders(self._known).expand(text, place, self.environment.text)

    @cached_property
    def port(self) -> int:
        """`--port`, the fixed port, or one free port for the whole invocation."""
        return self.request.port or self.fixed_port or free_port()

    @property
    def fixed_port(self) -> int | None:
        """The first `port` among the task and all that run around it, in the order of their start."""
        if self.task is None:
            return None
        names = (self.task.name, *order(self.profile, self.task.name))
        ports = (self.profile.tasks[name].values.get("port") for name in names)
        return next((port for port in ports if port), None)

    def port_beside(self, name: str) -> int:
        """The port of a task around this one: its own fixed one, else the `{port}` of all.

        `--port` takes the place of the first fixed port, so it moves the task that has it, and whoever asks that one.
        """
        own: int | None = self.profile.tasks[name].values.get("port")
        return own if own and own != self.fixed_port else self.port

    @cached_property
    def python(self) -> Interpreter:
        """What stands behind `python` and `{python}`, found by the PATH and VIRTUAL_ENV that the child gets."""
        key, place = self.setting("python")
        variables = (self if self.composed else self._without_python()).environment
        if key is not None:
            known = {name: value for name, value in self._known.items() if name != "python"}
            key = Placeholders(known).expand(key, place, variables.text)
        return find_python(key, place, self.file.root, variables.text)

    def _without_python(self) -> "Plan":
        """The same plan with the bare word in place of {python}: a variable wants it before the layers are complete."""
        plan = Plan(self.file, self.profile, self.task, self.request, self.variables)
        plan._known |= {"python": "python", "port": lambda: str(self.port)}
        _compose(plan)
        return plan


def make_plan(
    file: ProfileFile, profile: Profile, task: Task | None, request: Request, variables: Mapping[str, str]
) -> Plan:
    """Compose the layers: env_files, the shell's variables, defaults, profile, task, database, --set; then pin.

    variables: the launcher's own. Raises ConfigurationError for anything that is not unambiguous.
    """
    return complete(Plan(file, profile, task, request, variables))


def complete(plan: Plan) -> Plan:
    """Fill a new plan in; see `make_plan`."""
    env_folders = _compose(plan)
    pins.refuse_open_files(plan.pin_names, plan.environment)
    _settle_url(plan, env_folders)
    plan.notes += pins.close_files(plan.pin_names, plan.environment)
    if plan.setting("dotenv")[0] == "off":
        plan.environment.set("PYTHON_DOTENV_DISABLED", "1", Origin("file", plan.setting("dotenv")[1]))
    return plan


def _compose(plan: Plan) -> dict[str, str]:
    """Set all layers in the plan's environment; returns the folders of `_apply_env_files`."""
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


def _outer(variables: Mapping[str, str]) -> dict[str, str]:
    return {name.upper(): text for name, text in variables.items() if name.upper().startswith(FACTS)}


def _shell(variables: Mapping[str, str]) -> Environment:
    shell = Environment()
    for name, text in variables.items():
        if not name.upper().startswith(FACTS) or name.upper() in KEPT:
            shell.set(name, text, Origin(PROCESS, "the shell"))
    return shell


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


def _settle_url(plan: Plan, env_folders: Mapping[str, str]) -> None:
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
