"""The comparison of Spark's silver tables with the Delta consumer's finds what differs."""

import pyarrow as pa
import pytest

from pixstream.columns import merging
from pixstream.columns.decoding import decode
from pixstream.columns.schema import TIMESTAMP
from pixstream.event.model import encode
from pixstream.kafka.ports import Record
from pixstream.lab.demo.parity import INGESTED, same
from pixstream.testing import event


@pytest.fixture
def rows() -> pa.Table:
    """One event told once, and one told twice."""
    told = [event(1), event(2), event(2, revision=1, txid="A")]
    records = [
        Record("pix.pagamentos", 0, n, 1_700_000_000_000, None, encode(one), ())
        for n, one in enumerate(told)
    ]
    return decode(records).table


def altered(silver: pa.Table, column: str, values: list[object], kind: pa.DataType) -> pa.Table:
    place = silver.schema.get_field_index(column)
    return silver.set_column(place, column, pa.array(values, kind))


def test_what_was_merged_alike_is_equal_whenever_it_was_ingested(rows: pa.Table) -> None:
    silver = merging.merged(rows)
    assert same(rows, silver)
    assert same(rows, altered(silver, INGESTED, [0, 1], TIMESTAMP))
    assert same(rows, silver.take([1, 0]))


def test_a_missing_row_is_told(rows: pa.Table) -> None:
    silver = merging.merged(rows)
    assert not same(rows, silver.slice(1))
    assert not same(rows, None)
    assert not same(rows.slice(0, 1), silver)
    assert same(None, None)


def test_another_value_is_told(rows: pa.Table) -> None:
    silver = merging.merged(rows)
    assert not same(rows, altered(silver, "amount_centavos", [1, 1234], pa.int64()))


def test_a_telling_that_is_not_kept_is_told(rows: pa.Table) -> None:
    silver = merging.merged(rows)
    kind = silver.schema.field(merging.TELLINGS).type
    tellings = silver[merging.TELLINGS].to_pylist()
    one_less = [None if told is None else told[:1] for told in tellings]
    assert not same(rows, altered(silver, merging.TELLINGS, one_less, kind))
