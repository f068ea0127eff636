"""Marks a setting as a secret: `config show` and errors never show its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK = "secret"
"""The mark's key in the JSON schema of the configuration."""


def secret(description: str) -> Meta:
    """Return the annotation of a field that holds a secret.

    If the field is a map or a section, everything in it is secret. Use it as in
    `Annotated[str, secret("password of the bank")]`.
    """
    return Meta(description=description, extra_json_schema={_MARK: True})


def is_marked(schema: Mapping[str, Any]) -> bool:
    """Return whether this part of a JSON schema is marked as a secret."""
    return bool(schema.get(_MARK, False))
