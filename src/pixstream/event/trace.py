"""The W3C trace context of an event, and which payments are sampled.

Source: W3C Trace Context, level 1. Every record has a `traceparent` header. Its trace id is the id
of the event, or the one that the sender's request had; its span id is always the event's. The flag
`sampled` is decided once, when the record is made, and every later stage obeys it: all events of
one payment are sampled, or none, since the EndToEndId decides. A sender can ask for a payment of
his by setting the flag.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

from pixstream.event.identifiers import E2E, document_valid, has_document, id_time

if TYPE_CHECKING:
    from pixstream.event.record import Headers

HEADER = "traceparent"

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SPAN_DIGITS = 16
_SUFFIX_DIGITS = 11
_RUN = re.compile(r"\d+", re.ASCII)


class Trace(NamedTuple):
    """A trace context.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits.
        sampled: whether each stage logs what it does.
    """

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def header(self) -> str:
        """The value of the header `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{self.sampled:02x}"


def read(text: str) -> Trace | None:
    """Return the context in the value of a header `traceparent`; None if it is not one.

    Neither is one whose ids are zero.
    """
    match = _TRACEPARENT.fullmatch(text)
    if match is None or (match[4] and text.startswith("00")):
        return None
    trace_id, span_id = match[1], match[2]
    if not (trace_id.strip("0") and span_id.strip("0")):
        return None
    return Trace(trace_id, span_id, bool(int(match[3], 16) & 1))


def header_of(event_id: str, key: bytes, parent: str | None, sample: int) -> str:
    """Return the header of an event that becomes a record; this runs for every event.

    Args:
        event_id: of the event.
        key: of the record, which all events of a payment share.
        parent: header `traceparent` of the request that brought it; None: it had none.
        sample: one payment in so many is sampled; 0: none, whatever the sender asks for.
    """
    sampled = sample > 0 and zlib.crc32(key) % sample == 0
    trace_id = event_id
    asked = None if parent is None else read(parent)
    # A sender chooses his ids freely: those with the digits of a CPF or CNPJ are not taken.
    if asked is not None and not any(map(document_valid, _RUN.findall(asked.trace_id))):
        trace_id = asked.trace_id
        sampled = sampled or (sample > 0 and asked.sampled)
    return f"00-{trace_id}-{event_id[:_SPAN_DIGITS]}-{'01' if sampled else '00'}"


def of_headers(headers: Headers) -> Trace | None:
    """Return the context of a record or letter; None if it has none."""
    value = next((value for name, value in headers if name == HEADER), b"")
    return read(value.decode("ascii", "replace"))


def loggable(identifier: str | None) -> str | None:
    """Return an EndToEndId or RtrId in its documented form, which names a payment and nobody.

    None for anything else, and where a CPF or CNPJ takes the place of its random characters.
    """
    if identifier is None or not E2E.fullmatch(identifier) or id_time(identifier) is None:
        return None
    suffix = identifier[-_SUFFIX_DIGITS:]
    return None if document_valid(suffix) or has_document(identifier) else identifier
