import pyarrow as pa

from pixstream.columns import shapes
from pixstream.columns.schema import EVENT_SCHEMA, TABLE_SCHEMA


def wide() -> pa.Schema:
    """The columns of an event, `novelty`, and `payee.nick`."""
    place = EVENT_SCHEMA.get_field_index("payee")
    payee = EVENT_SCHEMA.field(place)
    children = [*payee.type, pa.field("nick", pa.int64())]
    wider = EVENT_SCHEMA.set(place, payee.with_type(pa.struct(children)))
    return wider.append(pa.field("novelty", pa.string()))


def test_differences_name_the_columns() -> None:
    assert shapes.differences(TABLE_SCHEMA) == []
    other = EVENT_SCHEMA.remove(0).append(pa.field("colour", pa.string(), nullable=False))
    place = other.get_field_index("amount_centavos")
    other = other.set(place, pa.field("amount_centavos", pa.float64()))
    assert shapes.differences(other) == [
        "event_id: absent",
        "amount_centavos: has another type",
        "colour: unexpected, and may not be null",
    ]


def test_what_a_newer_version_added_is_no_difference() -> None:
    wider = wide()
    assert shapes.differences(wider) == []
    assert shapes.new_columns(wider) == ["novelty"]
    assert shapes.beyond(wider) == {"novelty": pa.string(), "payee.nick": pa.int64()}
    assert shapes.beyond(TABLE_SCHEMA) == {}


def test_a_child_of_another_type_is_a_difference() -> None:
    place = EVENT_SCHEMA.get_field_index("payer")
    children = [*list(EVENT_SCHEMA.field(place).type)[1:], pa.field("ispb", pa.int64())]
    other = EVENT_SCHEMA.set(place, pa.field("payer", pa.struct(children)))
    assert shapes.differences(other) == ["payer: has another type"]


def test_what_a_table_lacks_is_named_with_its_children_alone() -> None:
    assert shapes.missing(EVENT_SCHEMA, wide()) == []
    assert shapes.missing(wide(), TABLE_SCHEMA) == [
        pa.field("payee", pa.struct([pa.field("nick", pa.int64())]), nullable=False),
        pa.field("novelty", pa.string()),
    ]


def test_rows_take_the_shape_of_a_wider_table_and_back() -> None:
    rows = EVENT_SCHEMA.empty_table()
    assert shapes.aligned(rows, wide()).schema.equals(wide())
    assert shapes.aligned(wide().empty_table(), EVENT_SCHEMA).schema.equals(EVENT_SCHEMA)
