"""Overlays, variables and single changes over a configuration."""

from __future__ import annotations

import pytest

from pixstream.config.check import plain
from pixstream.config.schema import of_core
from pixstream.config.yaml_layers import fill, merge, override
from pixstream.config.yaml_source import parse
from pixstream.config.yaml_tree import Origin, Problems, Scalar, Section
from pixstream.errors import ConfigError

EMPTY = Section(origin=Origin("f"), items={})


def section(text: str, name: str = "f") -> Section:
    node = parse(text, Origin(name))
    assert isinstance(node, Section)
    return node


def merged(below: str, above: str) -> object:
    return plain(merge(section(below), section(above)), None)


def filled(text: str, **variables: str) -> object:
    problems = Problems()
    result = plain(fill(section(text), variables, problems), None)
    problems.raise_any()
    return result


@pytest.mark.parametrize(
    ("below", "above", "result"),
    [
        ("{a: {b: 1, c: 2}}", "{a: {c: 3, d: 4}}", {"a": {"b": 1, "c": 3, "d": 4}}),
        ("{a: [1, 2]}", "{a: [3]}", {"a": [3]}),
        ("{a: 1}", "{b: 2}", {"a": 1, "b": 2}),
        ("{a: {b: 1}}", "{a: 5}", {"a": 5}),
        ("{a: 5}", "{a: {b: 1}}", {"a": {"b": 1}}),
        ("{a: {b: 1}}", "a:\n", {"a": {"b": 1}}),
        ("{a: {b: 1}, c: 1}", "{a: null}", {"c": 1}),
        ("{a: {b: 1}, c: 1}", "{a: ~}", {"c": 1}),
        ("{a: 1}", "{a: null}", {"a": None}),
        ("{a: {b: 1}}", "{a: 'null'}", {"a": "null"}),
    ],
)
def test_maps_merge_and_everything_else_replaces(below: str, above: str, result: object) -> None:
    assert merged(below, above) == result


def test_each_value_keeps_the_place_where_it_was_written() -> None:
    result = merge(section("a: {b: 1, c: 2}\n"), section("\na: {c: 3}\n", "g"))
    a = result.items["a"]
    assert isinstance(a, Section)
    assert [node.origin.place for node in a.items.values()] == ["f:1", "g:2"]


def test_variables_are_replaced_anywhere_in_a_value() -> None:
    assert filled("a: ${X}\nb: x-${X}-${Y}\nc: ['${X}']\n", X="1", Y="2") == {
        "a": 1,
        "b": "x-1-2",
        "c": [1],
    }


def test_a_default_counts_for_an_unset_or_an_empty_variable() -> None:
    text = "{a: '${X:-d}', b: '${X:-}', c: '${X:-http://h:1/}'}"
    assert filled(text) == {"a": "d", "b": None, "c": "http://h:1/"}
    assert filled(text, X="") == filled(text)
    assert filled(text, X="v") == {"a": "v", "b": "v", "c": "v"}


def test_two_dollars_escape_a_brace_and_other_dollars_are_plain() -> None:
    assert filled("{a: '$${X}', b: '$X $$ $'}", X="1") == {"a": "${X}", "b": "$X $$ $"}


def test_a_value_brought_in_is_not_searched_for_variables_again() -> None:
    assert filled("{a: '${X}'}", X="${Y}") == {"a": "${Y}"}


def test_all_unset_and_broken_variables_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        filled("a: ${X}${Y}\nb: ['${Z']\nc: ${1}\n")
    broken = "'${' starts neither ${NAME} nor ${NAME:-default}; write '$${' for the two characters"
    assert str(caught.value).splitlines() == [
        "f:1: a: environment variable X is not set; set it, or write ${X:-default}",
        "f:1: a: environment variable Y is not set; set it, or write ${Y:-default}",
        f"f:2: b[0]: {broken}",
        f"f:3: c: {broken}",
    ]


def test_variables_that_are_not_looked_up_leave_the_value_unknown() -> None:
    problems = Problems()
    node = fill(section("{a: '${X:-1}', b: '$${X}'}"), None, problems)
    assert isinstance(node, Section)
    a, b = node.items["a"], node.items["b"]
    assert isinstance(a, Scalar)
    assert isinstance(b, Scalar)
    assert a.unknown
    assert not b.unknown
    problems.raise_any()


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ("kafka.client=kafka-python", ("kafka", "client"), "kafka-python"),
        ("kafka.sasl.password=a=b", ("kafka", "sasl", "password"), "a=b"),
        ("institution.ispbs=['1', '2']", ("institution", "ispbs"), ["1", "2"]),
        ("topics.pix.dlq.partitions=3", ("topics", "pix.dlq", "partitions"), 3),
        ("topics.pix.dlq.config.segment.ms=9", ("topics", "pix.dlq", "config", "segment.ms"), "9"),
        ("topics.my.own={partitions: 2}", ("topics", "my", "own"), {"partitions": 2}),
        ("broker.properties.log.dirs=x", ("broker", "properties", "log.dirs"), "x"),
        ("producers.new.type=webhook", ("producers", "new", "type"), "webhook"),
        ("kafka.bootstrap_servers=", ("kafka", "bootstrap_servers"), None),
    ],
)
def test_set_changes_one_setting(change: str, path: tuple[str, ...], value: object) -> None:
    core = of_core()
    found: object = plain(override(EMPTY, change, core), core)
    for key in path:
        assert isinstance(found, dict)
        found = found[key]
    assert found == value


def test_set_knows_dotted_keys_that_only_the_file_has() -> None:
    tree = section("topics: {my.own: {partitions: 1}}\n")
    changed = override(tree, "topics.my.own.partitions=2", of_core())
    assert plain(changed, None) == {"topics": {"my.own": {"partitions": 2}}}


@pytest.mark.parametrize("text", ["", "kafka.client", "=1", "kafka..client=1", ".=", "secret"])
def test_set_without_a_path_or_a_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        override(EMPTY, text, of_core())
    assert str(caught.value) == (
        "--set: needs a setting and a value; write --set path.to.setting=VALUE"
    )


def test_set_with_broken_yaml_is_told_without_the_value() -> None:
    with pytest.raises(ConfigError) as caught:
        override(EMPTY, "kafka.sasl.password='hunter2", of_core())
    assert str(caught.value) == (
        "--set: kafka.sasl.password: a quote that opens here is never closed"
    )
