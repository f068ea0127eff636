"""Order and circles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pixstream.bundle import graph
from pixstream.bundle.bundle import load
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def tasks(**after: str) -> list[dict[str, object]]:
    return [
        {
            "task_key": key,
            "depends_on": [{"task_key": one} for one in names.split()],
            "python_wheel_task": {"package_name": "p", "entry_point": "e"},
        }
        for key, names in after.items()
    ]


def test_a_task_comes_behind_what_it_depends_on_else_as_written(
    one_job: Callable[..., Path],
) -> None:
    job = load(one_job(*tasks(z="a", b="", a="b c", c="", y="")), "dev").jobs["daily"]
    assert [task.key for task in graph.ordered(job)] == ["b", "c", "a", "z", "y"]
    assert graph.before(graph.edges(job), "z") == {"a", "b", "c"}
    assert graph.before(graph.edges(job), "y") == set()


def test_a_circle_is_refused_with_its_tasks(one_job: Callable[..., Path]) -> None:
    job = load(one_job(*tasks(a="c", b="a", c="b", d="")), "dev").jobs["daily"]
    with pytest.raises(ConfigError, match=r"databricks.yml:\d+: job daily: .*→.*→.*→"):
        graph.ordered(job)
