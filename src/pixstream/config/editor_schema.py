"""The JSON schema of the whole file for editors: environments, every plugin, ${VAR} anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixstream.config.schema import KINDS, NAME_PATTERN, of_component, of_core, without
from pixstream.plugins import discovery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixstream.config.schema import Schema
    from pixstream.plugins.component import Component

_VARIABLE = {"type": "string", "pattern": r"\$\{", "description": "${NAME} or ${NAME:-default}"}
_NAME = {"type": "string", "pattern": NAME_PATTERN}


def build() -> Schema:
    """Return the schema (2020-12) that `config schema` prints; imports every built-in plugin."""
    core = of_core()
    definitions: dict[str, Schema] = dict(core["properties"])
    for section, kind in KINDS.items():
        names = discovery.builtin(kind)
        definitions[section] = definitions[section] | _any_component(section, names)
        definitions |= {f"{section}.{name}": _component(kind, name) for name in names}
    sections = {name: {"$ref": f"#/$defs/{name}"} for name in core["properties"]}
    overlay = {
        "description": "one environment: merged over the sections outside `environments`",
        "type": ["object", "null"],
        "properties": sections,
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration of pixstream",
        "type": "object",
        "properties": {
            "environment": _NAME | {"description": "used without --env and PIXSTREAM_ENV"},
            "environments": {
                "description": "overlays by name: maps merge, lists and single values replace",
                "type": "object",
                "propertyNames": _NAME,
                "additionalProperties": overlay,
            },
            **sections,
        },
        "additionalProperties": False,
        "$defs": {name: _as_written(part) for name, part in definitions.items()},
    }


def _component(kind: type[Component], name: str) -> Schema:
    return of_component(discovery.load(kind, name), name)


def _any_component(section: str, names: Iterable[str]) -> Schema:
    """Return a schema whose settings depend on `type`, else on the component's name."""
    references = {name: {"$ref": f"#/$defs/{section}.{name}"} for name in names}
    by_type: list[Schema] = [
        {"if": {"required": ["type"], "properties": {"type": {"const": name}}}, "then": reference}
        for name, reference in references.items()
    ]
    named = {
        name: {"if": {"required": ["type"]}, "then": {"allOf": by_type}, "else": reference}
        for name, reference in references.items()
    }
    rest: Schema = {"type": "object", "required": ["type"]}
    if by_type:
        rest["allOf"] = by_type
    return {"properties": named, "additionalProperties": rest}


def _as_written(schema: Schema) -> Schema:
    """Return the schema of what may be written in the file, beyond the values themselves.

    A value other than free text may be a ${VAR}; a section may be empty.
    """
    changed = dict(schema)
    for word in ("properties", "additionalProperties", "items", "anyOf", "allOf"):
        if word in schema:
            changed[word] = _parts(schema[word], maps=word == "properties")
    if schema.get("type") == "object":
        return changed | {"type": ["object", "null"]}
    free = schema.get("type") not in ("integer", "number", "boolean")
    if free and not schema.keys() & {"enum", "pattern", "minLength", "format"}:
        return changed
    kept = {word: schema[word] for word in ("description", "default") if word in schema}
    bare = without(without(changed, "description"), "default")
    return kept | {"anyOf": [bare, _VARIABLE]}


def _parts(value: Any, *, maps: bool) -> Any:
    if isinstance(value, list):
        return [_as_written(part) for part in value]
    if not isinstance(value, dict):
        return value
    return {key: _as_written(part) for key, part in value.items()} if maps else _as_written(value)
