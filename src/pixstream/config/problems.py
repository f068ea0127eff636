"""What is wrong with a setting, in words: what was expected, what came, which key is near."""

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
    """Places and texts of what a validator found; never a secret, nor what a variable holds.

    Args:
        error: jsonschema's finding, one of `leaves`.
        node: the value it is about.
        schema: of the whole.
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
    """What to tell of a finding: of alternatives, the one whose type was written."""
    got = type_name(error.instance)
    for number, option in enumerate(error.validator_value if error.validator == "anyOf" else ()):
        if got in types(option):
            for inner in error.context or ():
                if inner.relative_schema_path[0] == number:
                    yield from leaves(inner)
            return
    yield error


def nearest(key: str, valid: Iterable[str], elsewhere: Iterable[str] = ()) -> str:
    """`; nearest valid key: …`, or the valid keys where none is near.

    Args:
        key: what was written.
        valid: the keys that can stand there.
        elsewhere: paths where the key itself would be right.
    """
    known = sorted(valid)
    close = near(key.lower().replace("-", "_"), known) or next(iter(elsewhere), None)
    if close:
        return f"; nearest valid key: {close}"
    if not known:
        return "; nothing can stand here"
    rest = ", …" if len(known) > _LISTED_KEYS else ""
    return f"; valid keys: {', '.join(known[:_LISTED_KEYS])}{rest}"


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be, if any is near."""
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
    """The wanted form with what the setting's description says about it."""
    told, above = None, error
    while told is None and above is not None:
        told, above = above.schema.get("description"), above.parent
    return f"has not the form {error.validator_value}" + (f" ({told})" if told else "")


def _homes(key: str, schema: Schema) -> Iterator[str]:
    """The sections in which the key would be right."""
    for section, part in schema.get("properties", {}).items():
        if key in part.get("properties", {}):
            yield f"{section}.{key}"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
