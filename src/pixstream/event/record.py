"""An event's record in Kafka: its topic, key, value and headers, the same for every sender."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pixstream.event import trace
from pixstream.event.model import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.event.model import PixEvent


Headers: TypeAlias = "Sequence[tuple[str, bytes]]"
"""Headers of a record: names and values, in order; a name may be repeated."""


class EventRecord(NamedTuple):
    """A record that is about to be sent."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers

    @property
    def size(self) -> int:
        """Bytes of key and value, limited by `kafka.max_event_bytes`."""
        return len(self.value) + len(self.key or b"")


def event_record(event: PixEvent, parent: str | None = None, sample: int = 0) -> EventRecord:
    """Return the record of an event, keyed so that all events of one Pix stay in order.

    Args:
        event: the event.
        parent: header `traceparent` of the request that brought it; None: it had none.
        sample: see `trace.header_of`.
    """
    key = event.record_key
    headers = (
        ("schema-version", str(event.schema_version).encode()),
        (trace.HEADER, trace.header_of(event.event_id, key, parent, sample).encode()),
    )
    return EventRecord(event.category.topic, key, encode(event), headers)


def traceparent(trace_id: str) -> str:
    """Return the W3C trace context of a letter, whose id is 128 bits: letters are always logged."""
    return trace.Trace(trace_id, trace_id[:16], sampled=True).header
