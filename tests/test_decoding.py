import datetime as dt
import gc
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixstream import decoding, evolution
from pixstream.decoding import decode
from pixstream.errors import Refused
from pixstream.event import Category, Direction, Party, PixEvent, Reason, Status, encode
from pixstream.kafka import Record
from pixstream.lake.schema import EVENT_SCHEMA

NOW = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.UTC)
EVENT: dict[str, Any] = json.loads(
    encode(
        PixEvent(
            event_id="0123456789abcdef" * 2,
            category=Category.ESTORNO,
            direction=Direction.OUT,
            end_to_end_id="E1234567820261123013000000000001",
            return_id="D1234567820261124013000000000001",
            txid=None,
            amount_centavos=123456,
            currency="BRL",
            event_time=dt.datetime(2026, 11, 24, 1, 30, 0, 250_000, dt.UTC),
            source_time=None,
            ingested_at=dt.datetime(2026, 11, 24, 1, 31, tzinfo=dt.UTC),
            status=Status.SETTLED,
            payer=Party(ispb="12345678", document="k1.pseudonym", document_type="cpf"),
            payee=Party(ispb="87654321"),
            initiation=None,
            purpose=None,
            reason="MD06",
            channel=None,
            device_id=None,
            device_os=None,
            ip=None,
            source="iso20022",
            source_ref="M1",
            flags=["time_inferred"],
            revision=0,
            extra={"sealed": "c2VhbGVk"},
            schema_version=1,
        )
    )
)


def record(value: bytes | None, offset: int = 0, timestamp: int = 1_795_000_000_123) -> Record:
    return Record("pix.estornos", 3, offset, timestamp, b"key", value, ())


def altered(**changes: Any) -> bytes:
    return json.dumps({**EVENT, **changes}).encode()


def without(*names: str) -> bytes:
    return json.dumps({k: v for k, v in EVENT.items() if k not in names}).encode()


def only_message(value: bytes | None) -> str:
    decoded = decode([record(value)])
    assert decoded.table.num_rows == 0
    (bad,) = decoded.bad
    assert (bad.index, bad.reason) == (0, Reason.UNDECODABLE_EVENT)
    return bad.message


def test_every_field_has_its_typed_column() -> None:
    table = decode([record(altered(), 7)], now=NOW).table
    table.validate(full=True)
    assert table.schema.equals(EVENT_SCHEMA)
    (row,) = table.to_pylist()
    assert row["amount_centavos"] == 123456
    assert row["event_time"] == dt.datetime(2026, 11, 24, 1, 30, 0, 250_000, dt.UTC)
    assert row["event_date"] == dt.date(2026, 11, 24)
    assert row["source_time"] is None
    assert row["payer"]["document"] == "k1.pseudonym"
    assert row["payee"]["document"] is None
    assert row["flags"] == ["time_inferred"]
    assert row["extra"] == [("sealed", "c2VhbGVk")]
    assert (row["_topic"], row["_partition"], row["_offset"]) == ("pix.estornos", 3, 7)
    assert row["_kafka_timestamp"] == dt.datetime.fromtimestamp(1_795_000_000.123, dt.UTC)
    assert row["_ingested_at"] == NOW
    assert row["ingested_at"] == dt.datetime(2026, 11, 24, 1, 31, tzinfo=dt.UTC)


def test_every_category_direction_and_status_is_taken() -> None:
    for name, words in (("category", Category), ("direction", Direction), ("status", Status)):
        decoded = decode([record(altered(**{name: word.value})) for word in words])
        assert decoded.table[name].to_pylist() == [word.value for word in words]


def test_the_date_is_the_utc_date_whatever_zone_the_text_has() -> None:
    table = decode([record(altered(event_time="2026-11-23T22:30:00-03:00"))]).table
    assert table["event_date"].to_pylist() == [dt.date(2026, 11, 24)]
    assert table["event_time"].to_pylist() == [dt.datetime(2026, 11, 24, 1, 30, tzinfo=dt.UTC)]


