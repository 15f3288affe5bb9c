"""The ports of a launch's servers: no two of them on one, and another one where a free port was taken meanwhile."""

from collections.abc import Sequence

from launcher.errors import ConfigurationError
from launcher.launch import Launch, task_launch
from launcher.ports import free_port


def health_url(launch: Launch) -> str:
    """The health URL of the launch's task, or "" where it has none."""
    plan = launch.plan
    values = plan.task.values if plan.task else None
    return plan.expand(values.get("health"), values.place("health")) if values and values.get("health") else ""


def refuse_shared_ports(launches: Sequence[Launch]) -> None:
    """Raise ConfigurationError where two of the servers would listen on one port: the first would answer for both."""
    takers: dict[int, str] = {}
    for launch in launches:
        task = launch.plan.task
        assert task is not None
        for port in _ports(launch):
            if port in takers:
                place = task.values.place("port" if task.values.get("port") else "health")
                raise ConfigurationError(
                    "profile-file",
                    f"{place}: {task.name} would get port {port}, which is that of {takers[port]}",
                    f"a port of its own for each: port = NUMBER in {takers[port]} and in {task.name}",
                )
            takers[port] = task.name


def is_own_choice(launch: Launch, port: int) -> bool:
    """Whether the port was chosen by the launcher itself, which may choose another one."""
    plan = launch.plan
    return plan.request.port is None and plan.fixed_port is None and port == plan.port


def elsewhere(launch: Launch) -> Launch:
    """The launch with another free port, its database proven again."""
    plan = launch.plan
    port = next(port for port in iter(free_port, 0) if port != plan.port)
    moved = task_launch(plan.again(plan.task, port), launch.arguments)
    moved.prove()
    return moved


def _ports(launch: Launch) -> set[int]:
    """The fixed port and that of the health URL: what has neither only knows of the others' port."""
    from urllib.parse import urlsplit

    assert launch.plan.task is not None
    fixed = launch.plan.port if launch.plan.task.values.get("port") else None
    return {port for port in (fixed, urlsplit(health_url(launch)).port) if port}
