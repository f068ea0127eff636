"""The mark of a setting whose value nobody is shown: `config show` and errors mask it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK = "secret"
"""Its key in the JSON schema of the configuration."""


def secret(description: str) -> Meta:
    """The annotation of a field that holds a secret; everything below a map or section is one, too.

    As in `Annotated[str, secret("password of the bank")]`.
    """
    return Meta(description=description, extra_json_schema={_MARK: True})


def is_marked(schema: Mapping[str, Any]) -> bool:
    """Tell whether this piece of a JSON schema was annotated so."""
    return bool(schema.get(_MARK, False))
