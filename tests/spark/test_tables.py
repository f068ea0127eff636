"""What becomes of silver: repaired, aggregated, maintained; on a real Spark, without Kafka."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pixstream.columns import merging
from pixstream.columns.decoding import decode
from pixstream.errors import DestinationError
from pixstream.event.categories import Category
from pixstream.event.model import Direction, Party, PixEvent, Status, encode
from pixstream.kafka.ports import Record
from pixstream.spark import places, uniqueness, upkeep
from pixstream.spark.gold import Gold
from pixstream.spark.places import ACCOUNT_PROFILES, GOLD_DAILY, GOLD_HOURLY, Places
from pixstream.spark.settings import SparkSettings
from pixstream.spark.silver import Silver
from pixstream.testing import event

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

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


def settle(spark: "SparkSession", where: Places, events: Sequence[PixEvent], first: int) -> Any:
    """Let ingestion take these, of one category."""
    records = [
        Record("pix.pagamentos", 0, first + n, 1_700_000_000_000, None, encode(event), ())
        for n, event in enumerate(events)
    ]
    frame = spark.createDataFrame(decode(records).table)
    return Silver(spark, where).settle(frame, Category.PAGAMENTO, f"ingest-{first}", 0)


def doubled(spark: "SparkSession", where: Places) -> PixEvent:
    """Two rows of event 1: its second telling, from a clock a year ahead, came as another."""
    skewed = event(1, txid="A")
    skewed.event_time += dt.timedelta(days=400)
    store(spark, where, [event(1)])
    store(spark, where, [skewed], first=10)
    return skewed


def test_ingestion_between_the_steps_of_a_repair_loses_and_doubles_nothing(
    spark: "SparkSession", settings: SparkSettings
) -> None:
    where = Places(settings)
    skewed = doubled(spark, where)
    neighbour = event(2)
    neighbour.event_time = skewed.event_time

    begun = uniqueness._Repair(spark, where, "pagamentos", [event(1).event_id])
    # Its batch reaches both rows of the event, and adds to one of them only.
    assert settle(spark, where, [event(1, device_id="D"), neighbour], 20) == (1, 1, 0)
    assert begun.merge() == 0

    told = [row for row in read(settings, "pagamentos") if row["event_id"] == event(1).event_id]
    assert {(row["_offset"], row["device_id"]) for row in told} == {(0, "D"), (10, None)}
    assert uniqueness.repair(spark, where, Category.PAGAMENTO) == (1, 1)
    silver = {row["event_id"]: row for row in read(settings, "pagamentos")}
    merged = silver[event(1).event_id]
    assert len(silver) == 2
    assert (merged["txid"], merged["device_id"], merged["revision"]) == ("A", "D", 2)
    assert [one["_offset"] for one in merged["tellings"]] == [0, 10, 20]
    assert settle(spark, where, [event(1, device_id="D")], 30) == (0, 0, 0)
    assert uniqueness.repair(spark, where, Category.PAGAMENTO) == (0, 0)


@pytest.mark.campaign
def test_events_with_several_rows_become_one(
    spark: "SparkSession", settings: SparkSettings
) -> None:
    where = Places(settings)
    skewed = doubled(spark, where)
    store(spark, where, [event(2)], first=20)

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
    spark: "SparkSession", settings: SparkSettings
) -> None:
    def paid(number: int, centavos: int, time: dt.datetime, **changes: Any) -> PixEvent:
        payer = Party(ispb="11111111", account="k1.payer")
        payee = Party(ispb="22222222", account=f"k1.payee{number}")
        return event(
            number, time=time, amount_centavos=centavos, payer=payer, payee=payee, **changes
        )

    where = Places(settings)
    later = NIGHT + dt.timedelta(hours=12)
    # Inside of one institution a Pix is told by both sides: here on both sides of a midnight.
    receipt = paid(4, 700, later, category=Category.RECEBIMENTO, device_id="till")
    receipt.event_time = dt.datetime(2026, 11, 21, 3, tzinfo=dt.UTC)
    second = paid(2, 300, NIGHT + dt.timedelta(minutes=20))
    # A return that is known by its payment's identifier alone.
    returned = paid(2, 20, later, category=Category.ESTORNO)
    returned.end_to_end_id = second.end_to_end_id
    returned.payer, returned.payee = returned.payee, returned.payer
    store(
        spark,
        where,
        [
            paid(1, 100, NIGHT, device_id="tablet"),
            second,
            paid(3, 5000, NIGHT, status=Status.REJECTED, reason="AB03"),
            paid(4, 700, later, device_id="phone"),
            paid(5, 900, NIGHT - dt.timedelta(days=5)),
            paid(6, 50, later, category=Category.ESTORNO, direction=Direction.IN),
            receipt,
            returned,
        ],
    )
    since, until = dt.date(2026, 11, 19), dt.date(2026, 11, 20)

    for _ in range(2):  # a second run writes the same
        written = Gold(spark, where, since, until).write()

    daily = {
        (row["business_date"], row["participant"], row["role"], row["category"]): row
        for row in read(settings, GOLD_DAILY)
    }
    first = daily[since, "11111111", "payer", "pagamento"]
    assert (first["settled_events"], first["rejected_events"]) == (2, 1)
    assert (first["settled_centavos"], first["largest_centavos"]) == (400, 300)
    assert str(first["mean_centavos"]) == "200.00"
    assert daily[since, "22222222", "payee", "pagamento"]["accounts"] == 2
    assert daily[until, "11111111", "payer", "estorno"]["settled_centavos"] == 50
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
    assert (payer["paid_counterparties"], payer["returns"], payer["devices"]) == (5, 2, 2)
    assert payer["received_centavos_1d"] == 20
    shop = profiles[until, "k1.payee2"]
    assert (shop["received_centavos_7d"], shop["paid_centavos_1d"], shop["devices"]) == (300, 20, 0)
    assert (until, "k1.payee4") not in profiles  # its own side tells of the day after
    assert profiles[since, "k1.payee5"]["received_1d"] == 0
    assert profiles[since, "k1.payee5"]["received_centavos_7d"] == 900


def test_without_silver_it_says_what_to_run(spark: "SparkSession", settings: SparkSettings) -> None:
    day = dt.date(2026, 11, 20)
    with pytest.raises(DestinationError, match=r"no silver table yet.*run the job ingest"):
        Gold(spark, Places(settings), day, day).write()


@pytest.mark.campaign
def test_small_files_are_merged_and_old_bronze_goes(
    spark: "SparkSession", settings: SparkSettings
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
