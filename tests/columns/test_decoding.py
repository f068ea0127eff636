import datetime as dt
import gc
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixstream.columns import decoding
from pixstream.columns.decoding import decode
from pixstream.columns.schema import EVENT_SCHEMA
from pixstream.columns.shapes import beyond
from pixstream.errors import DestinationError, Refused
from pixstream.event import lenient
from pixstream.event.categories import Category
from pixstream.event.contract import ContractSettings
from pixstream.event.model import SCHEMA_VERSION, Direction, Party, PixEvent, Reason, Status, encode
from pixstream.kafka.ports import Record

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
            schema_version=SCHEMA_VERSION,
        )
    )
)


NEWER = SCHEMA_VERSION + 1


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
        (None, "no value: a tombstone is not an event"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (altered().replace(b"iso20022", b"iso\xff"), "not UTF-8"),
        (altered() + b"{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (without("event_id"), "event_id: absent"),
        (without("payer"), "payer: absent"),
        (altered(payer=None), "payer: wrong type or out of range"),
        (altered(payer={"ispb": 5}), "payer.ispb: wrong type or out of range"),
        (altered(amount_centavos=12.0), "amount_centavos: wrong type or out of range"),
        (altered(amount_centavos="12"), "amount_centavos: wrong type or out of range"),
        (altered(amount_centavos=True), "amount_centavos: wrong type or out of range"),
        (altered(amount_centavos=-1), "amount_centavos: wrong type or out of range"),
        (altered(amount_centavos=2**63), "amount_centavos: too large"),
        (altered(amount_centavos=10**40), "amount_centavos: too large"),
        (altered(event_id="X" * 32), "event_id: wrong type or out of range"),
        (altered(event_id="0" * 32 + "\n"), "event_id: wrong type or out of range"),
        (altered(category="payment"), "category: wrong type or out of range"),
        (altered(event_time=None), "event_time: wrong type or out of range"),
        (altered(event_time=1.5e9), "event_time: wrong type or out of range"),
        *(
            (altered(event_time=text), "event_time: wrong type or out of range")
            for text in ("2026-11-24T01:30:00", "2026-02-30T01:30:00Z", "2026-11-24T24:00:00Z")
        ),
        (
            altered(event_time="0001-01-01T00:00:00+03:00"),
            "event_time: wrong type or out of range",
        ),
        (altered(flags=[1]), "flags: wrong type or out of range"),
        (altered(extra={"a": 1}), "extra: wrong type or out of range"),
        (altered(schema_version=2**70), "schema_version: too large"),
        (altered(schema_version=True), "schema_version: wrong type or out of range"),
        (altered(schema_version=2.0), "schema_version: not supported by this version of pixstream"),
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
    read = lenient.read

    def counting(value: bytes | None, seal: Any, take: Any) -> PixEvent:
        looked_at.append(value)
        return read(value, seal, take)

    monkeypatch.setattr(lenient, "read", counting)
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
            "unknown fields, and no key available to encrypt them"
        )

    def test_do_not_excuse_a_wrong_known_field(self) -> None:
        decoded = decode([record(altered(novelty=1, flags=None))], seal_extra=self.seal)
        assert decoded.bad[0].message == "flags: wrong type or out of range"


def newer(offset: int = 0, **changes: Any) -> Record:
    """A record of the next version."""
    return record(altered(schema_version=NEWER, **changes), offset)


def only(group: str, mode: Any) -> ContractSettings:
    """This contract for one group of fields."""
    return ContractSettings(event=mode) if group == "event" else ContractSettings(party=mode)


class Sealed:
    """Seals nothing, and remembers what it was given."""

    def __init__(self) -> None:
        self.values: list[dict[str, Any]] = []

    def __call__(self, unknown: dict[str, Any], event_id: str) -> dict[str, str]:
        assert event_id == EVENT["event_id"]
        self.values.append(unknown)
        return {"sealed": "bmV3"}


class TestNewerVersions:
    def test_a_new_field_is_a_column_of_its_json_type(self) -> None:
        record = newer(
            text="a",
            number=-(2**63),
            yes=True,
            fraction=1.5,
            many=[1, {"a": None}],
            large=2**63,
            payer={"ispb": "12345678", "nick": "n"},
            payee={"rank": 7},
        )
        decoded = decode([record])
        assert not decoded.bad
        decoded.table.validate(full=True)
        (row,) = decoded.table.to_pylist()
        assert [row[name] for name in ("text", "number", "yes")] == ["a", -(2**63), True]
        assert [row[name] for name in ("fraction", "many", "large")] == [
            *("1.5", '[1,{"a":null}]', str(2**63))
        ]
        assert (row["payer"]["nick"], row["payee"]["rank"]) == ("n", 7)
        assert (row["payer"]["ispb"], row["payee"]["ispb"]) == ("12345678", None)
        assert row["schema_version"] == NEWER
        assert "unknown_field" not in row["flags"]
        names = decoded.table.schema.names
        assert names[: len(EVENT_SCHEMA)] == EVENT_SCHEMA.names
        assert [str(decoded.table.schema.field(n).type) for n in ("number", "yes", "many")] == [
            *("int64", "bool", "string")
        ]
        assert all(decoded.table.schema.field(n).nullable for n in names[len(EVENT_SCHEMA) :])

    def test_versions_may_alternate_and_old_rows_are_null(self) -> None:
        records = [
            newer(n, novelty=f"v{n}", payer={"nick": n}) if n % 3 else record(altered(), n)
            for n in range(decoding.CHUNK + 50)
        ]
        records[1] = record(b"{", 1)
        decoded = decode(records)
        assert [bad.index for bad in decoded.bad] == [1]
        table = decoded.table
        for row in zip(*(table[n].to_pylist() for n in ("_offset", "novelty")), strict=True):
            assert row[1] == (f"v{row[0]}" if row[0] % 3 else None)
        nicks = [payer["nick"] for payer in table["payer"].to_pylist()]
        assert nicks == [n if n % 3 else None for n in table["_offset"].to_pylist()]
        assert table["schema_version"].to_pylist() == [
            NEWER if n % 3 else SCHEMA_VERSION for n in table["_offset"].to_pylist()
        ]

    def test_null_makes_no_column_and_breaks_no_contract(self) -> None:
        contract = ContractSettings(event="freeze", party="discard_row")
        decoded = decode([newer(novelty=None, payee={"nick": None})], contract=contract)
        assert decoded.table.schema.equals(EVENT_SCHEMA)
        assert decoded.table.num_rows == 1

    def test_a_newer_record_without_a_new_field_is_an_event(self) -> None:
        def never() -> dict[str, pa.DataType]:
            raise AssertionError("nothing to ask the destination for")

        decoded = decode([newer()], columns=never)
        assert decoded.table["schema_version"].to_pylist() == [NEWER]

    def test_the_destination_decides_the_type_and_is_asked_once(self) -> None:
        asked: list[int] = []

        def columns() -> dict[str, pa.DataType]:
            asked.append(1)
            return {"novelty": pa.int64(), "when": pa.timestamp("us", tz="UTC"), "no": pa.null()}

        seal = Sealed()
        records = [newer(0, novelty="text"), newer(1, novelty=5), newer(2, when="2026-11-24", no=1)]
        table = decode(records, columns=columns, seal_extra=seal).table
        assert table["novelty"].to_pylist() == [None, 5, None]
        assert "when" not in table.column_names
        assert "no" not in table.column_names
        assert seal.values == [{"novelty": "text"}, {"when": "2026-11-24", "no": 1}]
        assert ["unknown_field" in flags for flags in table["flags"].to_pylist()] == [
            *(True, False, True)
        ]
        assert len(asked) == 1

    def test_the_first_value_of_a_batch_decides_where_the_destination_does_not(self) -> None:
        seal = Sealed()
        values = [None, True, 1, "1", False]
        table = decode([newer(n, x=v) for n, v in enumerate(values)], seal_extra=seal).table
        assert table["x"].to_pylist() == [None, True, None, None, False]
        assert seal.values == [{"x": 1}, {"x": "1"}]

    @pytest.mark.parametrize(
        "name", ["_offset", "_ingested", "event_date", "Novelty", "a b", "ção", "", "a.b", "x" * 64]
    )
    def test_what_cannot_be_a_columns_name_is_sealed(self, name: str) -> None:
        seal = Sealed()
        table = decode([newer(0, **{name: 1})], seal_extra=seal).table
        assert table.schema.equals(EVENT_SCHEMA)
        assert seal.values == [{f'"{name}"' if "." in name else name: 1}]

    def test_a_dotted_name_is_not_taken_for_a_partys_field(self) -> None:
        seal = Sealed()
        value = newer(0, payer={"nick": "n"}, **{"payer.nick": "other"})
        table = decode([value], seal_extra=seal).table
        assert table["payer"].to_pylist()[0]["nick"] == "n"
        assert seal.values == [{'"payer.nick"': "other"}]

    @pytest.mark.parametrize("group", ["event", "party"])
    def test_each_group_of_fields_has_its_contract(self, group: str) -> None:
        both: dict[str, Any] = {"novelty": "secret", "payer": {"nick": "secret"}}
        mine, other = ("novelty", "payer.nick")[:: 1 if group == "event" else -1]
        seal = Sealed()
        table = decode(
            [newer(**both)], seal_extra=seal, contract=only(group, "discard_value")
        ).table
        assert seal.values == [{mine: "secret"}]
        assert list(beyond(table.schema)) == [other]
        assert "unknown_field" in table["flags"].to_pylist()[0]
        decoded = decode(
            [newer(0, **both), newer(1), record(altered(), 2)],
            contract=only(group, "discard_row"),
        )
        assert decoded.table["_offset"].to_pylist() == [1, 2]
        (bad,) = decoded.bad
        assert (bad.index, bad.reason) == (0, Reason.SCHEMA_CONTRACT)
        assert "discard_row" in bad.message
        with pytest.raises(DestinationError, match=rf"offset 8.*\({mine}\).*freeze") as caught:
            decode([newer(7), newer(8, **both)], contract=only(group, "freeze"))
        assert "secret" not in str(caught.value) + bad.message

    def test_the_quick_and_the_patient_way_agree_on_newer_records_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def columns() -> dict[str, pa.DataType]:
            return {"novelty": pa.string(), "payer.nick": pa.int64()}

        records = [
            newer(0, novelty="a", payer={"ispb": "12345678", "nick": 1}),
            newer(1, novelty="b", event_time="2026-11-23T22:30:00-03:00"),
            newer(2, novelty="c", event_id="0" * 31 + "x"),
            newer(3, novelty=1, payer={"nick": 2}),
            record(altered(schema_version=SCHEMA_VERSION, novelty="d"), 4),
            newer(5, payer=None, novelty="e"),
            newer(6, novelty=None),
        ]
        quick = decode(records, seal_extra=Sealed(), columns=columns, now=NOW)
        monkeypatch.setattr(decoding, "_newer", lambda *_: None)
        patient = decode(records, seal_extra=Sealed(), columns=columns, now=NOW)
        assert quick == patient
        assert quick.table["_offset"].to_pylist() == [0, 1, 3, 4, 6]
        assert quick.table["novelty"].to_pylist() == ["a", "b", None, None, None]

    def test_known_columns_spare_patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lenient, "read", lambda *_: pytest.fail("read with patience"))
        records = [newer(0, novelty="a"), newer(1, payee={"rank": 1})]
        columns = {"novelty": pa.string(), "payee.rank": pa.int64()}
        table = decode(records, columns=lambda: columns).table
        assert table["novelty"].to_pylist() == ["a", None]

    def test_freeze_is_about_columns_that_the_destination_has_not(self) -> None:
        contract = ContractSettings(event="freeze", party="freeze")
        decoded = decode(
            [newer(novelty="a")], contract=contract, columns=lambda: {"novelty": pa.string()}
        )
        assert decoded.table["novelty"].to_pylist() == ["a"]

    def test_a_wrong_known_field_is_a_letter_whatever_is_new(self) -> None:
        frozen = ContractSettings(event="freeze", party="freeze")
        for change in ({"flags": None}, {"payer": {"ispb": 1, "nick": "x"}}):
            (bad,) = decode([newer(novelty=1, **change)], contract=frozen).bad
            assert bad.reason == Reason.UNDECODABLE_EVENT
            assert "wrong type" in bad.message
        value = json.dumps({"schema_version": NEWER, "novelty": 1}).encode()
        assert only_message(value) == "event_id: absent"

    def test_what_cannot_be_sealed_is_a_letter_and_leaves_no_value_behind(self) -> None:
        decoded = decode([newer(0, novelty=1, Odd=1), newer(1)])
        assert [bad.index for bad in decoded.bad] == [0]
        assert decoded.table.schema.equals(EVENT_SCHEMA)

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(
            st.dictionaries(
                st.sampled_from(["a", "b", "Odd", "event_date"]),
                st.none()
                | st.booleans()
                | st.integers(-(2**65), 2**65)
                | st.text(max_size=4)
                | st.lists(st.integers(), max_size=2),
                max_size=4,
            ),
            max_size=6,
        )
    )
    def test_every_value_is_in_a_column_or_sealed(self, told: list[dict[str, Any]]) -> None:
        sealed: list[dict[str, Any]] = []
        records = [newer(n, **new) for n, new in enumerate(told)]

        def seal(unknown: dict[str, Any], event_id: str) -> dict[str, str]:
            del event_id
            sealed.append(unknown)
            return {"sealed": str(len(sealed) - 1)}

        expected = [json.loads(r.value or b"") for r in records]
        decoded = decode(records, seal_extra=seal)
        assert not decoded.bad
        for row, document in zip(decoded.table.to_pylist(), expected, strict=True):
            place = dict(row["extra"]).get("unknown_sealed")
            rest = sealed[int(place)] if place else {}
            for name in document.keys() - EVENT.keys():
                value = document[name]
                if value is None:
                    assert name not in rest
                elif name in rest:
                    assert rest[name] == value
                elif isinstance(value, str | bool) or isinstance(row[name], int):
                    assert (row[name], type(row[name])) == (value, type(value))
                else:
                    assert json.loads(row[name]) == value


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
@given(
    st.dictionaries(st.sampled_from([*EVENT, "novelty"]), VALUES, max_size=3),
    st.sampled_from([{}, {}, {"schema_version": NEWER}]),
)
def test_both_ways_of_reading_agree(changes: dict[str, Any], version: dict[str, int]) -> None:
    value = altered(**{**version, **changes})
    sealed = ContractSettings(event="discard_value", party="discard_value")
    decoded = decode([record(value)], seal_extra=seal_all, contract=sealed)
    try:
        event = lenient.read(value, seal_all, lambda new: new)
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