def test_order_is_kept_and_bad_records_are_named_by_their_place() -> None:
    values = [altered(source_ref=str(n)) if n % 5 else b"{" for n in range(decoding.CHUNK + 11)]
    decoded = decode([record(value, n) for n, value in enumerate(values)])
    good = [n for n in range(len(values)) if n % 5]
    assert decoded.table["_offset"].to_pylist() == good
    assert decoded.table["source_ref"].to_pylist() == [str(n) for n in good]
    assert [bad.index for bad in decoded.bad] == [n for n in range(len(values)) if n % 5 == 0]


@pytest.mark.parametrize("running", [True, False])
def test_the_garbage_collector_is_left_as_it_was(*, running: bool) -> None:
    before = gc.isenabled()
    try:
        gc.enable() if running else gc.disable()
        decode([record(altered()), record(b"{")])
        assert gc.isenabled() is running
    finally:
        gc.enable() if before else gc.disable()


def test_nothing_gives_an_empty_table() -> None:
    decoded = decode([])
    assert decoded.table.schema.equals(EVENT_SCHEMA)
    assert (decoded.table.num_rows, len(decoded.bad)) == (0, 0)


def test_a_record_without_timestamp_has_none() -> None:
    assert decode([record(altered(), timestamp=-1)]).table["_kafka_timestamp"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "no value: a tombstone is no event"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (altered().replace(b"iso20022", b"iso\xff"), "not UTF-8"),
        (altered() + b"{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (without("event_id"), "event_id: absent"),
        (without("payer"), "payer: absent"),
        (altered(payer=None), "payer: of a wrong type or out of its bounds"),
        (altered(payer={"ispb": 5}), "payer.ispb: of a wrong type or out of its bounds"),
        (altered(amount_centavos=12.0), "amount_centavos: of a wrong type or out of its bounds"),
        (altered(amount_centavos="12"), "amount_centavos: of a wrong type or out of its bounds"),
        (altered(amount_centavos=True), "amount_centavos: of a wrong type or out of its bounds"),
        (altered(amount_centavos=-1), "amount_centavos: of a wrong type or out of its bounds"),
        (altered(amount_centavos=2**63), "amount_centavos: too large"),
        (altered(amount_centavos=10**40), "amount_centavos: too large"),
        (altered(event_id="X" * 32), "event_id: of a wrong type or out of its bounds"),
        (altered(event_id="0" * 32 + "\n"), "event_id: of a wrong type or out of its bounds"),
        (altered(category="payment"), "category: of a wrong type or out of its bounds"),
        (altered(event_time=None), "event_time: of a wrong type or out of its bounds"),
        (altered(event_time=1.5e9), "event_time: of a wrong type or out of its bounds"),
        *(
            (altered(event_time=text), "event_time: of a wrong type or out of its bounds")
            for text in ("2026-11-24T01:30:00", "2026-02-30T01:30:00Z", "2026-11-24T24:00:00Z")
        ),
        (
            altered(event_time="0001-01-01T00:00:00+03:00"),
            "event_time: of a wrong type or out of its bounds",
        ),
        (altered(flags=[1]), "flags: of a wrong type or out of its bounds"),
        (altered(extra={"a": 1}), "extra: of a wrong type or out of its bounds"),
        (altered(schema_version=2), "schema_version: not supported by this version of pixstream"),
        (altered(schema_version=0), "schema_version: not supported by this version of pixstream"),
        (without("schema_version"), "schema_version: absent"),
    ],
)
def test_what_is_no_event_is_told_by_its_field(value: bytes | None, message: str) -> None:
    assert only_message(value) == message


def test_messages_carry_no_value_and_no_unknown_name() -> None:
    secret = "maria-silva"
    for value in (
        altered(**{secret: secret}),
        altered(payer={secret: secret}),
        altered(category=secret),
        altered(event_time=secret),
        altered(extra={secret: 5}),
        altered(schema_version=secret),
        f'{{"{secret}": "{secret}'.encode(),
    ):
        assert secret not in only_message(value)


