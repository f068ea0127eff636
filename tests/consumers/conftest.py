"""Events and batches as the framework gives them to a consumer."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.event import routing
from pixstream.event.categories import Category
from pixstream.event.model import Direction, Party, PixEvent, Status, encode
from pixstream.kafka.ports import Record, TopicIdPartition

EventFactory = Callable[..., PixEvent]
BatchFactory = Callable[..., EventBatch]

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def place(partition: int = 0, topic: str = "pix.pagamentos", topic_id: str = "id-1") -> Any:
    """A partition of a topic's first incarnation."""
    return TopicIdPartition(topic, topic_id, partition)


def _event(number: int = 0, *, time: dt.datetime = NOON, **changes: Any) -> PixEvent:
    fields: dict[str, Any] = {
        "category": Category.PAGAMENTO,
        "direction": Direction.OUT,
        "end_to_end_id": f"E12345678{time:%Y%m%d%H%M}{number:011}",
        "return_id": None,
        "txid": None,
        "amount_centavos": 123456,
        "currency": "BRL",
        "event_time": time,
        "source_time": None,
        "ingested_at": time,
        "status": Status.SETTLED,
        "payer": Party(ispb="12345678", document="k1.abcdefghij"),
        "payee": Party(ispb="87654321"),
        **dict.fromkeys(("initiation", "purpose", "reason", "channel", "device_id", "device_os")),
        "ip": None,
        "source": "webhook",
        "source_ref": None,
        "flags": [],
        "revision": 0,
        "extra": {},
        "schema_version": 1,
        **changes,
    }
    event_id = routing.event_id(fields["category"], fields["end_to_end_id"], fields["status"])
    return PixEvent(**{"event_id": event_id, **fields})


def _batch(
    events: Mapping[TopicIdPartition, tuple[int, Sequence[PixEvent]]],
    next_offsets: Mapping[TopicIdPartition, int] | None = None,
) -> EventBatch:
    records = [
        Record(where.topic, where.partition, first + n, 1_700_000_000_000, None, encode(event), ())
        for where, (first, some) in events.items()
        for n, event in enumerate(some)
    ]
    decoded = decode(records)
    assert not decoded.bad
    ends = {where: first + len(some) for where, (first, some) in events.items()}
    return EventBatch(decoded.table, {**ends, **(next_offsets or {})}, "cluster")


@pytest.fixture
def event() -> EventFactory:
    """`event(number, time=…, **changes)`: an event of its own for each number and time."""
    return _event


@pytest.fixture
def batch() -> BatchFactory:
    """`batch({partition: (first offset, events)}, next_offsets)`; ends follow from the events."""
    return _batch


@pytest.fixture
def partition() -> Callable[..., TopicIdPartition]:
    """`partition(number, topic, topic_id)`."""
    return place
