"""Events as a producer would have sent them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from pixstream.event import routing
from pixstream.event.categories import Category
from pixstream.event.model import SCHEMA_VERSION, Direction, Party, PixEvent, Status

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
"""The default time of an event."""


def event(number: int = 0, *, time: dt.datetime = NOON, **changes: Any) -> PixEvent:
    """Make an event of the current schema: a settled payment, with different ids for each number.

    The same arguments make the same event. `event_id` follows from category, identifier and status.

    Args:
        number: distinguishes events of the same minute, at most 11 digits.
        time: the time of the event, with a time zone.
        changes: values for other fields of `PixEvent`; optional fields that are not set are null.

    Raises:
        TypeError: a field does not exist.
    """
    fields: dict[str, Any] = {
        **{field.name: None for field in msgspec.structs.fields(PixEvent)},
        "category": Category.PAGAMENTO,
        "direction": Direction.OUT,
        "end_to_end_id": f"E12345678{time:%Y%m%d%H%M}{number:011}",
        "amount_centavos": 1234,
        "currency": "BRL",
        "event_time": time,
        "ingested_at": time + dt.timedelta(seconds=2),
        "status": Status.SETTLED,
        "payer": Party(ispb="12345678"),
        "payee": Party(ispb="87654321"),
        "source": "webhook",
        "flags": [],
        "revision": 0,
        "extra": {},
        "schema_version": SCHEMA_VERSION,
        **changes,
    }
    if "event_id" not in changes:
        known = fields["return_id"] or fields["end_to_end_id"]
        fields["event_id"] = routing.event_id(fields["category"], known, fields["status"])
    return PixEvent(**fields)
