"""From the lines of batches alone, every record's way can be told, and nothing personal."""

import dataclasses
import datetime as dt
import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import pytest

from pixstream import batch_log
from pixstream.batch_log import spans_of
from pixstream.breaker import RetrySettings
from pixstream.columns.batch import EventBatch
from pixstream.config.settings import Settings
from pixstream.dead_letters import LetterWriter
from pixstream.errors import Transient
from pixstream.event.identifiers import e2e, generate_cpf
from pixstream.event.model import Draft, Person, Refusal
from pixstream.event.sealing import Sealer
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS
from pixstream.kafka.ports import Record, TopicSpec
from pixstream.kafka.topics.declared import TopicSettings, declared
from pixstream.logs import EcsFormatter
from pixstream.logs.fields import NAMES
from pixstream.loops.consume import ConsumeLoop
from pixstream.loops.process import ProcessLoop
from pixstream.loops.produce import ProduceLoop
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.consumer import Consumer, Reject
from pixstream.plugins.processor import Emit, Processor
from pixstream.plugins.producer import Position, Producer, Reading, Stream
from pixstream.privacy import Pseudonymiser, Vault

VAULT = Vault(bytes(range(32)), "k1")
QUICK = RetrySettings(min_seconds=0.001, max_seconds=0.002, breaker_seconds=0.01)
NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
RNG = Random(14)
RECEIPTS = EVENT_TOPICS["recebimentos"]
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NAME = "Maria das Dores"
CPF = generate_cpf(RNG)

Line = dict[str, Any]


