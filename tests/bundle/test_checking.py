"""What a check tells of a bundle, and what it lets pass."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pixstream.bundle.checking import check
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def known(functions: dict[str, Callable[[], Any]]) -> None:
    functions["gold"] = functions["train"] = print


def wheel(
    key: str, *after: str, package: str = "pixstream", entry_point: str = "gold", **others: Any
) -> dict[str, Any]:
    work = {"package_name": package, "entry_point": entry_point}
    depends_on = [{"task_key": one} for one in after]
    return {"task_key": key, "depends_on": depends_on, "python_wheel_task": work, **others}


def with_arguments(key: str, *arguments: str, after: str = "") -> dict[str, Any]:
    task = wheel(key, *after.split())
    task["python_wheel_task"] |= {"parameters": list(arguments)}
    return task


GOOD = """\
bundle: {name: pix}
include: [resources/*.yml]
variables: {catalog: {default: dev}, broker: {description: given when deployed}}
targets: {dev: {}, prod: {variables: {catalog: prod}}}
"""
GOOD_JOB = """\
resources:
  jobs:
    gold:
      parameters: [{name: date, default: "{{job.start_time.iso_date}}"}]
      job_clusters: [{job_cluster_key: small, new_cluster: {num_workers: 1}}]
      environments: [{environment_key: default}]
      tasks:
      - task_key: train
        job_cluster_key: small
        python_wheel_task:
          package_name: pixstream
          entry_point: train
          parameters: [--date, "{{job.parameters.date}}", --broker, "${var.broker}"]
      - task_key: good
        depends_on: [{task_key: train}]
        condition_task: {left: "{{tasks.train.values.auc}}", op: GREATER_THAN, right: "0.9"}
      - task_key: promote
        environment_key: default
        depends_on: [{task_key: good, outcome: "true"}]
        python_wheel_task:
          package_name: pixstream
          entry_point: gold
          named_parameters: {auc: "{{tasks.train.values.auc}}", run: "{{job.run_id}}"}
      - {task_key: look, notebook_task: {notebook_path: ../notebooks/look.py}}
      - {task_key: there, notebook_task: {notebook_path: /Shared/there}}
      - task_key: other
        run_job_task: {job_id: "${resources.jobs.other.id}", job_parameters: {x: "1"}}
    other:
      parameters: [{name: x, default: ""}]
      tasks: [{task_key: sql, sql_task: {warehouse_id: a}}]
"""


def test_a_good_bundle_has_no_problems_and_tells_what_deploying_needs(
    write: Callable[..., Path],
) -> None:
    report = check(
        write(
            {
                "databricks.yml": GOOD,
                "resources/gold.yml": GOOD_JOB,
                "notebooks/look.py": "# Databricks notebook source\nprint(1)\n",
            }
        )
    )
    assert report.problems == []
    assert report.targets == ("dev", "prod")
    place = "bundle/resources/gold.yml:13"
    assert report.notes == [
        f"{place}: target {name} needs a value for variable broker "
        "(bundle deploy --var, or BUNDLE_VAR_broker)"
        for name in ("dev", "prod")
    ]


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        ([wheel("a", "b")], "tasks[0].depends_on[0]: no task 'b'; valid keys: a"),
        ([wheel("a"), wheel("a")], "tasks[1]: task_key is taken, first on line 7"),
        ([wheel("a", "c"), wheel("b", "a"), wheel("c", "b")], "these wait for one another: "),
        (
            [wheel("a"), wheel("b", depends_on=[{"task_key": "a", "outcome": "true"}])],
            "a is not a condition_task, so it has no outcome; remove `outcome`",
        ),
        (
            [wheel("a", job_cluster_key="smal")],
            "job_cluster_key: the job's job_clusters have no 'smal'; nearest valid key: small",
        ),
        ([wheel("a", environment_key="x")], "environment_key: the job's environments have no 'x'"),
        (
            [with_arguments("a", "{{job.parameters.dat}}")],
            "parameters[0]: {{job.parameters.dat}}: the job declares no parameter 'dat'; nearest",
        ),
        ([with_arguments("a", "{{tasks.b.values.x}}")], "{{tasks.b.values.x}}: no task 'b'"),
        (
            [wheel("a"), with_arguments("b", "{{tasks.a.values.x}}")],
            "a does not precede b; add it to depends_on",
        ),
        (
            [wheel("a"), with_arguments("b", "{{tasks.a.value.x}}", after="a")],
            "tasks have values, result_state",
        ),
        (
            [with_arguments("a", "{{job.start_time.iso_day}}")],
            "jobs know no such reference here; nearest valid key: job.start_time.iso_date",
        ),
        (
            [wheel("a", package="pixstream", entry_point="glod")],
            "no entry point 'glod' in the group pixstream.jobs; nearest valid key: gold",
        ),
        ([wheel("a", package="other")], "entry point 'gold' belongs to pixstream, not to other"),
        (
            [{"task_key": "a", "notebook_task": {"notebook_path": "./look.py"}}],
            "notebook_path: no file bundle/look.py",
        ),
        (
            [{"task_key": "a", "notebook_task": {"notebook_path": "plain.py"}}],
            "plain.py is not a notebook; its first line must be",
        ),
        (
            [{"task_key": "a", "run_job_task": {"job_id": "${resources.jobs.daily.id}"}}],
            "these wait for one another: daily → daily",
        ),
        (
            [{"task_key": "a", "run_job_task": {"job_id": "${resources.jobs.dayly.id}"}}],
            "no such resource in the bundle; nearest valid key: daily",
        ),
        ([with_arguments("a", "${var.nothing}")], "unknown variable 'nothing'"),
        ([], "jobs.daily: has no tasks"),
    ],
)
def test_what_does_not_exist_is_told_with_its_place(
    one_job: Callable[..., Path],
    write: Callable[..., Path],
    tasks: list[dict[str, Any]],
    told: str,
) -> None:
    settings = {
        "parameters": [{"name": "date", "default": ""}],
        "job_clusters": [{"job_cluster_key": "small"}],
    }
    write({"plain.py": "print(1)\n"})
    problems = check(one_job(*tasks, **settings)).problems
    assert len(problems) == 1
    assert told in problems[0]
    assert problems[0].startswith("bundle/databricks.yml:")


def test_the_default_of_a_parameter_may_refer_to_the_run_only(one_job: Callable[..., Path]) -> None:
    parameters = [
        {"name": "day", "default": "{{job.trigger.time.iso_date}}"},
        {"name": "bad", "default": "{{job.parameters.day}}"},
    ]
    problems = check(one_job(wheel("a"), parameters=parameters)).problems
    assert len(problems) == 1
    assert "parameters[1].default: {{job.parameters.day}}: jobs know no such" in problems[0]


def test_a_job_is_started_with_parameters_that_it_has(write: Callable[..., Path]) -> None:
    wrong = GOOD_JOB.replace('{x: "1"}', '{y: "1"}').replace("../notebooks", "/notebooks")
    directory = write({"databricks.yml": GOOD, "resources/gold.yml": wrong})
    assert [line.partition(": resources.jobs.")[2] for line in check(directory).problems] == [
        "gold.tasks[5].run_job_task.job_id: job other has no parameter 'y'; valid keys: x"
    ]


def test_every_target_is_checked_unless_one_is_named(write: Callable[..., Path]) -> None:
    root = GOOD.replace("{catalog: prod}", "{catalgo: prod}").replace("resources", "r")
    directory = write({"databricks.yml": root, "r/x.yml": "resources: {jobs: {}}"})
    assert "targets.prod.variables.catalgo: unknown variable" in check(directory).problems[0]
    assert check(directory, target="dev").problems == []
    with pytest.raises(ConfigError, match="no target"):
        check(directory, target="other")


def test_files_are_held_against_the_schema_one_by_one(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    schema = tmp_path / "schema.json"
    keys = ["bundle", "include", "variables", "targets", "resources"]
    schema.write_text(
        json.dumps({"properties": dict.fromkeys(keys, True), "additionalProperties": False})
    )
    directory = write({"databricks.yml": GOOD, "resources/a.yml": "resource: {}\n"})
    assert check(directory, schema=schema).problems == [
        "bundle/resources/a.yml:1: resource: unknown key; nearest valid key: resources"
    ]


def test_broken_yaml_is_refused_with_its_line(write: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"bundle/databricks.yml:1"):
        check(write({"databricks.yml": "bundle: [a\n"}))


def test_an_entry_point_that_only_a_paused_job_lacks_is_a_note(write: Callable[..., Path]) -> None:
    job = GOOD_JOB.replace("entry_point: train", "entry_point: later").replace(
        "      parameters: [{name: date",
        "      schedule: {quartz_cron_expression: '0 0 6 * * ?', timezone_id: America/Sao_Paulo,"
        " pause_status: PAUSED}\n      parameters: [{name: date",
    )
    notebook = "# Databricks notebook source\n"
    report = check(
        write(
            {
                "databricks.yml": GOOD,
                "resources/gold.yml": job,
                "notebooks/look.py": notebook,
            }
        )
    )
    assert report.problems == []
    assert any("no entry point 'later'" in note and "paused" in note for note in report.notes)
