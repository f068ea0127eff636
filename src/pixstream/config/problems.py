"""Words what is wrong with a setting: what was expected, what was written, the nearest key."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from pixstream.config.schema import is_secret, type_name, types
from pixstream.config.yaml_tree import Origin, Scalar, Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema import ValidationError

    from pixstream.config.schema import Schema
    from pixstream.config.yaml_tree import Node

_WORDS = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
    "null": "null",
}
_BOUNDS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be greater than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} elements",
    "maxItems": "must have at most {} elements",
    "minProperties": "must have at least {} keys",
    "maxProperties": "must have at most {} keys",
}
_SHOWN_CHARACTERS = 60
_LISTED_KEYS = 12


def explain(error: ValidationError, node: Node, schema: Schema) -> Iterator[tuple[Origin, str]]:
    """Yield places and texts for a validator's error, without secrets or values of variables.

    Args:
        error: jsonschema's error, one of `leaves`.
        node: the value with the error.
        schema: the schema of the whole configuration.
    """
    word, limit, rule = str(error.validator), error.validator_value, error.schema
    path = [f"[{key}]" if isinstance(key, int) else str(key) for key in error.absolute_path]
    quiet = is_secret(schema, path) or (isinstance(node, Scalar) and node.from_variable)
    shown = "" if quiet or not isinstance(node, Scalar) else f" {_shown(error.instance)}"
    if "propertyNames" in error.absolute_schema_path and isinstance(node, Section):
        yield node.items[error.instance].origin, f"the name {_form(error)}"
    elif word == "additionalProperties" and isinstance(node, Section):
        known = rule.get("properties", {})
        for key in [key for key in node.items if key not in known]:
            yield node.items[key].origin, "unknown key" + nearest(key, known, _homes(key, schema))
    elif word == "required":
        for key in limit:
            if key not in error.instance:
                yield node.origin, f"the key {key} is missing"
    elif word == "enum":
        yield node.origin, _choice(error, shown)
    elif word in ("type", "anyOf"):
        yield node.origin, _unexpected(error, shown)
    elif word in _BOUNDS:
        yield node.origin, _BOUNDS[word].format(limit) + (f", is{shown}" if shown else "")
    else:
        yield node.origin, f"{shown.strip() or 'the value'} {_form(error)}"


def leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Yield the errors to report; of several alternatives, those of the type that was written."""
    got = type_name(error.instance)
    for number, option in enumerate(error.validator_value if error.validator == "anyOf" else ()):
        if got in types(option):
            for inner in error.context or ():
                if inner.relative_schema_path[0] == number:
                    yield from leaves(inner)
            return
    yield error


def nearest(key: str, valid: Iterable[str], elsewhere: Iterable[str] = ()) -> str:
    """Return `; nearest valid key: …`, or the valid keys if none is similar.

    Args:
        key: the key that was written.
        valid: the keys that are allowed there.
        elsewhere: paths where the key itself would be valid.
    """
    known = sorted(valid)
    close = near(key.lower().replace("-", "_"), known) or next(iter(elsewhere), None)
    if close:
        return f"; nearest valid key: {close}"
    if not known:
        return "; no key is allowed here"
    rest = ", …" if len(known) > _LISTED_KEYS else ""
    return f"; valid keys: {', '.join(known[:_LISTED_KEYS])}{rest}"


def near(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, if any is similar."""
    return next(iter(difflib.get_close_matches(word, list(known), 1)), None)


def _unexpected(error: ValidationError, shown: str) -> str:
    got = type_name(error.instance)
    wanted = " or ".join(_WORDS[name] for name in _WORDS if name in types(error.schema))
    kind = shown.strip() if shown and got in ("boolean", "null") else f"{_WORDS[got]}{shown}"
    return f"expected {wanted}, got {kind}"


def _choice(error: ValidationError, shown: str) -> str:
    values = [str(value) for value in error.validator_value]
    close = near(str(error.instance), values) if shown else None
    hint = f"; nearest: {close}" if close else ""
    return f"expected one of {', '.join(values)}; got{shown or ' another value'}{hint}"


def _form(error: ValidationError) -> str:
    """Return the expected form, with the description of the setting."""
    about, above = None, error
    while about is None and above is not None:
        about, above = above.schema.get("description"), above.parent
    return f"does not have the form {error.validator_value}" + (f" ({about})" if about else "")


def _homes(key: str, schema: Schema) -> Iterator[str]:
    """Yield the paths at which the key would be valid."""
    for section, part in schema.get("properties", {}).items():
        if key in part.get("properties", {}):
            yield f"{section}.{key}"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
