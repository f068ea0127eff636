"""What becomes of silver: repaired, aggregated, maintained; on a real Spark, without Kafka."""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pixstream.decoding import decode
from pixstream.errors import DestinationError
from pixstream.event import Category, Direction, Party, PixEvent, Status, encode
from pixstream.kafka import Record
from pixstream.lake import merging
from pixstream.spark import places, uniqueness, upkeep
from pixstream.spark.gold import Gold
from pixstream.spark.places import ACCOUNT_PROFILES, GOLD_DAILY, GOLD_HOURLY, Places
from pixstream.spark.settings import SparkSettings
from pixstream.spark.silver import Silver

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

EventFactory = Callable[..., PixEvent]
NIGHT = dt.datetime(2026, 11, 20, 2, 30, tzinfo=dt.UTC)
"""In São Paulo it is 23:30 of the day before."""


@pytest.fixture
def settings(tmp_path: Path) -> SparkSettings:
    return SparkSettings(path=str(tmp_path / "lake"), checkpoints=str(tmp_path / "checkpoints"))


def store(spark: "SparkSession", where: Places, events: Sequence[PixEvent], first: int = 0) -> None:
    """Append these as silver rows of their own, whatever is there."""
    Silver(spark, where)
    records = [
        Record("pix.pagamentos", 0, first + n, 1_700_000_000_000, None, encode(event), ())
        for n, event in enumerate(events)
    ]
    rows = decode(records).table
    silver = merging.merged(rows)
    for category in Category:
        mine = silver.filter(pa.compute.equal(silver["category"], category.value))
        if mine.num_rows:
            where.append(spark.createDataFrame(mine), category.plural, f"test-{first}", 0)


def read(settings: SparkSettings, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        DeltaTable(Places(settings).path(table)).to_pyarrow_table().to_pylist()
    )
    return found


@pytest.mark.campaign
def test_events_with_several_rows_become_one(
    spark: "SparkSession", settings: SparkSettings, event: EventFactory
) -> None:
    where = Places(settings)
    skewed = event(1, txid="A")
    skewed.event_time += dt.timedelta(days=400)
    store(spark, where, [event(1), event(2)])
    store(spark, where, [skewed], first=10)

    found = uniqueness.repair(spark, where, Category.PAGAMENTO)

    assert found == (1, 1)
    silver = {row["event_id"]: row for row in read(settings, "pagamentos")}
    merged = silver[event(1).event_id]
    assert (merged["txid"], merged["revision"], merged["_offset"]) == ("A", 1, 0)
    assert merged["event_time"] == skewed.event_time
    assert [one["txid"] for one in merged["tellings"]] == [None, "A"]
    assert silver[event(2).event_id]["tellings"] is None
    assert uniqueness.repair(spark, where, Category.PAGAMENTO) == (0, 0)


def test_a_participant_s_days_and_hours_are_those_of_sao_paulo(
    spark: "SparkSession", settings: SparkSettings, event: EventFactory
) -> None:
    def paid(number: int, centavos: int, time: dt.datetime, **changes: Any) -> PixEvent:
        payer = Party(ispb="11111111", account="k1.payer")
        payee = Party(ispb="22222222", account=f"k1.payee{number}")
        return event(
            number, time=time, amount_centavos=centavos, payer=payer, payee=payee, **changes
        )

    where = Places(settings)
    later = NIGHT + dt.timedelta(hours=12)
    store(
        spark,
        where,
        [
            paid(1, 100, NIGHT),
            paid(2, 300, NIGHT + dt.timedelta(minutes=20)),
            paid(3, 5000, NIGHT, status=Status.REJECTED, reason="AB03"),
            paid(4, 700, later),
            paid(5, 900, NIGHT - dt.timedelta(days=5)),
            paid(6, 50, later, category=Category.ESTORNO, direction=Direction.IN),
            paid(4, 700, later, category=Category.RECEBIMENTO, direction=Direction.INTERNAL),
        ],
    )
    since, until = dt.date(2026, 11, 19), dt.date(2026, 11, 20)

    for _ in range(2):  # a second run writes the same
        written = Gold(spark, where, since, until).write()

    daily = {
        (row["business_date"], row["participant"], row["category"]): row
        for row in read(settings, GOLD_DAILY)
    }
    first = daily[since, "11111111", "pagamento"]
    assert (first["role"], first["settled_events"], first["rejected_events"]) == ("payer", 2, 1)
    assert (first["settled_centavos"], first["largest_centavos"]) == (400, 300)
    assert str(first["mean_centavos"]) == "200.00"
    assert daily[until, "22222222", "pagamento"]["accounts"] == 1
    assert daily[until, "11111111", "estorno"]["settled_centavos"] == 50
    assert written[GOLD_DAILY] == len(daily) == 8
    hours = [
        (row["business_hour"], row["settled_events"])
        for row in read(settings, GOLD_HOURLY)
        if row["business_date"] == since and row["role"] == "payer"
    ]
    assert hours == [(dt.datetime(2026, 11, 19, 23, tzinfo=dt.UTC), 2)]
    profiles = {
        (row["business_date"], row["account"]): row for row in read(settings, ACCOUNT_PROFILES)
    }
    payer = profiles[until, "k1.payer"]
    assert (payer["paid_1d"], payer["paid_7d"], payer["paid_30d"]) == (2, 5, 5)
    assert payer["paid_centavos_7d"] == 100 + 300 + 700 + 900 + 50
    assert (payer["paid_counterparties"], payer["returns"]) == (5, 1)
    assert profiles[since, "k1.payee5"]["received_1d"] == 0
    assert profiles[since, "k1.payee5"]["received_centavos_7d"] == 900


def test_without_silver_it_says_what_to_run(spark: "SparkSession", settings: SparkSettings) -> None:
    day = dt.date(2026, 11, 20)
    with pytest.raises(DestinationError, match=r"no silver table yet.*run the job ingest"):
        Gold(spark, Places(settings), day, day).write()


@pytest.mark.campaign
def test_small_files_are_merged_and_old_bronze_goes(
    spark: "SparkSession", settings: SparkSettings, event: EventFactory
) -> None:
    where = Places(settings)
    for number in range(3):
        store(spark, where, [event(number)], first=number)

    kept = upkeep.maintain(spark, where, settings, "pagamentos")

    assert (kept.files_before, kept.files_after, kept.expired) == (3, 1, 0)
    assert len(read(settings, "pagamentos")) == 3
    schema = "topic string, ingest_date date"
    old = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=40)
    where.create(spark, places.BRONZE, spark.createDataFrame([], schema).schema, ["ingest_date"])
    rows = [("old", old), ("new", old + dt.timedelta(days=39))]
    where.append(spark.createDataFrame(rows, schema), places.BRONZE, "test", 0)
    settings.bronze_days = 30
    assert upkeep.maintain(spark, where, settings, places.BRONZE).expired == 1
    assert [row["topic"] for row in read(settings, places.BRONZE)] == ["new"]
