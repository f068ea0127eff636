import dataclasses
import datetime as dt
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from pixstream import dead_letters
from pixstream.breaker import RetrySettings
from pixstream.columns.batch import EventBatch
from pixstream.config.settings import Settings
from pixstream.dead_letters import LetterWriter
from pixstream.errors import DestinationError, FencedError, KafkaError, TopicChangedError, Transient
from pixstream.event.identifiers import e2e
from pixstream.event.model import Draft, PixEvent, Refusal
from pixstream.event.sealing import Sealer
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS, POSITIONS, group_id, transactional_id
from pixstream.kafka.ports import TopicIdPartition
from pixstream.kafka.topics.declared import declared
from pixstream.loops.consume import ConsumeLoop
from pixstream.loops.ownership import Ownership
from pixstream.loops.produce import ProduceLoop
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.consumer import Consumer, Reject
from pixstream.plugins.producer import Position, Producer, Reading, Stream
from pixstream.privacy import Pseudonymiser, Vault

VAULT = Vault(bytes(range(32)), "k1")
QUICK = RetrySettings(min_seconds=0.001, max_seconds=0.002, breaker_seconds=0.01)
NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
RNG = Random(11)


@pytest.fixture
def kafka() -> MemoryKafka:
    broker = MemoryKafka()
    admin = broker.client().admin()
    for spec in declared(Settings().topics):
        admin.create(spec)
    return broker


@dataclasses.dataclass(kw_only=True)
class Scripted(Producer):
    """A log of readings, numbered from 1, that resumes after its position and then stops."""

    type: str = "scripted"

    def play(self, readings: list[Draft | Refusal | None], stop: threading.Event) -> None:
        self.readings, self.stop = readings, stop
        self.heard: list[str] = []
        self.failures: list[str] = []
        self.reads = 0

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        self.reads += 1
        for number in range(int(since.get("log", "0")), len(self.readings)):
            content = self.readings[number]
            if content is None:
                yield None
            else:
                yield Reading(stream="log", position=str(number + 1), content=content)
        self.stop.set()
        yield None

    def delivered(self, reading: Reading) -> None:
        self.heard.append(str(reading.position))

    def failed(self, reading: Reading, error: Exception) -> None:
        self.failures.append(f"{reading.position} {type(error).__name__}")


def pix(**fields: Any) -> Draft:
    every = {"message": "api_pix.pix", "end_to_end_id": e2e("99999004", NOW, RNG), "amount": "1.00"}
    return Draft(**{**every, **fields})


def produce(
    kafka: MemoryKafka, readings: list[Draft | Refusal | None], tmp_path: Path, **options: Any
) -> tuple[Scripted, ProduceLoop]:
    stop = threading.Event()
    producer = Scripted(batch=options.pop("batch", BatchLimits(rows=3)))
    producer.play(readings, stop)
    loop = ProduceLoop(
        producer,
        kafka.client(),
        Sealer(Pseudonymiser(bytes(32), "k1"), VAULT),
        LetterWriter(producer.name, VAULT, 2**20, tmp_path),
        max_event_bytes=options.get("max_event_bytes", 2**20),
        retry=QUICK,
        stop=stop,
    )
    return producer, loop


def values(kafka: MemoryKafka, topic: str) -> list[bytes]:
    return [record.value or b"" for record in kafka.client().scan(topic)]


def ids(kafka: MemoryKafka) -> list[str]:
    found = [v for topic in EVENT_TOPICS.values() for v in values(kafka, topic)]
    return [str(msgspec.json.decode(v, type=PixEvent).end_to_end_id) for v in found]


def position(kafka: MemoryKafka) -> Mapping[str, bytes]:
    return kafka.client().load(POSITIONS, "scripted/")


REFUSAL = Refusal(reason="malformed_json", message="no JSON", raw=b"{")


