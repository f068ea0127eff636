import msgspec.inspect as mi
import pyarrow as pa
import pytest

from pixstream.columns import schema
from pixstream.event.model import Party, PixEvent


def test_columns_are_the_event_fields_in_order_then_date_and_coordinates() -> None:
    names = schema.EVENT_SCHEMA.names
    fields = list(PixEvent.__struct_fields__)
    assert names[: len(fields)] == fields
    assert names[len(fields) :] == [
        *("event_date", "_topic", "_partition", "_offset", "_kafka_timestamp", "_ingested_at")
    ]


def test_types_are_those_of_the_contract() -> None:
    kind = {field.name: field.type for field in schema.EVENT_SCHEMA}
    utc = pa.timestamp("us", tz="UTC")
    assert kind["amount_centavos"] == pa.int64()
    assert kind["event_time"] == kind["source_time"] == kind["ingested_at"] == utc
    assert kind["event_date"] == pa.date32()
    assert kind["flags"] == pa.list_(pa.field("element", pa.string()))
    assert kind["extra"] == pa.map_(pa.string(), pa.string())
    assert [field.name for field in kind["payer"]] == list(Party.__struct_fields__)
    assert kind["payer"] == kind["payee"]


def test_only_what_may_be_absent_is_nullable() -> None:
    null = {field.name for field in schema.EVENT_SCHEMA if field.nullable}
    assert {"amount_centavos", "end_to_end_id", "txid", "_kafka_timestamp"} <= null
    assert not null & {"event_id", "category", "event_time", "payer", "flags", "_offset"}


def test_a_new_table_describes_its_columns() -> None:
    comment = schema.TABLE_SCHEMA.field("amount_centavos").metadata[b"comment"].decode()
    assert comment.startswith("amount in centavos")


def test_dictionary_columns_exist() -> None:
    leaves = {name.split(".")[0] for name in schema.DICTIONARY_COLUMNS}
    assert leaves <= set(schema.EVENT_SCHEMA.names)


def test_a_field_that_a_later_version_added_has_a_type_that_an_older_consumer_gives_it() -> None:
    first = {field.name for field in schema.EVENT if field.required}
    later = [field for field in schema.EVENT_SCHEMA if field.name not in first]
    ours = [field for field in later if not field.name.startswith("_")]
    assert {str(field.type) for field in ours if field.name != "event_date"} <= {
        *("string", "int64", "bool")
    }
    assert all(f.default is None for f in schema.EVENT if not f.required)


def test_a_type_that_no_column_has_is_an_error() -> None:
    with pytest.raises(TypeError, match="no column type"):
        schema.arrow_type(mi.BytesType())
