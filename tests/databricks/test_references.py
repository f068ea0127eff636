"""Whatever a file of the bundle names exists: the bundle schema checks none of this."""

from __future__ import annotations

import graphlib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
REFERENCE = re.compile(r"\$\{([a-zA-Z_][\w.-]*)\}")
DYNAMIC = re.compile(r"\{\{([^}]*)\}\}")
ENTRY_POINTS = {
    "ingest",
    "silver_unique",
    "gold",
    "maintenance",
    "fraud_train",
    "fraud_evaluate",
    "fraud_promote",
    "fraud_drift",
}
REQUIRED = {"kafka_bootstrap_servers", "notification_address", "service_principal"}
"""Variables without a default: a guess would deploy something wrong in silence."""


def texts(node: Any) -> Iterator[str]:
    """Every text below a node, keys left out."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from texts(item)
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts(value)


def references(files: Mapping[Path, Any]) -> set[str]:
    return {match for text in texts(list(files.values())) for match in REFERENCE.findall(text)}


def test_every_variable_is_declared_described_and_used(
    files: Mapping[Path, Any], bundle: Mapping[str, Any]
) -> None:
    declared = bundle["variables"]
    used = {name.split(".")[1] for name in references(files) if name.startswith("var.")}
    assert used == set(declared)
    assert all(variable["description"] for variable in declared.values())
    assert {name for name, variable in declared.items() if "default" not in variable} == REQUIRED


def test_every_target_sets_only_declared_variables(bundle: Mapping[str, Any]) -> None:
    for name, target in bundle["targets"].items():
        assert set(target["variables"]) <= set(bundle["variables"]), name


def test_every_reference_names_something_that_exists(
    files: Mapping[Path, Any], resources: Mapping[str, Mapping[str, Any]]
) -> None:
    for name in references(files):
        first, *steps = name.split(".")
        assert first in {"var", "bundle", "workspace", "resources"}, name
        if first == "resources":
            kind, key, field = steps
            assert field in resources[kind][key], name


def test_every_job_parameter_is_used_and_declared(jobs: Mapping[str, Any]) -> None:
    for name, job in jobs.items():
        found = {match.strip() for text in texts(job["tasks"]) for match in DYNAMIC.findall(text)}
        used = {ref.removeprefix("job.parameters.") for ref in found if ref.startswith("job.")}
        assert used == {parameter["name"] for parameter in job["parameters"]}, name
        assert {ref.split(".")[0] for ref in found} <= {"job", "tasks"}, name


def test_tasks_depend_on_tasks_that_exist_and_never_in_a_circle(jobs: Mapping[str, Any]) -> None:
    for name, job in jobs.items():
        keys = [task["task_key"] for task in job["tasks"]]
        assert len(keys) == len(set(keys)), name
        graph = {
            task["task_key"]: {above["task_key"] for above in task.get("depends_on", [])}
            for task in job["tasks"]
        }
        assert set().union(*graph.values()) <= set(keys), name
        assert sorted(graphlib.TopologicalSorter(graph).static_order()) == sorted(keys)


def test_only_conditions_have_outcomes_and_they_compare_what_an_earlier_task_tells(
    jobs: Mapping[str, Any],
) -> None:
    for job in jobs.values():
        conditions = {t["task_key"] for t in job["tasks"] if "condition_task" in t}
        for task in job["tasks"]:
            above = task.get("depends_on", [])
            assert {d["task_key"] for d in above if "outcome" in d} == conditions & {
                d["task_key"] for d in above
            }
            for text in texts(task.get("condition_task", {})):
                told = re.findall(r"\{\{tasks\.(\w+)\.values\.\w+\}\}", text)
                assert set(told) <= {d["task_key"] for d in above}


def test_every_task_runs_on_compute_that_its_job_has(jobs: Mapping[str, Any]) -> None:
    for job in jobs.values():
        clusters = {cluster["job_cluster_key"] for cluster in job.get("job_clusters", [])}
        environments = {one["environment_key"] for one in job.get("environments", [])}
        used: set[str] = set()
        for task in job["tasks"]:
            places = {task.get("job_cluster_key"), task.get("environment_key")} - {None}
            assert len(places) == (0 if "condition_task" in task else 1), task["task_key"]
            assert places <= clusters | environments
            used |= places
        assert used == clusters | environments


def test_every_wheel_task_calls_an_entry_point_of_this_package(jobs: Mapping[str, Any]) -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    work = [
        task["python_wheel_task"]
        for job in jobs.values()
        for task in job["tasks"]
        if "python_wheel_task" in task
    ]
    assert {one["package_name"] for one in work} == {package}
    assert sorted(one["entry_point"] for one in work) == sorted(ENTRY_POINTS)


def test_jobs_take_the_wheel_where_the_artifact_is_built(
    files: Mapping[Path, Any], bundle: Mapping[str, Any]
) -> None:
    root = next(iter(files)).parent
    (built,) = bundle["artifacts"]["pixstream"]["files"]
    wheel = (root / built["source"]).resolve()
    assert str(wheel.parent.relative_to(ROOT)) in bundle["artifacts"]["pixstream"]["build"]
    for path, content in files.items():
        for text in texts(content.get("resources", {})):
            if text.endswith(".whl"):
                assert (path.parent / text).resolve() == wheel, path


def test_the_configuration_is_deployed_where_the_jobs_look_for_it(
    files: Mapping[Path, Any], bundle: Mapping[str, Any], jobs: Mapping[str, Any]
) -> None:
    root = next(iter(files)).parent
    synced = [(root / path).resolve() for path in bundle["sync"]["paths"]]
    assert synced == [root.resolve(), ROOT / "kafka_config.yaml"]
    for job in jobs.values():
        defaults = {one["name"]: one["default"] for one in job["parameters"]}
        assert defaults["config"] == "${workspace.file_path}/kafka_config.yaml"


@pytest.mark.parametrize("page", ["docs/databricks.md"])
def test_the_guide_names_every_job_variable_and_secret(
    page: str, bundle: Mapping[str, Any], jobs: Mapping[str, Any]
) -> None:
    guide = (ROOT / page).read_text("utf-8")
    (cluster,) = jobs["ingest"]["job_clusters"]
    values = cluster["new_cluster"]["spark_env_vars"].values()
    secrets = [text.rstrip("}").rpartition("/")[2] for text in values if "secrets/" in text]
    wanted = [*bundle["variables"], *jobs, *bundle["targets"], *secrets]
    assert [name for name in wanted if name not in guide] == []
