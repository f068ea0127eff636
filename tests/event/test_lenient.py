import datetime as dt
import json
from typing import Any

import pytest

from pixstream.errors import Refused
from pixstream.event import lenient
from pixstream.event.model import SCHEMA_VERSION, Reason, encode

VALUE: dict[str, Any] = {
    "event_id": "ab" * 16,
    "category": "pagamento",
    "direction": "out",
    "status": "settled",
    "currency": "BRL",
    "event_time": "2026-11-24T01:30:00+02:00",
    "ingested_at": "2026-11-24T01:30:00Z",
    "source_time": None,
    "payer": {},
    "payee": {"ispb": "12345678"},
    "flags": [],
    "revision": 0,
    "extra": {},
    "schema_version": SCHEMA_VERSION,
    "source": "webhook",
    "amount_centavos": None,
    **dict.fromkeys(("end_to_end_id", "return_id", "txid", "initiation", "purpose", "reason")),
    **dict.fromkeys(("channel", "device_id", "device_os", "ip", "source_ref")),
}


def test_times_come_out_in_utc_and_absent_party_fields_are_null() -> None:
    event = lenient.read(json.dumps(VALUE).encode(), None)
    assert event.event_time == dt.datetime(2026, 11, 23, 23, 30, tzinfo=dt.UTC)
    assert event.event_time.utcoffset() == dt.timedelta(0)
    assert event.payer.ispb is None
    assert lenient.read(encode(event), None) == event


def test_the_last_of_two_equal_keys_counts_as_in_every_json_reader() -> None:
    text = json.dumps(VALUE).replace('"BRL"', '"BRL", "currency": "USD"')
    assert lenient.read(text.encode(), None).currency == "USD"


def test_a_refusal_has_the_code_of_an_undecodable_event() -> None:
    with pytest.raises(Refused) as caught:
        lenient.read(b"{}", None)
    assert caught.value.reason == Reason.UNDECODABLE_EVENT
    assert caught.value.message == "event_id: absent"
