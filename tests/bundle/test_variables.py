"""References of a bundle and what they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pixstream.bundle.variables import Replacement
from pixstream.config.yaml_source import parse
from pixstream.config.yaml_tree import Listing, Origin, Problems, Scalar, Section, at, native
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from pixstream.config.yaml_tree import Node

BUNDLE = """\
bundle: {name: pix}
variables:
  catalog: {default: dev}
  schema: {default: "${var.catalog}.silver"}
  retries: {default: 3}
  cluster: {type: complex, default: {workers: "${var.retries}", zones: [a, b]}}
  broker: {description: given when deployed}
  warehouse: {lookup: {warehouse: main}}
  first: {default: "${var.second}"}
  second: {default: "x ${var.first}"}
workspace: {root_path: "/Workspace/${bundle.name}"}
resources:
  schemas: {silver: {name: "silver_${bundle.target}"}}
  jobs: {gold: {name: gold}}
value: VALUE
"""


def replaced(value: str, target: str = "dev") -> tuple[Node, Replacement]:
    problems = Problems()
    tree = parse(BUNDLE.replace("VALUE", value), Origin("b.yml"))
    assert isinstance(tree, Section)
    replacement = Replacement(tree, target, problems)
    done = replacement.done()
    problems.raise_any()
    return at(done, ["value"]), replacement


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${var.catalog}", "dev"),
        ("${var.schema}", "dev.silver"),
        ("${var.schema}.t_${bundle.target}", "dev.silver.t_dev"),
        ("${var.retries}", 3),
        ("n=${var.retries}", "n=3"),
        ("${var.cluster.workers}", 3),
        ("${var.cluster.zones[1]}", "b"),
        ("${bundle.name}", "pix"),
        ("${bundle.environment}", "dev"),
        ("${resources.schemas.silver.name}", "silver_dev"),
        ("${workspace.root_path}/x", "/Workspace/pix/x"),
        ("no reference, $HOME, ${HOME}", "no reference, $HOME, ${HOME}"),
    ],
)
def test_a_reference_becomes_what_it_refers_to(written: str, meant: Any) -> None:
    node, _ = replaced(f'"{written}"')
    assert isinstance(node, Scalar)
    assert native(node) == meant
    assert node.origin.place == "b.yml:15"


def test_a_whole_mapping_takes_the_place_of_its_reference() -> None:
    node, _ = replaced("${var.cluster}")
    assert isinstance(node, Section)
    workers, zones = node.items["workers"], node.items["zones"]
    assert isinstance(workers, Scalar)
    assert native(workers) == 3
    assert isinstance(zones, Listing)


@pytest.mark.parametrize(
    "written",
    [
        "${workspace.current_user.userName}",
        "${resources.jobs.gold.id}",
        "${var.warehouse}",
        "${bundle.git.branch}",
    ],
)
def test_what_only_a_workspace_knows_stays_as_it_is(written: str) -> None:
    node, replacement = replaced(f'"a {written}"')
    assert isinstance(node, Scalar)
    assert node.text == f"a {written}"
    assert node.unknown
    assert not replacement.without_value


def test_a_variable_without_a_value_is_remembered_with_the_place_that_needs_it() -> None:
    node, replacement = replaced("${var.broker}")
    assert isinstance(node, Scalar)
    assert node.unknown
    assert replacement.without_value["broker"].place == "b.yml:15"


def test_the_environment_gives_a_variable_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNDLE_VAR_broker", "kafka:9092")
    monkeypatch.setenv("BUNDLE_VAR_retries", "7")
    node, replacement = replaced('"${var.broker} ${var.retries}"')
    assert isinstance(node, Scalar)
    assert node.text == "kafka:9092 7"
    assert not replacement.without_value


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("${var.catlog}", "b.yml:15: value: unknown variable 'catlog'; nearest valid key: catalog"),
        ("${vars.catalog}", "unknown reference ${vars.catalog}; nearest valid key: var"),
        ("${resources.jobs.glod.id}", "no such resource in the bundle; nearest valid key: gold"),
        ("${resources.jobs}", "names no field of a resource"),
        ("${var.first}", "refers to itself; give it a value"),
        ('"a ${var.cluster}"', "${var.cluster} is not a single value"),
    ],
)
def test_a_reference_to_nothing_is_told_with_its_line(written: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        replaced(written)
    assert told in str(error.value)
