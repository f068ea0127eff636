"""Shows the effective configuration as YAML: secrets masked, each value with its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from pixstream.config.schema import KINDS, along, child, fields_of, is_secret
from pixstream.config.yaml_tree import Listing, Origin, Scalar, Section, native

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.config.loading import Effective, Settings
    from pixstream.config.schema import Schema
    from pixstream.config.yaml_tree import Node

MASK = "***"

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*", re.ASCII)
_SECRET = re.compile(r"pass|secret|token|jaas|credential|private", re.IGNORECASE)


def lines(effective: Effective, settings: Settings) -> Iterator[str]:
    """Yield the whole tree with defaults, one YAML line per value.

    Args:
        effective: what was written, with the places.
        settings: the settings made from it.
    """
    yield f"# environment: {effective.environment}"
    yield from _section(values(settings), (), effective)


def part(effective: Effective, settings: Settings, *path: str) -> Iterator[str]:
    """Yield the lines of one section alone, such as `producers`, `webhook`.

    Raises:
        KeyError: there is no such section.
    """
    section = values(settings)
    for key in path:
        section = section[key]
    indent = "  " * len(path)
    for line in _section(section, path, effective):
        yield line.removeprefix(indent)


def values(settings: Settings) -> dict[str, Any]:
    """Return everything as plain data; a plugin's defaults come from the plugin object itself."""
    plain = msgspec.structs.replace(settings, **{section: {} for section in KINDS})
    values: dict[str, Any] = msgspec.to_builtins(plain)
    values["topics"] = msgspec.to_builtins(settings.topics_in_force)
    for section in KINDS:
        values[section] = {
            name: {
                field: msgspec.to_builtins(getattr(component, field))
                for field in fields_of(type(component))
            }
            for name, component in getattr(settings, section).items()
        }
    return values


def _section(values: dict[str, Any], path: tuple[str, ...], effective: Effective) -> Iterator[str]:
    indent = "  " * len(path)
    for key, value in values.items():
        here = (*path, key)
        head = f"{indent}{text(key)}:"
        if isinstance(value, dict) and value:
            yield head
            yield from _section(value, here, effective)
            continue
        node = _find(effective.tree, here)
        place = "default" if node is None else node.origin.place
        yield f"{head} {text(masked(value, here, effective))}  # {place}"


def masked(value: Any, path: tuple[str, ...], effective: Effective) -> Any:
    """Return the value with `***` in place of secrets, also inside lists and maps.

    A value is secret if the schema says so, or its name looks like it (`schema.is_secret`). In maps
    with free keys (Kafka's own settings) it is also secret if it comes from an environment variable
    or its key contains a word such as password. An empty value is not a secret.
    """
    if isinstance(value, dict):
        return {key: masked(item, (*path, key), effective) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, (*path, f"[{i}]"), effective) for i, item in enumerate(value)]
    if value in (None, ""):
        return value
    *above, key = path
    parents = list(along(effective.schema, above))
    free = len(parents) <= len(above) or not _declared(parents[-1], key)
    guess = free and (bool(_SECRET.search(key)) or _from_variable(_find(effective.tree, path)))
    return MASK if guess or is_secret(effective.schema, path) else value


def text(value: Any) -> str:
    """Return a key or value as one line of YAML that reads back as the same."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        scalar = Scalar(origin=Origin(""), text=value)
        if native(scalar) == value == yaml.safe_load(value):  # it is text in YAML 1.1 too
            return value
    style = '"' if isinstance(value, str) else None
    dumped = yaml.safe_dump(
        value,
        default_flow_style=True,
        default_style=style,
        width=float("inf"),
        allow_unicode=True,
        sort_keys=False,
    )
    return str(dumped).removesuffix("...\n").rstrip("\n")


def _declared(schema: Schema, key: str) -> bool:
    below = child(schema, key)
    return below is not None and below is not child(schema, f"{key} is in no schema")


def _from_variable(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.from_variable


def _find(tree: Node, path: tuple[str, ...]) -> Node | None:
    node: Node | None = tree
    for key in path:
        if isinstance(node, Section):
            node = node.items.get(key)
        elif isinstance(node, Listing):
            node = node.items[int(key.strip("[]"))]
        else:
            return None
    return node