def test_events_letters_and_positions_are_one_transaction(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    drafts = [pix(), REFUSAL, pix(status="?", message="api_pix.devolucao"), pix(), None, pix()]
    producer, loop = produce(kafka, drafts, tmp_path)
    loop.run()
    assert Counter(ids(kafka)) == Counter(
        d.end_to_end_id for d in drafts if isinstance(d, Draft) and d.status is None
    )
    letters = list(dead_letters.views(kafka.client().scan(DLQ)))
    assert [x.headers["reason"] for x in letters] == ["malformed_json", "status_unknown"]
    assert [x.headers["stage"] for x in letters] == ["read", "seal"]
    assert position(kafka) == {"scripted/log": b"6"}
    assert producer.heard == ["1", "2", "3", "4", "6"]


def test_records_carry_key_schema_version_and_trace(kafka: MemoryKafka, tmp_path: Path) -> None:
    draft = pix()
    produce(kafka, [draft], tmp_path)[1].run()
    (record,) = kafka.client().scan(EVENT_TOPICS["recebimentos"])
    event = msgspec.json.decode(record.value or b"", type=PixEvent)
    headers = dict(record.headers)
    assert record.key == str(draft.end_to_end_id).encode()
    assert headers["schema-version"] == b"1"
    assert headers["traceparent"].split(b"-")[1] == event.event_id.encode()


@pytest.mark.parametrize("operation", ["begin", "send", "commit"])
def test_a_transient_failure_is_read_again_and_nothing_is_lost_or_doubled(
    kafka: MemoryKafka, tmp_path: Path, operation: str
) -> None:
    drafts: list[Draft | Refusal | None] = [pix() for _ in range(7)]
    producer, loop = produce(kafka, drafts, tmp_path)
    Ownership(kafka.client(), "scripted", 1, VAULT).claim()
    kafka.fail(operation, Transient("no broker answers"))
    loop.run()
    assert Counter(ids(kafka)) == Counter(d.end_to_end_id for d in drafts if isinstance(d, Draft))
    assert producer.heard == [str(n) for n in range(1, 8)]
    assert producer.reads == 2
    if operation == "commit":
        assert producer.failures == ["1 Transient", "2 Transient", "3 Transient"]


def test_a_fenced_loop_ends_without_a_trace(kafka: MemoryKafka, tmp_path: Path) -> None:
    producer, loop = produce(kafka, [pix(), pix()], tmp_path)

    class Usurper(Scripted):
        pass

    original = producer.read

    def read(since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        for number, reading in enumerate(original(since)):
            yield reading
            if number == 0:
                kafka.client().outbox(transactional_id("scripted", 0, 1))

    producer.read = read  # type: ignore[method-assign]
    with pytest.raises(FencedError):
        loop.run()
    assert ids(kafka) == []
    assert position(kafka) == {}
    assert "1 FencedError" in producer.failures


def test_positions_are_read_after_the_former_owner_was_fenced(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    drafts: list[Draft | Refusal | None] = [pix() for _ in range(4)]
    produce(kafka, drafts[:2], tmp_path)[1].run()
    producer, loop = produce(kafka, drafts, tmp_path)
    loop.run()
    assert producer.heard == ["3", "4"]
    assert len(ids(kafka)) == 4


def test_an_event_too_large_for_kafka_is_a_letter(kafka: MemoryKafka, tmp_path: Path) -> None:
    large = pix(extra={"field": "x" * 5000})
    _, loop = produce(kafka, [large, pix()], tmp_path, max_event_bytes=4000)
    loop.run()
    (letter,) = dead_letters.views(kafka.client().scan(DLQ))
    assert (letter.headers["reason"], letter.headers["stage"]) == ("too_large", "produce")
    assert len(ids(kafka)) == 1


def test_an_unexpected_error_of_a_plugin_aborts_its_transaction(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    producer, loop = produce(kafka, [pix(), pix()], tmp_path)

    def read(since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        del since
        yield Reading(stream="log", position="1", content=pix())
        raise ZeroDivisionError

    producer.read = read  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        loop.run()
    assert ids(kafka) == []
    assert producer.failures == ["1 ZeroDivisionError"]


@dataclasses.dataclass(kw_only=True)
class Table(Consumer):
    """A destination that remembers rows and offsets together, as Delta does."""

    type: str = "table"

    def open(self, stop: threading.Event, rows: int, log: list[str] | None = None) -> None:
        self.stop, self.expected = stop, rows
        self.rows: list[str] = []
        self.next: dict[TopicIdPartition, int] = {}
        self.errors: list[Exception] = []
        self.refuse: set[str] = set()
        self.log = log if log is not None else []

    def offsets(
        self, partitions: Collection[TopicIdPartition], cluster_id: str
    ) -> Mapping[TopicIdPartition, int]:
        del cluster_id
        return {p: self.next[p] for p in partitions if p in self.next}

    def write(self, batch: EventBatch, reject: Reject) -> None:
        if self.errors:
            raise self.errors.pop(0)
        rows = batch.table.to_pylist()
        refused = [i for i, row in enumerate(rows) if row["end_to_end_id"] in self.refuse]
        if refused:
            reject(refused, "destination: does not take it")
        self.log.append("write")
        self.rows += [r["end_to_end_id"] for i, r in enumerate(rows) if i not in refused]
        self.next.update(batch.next_offsets)
        if len(self.rows) + len(self.refuse) >= self.expected:
            self.stop.set()


def consume(
    kafka: MemoryKafka, tmp_path: Path, rows: int, **fields: Any
) -> tuple[Table, ConsumeLoop, threading.Event]:
    stop = threading.Event()
    batch = BatchLimits(rows=100, seconds=0.02)
    table = Table(**{"batch": batch, **fields})
    table.open(stop, rows)
    writer = LetterWriter("table", VAULT, 2**20, tmp_path)
    return table, ConsumeLoop(table, kafka.client(), writer, retry=QUICK, stop=stop), stop


def offered(kafka: MemoryKafka, tmp_path: Path, count: int) -> list[str]:
    drafts: list[Draft | Refusal | None] = [pix() for _ in range(count)]
    produce(kafka, drafts, tmp_path)[1].run()
    return [str(d.end_to_end_id) for d in drafts if isinstance(d, Draft)]


def stray(kafka: MemoryKafka, value: bytes | None) -> None:
    outbox = kafka.client().outbox("stray")
    outbox.begin()
    outbox.send(EVENT_TOPICS["recebimentos"], b"k", value, ())
    outbox.commit()


def lag(kafka: MemoryKafka, component: str) -> int:
    admin = kafka.client().admin()
    done = admin.group_offsets(group_id(component))
    ends = admin.end_offsets([EVENT_TOPICS["recebimentos"]])
    return sum(end - done.get((p.topic, p.partition), 0) for p, end in ends.items())  # type: ignore[call-overload]


def test_every_event_is_written_once_and_lag_reaches_zero(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    events = offered(kafka, tmp_path, 10)
    table, loop, _ = consume(kafka, tmp_path, 10)
    loop.run()
    assert Counter(table.rows) == Counter(events)
    assert lag(kafka, "table") == 0


def test_a_restart_goes_on_where_the_table_stands_not_where_the_group_does(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    first = offered(kafka, tmp_path, 6)
    table, loop, _ = consume(kafka, tmp_path, 6)
    loop.run()
    kafka.committed.clear()
    second = offered(kafka, tmp_path, 10)[6:]
    again, loop, _ = consume(kafka, tmp_path, 4)
    again.next = table.next
    loop.run()
    assert Counter(table.rows + again.rows) == Counter(first + second)


def test_a_table_that_forgot_what_the_group_knows_stops(kafka: MemoryKafka, tmp_path: Path) -> None:
    offered(kafka, tmp_path, 6)
    consume(kafka, tmp_path, 6)[1].run()
    table, loop, _ = consume(kafka, tmp_path, 6)
    with pytest.raises(TopicChangedError, match=r"pix.*the destination has no offset for it"):
        loop.run()
    assert table.rows == []


def test_the_group_never_knows_an_offset_that_the_table_does_not(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    outbox = kafka.client().outbox("stray")
    outbox.begin()
    outbox.send(EVENT_TOPICS["recebimentos"], b"k", b"aborted", ())
    outbox.abort()
    table, loop, stop = consume(kafka, tmp_path, 1)
    threading.Timer(0.2, stop.set).start()
    loop.run()
    assert lag(kafka, "table") == 0
    known = kafka.client().admin().group_offsets(group_id("table"))
    assert known == {(p.topic, p.partition): offset for p, offset in table.next.items()}


def test_transient_failures_are_tried_again_with_the_same_rows(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    events = offered(kafka, tmp_path, 5)
    table, loop, _ = consume(kafka, tmp_path, 5)
    table.errors = [Transient("storage is down"), Transient("storage is down")]
    loop.run()
    assert Counter(table.rows) == Counter(events)
    assert loop.counts["retries"] == 2


@pytest.mark.parametrize("error", [DestinationError("read-only"), ZeroDivisionError()])
def test_any_other_failure_stops_with_nothing_committed(
    kafka: MemoryKafka, tmp_path: Path, error: Exception
) -> None:
    offered(kafka, tmp_path, 5)
    table, loop, _ = consume(kafka, tmp_path, 5)
    table.errors = [error]
    with pytest.raises(type(error)):
        loop.run()
    assert table.rows == []
    assert kafka.client().admin().group_offsets(group_id("table")) == {}


def test_stopping_during_a_transient_failure_commits_nothing(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    offered(kafka, tmp_path, 5)
    table, loop, stop = consume(kafka, tmp_path, 5)

    class Last(Transient):
        def __init__(self) -> None:
            super().__init__("down")
            stop.set()

    def write(batch: EventBatch, reject: Reject) -> None:
        del batch, reject
        raise Last

    table.write = write  # type: ignore[method-assign]
    loop.run()
    assert kafka.client().admin().group_offsets(group_id("table")) == {}


@pytest.mark.parametrize("value", [b"no json", b"\xff", b"{}", None])
def test_what_does_not_decode_is_a_letter_and_the_rest_goes_on(
    kafka: MemoryKafka, tmp_path: Path, value: bytes | None
) -> None:
    events = offered(kafka, tmp_path, 3)
    stray(kafka, value)
    table, loop, _ = consume(kafka, tmp_path, 3)
    loop.run()
    assert Counter(table.rows) == Counter(events)
    (letter,) = dead_letters.views(kafka.client().scan(DLQ))
    assert letter.headers["reason"] == "undecodable_event"
    assert letter.headers["consumer"] == "table"
    assert dead_letters.content(letter, VAULT, tmp_path) == (value or b"")


def test_a_batch_that_ends_in_poison_advances(kafka: MemoryKafka, tmp_path: Path) -> None:
    stray(kafka, b"poison")
    table, loop, stop = consume(kafka, tmp_path, 1)
    write = table.write

    def once(batch: EventBatch, reject: Reject) -> None:
        write(batch, reject)
        stop.set()

    table.write = once  # type: ignore[method-assign]
    loop.run()
    assert table.rows == []
    assert lag(kafka, "table") == 0
    again, loop, stop = consume(kafka, tmp_path, 1)
    again.next = table.next
    threading.Timer(0.2, stop.set).start()
    loop.run()
    assert loop.counts["letters"] == 0


def test_a_rejected_row_is_a_letter_before_the_others_are_written(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    events = offered(kafka, tmp_path, 4)
    table, loop, _ = consume(kafka, tmp_path, 4)
    table.refuse = {events[2]}
    loop.run()
    assert Counter(table.rows) == Counter(e for e in events if e != events[2])
    (letter,) = dead_letters.views(kafka.client().scan(DLQ))
    assert letter.headers["reason"] == "destination_rejected"
    assert letter.headers["message"] == "destination: does not take it"
    event = msgspec.json.decode(dead_letters.content(letter, VAULT, tmp_path), type=PixEvent)
    assert event.end_to_end_id == events[2]


def test_letters_that_cannot_be_written_keep_the_batch_back(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    stray(kafka, b"poison")
    table, loop, _ = consume(kafka, tmp_path, 1)
    kafka.fail("commit", KafkaError("not authorised"))
    with pytest.raises(KafkaError):
        loop.run()
    assert table.log == []
    assert kafka.client().admin().group_offsets(group_id("table")) == {}


def test_a_letter_written_twice_after_a_crash_is_one_letter(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    stray(kafka, b"poison")
    table, loop, _ = consume(kafka, tmp_path, 1)
    table.errors = [DestinationError("killed between letters and table")]
    with pytest.raises(DestinationError):
        loop.run()
    table, loop, stop = consume(kafka, tmp_path, 1)
    threading.Timer(0.2, stop.set).start()
    loop.run()
    assert len(list(kafka.client().scan(DLQ))) == 2
    assert len(list(dead_letters.views(kafka.client().scan(DLQ)))) == 1


def test_partitions_that_move_take_their_buffered_records_along(
    kafka: MemoryKafka, tmp_path: Path
) -> None:
    events = offered(kafka, tmp_path, 30)
    shared: dict[TopicIdPartition, int] = {}
    table, loop, _ = consume(kafka, tmp_path, 31)
    other, second, _ = consume(kafka, tmp_path, 31)
    table.next = other.next = shared
    second._consumer.replica = 1
    write, joined = table.write, threading.Event()

    def write_and_share(batch: EventBatch, reject: Reject) -> None:
        if not joined.is_set():
            joined.set()
            kafka.client().inbox(
                group=group_id("table"),
                topics=[*EVENT_TOPICS.values()],
                member="table-9",
                listener=second_listener,
            ).poll(1, 0)
            raise Transient("the group is just being rebalanced")
        write(batch, reject)
        table.stop.set()

    from pixstream.kafka.ports import Listener

    taken: list[TopicIdPartition] = []

    def assigned(
        partitions: Collection[TopicIdPartition], committed: Mapping[TopicIdPartition, int]
    ) -> Mapping[TopicIdPartition, int]:
        del committed
        taken.extend(partitions)
        return {p: shared.get(p, 0) for p in partitions}

    second_listener = Listener(assigned, lambda _: None)
    table.write = write_and_share  # type: ignore[method-assign]
    loop.run()
    kept = {(p.topic, p.partition) for p in table.next}
    mine = [
        msgspec.json.decode(r.value or b"", type=PixEvent).end_to_end_id
        for r in kafka.client().scan(EVENT_TOPICS["recebimentos"])
        if (r.topic, r.partition) in kept
    ]
    assert Counter(table.rows) == Counter(mine)
    assert set(mine) < set(events)


@pytest.mark.parametrize(("start", "count"), [("earliest", 5), ("latest", 0)])
def test_a_cold_start_begins_where_the_configuration_says(
    kafka: MemoryKafka, tmp_path: Path, start: str, count: int
) -> None:
    offered(kafka, tmp_path, 5)
    table, loop, stop = consume(kafka, tmp_path, 99, start=start)
    threading.Timer(0.2, stop.set).start()
    loop.run()
    assert len(table.rows) == count


def test_an_expired_offset_stops_with_an_instruction(kafka: MemoryKafka, tmp_path: Path) -> None:
    offered(kafka, tmp_path, 9)
    table, loop, _ = consume(kafka, tmp_path, 9)
    places = kafka.partitions([EVENT_TOPICS["recebimentos"]])
    for place, partition in places.items():
        table.next[place] = 0
        kafka.expire(place.topic, place.partition, len(partition.entries))
    with pytest.raises(TopicChangedError):
        loop.run()
    assert table.rows == []
