"""Kafka → bronze → silver on a real Spark and a real Kafka."""

import datetime as dt
import logging
import secrets
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from deltalake import DeltaTable, Field
from deltalake.schema import PrimitiveType

from pixstream.dead_letters import views
from pixstream.errors import DestinationError, TopicChangedError
from pixstream.event.categories import Category
from pixstream.event.model import SCHEMA_VERSION, encode
from pixstream.event.record import event_record
from pixstream.kafka import lag
from pixstream.kafka.names import DLQ, EVENT_TOPICS, group_id
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.transactions import Writer
from pixstream.spark.ingestion import Ingestion
from pixstream.spark.kafka_options import kafka_options
from pixstream.spark.places import BRONZE, Places
from pixstream.spark.streaming import QUERY
from pixstream.testing import event

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.broker, pytest.mark.spark]


def rows(spark: "SparkSession", place: Any, table: str) -> list[dict[str, Any]]:
    return [row.asDict(recursive=True) for row in Places(place.spark).read(spark, table).collect()]


def ids(found: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(row["event_id"] for row in found)


def test_every_record_is_in_bronze_once_and_every_event_in_silver_once(
    spark: "SparkSession", place: Any
) -> None:
    paid = [event(n) for n in range(50)]
    got = [event(n, category=Category.RECEBIMENTO) for n in range(20)]
    place.tell([*paid, *got, *paid[:10], b"no event"])

    first = place.ingest(spark)

    assert len(rows(spark, place, BRONZE)) == 81
    silver = rows(spark, place, Category.PAGAMENTO.plural)
    assert ids(silver) == sorted(one.event_id for one in paid)
    assert all(row["tellings"] is None for row in silver)
    assert len(rows(spark, place, Category.RECEBIMENTO.plural)) == 20
    assert rows(spark, place, Category.ESTORNO.plural) == []
    assert first.counts == {
        "consumed": 81,
        "letters": 1,
        "written": 70,
        "updated": 0,
        "deduplicated": 10,
        "revisions": 0,
        "batches": 1,
    }
    (letter,) = views(place.client.scan(DLQ))
    assert letter.reason == "undecodable_event"

    place.tell([paid[3], event(50), event(4, txid="TX4")])
    again = place.ingest(spark)

    silver = rows(spark, place, Category.PAGAMENTO.plural)
    assert len(silver) == 51
    (merged,) = [row for row in silver if row["event_id"] == paid[4].event_id]
    assert (merged["txid"], merged["revision"], len(merged["tellings"])) == ("TX4", 1, 2)
    assert again.counts["written"] == 1
    assert again.counts["revisions"] == 1
    assert len(rows(spark, place, BRONZE)) == 84


def test_a_batch_that_comes_again_changes_nothing(spark: "SparkSession", place: Any) -> None:
    place.tell([event(1), event(2), event(2, txid="A"), b"no event"])
    writer = Writer(place.client, "pixstream/delta_lake/0")
    admin = place.client.admin()
    ids = {name: state.topic_id for name, state in admin.topics().items()}
    admin.close()
    batch = (
        spark.read.format("kafka")
        .options(**kafka_options(place.kafka))
        .option("subscribe", ",".join(EVENT_TOPICS.values()))
        .option("includeHeaders", "true")
        .load()
    )
    for _ in range(2):
        again = Ingestion(place.around(), spark, Places(place.spark), ids, writer)
        again.take(batch, "query", 0)
    writer.close()

    assert len(rows(spark, place, BRONZE)) == 4
    silver = rows(spark, place, Category.PAGAMENTO.plural)
    assert [(row["revision"], row["txid"]) for row in silver if row["tellings"]] == [(1, "A")]
    assert len(silver) == 2
    letters = list(place.client.scan(DLQ))
    assert len(letters) == 2
    assert len({letter.key for letter in letters}) == 1


def test_the_lines_of_a_batch_say_where_its_records_are(
    spark: "SparkSession", place: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pixstream.batches")
    traced = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    place.tell([event(n) for n in range(20)])
    place.tell([b"no event"])
    with closing(place.client.outbox("sampled")) as outbox:
        record = event_record(event(20), traced, 10**9)
        outbox.begin()
        outbox.send(*record)
        outbox.commit()

    place.ingest(spark)

    lines = [one.ecs for one in caplog.records if one.name == "pixstream.batches"]  # type: ignore[attr-defined]
    bronze = rows(spark, place, BRONZE)
    written = [line for line in lines if line["event.action"] == "batch-written"]
    assert sum(line["pix.records"] for line in written) == 22
    for row in bronze:
        (line,) = [
            line
            for line in written
            if (line["kafka.topic"], line["kafka.partition"]) == (row["topic"], row["partition"])
            and line["kafka.offset.first"] <= row["offset"] <= line["kafka.offset.last"]
        ]
        assert line["pix.batch.id"] == f"{row['query_id']}/{row['batch_id']}"
    (letter,) = [line for line in lines if line["event.action"] == "letter-sent"]
    assert letter["event.reason"] == "undecodable_event"
    (sampled,) = [line for line in lines if line["event.action"] == "message-written"]
    assert sampled["trace.id"] == traced.split("-")[1]
    assert sampled["pix.end_to_end_id"] == event(20).end_to_end_id
    (where,) = [row["offset"] for row in bronze if bytes(row["key"]) == record.key]
    assert sampled["kafka.offset.first"] == sampled["kafka.offset.last"] == where


def test_without_its_checkpoint_it_goes_on_after_bronze_and_settles_the_last_batch(
    spark: "SparkSession",
    place: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk went away")

    place.tell([event(n) for n in range(5)])
    with monkeypatch.context() as broken:
        broken.setattr("pixstream.spark.silver.Silver.settle", fail)
        with pytest.raises(DestinationError, match="its batch is repeated"):
            place.ingest(spark)
    assert rows(spark, place, Category.PAGAMENTO.plural) == []
    shutil.rmtree(place.directory / "checkpoints")
    place.tell([event(5)])

    loop = place.ingest(spark)

    assert len(rows(spark, place, BRONZE)) == 6
    silver = rows(spark, place, Category.PAGAMENTO.plural)
    assert ids(silver) == sorted(event(n).event_id for n in range(6))
    assert loop.counts["written"] == 6
    assert "holds no checkpoint, while bronze has rows" in caplog.text


def test_a_new_field_becomes_a_column_while_it_runs(spark: "SparkSession", place: Any) -> None:
    newer = msgspec.json.decode(encode(event(2)))
    newer |= {
        "schema_version": SCHEMA_VERSION + 1,
        "mcc": 5411,
        "payer": {**newer["payer"], "segment": "gold"},
    }
    place.tell([event(1), msgspec.json.encode(newer), event(3)])

    place.ingest(spark)
    # As after a crash between two tables, or a RESTORE: one has a column that the others lack.
    table = DeltaTable(Places(place.spark).path(Category.ESTORNO.plural))
    table.alter.add_columns([Field("lane", PrimitiveType("string"))])
    place.tell([event(1, txid="A"), event(4), event(5, category=Category.ESTORNO)])
    place.ingest(spark)

    by_id = {row["event_id"]: row for row in rows(spark, place, Category.PAGAMENTO.plural)}
    found = by_id[event(2).event_id]
    assert (found["mcc"], found["payer"]["segment"], found["schema_version"]) == (
        5411,
        "gold",
        SCHEMA_VERSION + 1,
    )
    first = by_id[event(1).event_id]
    assert (first["mcc"], first["lane"], first["txid"]) == (None, None, "A")
    assert first["tellings"][0]["lane"] is None
    assert len(by_id) == 4


@pytest.mark.campaign
def test_times_at_both_ends_of_the_calendar_stop_nothing(spark: "SparkSession", place: Any) -> None:
    first = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
    last = dt.datetime(9999, 12, 31, 23, tzinfo=dt.UTC)
    for txid in (None, "A"):
        place.tell([event(1, time=first, txid=txid), event(2, time=last, txid=txid), event(3)])
        place.ingest(spark)
    # Spark's own conversion to Python knows no year 1.
    path = Places(place.spark).path(Category.PAGAMENTO.plural)
    silver = DeltaTable(path).to_pyarrow_table(columns=["event_time", "txid"]).to_pylist()
    told = [(row["event_time"], row["txid"]) for row in silver if row["txid"]]
    assert sorted(told) == [(first, "A"), (last, "A")]
    assert len(silver) == 3


@pytest.mark.campaign
def test_a_checkpoint_and_a_bronze_of_different_times_are_refused(
    spark: "SparkSession", place: Any
) -> None:
    def put(there: str, back: str) -> None:
        shutil.rmtree(place.directory / back)
        shutil.copytree(place.directory / there, place.directory / back)

    place.tell([event(1)])
    place.ingest(spark)
    shutil.copytree(place.directory / "checkpoints", place.directory / "old-checkpoints")
    shutil.copytree(place.directory / "lake/bronze", place.directory / "old-bronze")
    place.tell([event(2)])
    place.ingest(spark)
    place.tell([event(3)])
    place.ingest(spark)
    shutil.copytree(place.directory / "checkpoints", place.directory / "new-checkpoints")

    put("old-checkpoints", "checkpoints")
    with pytest.raises(
        DestinationError, match=r"checkpoint is an older copy.*last batch in bronze is 2"
    ):
        place.ingest(spark)

    put("new-checkpoints", "checkpoints")
    put("old-bronze", "lake/bronze")
    place.tell([event(4)])
    with pytest.raises(
        DestinationError, match=r"bronze is an older copy.*last batch in bronze is 0"
    ):
        place.ingest(spark)

    shutil.rmtree(place.directory / "checkpoints")
    place.ingest(spark)
    assert len(rows(spark, place, BRONZE)) == 4
    silver = rows(spark, place, Category.PAGAMENTO.plural)
    assert ids(silver) == sorted(event(n).event_id for n in range(1, 5))


@pytest.mark.campaign
def test_what_a_restored_silver_table_lacks_comes_back_out_of_bronze(
    spark: "SparkSession", place: Any
) -> None:
    place.tell([event(1), event(2), b"no event"])
    place.ingest(spark)
    DeltaTable(Places(place.spark).path("pagamentos")).delete("txid IS NULL")
    assert rows(spark, place, Category.PAGAMENTO.plural) == []
    place.ingest(spark, settle_since=dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1))
    silver = rows(spark, place, Category.PAGAMENTO.plural)
    assert ids(silver) == sorted(event(n).event_id for n in (1, 2))
    assert len({letter.key for letter in place.client.scan(DLQ)}) == 1


@pytest.mark.campaign
def test_a_topic_that_was_made_again_is_refused(spark: "SparkSession", place: Any) -> None:
    place.tell([event(1)])
    place.ingest(spark)
    admin = place.client.admin()
    admin.delete(EVENT_TOPICS["pagamentos"])
    admin.close()
    place.create_topics()

    with pytest.raises(TopicChangedError, match=r"pix\.pagamentos .* deleted and recreated"):
        place.ingest(spark)
    assert len(rows(spark, place, BRONZE)) == 1


@pytest.mark.campaign
def test_a_letter_replayed_for_another_consumer_is_left_to_it(
    spark: "SparkSession", place: Any
) -> None:
    place.tell([event(1)], replay_for=b"fraud_scoring")
    place.tell([event(2)], replay_for=b"delta_lake")
    place.ingest(spark)
    assert ids(rows(spark, place, Category.PAGAMENTO.plural)) == [event(2).event_id]
    assert len(rows(spark, place, BRONZE)) == 2


@pytest.mark.campaign
def test_the_group_says_how_far_it_is_so_that_its_lag_is_seen(
    spark: "SparkSession", place: Any
) -> None:
    place.tell([event(n) for n in range(3)])
    place.ingest(spark)
    topics = list(EVENT_TOPICS.values())
    admin = place.client.admin()
    found = lag.totals(lag.lag(admin, {group_id("delta_lake"): topics}))
    admin.close()
    assert found[group_id("delta_lake")] == 0


def test_an_event_that_another_job_changed_meanwhile_is_not_written_over(
    spark: "SparkSession", place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixstream.spark.silver import Silver

    place.tell([event(1)])
    place.ingest(spark)
    merge = Silver._merge

    def late(self: Any, *arguments: Any) -> Any:
        # Once, and not by this session, which would compute the batch anew.
        if not others:
            others.append("update")
            table = DeltaTable(Places(place.spark).path(Category.PAGAMENTO.plural))
            table.update({"_offset": "_offset + 1"})
        found.append(merge(self, *arguments))
        return found[-1]

    others: list[str] = []
    found: list[Any] = []
    monkeypatch.setattr(Silver, "_merge", late)
    place.tell([event(1, txid="A"), event(2)])
    loop = place.ingest(spark)

    # Event 1 was left as it was, event 2 written; the second time it is the other way round.
    assert found == [(1, 0, 1), (0, 1, 0)]
    assert (loop.counts["written"], loop.counts["revisions"]) == (1, 1)
    after = {row["event_id"]: row for row in rows(spark, place, Category.PAGAMENTO.plural)}
    assert after[event(1).event_id]["txid"] == "A"
    assert len(after) == 2


def test_a_prefix_is_in_kafkas_names_alone(
    spark: "SparkSession", broker: str, place_at: Any, tmp_path: Path
) -> None:
    prefix = f"t{secrets.token_hex(4)}."
    place = place_at(KafkaSettings(bootstrap_servers=broker, topic_prefix=prefix), tmp_path)
    place.create_topics()
    place.tell([event(1), event(2)])
    place.ingest(spark)
    bronze = rows(spark, place, BRONZE)
    assert [row["topic"] for row in bronze] == [Category.PAGAMENTO.topic] * 2
    with closing(place.client.admin()) as admin:
        group = group_id("delta_lake")
        assert lag.totals(lag.lag(admin, {group: list(EVENT_TOPICS.values())})) == {group: 0}
    shutil.rmtree(Places(place.spark).checkpoint(QUERY))
    place.tell([event(3)])
    place.ingest(spark)
    assert len(rows(spark, place, BRONZE)) == 3
    assert len(rows(spark, place, Category.PAGAMENTO.plural)) == 3
