"""Checks a tree of YAML values against a schema and converts it to plain data."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from jsonschema import Draft202012Validator

from pixstream.config.problems import explain, leaves
from pixstream.config.schema import child, type_name, types
from pixstream.config.yaml_tree import Listing, Scalar, Section, at, native

if TYPE_CHECKING:
    from pixstream.config.schema import Schema
    from pixstream.config.yaml_tree import Node, Problems

Data: TypeAlias = Any


def check(tree: Node, schema: Schema, problems: Problems) -> Data:
    """Return the tree as plain data of the types that `schema` requires; note each mismatch."""
    data = plain(tree, schema)
    found = Draft202012Validator(schema).iter_errors(data)
    for error in chain.from_iterable(map(leaves, found)):
        node = at(tree, error.absolute_path)
        if isinstance(node, Scalar) and node.unknown:
            continue
        for origin, text in explain(error, node, schema):
            problems.add(origin, text)
    return data


def plain(node: Node, schema: Schema | None) -> Data:
    """Return the node as plain data; if its type is ambiguous, `schema` decides.

    Unquoted text stays text where text is expected (`00000000`, `1.10`), a section without content
    is empty, and the value of an environment variable is read like a written value.
    """
    if isinstance(node, Section):
        return {key: plain(value, _below(schema, key)) for key, value in node.items.items()}
    if isinstance(node, Listing):
        return [plain(item, _below(schema, "[0]")) for item in node.items]
    return _value(node, types(schema) if schema else set())


def _value(node: Scalar, wanted: set[str]) -> Data:
    value = native(node)
    kind = type_name(value)
    if not wanted or node.unknown or kind in wanted:
        return value
    if value is None and not node.from_variable:
        return {} if "object" in wanted else None
    if isinstance(value, float) and value.is_integer() and "integer" in wanted:
        return int(value)
    number = kind == "integer" and "number" in wanted
    return node.text if "string" in wanted and not number else value


def _below(schema: Schema | None, key: str) -> Schema | None:
    return child(schema, key) if schema else None
