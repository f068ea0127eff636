"""`${var.x}`, `${bundle.target}`, `${resources.schemas.silver.name}` in a bundle, replaced.

A value that is nothing but one reference becomes what it refers to, whatever its type. The value
of a variable is the environment variable BUNDLE_VAR_<name>, else the target's, else its default.
What only a workspace knows (`${workspace.current_user.userName}`, `${resources.jobs.x.id}`, a
`lookup` variable) stays as it is written, and so does a variable without a value.
"""

from __future__ import annotations

import dataclasses
import os
import re
from typing import TYPE_CHECKING

from pixstream.config.problems import nearest
from pixstream.config.yaml_tree import Listing, Scalar, Section, at

if TYPE_CHECKING:
    from pixstream.config.yaml_tree import Node, Origin, Problems

REFERENCE = re.compile(r"\$\{([A-Za-z][\w.\[\]-]*)\}")
"""A reference; `$` and braces around anything else are plain text."""

_STEP = re.compile(r"[\w-]+")
_LOOKED_UP = ("bundle", "workspace", "artifacts", "resources")
_RESOURCE_STEPS = 3


class Replacement:
    """Replaces the references of one target.

    Args:
        tree: the bundle with its target laid over it (`layers.with_target`).
        target: its name.
        problems: gets a line for every reference to something that does not exist.

    Attributes:
        without_value: variables that were needed and have no value, with the place that needs it.
    """

    def __init__(self, tree: Section, target: str, problems: Problems) -> None:
        self._tree = tree
        self._target = target
        self._problems = problems
        self._under_way: list[str] = []
        self.without_value: dict[str, Origin] = {}

    def done(self) -> Section:
        """The whole bundle, but for the declarations of variables, which stay as they are."""
        items = {
            key: node if key == "variables" else self._node(node)
            for key, node in self._tree.items.items()
        }
        return Section(origin=self._tree.origin, items=items)

    def _node(self, node: Node) -> Node:
        if isinstance(node, Section):
            items = {key: self._node(value) for key, value in node.items.items()}
            return Section(origin=node.origin, items=items)
        if isinstance(node, Listing):
            return Listing(origin=node.origin, items=tuple(map(self._node, node.items)))
        return self._scalar(node) if "${" in node.text else node

    def _scalar(self, scalar: Scalar) -> Node:
        whole = REFERENCE.fullmatch(scalar.text)
        if whole:
            found = self._value(whole[1], scalar.origin)
            if found is None:
                return dataclasses.replace(scalar, unknown=True)
            at_reference = isinstance(found, Scalar)
            return dataclasses.replace(found, origin=scalar.origin) if at_reference else found
        parts, end, unknown = [], 0, False
        for match in REFERENCE.finditer(scalar.text):
            found = self._value(match[1], scalar.origin)
            if found is not None and not isinstance(found, Scalar):
                self._problems.add(scalar.origin, f"{match[0]} is not a single value")
            known = isinstance(found, Scalar) and not found.unknown
            unknown = unknown or not known
            value = found.text if isinstance(found, Scalar) else match[0]
            parts += [scalar.text[end : match.start()], value]
            end = match.end()
        text = "".join(parts) + scalar.text[end:]
        return dataclasses.replace(scalar, text=text, quoted=True, unknown=unknown)

    def _value(self, path: str, place: Origin) -> Node | None:
        """Return what a reference means; None if only a workspace can resolve it."""
        first, *steps = _STEP.findall(path)
        if first == "var":
            return self._variable(steps, place)
        if first not in _LOOKED_UP:
            if steps:
                known = ("var", *_LOOKED_UP)
                self._problems.add(place, f"unknown reference ${{{path}}}{nearest(first, known)}")
            return None
        if first == "bundle" and steps in (["target"], ["environment"]):
            return Scalar(origin=place, text=self._target, quoted=True)
        if first == "resources":
            self._must_exist(path, steps, place)
        found = _descend(self._tree, [first, *steps])
        return None if found is None else self._once(path, found, place)

    def _variable(self, steps: list[str], place: Origin) -> Node | None:
        declared = self._tree.items.get("variables")
        known = declared.items if isinstance(declared, Section) else {}
        name = steps[0] if steps else ""
        if name not in known:
            self._problems.add(place, f"unknown variable {name!r}{nearest(name, known)}")
            return None
        text = os.environ.get(f"BUNDLE_VAR_{name}")
        if text is not None:
            return Scalar(origin=place, text=text)
        variable = known[name]
        settings = variable.items if isinstance(variable, Section) else {}
        if "default" in settings:
            value = self._once(f"var.{name}", settings["default"], place)
            return None if value is None else _descend(value, steps[1:])
        if "lookup" not in settings:
            self.without_value.setdefault(name, place)
        return None

    def _once(self, path: str, node: Node, place: Origin) -> Node | None:
        """The node with its own references replaced, unless it refers to itself."""
        if path in self._under_way:
            self._problems.add(place, f"${{{path}}} refers to itself; give it a value")
            return None
        self._under_way.append(path)
        try:
            return self._node(node)
        finally:
            self._under_way.pop()

    def _must_exist(self, path: str, steps: list[str], place: Origin) -> None:
        if len(steps) < _RESOURCE_STEPS:
            wanted = "${resources.<type>.<key>.<field>}"
            self._problems.add(place, f"${{{path}}} names no field of a resource; write {wanted}")
        elif _descend(self._tree, ["resources", *steps[:2]]) is None:
            same_kind = _descend(self._tree, ["resources", steps[0]])
            known = same_kind.items if isinstance(same_kind, Section) else {}
            hint = nearest(steps[1], known)
            self._problems.add(place, f"${{{path}}}: no such resource in the bundle{hint}")


def _descend(node: Node, steps: list[str]) -> Node | None:
    for step in steps:
        below = at(node, [int(step) if isinstance(node, Listing) and step.isdigit() else step])
        if below is node:
            return None
        node = below
    return node
