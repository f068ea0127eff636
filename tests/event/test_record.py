import datetime as dt
from random import Random

import msgspec

from pixstream.event.identifiers import e2e
from pixstream.event.model import SCHEMA_VERSION, Draft, PixEvent
from pixstream.event.record import EventRecord, event_record, traceparent
from pixstream.event.sealing import Sealer
from pixstream.privacy import Pseudonymiser, Vault

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)


def test_an_event_goes_to_its_categorys_topic_under_the_key_of_its_pix() -> None:
    seal = Sealer(Pseudonymiser(bytes(32), "k1"), Vault(bytes(range(32)), "k1"))
    identifier = e2e("99999004", NOW, Random(3))
    draft = Draft(message="api_pix.pix", end_to_end_id=identifier)
    event = seal.seal(draft, source="webhook", now=NOW)
    record = event_record(event)
    assert (record.topic, record.key) == ("pix.recebimentos", identifier.encode())
    assert msgspec.json.decode(record.value, type=PixEvent) == event
    assert dict(record.headers) == {
        "schema-version": str(SCHEMA_VERSION).encode(),
        "traceparent": f"00-{event.event_id}-{event.event_id[:16]}-00".encode(),
    }


def test_the_size_is_that_of_key_and_value() -> None:
    assert EventRecord("t", b"12", b"345", [("h", b"6")]).size == 5
    assert EventRecord("t", None, b"345", []).size == 3


def test_a_trace_is_named_by_the_id_it_starts_at() -> None:
    assert traceparent("0123456789abcdef" * 2) == f"00-{'0123456789abcdef' * 2}-0123456789abcdef-01"
