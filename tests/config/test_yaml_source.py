"""YAML with lines: what is read as what, and how broken text is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixstream.config.yaml_source import parse, read
from pixstream.config.yaml_tree import Listing, Node, Origin, Scalar, Section, native
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

FILE = Origin("f.yaml")


def data(node: Node) -> object:
    if isinstance(node, Section):
        return {key: data(value) for key, value in node.items.items()}
    if isinstance(node, Listing):
        return [data(item) for item in node.items]
    return native(node)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-7", -7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("2e3", 2000.0),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("2026-01-31", "2026-01-31"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, "9" * 19),
        ('"12"', "12"),
        ("'true'", "true"),
        ("|-\n  12", "12"),
    ],
)
def test_a_value_means_what_the_core_schema_of_yaml_1_2_says(text: str, value: object) -> None:
    found = data(parse(f"a: {text}\n", FILE))
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_every_value_knows_its_line_and_path() -> None:
    node = parse("a:\n  b:\n    - 1\n    - c: 2\n", FILE)
    assert isinstance(node, Section)
    assert isinstance(node.items["a"], Section)
    b = node.items["a"].items["b"]
    assert isinstance(b, Listing)
    assert b.origin == Origin("f.yaml", 2, ("a", "b"))
    assert b.items[0].origin == Origin("f.yaml", 3, ("a", "b", "[0]"))
    second = b.items[1]
    assert isinstance(second, Section)
    assert second.items["c"].origin == Origin("f.yaml", 4, ("a", "b", "[1]", "c"))


def test_anchors_and_merge_keys_work_and_written_keys_win() -> None:
    text = "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: {<<: [{p: 9}, *x]}\nd: *x\n"
    assert data(parse(text, FILE)) == {
        "a": {"p": 1, "q": 2},
        "b": {"p": 1, "q": 3},
        "c": {"p": 9, "q": 2},
        "d": {"p": 1, "q": 2},
    }


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a:\n\tb: 1\n", "2:1", "a tab where YAML requires spaces"),
        ("a: b: c\n", "1:5", "a ':' is not allowed here"),
        ("a:\n  b\n  c: 1\n", "3:4", "add the ':' missing in the line before"),
        ('a: "open\nb: 1\n', "1:4", "a quote that opens here is never closed"),
        ("a: [1, 2\nb: 3\n", "1:4", "a '[' or '{' that opens here is never closed"),
        ("a: {b: 1\n", "1:4", "a '[' or '{' that opens here is never closed"),
        ("a:\n   b: 1\n  c: 2\n", "3:3", "check its indentation"),
        ("a: @x\n", "1:4", "this character cannot start a text; put the text in quotes"),
        ("a: *x\n", "1:4", "has no anchor"),
        ("a: 1\n---\nb: 2\n", "2:1", "second document"),
        ("a: x\x01\n", "1:5", "a control character"),
        ('a: "\\q"\n', "1:6", "does not start a YAML escape"),
        ('b: 1\na: "\\U7FFFFFFF"\n', "2:5", "not a character's escape"),
        ("a: &x 1\nb: %x\n", "2:4", "cannot start a text"),
    ],
)
def test_broken_yaml_is_explained_at_its_line_and_column(text: str, place: str, words: str) -> None:
    message = refusal(text)
    assert message.startswith(f"f.yaml:{place}: ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/name:os.system\n", "f.yaml:1: a: tags (!name) are not allowed"),
        ("a: !x {b: 1}\n", "f.yaml:1: a: tags (!name) are not allowed"),
        ("a: !!binary aGk=\n", "f.yaml:1: a: tags (!name) are not allowed"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: duplicate key, first on line 1; remove one"),
        ("? [x]\n: 1\n", "f.yaml:1: a key must be plain text"),
        ('a: "\\ud800"\n', "f.yaml:1: a: contains half of a character"),
        ("a: {<<: 1}\n", "f.yaml:1: a: << takes a mapping"),
        ("a: &x {<<: *x}\n", "f.yaml:1: nested deeper than 40 levels"),
        ("a: &x [*x]\n", "f.yaml:1: nested deeper than 40 levels"),
        ("[" * 2000, "f.yaml: nested too deeply"),
    ],
)
def test_yaml_that_a_configuration_never_needs_is_refused(text: str, message: str) -> None:
    assert refusal(text).startswith(message)


def test_aliases_that_multiply_end_at_a_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "more than 50000 values" in refusal("\n".join(lines))


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    lines = refusal("a: !x 1\nb: {c: 1, c: 2}\na: 2\n").splitlines()
    assert [line.split(": ")[0] for line in lines] == ["f.yaml:1", "f.yaml:2", "f.yaml:3"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"- a\n", ":1: the file must have sections"),
        (b"hello", ":1: the file must have sections"),
        (b"a: 1\nb: \xe9\n", ":2: not UTF-8"),
        (b"a: " + b"x" * 2**20, "larger than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}")
    assert words in str(caught.value)


def test_a_file_that_cannot_be_read_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file; name the configuration with --config"):
        read(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        read(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert data(read(file)) == {"a": 1}


def test_a_value_of_the_command_line_keeps_its_origin() -> None:
    origin = Origin("--set", None, ("a", "b"))
    node = parse("{c: [1]}", origin)
    assert isinstance(node, Section)
    assert node.items["c"].origin == Origin("--set", None, ("a", "b", "c"))
    with pytest.raises(ConfigError, match=r"\A--set: a\.b: a '\[' or"):
        parse("[1", origin)


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab: \n-[]{}\"'&*!|>?%@`#,<\t\\U0~$\x85\u2028é\U0001f600")))
def test_any_text_is_a_tree_or_a_config_error(text: str) -> None:
    try:
        node = parse(text, FILE)
    except ConfigError:
        return
    assert isinstance(node, (Scalar, Section, Listing))
