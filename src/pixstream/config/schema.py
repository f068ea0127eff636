"""JSON schemas (2020-12) of the configuration, derived from its classes.

Every `$ref` is replaced by its target, and every `default` is the one of its own place, so a walk
along a path takes one step per key.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from pixstream.config.settings import Settings
from pixstream.errors import ConfigError
from pixstream.kafka.topics.declared import DEFAULT_TOPICS
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.processor import Processor
from pixstream.plugins.producer import Producer
from pixstream.secret_setting import looks_secret, mark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pixstream.plugins.component import Component

Schema: TypeAlias = dict[str, Any]

KINDS: Mapping[str, type[Component]] = {
    "producers": Producer,
    "consumers": Consumer,
    "processors": Processor,
}
"""The section of each kind of component."""

_FREELY_NAMED = frozenset({*KINDS, "topics"})
"""Sections whose keys are names that somebody chose; they say nothing about the values."""

_NAME_DEPTH = 2

NAME_PATTERN = "^[a-z0-9][a-z0-9_-]{0,62}$"
"""A component's name becomes part of group ids, transactional ids and file names."""


def of_core() -> Schema:
    """Return the schema of `Settings` without any component."""
    schema = _with_defaults(_inlined_schema(Settings), msgspec.to_builtins(Settings()))
    topics = schema["properties"]["topics"]
    topics["properties"] = {
        name: _with_defaults(topics["additionalProperties"], msgspec.to_builtins(settings))
        for name, settings in DEFAULT_TOPICS.items()
    }
    for section in KINDS:
        schema["properties"][section] = _section(schema["properties"][section]["description"])
    return schema


def fields_of(cls: type[Component]) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a plugin's class that are settings: those that its constructor takes."""
    return {f.name: f for f in dataclasses.fields(cls) if f.init and not f.name.startswith("_")}


def of_component(cls: type[Component], type_name: str) -> Schema:
    """Return the schema of one component's section: the fields of its class.

    Defaults are taken from the fields, since an instance may not be possible with defaults alone.

    Raises:
        ConfigError: YAML cannot express the type of a field; the plugin must be changed.
    """
    fields = fields_of(cls)
    defaults = {"type": type_name} | {
        name: field.default if field.default_factory is MISSING else field.default_factory()
        for name, field in fields.items()
        if not (field.default is MISSING and field.default_factory is MISSING)
    }
    try:
        schema = _with_defaults(_inlined_schema(cls), msgspec.to_builtins(defaults))
    except (TypeError, NameError) as error:
        raise ConfigError(f"plugin {cls.__name__}: a field cannot be a setting: {error}") from error
    schema["properties"] = {name: schema["properties"][name] for name in fields}
    required = [name for name in fields if name not in defaults]
    return schema | {"required": required, "additionalProperties": False}


def with_components(core: Schema, found: Mapping[str, Mapping[str, Schema]]) -> Schema:
    """Return `core` extended by exactly these components, by section and name."""
    sections = {
        section: core["properties"][section] | {"properties": dict(found.get(section, {}))}
        for section in KINDS
    }
    return core | {"properties": core["properties"] | sections}


def options(schema: Schema) -> list[Schema]:
    """Return the alternatives of a schema: its `anyOf`, or itself."""
    return (
        [part for option in schema["anyOf"] for part in options(option)]
        if ("anyOf" in schema)
        else [schema]
    )


def child(schema: Schema, key: str) -> Schema | None:
    """Return the schema under `key` (`[0]` for an element); None if there is none."""
    for option in options(schema):
        if key in option.get("properties", {}):
            found: Schema = option["properties"][key]
            return found
        rest = option.get("items" if key.startswith("[") else "additionalProperties")
        if isinstance(rest, dict):
            return rest
    return None


def along(schema: Schema, path: Sequence[str]) -> Iterator[Schema]:
    """Yield the schemas from the top down to `path`, or down to the last one that exists."""
    yield schema
    for key in path:
        below = child(schema, key)
        if below is None:
            return
        schema = below
        yield schema


def is_secret(schema: Schema, path: Sequence[str]) -> bool:
    """Return whether the value at `path`, or anything above it, is a secret.

    It is one if it is marked, or if its name looks like a secret's and nothing says the contrary.
    """
    names = ["", *path]
    parts = [*along(schema, path)]
    for depth, name in enumerate(names):
        part = parts[depth] if depth < len(parts) else {}
        marks = {mark(option) for option in (part, *options(part))}
        chosen = depth == _NAME_DEPTH and names[1] in _FREELY_NAMED
        if True in marks or (False not in marks and not chosen and looks_secret(name)):
            return True
    return False


def types(schema: Schema) -> set[str]:
    """Return the JSON types that a schema accepts; empty: any."""
    found: set[str] = set()
    for option in options(schema):
        if "enum" in option:
            found |= {type_name(value) for value in option["enum"]}
        elif "type" in option:
            found |= {option["type"]} if isinstance(option["type"], str) else set(option["type"])
        else:
            return set()
    return found


def type_name(value: object) -> str:
    """Return the JSON type of plain data."""
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "null")


_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),  # before int, which it subclasses
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def _section(description: str) -> Schema:
    return {
        "description": description,
        "type": "object",
        "propertyNames": {"pattern": NAME_PATTERN, "description": "lower case, at most 63 long"},
        "properties": {},
        "additionalProperties": False,
        "default": {},
    }


def _inlined_schema(cls: type) -> Schema:
    # The hook handles types that YAML cannot express; a plugin's internal attributes may have them.
    (schema,), definitions = msgspec.json.schema_components(
        [cls], schema_hook=lambda inner: {"title": inner.__name__}, ref_template="{name}"
    )
    inlined: Schema = _inlined(schema, definitions, ())
    return inlined


def _inlined(part: Any, definitions: Mapping[str, Any], above: tuple[str, ...]) -> Any:
    if isinstance(part, list):
        return [_inlined(item, definitions, above) for item in part]
    if not isinstance(part, dict):
        return part
    name = part.get("$ref")
    if name is None:
        return {key: _inlined(value, definitions, above) for key, value in part.items()}
    if name in above:
        raise TypeError(f"{name} contains itself; a setting cannot")
    whole = definitions[name] | {key: value for key, value in part.items() if key != "$ref"}
    return _inlined(whole, definitions, (*above, name))


def _with_defaults(schema: Schema, value: Any) -> Schema:
    """Return `schema` with the defaults of an instance, given as plain data."""
    if isinstance(value, dict) and "properties" in schema:
        parts = {
            key: _with_defaults(part, value[key]) if key in value else part
            for key, part in schema["properties"].items()
        }
        return without(schema, "default") | {"properties": parts}
    return schema | {"default": value}


def without(schema: Schema, key: str) -> Schema:
    """Return the schema without one keyword."""
    return {name: value for name, value in schema.items() if name != key}
