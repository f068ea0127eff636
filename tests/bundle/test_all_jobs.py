"""Every job that is neither paused nor continuous."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pixstream.bundle.all_jobs import run_all
from pixstream.bundle.arguments import LocalContext
from pixstream.bundle.bundle import load
from pixstream.bundle.running import Runner
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from unittest.mock import Mock

BUNDLE = """\
bundle: {name: b}
resources:
  jobs:
    ingest: {continuous: {pause_status: UNPAUSED}, tasks: [&task {task_key: t, python_wheel_task: {package_name: pixstream, entry_point: t, parameters: ["{{job.name}}"]}}]}
    paused: {schedule: {quartz_cron_expression: x, timezone_id: UTC, pause_status: PAUSED}, tasks: [*task]}
    second: {tasks: [*task]}
    asked: {parameters: [{name: day, default: ''}], tasks: [*task]}
    first: {tasks: [{task_key: start, run_job_task: {job_id: "${resources.jobs.second.id}"}}]}
"""  # noqa: E501


@pytest.fixture
def ran(functions: dict[str, Any]) -> list[str]:
    seen: list[str] = []
    functions["t"] = lambda: seen.append(sys.argv[1])
    return seen


@pytest.fixture
def watcher() -> Mock:
    from unittest.mock import Mock

    return Mock()


def test_jobs_run_once_starters_first_and_the_others_are_named_with_the_reason(
    write: Callable[..., Path], ran: list[str], watcher: Mock
) -> None:
    bundle = load(write({"databricks.yml": BUNDLE}), "dev")
    runner = Runner(bundle, LocalContext("k.yaml"), watcher)
    left_out = run_all(runner, bundle, {"day": "1"})
    assert ran == ["asked", "second"]
    assert left_out == {
        "ingest": "continuous: it would not end; run it by its name",
        "paused": "paused in this target; run it by its name",
        "second": "ran already, started by first.start",
    }


def test_a_failed_job_stops_no_other(
    write: Callable[..., Path], functions: dict[str, Any], watcher: Mock
) -> None:
    functions["t"] = lambda: sys.exit(1)
    bundle = load(write({"databricks.yml": BUNDLE}), "dev")
    runner = Runner(bundle, LocalContext("k.yaml"), watcher)
    run_all(runner, bundle, {})
    assert {result.job: result.failed for result in runner.results} == {
        "asked": True,
        "second": True,
        "first": True,
    }


def test_after_a_stop_no_job_starts(
    write: Callable[..., Path], ran: list[str], watcher: Mock
) -> None:
    bundle = load(write({"databricks.yml": BUNDLE}), "dev")
    runner = Runner(bundle, LocalContext("k.yaml"), watcher, stopping=lambda: len(ran) > 0)
    left_out = run_all(runner, bundle, {})
    assert ran == ["asked"]
    assert left_out["first"] == "a stop was asked for before it started"


def test_a_parameter_that_no_job_declares_is_refused(
    write: Callable[..., Path], ran: list[str], watcher: Mock
) -> None:
    bundle = load(write({"databricks.yml": BUNDLE}), "dev")
    with pytest.raises(ConfigError, match="no job that runs declares a parameter 'dya'"):
        run_all(Runner(bundle, LocalContext("k.yaml"), watcher), bundle, {"dya": "1"})
    assert ran == []
