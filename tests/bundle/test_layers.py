"""The files of a bundle and its targets, laid over one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixstream.bundle import layers
from pixstream.config.yaml_tree import Listing, Node, Problems, Scalar, Section, at, native
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def plain(node: Node) -> Any:
    if isinstance(node, Section):
        return {key: plain(value) for key, value in node.items.items()}
    if isinstance(node, Listing):
        return [plain(value) for value in node.items]
    assert isinstance(node, Scalar)
    return native(node)


def in_target(directory: Path, target: str) -> Any:
    problems = Problems()
    tree = layers.with_target(layers.read(directory).tree, target, problems)
    problems.raise_any()
    return plain(tree)


ROOT = """\
bundle: {name: pix}
include: [resources/*.yml]
variables:
  catalog: {default: dev_catalog}
  zones: {type: complex, default: [a, b]}
targets:
  dev: {}
  prod:
    mode: production
    variables: {catalog: prod_catalog, zones: {default: [c]}}
    run_as: {service_principal_name: robot}
    resources:
      jobs:
        gold:
          max_concurrent_runs: 2
          parameters: [{name: date, default: today}]
          tasks:
          - task_key: second
            max_retries: 5
            python_wheel_task: {parameters: [--more]}
          - {task_key: third, max_retries: 1}
"""
GOLD = """\
resources:
  jobs:
    gold:
      max_concurrent_runs: 1
      parameters: [{name: date, default: ''}, {name: days, default: '1'}]
      tasks:
      - {task_key: first, max_retries: 1}
      - task_key: second
        depends_on: [{task_key: first}]
        python_wheel_task: {entry_point: gold, parameters: [--date, today]}
"""


def test_a_target_changes_what_it_names_and_joins_tasks_and_parameters_by_key(
    write: Callable[..., Path],
) -> None:
    directory = write({"databricks.yml": ROOT, "resources/gold.yml": GOLD})
    tree = in_target(directory, "prod")
    gold = tree["resources"]["jobs"]["gold"]
    assert gold["max_concurrent_runs"] == 2
    assert gold["parameters"] == [
        {"name": "date", "default": "today"},
        {"name": "days", "default": "1"},
    ]
    assert [task["task_key"] for task in gold["tasks"]] == ["first", "second", "third"]
    second = gold["tasks"][1]
    assert second["max_retries"] == 5
    assert second["depends_on"] == [{"task_key": "first"}]
    assert second["python_wheel_task"]["parameters"] == ["--date", "today", "--more"]
    assert tree["variables"]["catalog"]["default"] == "prod_catalog"
    assert tree["variables"]["zones"]["default"] == ["c"]
    assert tree["bundle"] == {"name": "pix", "mode": "production"}
    assert "targets" not in tree
    assert in_target(directory, "dev")["resources"]["jobs"]["gold"]["max_concurrent_runs"] == 1


def test_values_keep_the_file_and_line_where_they_were_written(write: Callable[..., Path]) -> None:
    directory = write({"databricks.yml": ROOT, "resources/gold.yml": GOLD})
    tree = layers.with_target(layers.read(directory).tree, "prod", Problems())
    gold = ["resources", "jobs", "gold"]
    assert at(tree, [*gold, "tasks", 0]).origin.place == "bundle/resources/gold.yml:7"
    assert at(tree, [*gold, "max_concurrent_runs"]).origin.place == "bundle/databricks.yml:15"


def test_one_resource_in_two_files_is_refused_with_both_places(write: Callable[..., Path]) -> None:
    directory = write(
        {"databricks.yml": ROOT, "resources/a.yml": GOLD, "resources/b.yml": "\n" + GOLD}
    )
    with pytest.raises(ConfigError) as error:
        layers.read(directory)
    assert str(error.value) == (
        "bundle/resources/b.yml:4: resources.jobs.gold: defined a second time, first at "
        "bundle/resources/a.yml:3; remove one"
    )


@pytest.mark.parametrize(
    ("root", "told"),
    [
        (
            {"include": ["jobs/*.yml"]},
            "bundle/databricks.yml:2: include[0]: matches no file; it is relative to the bundle's",
        ),
        ({"include": ["/etc/*.yml"]}, "include[0]: matches no file"),
        ({"include": "resources/*.yml"}, "include: expected a list of file patterns"),
    ],
)
def test_an_include_that_brings_nothing_is_told(
    write: Callable[..., Path], root: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError) as error:
        layers.read(write({"databricks.yml": root}))
    assert told in str(error.value)


def test_a_folder_without_a_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; name the bundle's folder with --bundle"):
        layers.read(tmp_path)


def test_an_unknown_target_is_refused_and_a_bundle_without_targets_has_every_one(
    write: Callable[..., Path],
) -> None:
    directory = write({"databricks.yml": ROOT, "resources/gold.yml": GOLD})
    with pytest.raises(ConfigError, match=r"--target pord: no target of the bundle.*prod"):
        in_target(directory, "pord")
    assert in_target(write({"databricks.yml": {"bundle": {"name": "b"}}}), "any")["bundle"]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ({"variables": {"catlog": "x"}}, "unknown variable; nearest valid key: catalog"),
        ({"bundle": {"name": ["x"]}}, "of another kind than at bundle/databricks.yml:2"),
    ],
)
def test_a_target_that_does_not_fit_is_told(
    write: Callable[..., Path], target: dict[str, Any], told: str
) -> None:
    root = {
        "bundle": {"name": "pix"},
        "variables": {"catalog": {"default": "a"}},
        "targets": {"dev": target},
    }
    with pytest.raises(ConfigError) as error:
        in_target(write({"databricks.yml": root}), "dev")
    assert told in str(error.value)


def test_a_null_changes_nothing(write: Callable[..., Path]) -> None:
    root = "bundle: {name: pix}\nworkspace:\ntargets: {dev: {bundle: {name: null}}}\n"
    assert in_target(write({"databricks.yml": root}), "dev")["bundle"]["name"] == "pix"
