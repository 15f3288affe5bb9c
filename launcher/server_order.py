"""Which tasks run around a task, and in which order."""

from launcher.errors import ConfigurationError
from launcher.profiles import Profile


def order(profile: Profile, name: str) -> list[str]:
    """The tasks that must run around the task, in the order of their start. Raises ConfigurationError for a circle."""
    found: list[str] = []

    def visit(task: str, above: tuple[str, ...]) -> None:
        if task in above:
            place = profile.tasks[task].values.place("with")
            raise ConfigurationError("profile-file", f"{place}: a circle: {' with '.join((*above, task))}")
        for other in profile.tasks[task].values.get("with", ()):
            visit(other, (*above, task))
            if other not in found:
                found.append(other)

    visit(name, ())
    return found
