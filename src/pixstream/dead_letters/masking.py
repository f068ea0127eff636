"""Content of a dead letter for people: the structure stays readable, values are masked."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pixstream.privacy import mask

_XML_TEXT = re.compile(r"(?<=>)[^<]+(?=<)|(?<==\")[^\"]*(?=\")")
_TOKEN = re.compile(r"[^\s{}\[\]<>\":,;=/]{3,}")


def masked(raw: bytes) -> str:
    """Return the content with every value masked: JSON leaves, XML texts, or else words."""
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = raw.decode("utf-8", "replace")
        pattern = _XML_TEXT if text.lstrip("\ufeff \r\n\t").startswith("<") else _TOKEN
        return pattern.sub(lambda match: mask(match[0].strip()), text)
    pretty = msgspec.json.format(msgspec.json.encode(_leaves(document)), indent=2)
    return pretty.decode()


def _leaves(value: Any) -> Any:
    if isinstance(value, dict):
        return {_name(name): _leaves(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_leaves(inner) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    return mask(str(value))


def _name(name: str) -> str:
    """Return the key of a JSON object, masked if it does not look like a name: it may be data."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,40}", name) else mask(name)