def test_one_bad_record_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[bytes | None] = []
    read = evolution.read

    def counting(value: bytes | None, seal: Any) -> PixEvent:
        looked_at.append(value)
        return read(value, seal)

    monkeypatch.setattr(evolution, "read", counting)
    values = [altered(), b"{", altered(event_id="Z"), altered(event_time="yesterday"), altered()]
    decoded = decode([record(value) for value in values])
    assert decoded.table.num_rows == 2
    assert looked_at == values[1:4]


class TestUnknownKeys:
    def seal(self, unknown: dict[str, Any], event_id: str) -> dict[str, str]:
        assert event_id == EVENT["event_id"]
        self.sealed = unknown
        return {"sealed": "bmV3", "allowed": "yes"}

    def test_are_sealed_into_extra_and_flagged(self) -> None:
        value = altered(novelty={"deep": [1]}, payee={"ispb": "87654321", "nick": "x"}, extra={})
        decoded = decode([record(value)], seal_extra=self.seal)
        assert not decoded.bad
        (row,) = decoded.table.to_pylist()
        assert self.sealed == {"novelty": {"deep": [1]}, "payee.nick": "x"}
        assert row["flags"] == ["time_inferred", "unknown_field"]
        assert row["extra"] == [("sealed", "bmV3"), ("allowed", "yes")]
        assert row["payee"]["ispb"] == "87654321"

    def test_leave_alone_what_extra_holds(self) -> None:
        decoded = decode([record(altered(novelty=1))], seal_extra=self.seal)
        assert dict(decoded.table["extra"].to_pylist()[0]) == {
            "sealed": "c2VhbGVk",
            "unknown_sealed": "bmV3",
            "allowed": "yes",
        }

    def test_without_a_key_make_a_letter(self) -> None:
        assert only_message(altered(novelty=1)) == (
            "unknown fields, and no key at hand to encrypt them with"
        )

    def test_do_not_excuse_a_wrong_known_field(self) -> None:
        decoded = decode([record(altered(novelty=1, flags=None))], seal_extra=self.seal)
        assert decoded.bad[0].message == "flags: of a wrong type or out of its bounds"


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["2026-11-24T01:30:00Z", "2026-02-30T00:00:00Z", "2026-11-24 01:30:00.1234567+00:00"]
    ),
    st.datetimes(timezones=st.just(dt.UTC)).map(dt.datetime.isoformat),
)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=4), SCALARS)


def seal_all(unknown: dict[str, Any], event_id: str) -> dict[str, str]:
    return {"sealed": f"{event_id}:{len(unknown)}"}


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*EVENT, "novelty"]), VALUES, max_size=3))
def test_both_ways_of_reading_agree(changes: dict[str, Any]) -> None:
    value = altered(**changes)
    decoded = decode([record(value)], seal_extra=seal_all)
    try:
        event = evolution.read(value, seal_all)
    except Refused:
        assert len(decoded.bad) == 1
        return
    assert not decoded.bad
    (row,) = decoded.table.select(EVENT_SCHEMA.names[: len(EVENT)]).to_pylist()
    assert {**row, "extra": dict(row["extra"])} == plain(event)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2000), st.integers(0, 2000))
def test_no_bytes_raise(noise: bytes, start: int, end: int) -> None:
    value = altered()
    decoded = decode([record(noise), record(value[:start] + noise + value[end:])])
    assert decoded.table.num_rows + len(decoded.bad) == 2


def plain(event: PixEvent) -> dict[str, Any]:
    def texts(party: Party) -> dict[str, Any]:
        return {name: getattr(party, name) for name in Party.__struct_fields__}

    fields = {name: getattr(event, name) for name in PixEvent.__struct_fields__}
    return {**fields, "payer": texts(event.payer), "payee": texts(event.payee)}
