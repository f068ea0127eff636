"""A bundle read into types, and what is told of a bad one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixstream.bundle.bundle import load
from pixstream.bundle.definition import (
    ConditionWork,
    Dependency,
    JobWork,
    NotebookWork,
    OtherWork,
    WheelWork,
)
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUNDLE = """\
bundle: {name: pix}
variables: {retries: {default: 2}, pause: {default: PAUSED}}
resources:
  jobs:
    ingest:
      continuous: {pause_status: UNPAUSED}
      tasks: [{task_key: stream, python_wheel_task: {package_name: p, entry_point: stream}}]
    gold:
      name: "gold of ${bundle.target}"
      schedule:
        quartz_cron_expression: 0 0 5 * * ?
        timezone_id: America/Sao_Paulo
        pause_status: ${var.pause}
      parameters: [{name: date, default: "{{job.start_time.iso_date}}"}]
      tasks:
      - task_key: train
        description: trains
        max_retries: ${var.retries}
        min_retry_interval_millis: 60000
        timeout_seconds: 600
        python_wheel_task:
          package_name: pixstream
          entry_point: train
          named_parameters: {date: "{{job.parameters.date}}", days: 7}
      - task_key: good
        depends_on: [{task_key: train}]
        condition_task: {left: "{{tasks.train.values.auc}}", op: GREATER_THAN, right: 0.9}
      - task_key: promote
        depends_on: [{task_key: good, outcome: "true"}]
        run_if: NONE_FAILED
        python_wheel_task: {package_name: pixstream, entry_point: promote, parameters: [--to, 1]}
      - {task_key: look, notebook_task: {notebook_path: ../look.py}}
      - {task_key: far, disabled: true, notebook_task: {notebook_path: /Shared/look}}
      - task_key: other
        run_job_task: {job_id: "${resources.jobs.ingest.id}", job_parameters: {a: b}}
      - {task_key: sql, sql_task: {warehouse_id: x}}
    asked: {tasks: []}
    arriving: {trigger: {file_arrival: {url: s3}, pause_status: PAUSED}, tasks: []}
"""


def test_jobs_and_tasks_are_read_with_references_replaced(write: Callable[..., Path]) -> None:
    bundle = load(write({"databricks.yml": BUNDLE}), "dev")
    assert (bundle.name, bundle.target) == ("pix", "dev")
    gold = bundle.jobs["gold"]
    assert gold.description == "gold of dev"
    assert gold.timing.words == "0 0 5 * * ? America/Sao_Paulo"
    assert gold.timing.paused
    assert not gold.timing.continuous
    assert gold.parameters == {"date": "{{job.start_time.iso_date}}"}
    train, good, promote, look, far, other, sql = gold.tasks
    assert (train.max_retries, train.min_retry_interval_ms, train.timeout_seconds) == (
        2,
        60000,
        600,
    )
    assert isinstance(train.work, WheelWork)
    assert train.work.arguments == ["--date={{job.parameters.date}}", "--days=7"]
    assert isinstance(good.work, ConditionWork)
    assert (good.work.operator, good.work.right) == ("GREATER_THAN", "0.9")
    assert isinstance(promote.depends_on[0], Dependency)
    assert (promote.depends_on[0].task, promote.depends_on[0].outcome) == ("good", "true")
    assert promote.run_if == "NONE_FAILED"
    assert isinstance(promote.work, WheelWork)
    assert promote.work.arguments == ["--to", "1"]
    assert isinstance(look.work, NotebookWork)
    assert not look.work.in_workspace
    assert isinstance(far.work, NotebookWork)
    assert far.work.in_workspace
    assert far.disabled
    assert isinstance(other.work, JobWork)
    assert (other.work.job, other.work.parameters) == ("ingest", {"a": "b"})
    assert isinstance(sql.work, OtherWork)
    assert str(sql.work) == "sql_task"
    assert bundle.jobs["ingest"].timing.continuous
    assert bundle.jobs["asked"].timing.words == ""
    assert bundle.jobs["arriving"].timing.words == "trigger file_arrival"
    assert bundle.jobs["arriving"].timing.paused


WHEEL = {"package_name": "pixstream", "entry_point": "x"}


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (
            {"max_retries": "often"},
            "yml:8: resources.jobs.daily.tasks[0].max_retries: expected an integer",
        ),
        ({"max_retries": -2}, "tasks[0].max_retries: must be at least -1, is -2"),
        ({"run_if": "ALL_SUCESS"}, "ALL_FAILED, AT_LEAST_ONE_FAILED; nearest: ALL_SUCCESS"),
        ({"depends_on": "a"}, "depends_on: expected a list"),
        ({"depends_on": [{"key": "a"}]}, "depends_on[0]: the key task_key is missing"),
        ({"depends_on": ["a"]}, "depends_on[0]: expected a mapping"),
        (
            {"depends_on": [{"task_key": "a", "outcome": "maybe"}]},
            "outcome: expected one of true, false",
        ),
        (
            {"python_wheel_task": {"entry_point": "x"}},
            "python_wheel_task: the key package_name is missing",
        ),
        (
            {"python_wheel_task": {**WHEEL, "parameters": [["a"]]}},
            "parameters[0]: expected a single value",
        ),
        ({"python_wheel_task": WHEEL, "sql_task": {}}, "needs exactly one type of work"),
        ({"description": ["x"]}, "description: expected a single value"),
        (
            {"condition_task": {"op": "EQUALS"}, "python_wheel_task": None},
            "op: expected one of EQUAL_TO",
        ),
    ],
)
def test_a_bad_field_is_told_with_its_place(
    one_job: Callable[..., Path], task: dict[str, Any], told: str
) -> None:
    whole = {"task_key": "a", "python_wheel_task": WHEEL, **task}
    whole = {key: value for key, value in whole.items() if value is not None}
    if "max_retries" in task:
        whole = {"task_key": "a", **task, "python_wheel_task": WHEEL}
    with pytest.raises(ConfigError) as error:
        load(one_job(whole), "dev")
    assert told in str(error.value)
    assert "bundle/databricks.yml:" in str(error.value)


def test_a_bundle_without_a_name_is_told(write: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="the section bundle is missing"):
        load(write({"databricks.yml": {"resources": {"jobs": {}}}}), "dev")
    with pytest.raises(ConfigError, match="the key name is missing"):
        load(write({"databricks.yml": {"bundle": {"uuid": "x"}}}), "dev")
