"""Queries over real tables: what can be asked, and that nothing else can be done."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pixstream.columns.schema import TABLE_SCHEMA
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.errors import DestinationError, PixstreamError
from pixstream.lake import query
from pixstream.lake.location import Location
from pixstream.testing import batch, event, partition


def reject(rows: Sequence[int], reason: str) -> None:
    raise AssertionError(f"{reason}: {rows}")


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Location]:
    lake = DeltaLake(type="delta_lake", uri=str(tmp_path / "lake"))
    lake.write(batch({partition(): (0, [event(n) for n in range(5)])}), reject)
    return dict(lake.tables)


def ask(tables: dict[str, Location], sql: str) -> list[tuple[Any, ...]]:
    return list(query.rows(query.select(tables, sql)))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM pagamentos",
        "SELECT count(*) FROM pagamentos;",
        "SELECT count(*) FROM pagamentos -- all of them",
        "WITH p AS (SELECT * FROM pagamentos) SELECT count(*) FROM p",
        "(SELECT count(*) FROM pagamentos)",
        "VALUES (5)",
        "SELECT count(*) FROM pagamentos UNION SELECT 5",
        "SELECT count(a.event_id) FROM pagamentos a JOIN pagamentos b ON a.event_id = b.event_id",
    ],
)
def test_every_form_of_query_is_answered(tables: dict[str, Location], sql: str) -> None:
    assert ask(tables, sql) == [(5,)]


def test_the_columns_of_a_table_are_described(tables: dict[str, Location]) -> None:
    rows = ask(tables, "describe pagamentos;")
    assert [row[0] for row in rows] == TABLE_SCHEMA.names
    with pytest.raises(PixstreamError, match="there is no table nope"):
        ask(tables, "DESCRIBE nope")


def test_every_column_becomes_plain_python(tables: dict[str, Location]) -> None:
    rows = ask(tables, "SELECT * FROM pagamentos ORDER BY _offset DESC")
    assert len(rows) == 5
    row = dict(zip(TABLE_SCHEMA.names, rows[0], strict=True))
    assert row["_offset"] == 4
    assert isinstance(row["event_time"], dt.datetime)
    assert isinstance(row["extra"], dict)
    assert isinstance(row["payer"], dict)
    (now, ago) = ask(tables, "SELECT now(), now() - (now() - INTERVAL '1 day')")[0]
    assert isinstance(now, dt.datetime)
    assert ago == dt.timedelta(days=1)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1 AS a) TO '{place}/written.csv' STORED AS CSV",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{place}/secret.csv'",
        "CREATE TABLE t AS SELECT 1",
        "INSERT INTO pagamentos SELECT * FROM pagamentos",
        "WITH p AS (SELECT * FROM pagamentos) INSERT INTO pagamentos SELECT * FROM p",
        "WITH p AS (DELETE FROM pagamentos RETURNING *) SELECT * FROM p",
        "UPDATE pagamentos SET status = 'settled'",
        "DELETE FROM pagamentos",
        "DROP TABLE pagamentos",
        "SET datafusion.execution.batch_size = 1",
        "EXPLAIN ANALYZE INSERT INTO pagamentos SELECT * FROM pagamentos",
        "SELECT 1; DROP TABLE pagamentos",
        "SELECT 1) OR EXISTS (SELECT 2",
        "SELECT * FROM '{place}/secret.csv'",
    ],
)
def test_nothing_but_a_query_is_executed(
    tables: dict[str, Location], tmp_path: Path, sql: str
) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(PixstreamError):
        ask(tables, sql.format(place=tmp_path))
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    assert DeltaTable(tables["pagamentos"].uri).to_pyarrow_table().num_rows == 5


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("  ; ", "empty; tables: pagamentos, recebimentos, estornos"),
        ("SELECT * FROM pagamento", "no table pagamento; tables: pagamentos, rec"),
        ("SELECT * FROM estornos", "table estornos at .* does not exist yet"),
        ("SELECT valor FROM pagamentos", "No field named valor(.|\n)*amount_centavos"),
        ("SELECT 1 +\n)", "the query cannot be run: .* Line: 2"),
        ("DROP TABLE pagamentos", "only a SELECT can be run"),
        ("SELECT 1 / 0", "the query failed: Divide by zero"),
    ],
)
def test_what_is_wrong_with_a_query_is_said(
    tables: dict[str, Location], sql: str, said: str
) -> None:
    with pytest.raises(PixstreamError, match=said):
        ask(tables, sql)


def test_a_data_file_that_is_gone_is_an_error(tables: dict[str, Location], tmp_path: Path) -> None:
    for file in (tmp_path / "lake" / "pagamentos").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(PixstreamError, match=r"the query failed: .*not found"):
        ask(tables, "SELECT * FROM pagamentos")


def test_only_the_tables_of_the_query_are_opened(
    tables: dict[str, Location], tmp_path: Path
) -> None:
    broken = tmp_path / "lake" / "estornos" / "_delta_log" / f"{0:020}.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    assert ask(tables, "SELECT count(*) FROM pagamentos") == [(5,)]
    with pytest.raises(DestinationError, match=r"estornos .*its log is damaged"):
        ask(tables, "SELECT count(*) FROM estornos")
    assert query.exists(tables["pagamentos"])
    assert not query.exists(tables["recebimentos"])


def test_nanoseconds_are_cut_and_other_columns_are_left() -> None:
    column = pa.array([1_001], pa.timestamp("ns"))
    assert query._in_microseconds(column).type == pa.timestamp("us")
    assert query._in_microseconds(pa.array([1])).type == pa.int64()
