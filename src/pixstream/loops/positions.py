"""A stream's position as Kafka keeps it: in clear, unless it may contain personal data.

A position is a text of the plugin's, and may have the name of a file in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pixstream.errors import PixstreamError
from pixstream.event.identifiers import has_document, mask_documents, names_document
from pixstream.privacy import is_sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.plugins.producer import Position, Stream
    from pixstream.privacy import Vault


def position_key(component: str, stream: Stream) -> bytes:
    """Return the key of a stream in the topic of positions."""
    return f"{component}/{stream}".encode()


def to_record(
    component: str, stream: Stream, position: Position, vault: Vault
) -> tuple[bytes, bytes]:
    """Return key and value of the record with a stream's position.

    Raises:
        PixstreamError: the name of the stream contains a CPF or CNPJ.
    """
    if names_document(stream):
        raise PixstreamError(
            f"stream {mask_documents(stream)}: its name contains a CPF or CNPJ, and names are in "
            "clear in Kafka; rename the account or the directory"
        )
    key, value = position_key(component, stream), position.encode()
    if any(map(has_document, _texts(position))) or is_sealed(value):
        value = vault.seal(value, key)
    return key, value


def _texts(position: Position) -> Iterator[str]:
    """Yield the texts in a position that is JSON, without its numbers; else all of it."""
    try:
        nodes: list[Any] = [msgspec.json.decode(position)]
    except msgspec.MsgspecError:
        nodes = [position]
    while nodes:
        node = nodes.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            nodes += node.keys()
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node


def from_record(key: bytes, value: bytes, vault: Vault) -> Position:
    """Return the position in a record.

    Raises:
        PixstreamError: it was sealed with another key.
    """
    if not is_sealed(value):
        return value.decode()
    try:
        return vault.open(value, key).decode()
    except PixstreamError as error:
        raise PixstreamError(
            f"the position of {mask_documents(key.decode())}: {error}. Configure the key that "
            "sealed it, or give the producer a new name"
        ) from None
