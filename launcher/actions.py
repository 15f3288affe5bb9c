"""What each action of a profile does, from the plan to what is printed."""

from typing import Any

from launcher import tasks
from launcher.discovery import current_folder, find_profile_file
from launcher.environment import process_variables
from launcher.output import printable, say, tell, tell_bytes, tell_json
from launcher.plan import EnvForm, Plan, Request, make_plan
from launcher.profiles import ACTIONS, Profile, ProfileFile, Task, load_profile_file

SCHEMA = 1
"""The number in every JSON report; it grows when a field changes its meaning or goes away."""


def open_file(request: Request) -> ProfileFile:
    """The profile file of `-f`, else the nearest one."""
    if request.file is None:
        return load_profile_file(find_profile_file(current_folder()))
    return load_profile_file(request.file)


def plan_for(file: ProfileFile, profile: Profile, request: Request, task: Task | None = None) -> Plan:
    """The launch as it is worked out here and now."""
    plan = make_plan(file, profile, task, request, process_variables())
    if request.verbose:
        plan.notes += [f"{path} is not there" for path in plan.skipped]
    return plan


def task(file: ProfileFile, profile: Profile, name: str, request: Request, words: list[str]) -> int:
    """Prove the database and start the task."""
    return tasks.run_task(plan_for(file, profile, request, profile.task(name)), words)


def execute(file: ProfileFile, profile: Profile, request: Request, words: list[str]) -> int:
    """Start any program, where the operator stands."""
    return tasks.run_program(plan_for(file, profile, request), words, current_folder())


def list_tasks(profile: Profile) -> list[str]:
    """The lines that `autopack-run PROFILE` prints."""
    width = max(map(len, [*profile.tasks, *ACTIONS]))
    described = profile.values.get("description")
    lines = [
        f"{profile.name}{f': {described}' if described else ''}",
        *(f"  {task.name:<{width}}  {task.description}".rstrip() for task in profile.tasks.values()),
        "" if profile.tasks else "  no tasks",
        f"also: {', '.join(ACTIONS)}",
    ]
    return list(map(printable, lines))


def list_profiles(file: ProfileFile, as_json: bool) -> int:
    """Print the profiles of the file."""
    report = {
        "schema": SCHEMA,
        "file": file.source.path,
        "profiles": {
            profile.name: {
                "description": profile.values.get("description", ""),
                "database": profile.values.get("database"),
                "tasks": {task.name: task.description for task in profile.tasks.values()},
            }
            for profile in file.profiles.values()
        },
    }
    if as_json:
        return print_json(report)
    for profile in file.profiles.values():
        database = profile.values.get("database")
        tell(printable(f"{profile.name}  {profile.values.get('description', '')}".rstrip()))
        tell(f"  database  {database or 'none'}\n  tasks     {', '.join(profile.tasks) or 'none'}")
    return 0


def emit(file: ProfileFile, profile: Profile, request: Request, wanted: EnvForm) -> int:
    """Print what the profile changes, for a shell or in a format; all or nothing."""
    from launcher import env_text

    plan = plan_for(file, profile, request)
    text, applied = env_text.for_form(plan, wanted)
    tell_bytes(text)
    if not request.quiet:
        for line in (*(f"note: {note}" for note in plan.notes), *applied):
            say(printable(f"autopack-run: {line}"))
    return 0


def open_shell(file: ProfileFile, profile: Profile, request: Request, shell: str | None) -> int:
    """An interactive shell inside the profile."""
    from launcher.interactive import open_shell as act

    return act(plan_for(file, profile, request), shell)


def explain(file: ProfileFile, profile: Profile, request: Request, name: str | None, as_json: bool) -> int:
    """Print where the values come from that the profile sets, pins or removes; every value masked by an allow list."""
    from launcher.explain import explained, text_lines

    plan = plan_for(file, profile, request)
    rows = explained(plan, name)
    if as_json:
        return print_json(
            {
                "schema": SCHEMA,
                "file": file.source.path,
                "profile": profile.name,
                "variables": rows,
                "missing_files": plan.skipped,
            }
        )
    tell("\n".join(map(printable, text_lines(plan, rows))))
    return 0


def print_json(report: dict[str, Any]) -> int:
    """Print the report; returns 0, the exit code of a report."""
    tell_json(report)
    return 0
