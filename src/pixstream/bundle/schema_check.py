"""Bundle files held against the JSON schema that `databricks bundle schema` prints.

Each file is checked by itself, as it is written: the schema lets `${var.x}` stand for any value.
It knows names, types and words; what refers to something else is `checking`'s.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema

from pixstream.config.problems import nearest
from pixstream.config.yaml_tree import Listing, Scalar, Section, at, native
from pixstream.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixstream.config.yaml_tree import Node, Problems

_NAME = r"\p{L}+([-_]*[\p{L}\p{N}]+)*"
_REWRITTEN = (
    # First the name as a whole: Python would try a long one in exponentially many ways.
    (_NAME, r"[^\W\d_]([\w-]*[^\W_])?"),
    (r"[\p{L}\p{N}]", r"[^\W_]"),
    (r"\p{L}", r"[^\W\d_]"),
    (r"\p{N}", r"\d"),
)
_ALTERNATIVES = ("oneOf", "anyOf")


def read(file: Path) -> Any:
    """The schema, with its patterns in Python's words.

    Raises:
        ConfigError: the file cannot be read or is not a JSON schema.
    """
    try:
        schema = json.loads(file.read_text("utf-8"))
        jsonschema.Draft202012Validator.check_schema(_in_python(schema))
    except OSError as error:
        raise ConfigError(f"--schema {file}: cannot be read: {error.strerror}") from None
    except (ValueError, jsonschema.SchemaError):
        hint = "make it with `databricks bundle schema`"
        raise ConfigError(f"--schema {file}: not a JSON schema; {hint}") from None
    return _in_python(schema)


def check(file: Section, schema: Any, problems: Problems) -> None:
    """Validate one file against the schema (of `read`)."""
    validator = jsonschema.Draft202012Validator(schema)
    for error in validator.iter_errors(_data(file)):
        for leaf in _leaves(error):
            _report(leaf, at(file, leaf.absolute_path), problems)


def _report(error: jsonschema.ValidationError, node: Node, problems: Problems) -> None:
    rule, limit = error.schema, error.validator_value
    if error.validator == "additionalProperties" and isinstance(node, Section):
        known = rule.get("properties", {})
        for key in [key for key in node.items if key not in known]:
            problems.add(node.items[key].origin, f"unknown key{nearest(key, known)}")
    elif error.validator == "required":
        for key in [key for key in limit if key not in error.instance]:
            problems.add(node.origin, f"the key {key} is missing")
    elif error.validator == "enum":
        problems.add(node.origin, f"expected one of {', '.join(map(str, limit))}")
    elif error.validator == "type":
        problems.add(node.origin, f"expected {limit}")
    else:
        problems.add(node.origin, f"does not fit the schema ({error.validator})")


def _leaves(error: jsonschema.ValidationError) -> Iterator[jsonschema.ValidationError]:
    """Return an error's causes; of alternatives, only those of the one with the written type."""
    if error.validator not in _ALTERNATIVES:
        yield error
        return
    branches: dict[int, list[jsonschema.ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    fitting = [inner for inner in branches.values() if not any(map(_other_type, inner))]
    if fitting:
        for inner in fitting[0]:
            yield from _leaves(inner)
        return
    types = [t for branch in error.validator_value if (t := branch.get("type"))]
    yield jsonschema.ValidationError(
        "",
        validator="type",
        path=error.absolute_path,
        validator_value=" or ".join(dict.fromkeys(types)) or "another type",
        instance=error.instance,
        schema=error.schema,
    )


def _other_type(error: jsonschema.ValidationError) -> bool:
    """The branch is for another type of value, or for a reference where none is written."""
    return not error.relative_path and error.validator in ("type", "pattern")


def _in_python(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _pattern(value)
            if key == "pattern" and isinstance(value, str)
            else _in_python(value)
            for key, value in schema.items()
        }
    return [_in_python(value) for value in schema] if isinstance(schema, list) else schema


def _pattern(text: str) -> str:
    for written, python in _REWRITTEN:
        text = text.replace(written, python)
    return text


def _data(node: Node) -> Any:
    if isinstance(node, Section):
        return {key: _data(value) for key, value in node.items.items()}
    if isinstance(node, Listing):
        return [_data(value) for value in node.items]
    assert isinstance(node, Scalar)  # noqa: S101  there is no other node
    return native(node)