@pytest.fixture
def kafka() -> MemoryKafka:
    broker = MemoryKafka()
    admin = broker.client().admin()
    for spec in declared(Settings().topics):
        admin.create(spec)
    return broker


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    """Every line of the loops, as it is written to a file."""
    written: list[Line] = []

    class Written(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    handler, logger = Written(), logging.getLogger("pixstream")
    handler.setFormatter(EcsFormatter("x-0"))
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(level)


@dataclasses.dataclass(kw_only=True)
class Source(Producer):
    """Readings that somebody made, then the end."""

    type: str = "source"

    def play(self, readings: list[Reading], stop: threading.Event) -> None:
        self.readings, self.stop = readings, stop

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        yield from self.readings[int(since.get("log", "0")) :]
        self.stop.set()
        yield None


@dataclasses.dataclass(kw_only=True)
class Table(Consumer):
    """A destination whose tables have versions."""

    type: str = "table"

    def until(self, stop: threading.Event, rows: int) -> None:
        self.stop, self.left = stop, rows
        self.errors: list[Exception] = []
        self.refuse: list[int] = []

    def write(self, batch: EventBatch, reject: Reject) -> None:
        if self.errors:
            raise self.errors.pop(0)
        if self.refuse:
            reject(self.refuse, "destination: does not take it")
        self.left -= batch.table.num_rows
        if self.left <= 0:
            self.stop.set()

    def versions(self) -> Mapping[str, int]:
        return {RECEIPTS: 41}


@dataclasses.dataclass(kw_only=True)
class Copies(Processor):
    """Emits one record for each event."""

    type: str = "copies"
    writes = MappingProxyType({"pix.copies": TopicSettings()})

    def until(self, stop: threading.Event, rows: int) -> None:
        self.stop, self.left = stop, rows

    def process(self, batch: EventBatch, emit: Emit) -> None:
        for row in batch.table.to_pylist():
            emit("pix.copies", row["end_to_end_id"].encode(), b"{}")
        self.left -= batch.table.num_rows
        if self.left <= 0:
            self.stop.set()


def reading(number: int, content: Draft | Refusal | None = None, **fields: Any) -> Reading:
    person = Person(document=CPF, key=CPF)
    every: dict[str, Any] = {"message": "api_pix.pix", "amount": "1.00", "payer": person}
    every |= {"end_to_end_id": e2e("99999004", NOW, RNG), "texts": {"nome": NAME}}
    traced = fields.pop("traceparent", None)
    content = content or Draft(**every | fields)
    return Reading(stream="log", position=str(number), content=content, traceparent=traced)


def letters_of(name: str, tmp_path: Path) -> LetterWriter:
    return LetterWriter(name, VAULT, 2**20, tmp_path)


def produce(
    kafka: MemoryKafka, tmp_path: Path, readings: list[Reading], sample: int = 0, rows: int = 100
) -> None:
    stop = threading.Event()
    producer = Source(batch=BatchLimits(rows=rows))
    producer.play(readings, stop)
    loop = ProduceLoop(
        producer,
        kafka.client(),
        Sealer(Pseudonymiser(bytes(32), "k1"), VAULT),
        letters_of("source", tmp_path),
        max_event_bytes=2**20,
        retry=QUICK,
        stop=stop,
    )
    loop.lines.sample = sample
    loop.run()


def consumer(
    kafka: MemoryKafka, tmp_path: Path, rows: int, batch: int = 100
) -> tuple[Table, ConsumeLoop]:
    stop = threading.Event()
    table = Table(batch=BatchLimits(rows=batch, seconds=0.02))
    table.until(stop, rows)
    writer = letters_of("table", tmp_path)
    return table, ConsumeLoop(table, kafka.client(), writer, retry=QUICK, stop=stop)


def of(lines: list[Line], action: str) -> list[Line]:
    return [line for line in lines if line.get("event.action") == action]


def places(line: Line) -> list[tuple[str, int, int]]:
    offsets = range(line["kafka.offset.first"], line["kafka.offset.last"] + 1)
    return [(line["kafka.topic"], line["kafka.partition"], offset) for offset in offsets]


def test_every_record_is_in_one_line_of_its_producer_and_one_of_its_consumer(
    kafka: MemoryKafka, tmp_path: Path, lines: list[Line]
) -> None:
    produce(kafka, tmp_path, [reading(number) for number in range(1, 8)], rows=3)
    consumer(kafka, tmp_path, 7, batch=4)[1].run()
    stored = [(r.topic, r.partition, r.offset) for r in kafka.client().scan(RECEIPTS)]
    for action in ("batch-produced", "batch-written"):
        found = of(lines, action)
        ranges = Counter(place for line in found for place in places(line))
        assert [ranges[place] for place in stored] == [1] * 7  # markers lie between
        assert sum(line["pix.records"] for line in found) == 7
        assert {line["event.outcome"] for line in found} == {"success"}
        assert {line["event.dataset"] for line in found} == {"pixstream.batch"}
        assert all(line["event.duration"] > 0 for line in found)
        assert len({line["pix.batch.id"] for line in found}) > 1
    written = of(lines, "batch-written")
    assert {(line["delta.table"], line["delta.version"]) for line in written} == {
        ("recebimentos", 41)
    }


def test_positions_are_no_messages(kafka: MemoryKafka, tmp_path: Path, lines: list[Line]) -> None:
    produce(kafka, tmp_path, [reading(1)])
    assert {line["kafka.topic"] for line in of(lines, "batch-produced")} == {RECEIPTS}


def test_a_transaction_that_is_not_committed_has_no_line(
    kafka: MemoryKafka, tmp_path: Path, lines: list[Line]
) -> None:
    produce(kafka, tmp_path, [])  # what claims the streams is a transaction too
    kafka.fail("commit", Transient("no broker answers"))
    produce(kafka, tmp_path, [reading(1), reading(2, REFUSAL)], sample=1, rows=2)
    assert sum(line["pix.records"] for line in of(lines, "batch-produced")) == 2
    assert len(of(lines, "message-produced")) == 1
    assert len(of(lines, "letter-sent")) == 1
    assert of(lines, "batch-retried")[0]["event.outcome"] == "failure"


REFUSAL = Refusal(reason="malformed_json", message="no JSON", raw=b"{")


def test_a_letter_of_a_source_is_a_warning_with_its_id_and_reason(
    kafka: MemoryKafka, tmp_path: Path, lines: list[Line]
) -> None:
    produce(kafka, tmp_path, [reading(1, REFUSAL)])
    (letter,) = kafka.client().scan(DLQ)
    (line,) = of(lines, "letter-sent")
    assert letter.key == line["pix.letter.id"].encode()
    assert line["trace.id"] == line["pix.letter.id"]
    assert line["log.level"] == "warning"
    assert (line["event.reason"], line["pix.letter.stage"]) == ("malformed_json", "read")
    (sent,) = of(lines, "batch-produced")
    assert places(sent) == [(DLQ, letter.partition, letter.offset)]


def test_a_letter_of_a_consumer_says_where_its_record_is(
    kafka: MemoryKafka, tmp_path: Path, lines: list[Line]
) -> None:
    produce(kafka, tmp_path, [reading(1), reading(2)], sample=1)
    lines.clear()
    table, loop = consumer(kafka, tmp_path, 2)
    table.refuse = [1]
    loop.run()
    (line,) = of(lines, "letter-sent")
    assert (line["event.reason"], line["pix.letter.stage"]) == ("destination_rejected", "write")
    (record,) = [
        r
        for r in kafka.client().scan(RECEIPTS)
        if (r.topic, r.partition, r.offset) == places(line)[0]
    ]
    assert dict(record.headers)["traceparent"].decode().split("-")[1] == line["trace.id"]


def test_a_sampled_payment_has_a_line_at_every_stage(
    kafka: MemoryKafka, tmp_path: Path, lines: list[Line]
) -> None:
    readings = [reading(number) for number in range(1, 41)]
    produce(kafka, tmp_path, readings, sample=4)
    table, loop = consumer(kafka, tmp_path, 40)
    loop.lines.sample = 4
    loop.run()
    del table
    produced, written = of(lines, "message-produced"), of(lines, "message-written")
    ids = [line["pix.end_to_end_id"] for line in produced]
    assert 0 < len(ids) < 40
    assert sorted(ids) == sorted(line["pix.end_to_end_id"] for line in written)
    assert {line["trace.id"] for line in produced} == {line["trace.id"] for line in written}
    by_place = {(r.topic, r.partition, r.offset): r.key for r in kafka.client().scan(RECEIPTS)}
    for line in written:
        assert [by_place[place] for place in places(line)] == [line["pix.end_to_end_id"].encode()]
        assert line["delta.version"] == 41


def test_a_payment_is_followed_because_its_sender_asked(
    kafka: MemoryKafka, tmp_path: Path, lines: list[Line]
) -> None:
    asked = reading(2, traceparent=f"00-{TRACE}-{SPAN}-01")
    produce(kafka, tmp_path, [reading(1), asked, reading(3)], sample=10**9)
    loop = consumer(kafka, tmp_path, 3)[1]
    loop.lines.sample = 10**9
    loop.run()
    for action in ("message-produced", "message-written"):
        (line,) = of(lines, action)
        assert line["trace.id"] == TRACE
        assert line["pix.end_to_end_id"] == getattr(asked.content, "end_to_end_id", None)


def test_a_processor_has_lines_of_what_it_read_and_what_it_made(
    kafka: MemoryKafka, tmp_path: Path, lines: list[Line]
) -> None:
    produce(kafka, tmp_path, [reading(number) for number in range(1, 6)])
    kafka.client().admin().create(TopicSpec("pix.copies", 2, 1, {}))
    stop = threading.Event()
    processor = Copies(batch=BatchLimits(rows=100, seconds=0.02))
    processor.until(stop, 5)
    writer = letters_of("copies", tmp_path)
    loop = ProcessLoop(processor, kafka.client(), writer, retry=QUICK, stop=stop)
    loop.lines.sample = 1
    loop.run()
    assert sum(line["pix.records"] for line in of(lines, "batch-processed")) == 5
    emitted = of(lines, "batch-emitted")
    assert sum(line["pix.records"] for line in emitted) == 5
    assert {line["kafka.topic"] for line in emitted} == {"pix.copies"}


def test_no_line_says_anything_personal(
    kafka: MemoryKafka, tmp_path: Path, lines: list[Line]
) -> None:
    hidden = f"{e2e('99999004', NOW, RNG)[:-11]}{CPF}"
    odd = [
        reading(1),
        reading(2, end_to_end_id=hidden),
        reading(3, end_to_end_id=f"pix-de-{CPF}-hoje"),
        reading(4, Refusal(reason="not_a_pix", message=f"{NAME} {CPF}", raw=CPF.encode())),
        reading(5, traceparent=f"00-{'a' * 21}{CPF}-{SPAN}-01"),
    ]
    produce(kafka, tmp_path, odd, sample=1)
    table, loop = consumer(kafka, tmp_path, 3)
    loop.lines.sample, table.refuse = 1, [0]
    loop.run()
    assert of(lines, "message-written")
    text = json.dumps(lines)
    assert CPF not in text
    assert NAME not in text
    assert {name for line in lines for name in line} <= NAMES


def test_with_the_logger_off_nothing_is_written_but_letters(
    kafka: MemoryKafka, tmp_path: Path, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_log.log, "isEnabledFor", lambda level: level >= logging.WARNING)
    produce(kafka, tmp_path, [reading(1), reading(2, REFUSAL)], sample=1)
    consumer(kafka, tmp_path, 1)[1].run()
    found = {line.get("event.action") for line in lines if line["log.logger"] == batch_log.log.name}
    assert found == {"letter-sent"}


def test_offsets_of_mixed_partitions_are_told_apart() -> None:
    records = [
        Record(topic, partition, offset, 0, None, b"", [])
        for topic, partition, offset in (
            ("a", 0, 4),
            ("a", 0, 5),
            ("b", 0, 9),
            ("a", 0, 8),
            ("a", 1, 2),
        )
    ]
    assert {tuple(place): tuple(span) for place, span in spans_of(records).items()} == {
        ("a", 0): (4, 8, 3),
        ("b", 0): (9, 9, 1),
        ("a", 1): (2, 2, 1),
    }
