"""Reads YAML text into a tree with line numbers (`yaml_tree`).

Anchors, aliases and `<<` are allowed; tags, duplicate keys and second documents are not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from pixstream.config.yaml_problems import explain
from pixstream.config.yaml_tree import Listing, Node, Origin, Problems, Scalar, Section, dotted
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 2**20
_MAX_DEPTH = 40
_MAX_NODES = 50_000
_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "map", "seq", "merge")
)
_MERGE = "tag:yaml.org,2002:merge"
_SURROGATE = re.compile("[\ud800-\udfff]")


def read(file: Path) -> Section:
    """Read a YAML file whose top level is a mapping.

    Raises:
        ConfigError: the file cannot be read or is not such YAML; each problem has its line.
    """
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"{file}: no such file; name the configuration with --config FILE, or write a first "
            "one with `pixstream config create`"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name has a NUL character"
        raise ConfigError(f"{file}: cannot be read: {reason}") from None
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"{file}: larger than {_MAX_BYTES} bytes, so not a configuration")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: not UTF-8; save the file in this encoding") from None
    node = parse(text, Origin(str(file)))
    if isinstance(node, Scalar) and node.blank:
        raise ConfigError(f"{file}: the file is empty; it needs at least one section")
    if not isinstance(node, Section):
        raise ConfigError(f"{node.origin.place}: the file must have sections, such as `kafka:`")
    return node


def parse(text: str, origin: Origin) -> Node:
    """Parse one YAML document; an empty one is a blank scalar.

    Args:
        text: the document.
        origin: of the whole; if its line is None and its path is not empty, values keep it.

    Raises:
        ConfigError: with every problem found, one per line.
    """
    tree = _Tree(origin)
    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        line, column, words = explain(error, text)
        place = f"{origin.name}:{line}:{column}" if line and not origin.path else origin.name
        raise ConfigError(": ".join(filter(None, (place, dotted(origin.path), words)))) from None
    if top is None:
        return Scalar(origin=origin, text="")
    node = tree.node(top, origin if isinstance(top, yaml.MappingNode) else tree.at(top, origin))
    tree.problems.raise_any()
    return node


class _Tree:
    """Converts PyYAML's nodes into ours, and collects problems."""

    def __init__(self, top: Origin) -> None:
        self._has_lines = not top.path
        self._count = 0
        self._depth = 0
        self.problems = Problems()

    def at(self, node: yaml.Node, parent: Origin, key: str | None = None) -> Origin:
        """Return the origin of `node`, which is under `key` of `parent` or at its top."""
        line = node.start_mark.line + 1 if self._has_lines else parent.line
        return Origin(parent.name, line, parent.path if key is None else (*parent.path, key))

    def node(self, node: yaml.Node, origin: Origin) -> Node:
        """Return our node for PyYAML's."""
        self._count += 1
        self._depth += 1
        # This stops aliases that contain themselves or multiply one another.
        if self._depth > _MAX_DEPTH:
            raise ConfigError(f"{origin.place}: nested deeper than {_MAX_DEPTH} levels; flatten it")
        if self._count > _MAX_NODES:
            raise ConfigError(
                f"{origin.place}: more than {_MAX_NODES} values; repeat fewer aliases"
            )
        result = self._node(node, origin)
        self._depth -= 1
        return result

    def _node(self, node: yaml.Node, origin: Origin) -> Node:
        if node.tag not in _TAGS:
            self.problems.add(origin, "tags (!name) are not allowed; remove the tag")
        if isinstance(node, yaml.MappingNode):
            return Section(origin=origin, items=self._items(node, origin))
        if isinstance(node, yaml.SequenceNode):
            places = (self.at(item, origin, f"[{i}]") for i, item in enumerate(node.value))
            return Listing(origin=origin, items=tuple(map(self.node, node.value, places)))
        if _SURROGATE.search(node.value):
            self.problems.add(origin, "contains half of a character (\\uD800 to \\uDFFF)")
        quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
        return Scalar(origin=origin, text=node.value, quoted=quoted)

    def _items(self, node: yaml.MappingNode, origin: Origin) -> dict[str, Node]:
        items: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = self._merged(value_node, self.at(key_node, origin)) | merged
                continue
            if not isinstance(key_node, yaml.ScalarNode) or _SURROGATE.search(key_node.value):
                self.problems.add(self.at(key_node, origin), "a key must be plain text")
                continue
            key = key_node.value
            at_value = self.at(key_node, origin, key)
            if key in items:
                first = items[key].origin.line
                self.problems.add(at_value, f"duplicate key, first on line {first}; remove one")
            else:
                items[key] = self.node(value_node, at_value)
        return merged | items

    def _merged(self, node: yaml.Node, origin: Origin) -> dict[str, Node]:
        """Return what `<<: *anchor` or `<<: [*first, *second]` brings in; earlier ones win."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Node] = {}
        for source in sources:
            section = self.node(source, origin)
            if isinstance(section, Section):
                result = dict(section.items) | result
            else:
                self.problems.add(origin, "<< takes a mapping or a list of mappings")
        return result
