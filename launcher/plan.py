"""One launch, worked out: which profile and task, which variables with which origins, which database, which Python."""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import NamedTuple

from launcher import pins
from launcher.discovery import find_profile_file
from launcher.environment import PROCESS, Environment, Origin
from launcher.errors import LauncherError
from launcher.hints import held, quoted
from launcher.identity.sqlite_path import AmbiguousPathError
from launcher.identity.url import DatabaseURL
from launcher.interpreter import Interpreter, find_python
from launcher.pins import DATABASE_URL
from launcher.placeholders import Placeholders
from launcher.ports import free_port
from launcher.profiles import Inherited, Profile, ProfileFile, Task
from launcher.server_order import order

# What a child is told about its launch; an outer launch's facts are not the inner one's.
FACTS = "AUTOPACK_RUN_"
# The caller's folder: a quickstart script goes to its own before it starts the launcher.
TYPED_FROM = f"{FACTS}TYPED_FROM"
_NO_SECRET = re.compile(r"sqlite(?:\+\w+)?:///[^@?]+")
_SAME_URL = f'"{DATABASE_URL}=(the same URL)"'  # typed as it stands, it is refused as no URL
KEPT = ("AUTOPACK_RUN_SHELL", "AUTOPACK_RUN_SHELLS", "AUTOPACK_RUN_TREE")


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
    if_missing: bool = False
    accept: str | None = None
    end_with_parent: bool = False
    end_with: int | None = None
    quiet: bool = False
    verbose: bool = False


class EnvForm(NamedTuple):
    """What `env` prints. shell: its name, None for the one at hand. for_f: cmd's second mode. format: json, dotenv."""

    shell: str | None = None
    for_f: bool = False
    format: str | None = None


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
        """The profile as a command line names it, with this one's -f, --database and URL: for commands in hints."""
        return self.spoken_as(self.profile.name)

    def spoken_as(self, profile: str) -> str:
        """Another profile of the same file, likewise."""
        path = self._typed_path()
        named = f"-f {quoted(path)} " if path else ""
        chosen = f"--database {self.request.database} " if self.request.database else ""
        return f"{named}{chosen}{self._set_url()}{profile}"

    def _typed_path(self) -> str:
        """What stands behind the -f of a line that is typed where the launch was: a script may have gone elsewhere."""
        folder, given = self.outer.get(TYPED_FROM, ""), self.request.file or ""
        with suppress(OSError):
            if not folder or os.path.samefile(folder, os.curdir):
                return given
        with suppress(LauncherError):
            if not given and os.path.samefile(find_profile_file(folder), self.file.source.path):
                return ""
        return self.file.source.path

    def _set_url(self) -> str:
        """The --set that has chosen the database, again: without it the line would mean another one."""
        texts = [text for name, text in self.request.sets if self.environment.fold(name) == DATABASE_URL]
        if not texts:
            return ""
        word = f"{DATABASE_URL}={texts[-1]}"
        line = held(word) if _NO_SECRET.fullmatch(texts[-1]) and word.isprintable() else ""
        return f"--set {line or _SAME_URL} "

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
        from launcher.plan_layers import compose

        plan = Plan(self.file, self.profile, self.task, self.request, self.variables)
        plan._known |= {"python": "python", "port": lambda: str(self.port)}
        compose(plan)
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
    try:
        return _filled_in(plan)
    except AmbiguousPathError as error:
        _say_which(plan, error)
        raise


def _say_which(plan: Plan, error: AmbiguousPathError) -> None:
    """Add to the error which of the two files this profile's own Python would open, where that can be told."""
    from launcher.which_file import reader_of

    key, place = plan.setting("python")
    try:
        if key is not None:
            key = Placeholders({"root": plan.file.root, "profile": plan.profile.name}).expand(
                key, place, plan.shell.text
            )
        python = find_python(key, place, plan.file.root, plan.shell.text).path
    except LauncherError:
        return
    reader = reader_of(python, plan.shell.as_dict(), plan.file.root)
    if reader is not None:
        opened = error.decoded if reader.decodes else error.written
        error.message += f"; {python} has SQLAlchemy {reader.version} and would open {opened}"


def _filled_in(plan: Plan) -> Plan:
    from launcher.plan_layers import compose, settle_url

    env_folders = compose(plan)
    pins.refuse_open_files(plan.pin_names, plan.environment)
    value = plan.environment.get(DATABASE_URL)
    if value and value.origin.kind == PROCESS and value.text and value.text == plan.outer_pins.get(DATABASE_URL):
        plan.url = pins.of_launch(value.text)
    else:
        settle_url(plan, env_folders)
    plan.notes += pins.close_files(plan.pin_names, plan.environment)
    if plan.setting("dotenv")[0] == "off":
        plan.environment.set("PYTHON_DOTENV_DISABLED", "1", Origin("file", plan.setting("dotenv")[1]))
    return plan


def _outer(variables: Mapping[str, str]) -> dict[str, str]:
    return {name.upper(): text for name, text in variables.items() if name.upper().startswith(FACTS)}


def _shell(variables: Mapping[str, str]) -> Environment:
    shell = Environment()
    for name, text in variables.items():
        if not name.upper().startswith(FACTS) or name.upper() in KEPT:
            shell.set(name, text, Origin(PROCESS, "the shell"))
    return shell
