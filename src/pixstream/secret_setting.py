"""Which settings are secrets: `config show` and errors never show their values.

A setting is a secret if it is marked as one, or if its name looks like one: a plugin that knows
nothing of the mark must not lose its password to a ticket. `public` says that a name misleads.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARK = "secret"
"""The mark's key in the JSON schema of the configuration."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SECRETS = frozenset(
    {
        *("password", "passwords", "passwd", "passphrase", "pass", "pwd", "secret", "secrets"),
        *("token", "tokens", "credential", "credentials", "jaas", "jwt", "apikey", "hmac", "pin"),
    }
)
_KEYS = frozenset({"key", "keys"})
_OPEN_KEYS = frozenset(
    {"public", "primary", "foreign", "sort", "partition", "group", "routing", "record", "message"}
)
"""What is no secret before the word `key`."""


def secret(description: str) -> Meta:
    """Return the annotation of a field that holds a secret.

    If the field is a map or a section, everything in it is secret. Use it as in
    `Annotated[str, secret("password of the bank")]`.
    """
    return Meta(description=description, extra_json_schema={_MARK: True})


def public(description: str) -> Meta:
    """Return the annotation of a field whose name looks like a secret's, but which is none.

    A `key` that is the path of a file, for example.
    """
    return Meta(description=description, extra_json_schema={_MARK: False})


def mark(schema: Mapping[str, Any]) -> bool | None:
    """Return what a part of a JSON schema says about being a secret; None: nothing."""
    found = schema.get(_MARK)
    return None if found is None else bool(found)


def looks_secret(name: str) -> bool:
    """Return whether a setting of this name is usually a secret: `password`, `apiKey`, `db_pwd`.

    Only the end of the name counts: `token_url` is an address, `key_file` a path.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if not words:
        return False
    *before, last = words
    if last in _KEYS:
        return not before or before[-1] not in _OPEN_KEYS
    return last in _SECRETS
