"""Places, paths and collected problems of a tree."""

from __future__ import annotations

import pytest

from pixstream.config.yaml_source import parse
from pixstream.config.yaml_tree import Origin, Problems, at, dotted, origin
from pixstream.errors import ConfigError


def test_a_path_for_people_escapes_what_would_break_its_line() -> None:
    assert dotted(("a", "[0]", "pix.dlq")) == "a[0].pix.dlq"
    assert dotted(("a\nb", "", "x" * 90)) == f"'a\\nb'.''.{'x' * 57}..."


def test_problems_come_in_the_order_of_the_file_and_each_once() -> None:
    problems = Problems()
    problems.raise_any()
    for line in (3, 2, 3, 10):
        problems.add(Origin("f", line, ("a",)), "x")
    problems.add(Origin("--set", None, ("b",)), "y")
    with pytest.raises(ConfigError) as caught:
        problems.raise_any()
    assert str(caught.value).splitlines() == ["--set: b: y", "f:2: a: x", "f:3: a: x", "f:10: a: x"]


def test_what_was_not_written_has_the_line_of_what_it_would_stand_in() -> None:
    tree = parse("a:\n  b: [1]\n", Origin("f"))
    assert origin(tree, ("a", "b")) == Origin("f", 2, ("a", "b"))
    assert origin(tree, ("a", "c", "d")) == Origin("f", 1, ("a", "c", "d"))
    assert origin(tree, ("x",)) == Origin("f", None, ("x",))
    assert at(tree, ("a", "b", 0)).origin.path == ("a", "b", "[0]")
    assert at(tree, ("a", "b", 7)).origin.path == ("a", "b")
