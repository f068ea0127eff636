"""The order of tasks and jobs, and the cycles that leave none."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pixstream.bundle.definition import Job, Task


def ordered(job: Job) -> list[Task]:
    """Return the tasks, each after its dependencies, otherwise as written.

    Raises:
        ConfigError: their dependencies form a cycle.
    """
    circle = cycle(edges(job))
    if circle:
        place = job.section.origin.place
        raise ConfigError(f"{place}: job {job.key}: {as_words(circle)}; remove one dependency")
    left = {task.key: task for task in job.tasks}
    order: list[Task] = []
    while left:
        ready = next(t for t in left.values() if not any(d.task in left for d in t.depends_on))
        order.append(left.pop(ready.key))
    return order


def edges(job: Job) -> dict[str, list[str]]:
    """The tasks that each task depends on; those that the job has not are left out."""
    known = {task.key for task in job.tasks}
    return {task.key: [d.task for d in task.depends_on if d.task in known] for task in job.tasks}


def cycle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return one cycle of a graph, its first node repeated at the end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def before(graph: Mapping[str, Iterable[str]], node: str) -> set[str]:
    """Every node that `node` depends on, directly or not."""
    found: set[str] = set()
    ahead = list(graph.get(node, ()))
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += graph.get(name, ())
    return found


def as_words(circle: list[str]) -> str:
    """`tasks wait for one another: a → b → a`."""
    return f"these wait for one another: {' → '.join(circle)}"
