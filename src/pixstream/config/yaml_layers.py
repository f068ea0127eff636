"""The layers of a configuration: an environment's overlay, `--set`, and ${VAR}.

Maps are merged key by key; lists and single values replace. A key without a value leaves a map
unchanged; an explicit `null` removes a map (a component, a topic, a section's settings), and
replaces anything else with the value null.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from pixstream.config import schema as settings_schema
from pixstream.config.yaml_source import parse
from pixstream.config.yaml_tree import Listing, Node, Origin, Scalar, Section
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.config.schema import Schema
    from pixstream.config.yaml_tree import Problems

_VARIABLE = re.compile(
    r"\$(?P<escaped>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(:-(?P<default>[^}]*))?\}"
    r"|(?P<broken>\$\{)",
    re.ASCII,
)
_BROKEN = "'${' starts neither ${NAME} nor ${NAME:-default}; write '$${' for the two characters"
_UNSET = "environment variable {name} is not set; set it, or write ${{{name}:-default}}"


def merge(below: Section, above: Section) -> Section:
    """Return `above` merged over `below`; each value keeps the place where it was written."""
    items = dict(below.items)
    for key, upper in above.items.items():
        lower = items.get(key)
        if isinstance(lower, Section) and isinstance(upper, Section):
            items[key] = merge(lower, upper)
        elif isinstance(lower, Section) and isinstance(upper, Scalar) and upper.blank:
            continue
        elif isinstance(lower, Section) and _is_null(upper):
            del items[key]
        else:
            items[key] = upper
    return Section(origin=below.origin, items=items)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.quoted and node.text.lower() in ("~", "null")


def fill(node: Node, variables: Mapping[str, str] | None, problems: Problems) -> Node:
    """Replace ${NAME} and ${NAME:-default} in every value; `$${` stays as `${`.

    The default is used if the variable is unset or empty, as in a shell. Keys are not changed.

    Args:
        node: the tree.
        variables: the environment variables; None: do not look them up, such values are unknown.
        problems: gets a line for every unset variable and every malformed `${`.
    """
    if isinstance(node, Section):
        items = {key: fill(value, variables, problems) for key, value in node.items.items()}
        return Section(origin=node.origin, items=items)
    if isinstance(node, Listing):
        parts = tuple(fill(item, variables, problems) for item in node.items)
        return Listing(origin=node.origin, items=parts)
    return _filled(node, variables, problems) if "${" in node.text else node


def _filled(scalar: Scalar, variables: Mapping[str, str] | None, problems: Problems) -> Scalar:
    parts: list[str] = []
    end, known, used = 0, True, False
    for match in _VARIABLE.finditer(scalar.text):
        parts.append(scalar.text[end : match.start()])
        end = match.end()
        name, default = match["name"], match["default"]
        if match["escaped"]:
            parts.append("${")
            continue
        used = True
        if name is None:
            known = False
            problems.add(scalar.origin, _BROKEN)
        elif variables is None:
            known = False
        elif default is not None:
            parts.append(variables.get(name) or default)
        elif name in variables:
            parts.append(variables[name])
        else:
            known = False
            problems.add(scalar.origin, _UNSET.format(name=name))
    text = "".join(parts) + scalar.text[end:]
    return dataclasses.replace(scalar, text=text, from_variable=used, unknown=not known)


def override(tree: Section, text: str, schema: Schema) -> Section:
    """Return `tree` with one setting changed by `--set path=value`; the value is YAML.

    Args:
        tree: the configuration so far.
        text: the argument of `--set`.
        schema: shows which keys contain dots (`topics.pix.dlq.retention`), unlike steps of a path.

    Raises:
        ConfigError: there is no `=`, or the value is not valid YAML.
    """
    written, equals, value = text.partition("=")
    path = _steps(written.strip(), tree, schema)
    if not equals or not all(path):
        raise ConfigError("--set: needs a setting and a value; write --set path.to.setting=VALUE")
    node = parse(value, Origin("--set", None, path))
    for depth in range(len(path), 0, -1):
        above = Origin("--set", None, path[: depth - 1])
        node = Section(origin=above, items={path[depth - 1]: node})
    assert isinstance(node, Section)  # noqa: S101  the path has at least one key
    return merge(tree, node)


def _steps(path: str, node: Node | None, schema: Schema | None) -> tuple[str, ...]:
    """Split a dotted path, but keep known keys that contain dots whole."""
    options = settings_schema.options(schema) if schema else []
    known = {key for option in options for key in option.get("properties", {})}
    if isinstance(node, Section):
        known |= node.items.keys()
    whole = [key for key in known if path == key or path.startswith(f"{key}.")]
    texts_only = any(
        settings_schema.types(option["additionalProperties"]) == {"string"}
        for option in options
        if isinstance(option.get("additionalProperties"), dict)
    )
    if texts_only:
        return (path,)
    key = max(whole, key=len, default=path.partition(".")[0])
    if key == path:
        return (key,)
    below = node.items.get(key) if isinstance(node, Section) else None
    part = settings_schema.child(schema, key) if schema else None
    return (key, *_steps(path[len(key) + 1 :], below, part))
