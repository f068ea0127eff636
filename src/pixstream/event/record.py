"""An event's record in Kafka: its topic, key, value and headers, the same for every sender."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

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


def event_record(event: PixEvent) -> EventRecord:
    """Return the record of an event, keyed so that all events of one Pix stay in order."""
    headers = (
        ("schema-version", str(event.schema_version).encode()),
        ("traceparent", traceparent(event.event_id).encode()),
    )
    return EventRecord(event.category.topic, event.record_key, encode(event), headers)


def traceparent(trace_id: str) -> str:
    """Return a W3C trace context whose trace id is the 128-bit id of an event or letter."""
    return f"00-{trace_id}-{trace_id[:16]}-01"
