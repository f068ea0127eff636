"""The consume loop over real tables and a real broker, with both client libraries."""

import dataclasses
import itertools
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq
import pytest
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient
from deltalake import DeltaTable

from pixstream.breaker import RetrySettings
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.dead_letters import LetterWriter
from pixstream.errors import FencedError, PixstreamError, TopicChangedError, Transient
from pixstream.event.model import encode
from pixstream.kafka import connect
from pixstream.kafka.names import DLQ, EVENT_TOPICS, group_id
from pixstream.kafka.ports import Client, TopicSpec
from pixstream.kafka.settings import KafkaSettings
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.loops import offsets
from pixstream.loops.consume import ConsumeLoop
from pixstream.plugins.component import BatchLimits
from pixstream.testing.waiting import wait_for
from tests.loops import consume_world as consuming

pytestmark = pytest.mark.broker
TOPIC = EVENT_TOPICS["recebimentos"]


@pytest.fixture(params=["confluent", "kafka-python"])
def library(request: pytest.FixtureRequest) -> Literal["confluent", "kafka-python"]:
    chosen: Literal["confluent", "kafka-python"] = request.param
    return chosen


class Pipeline:
    """A topic, a consumer of it by a name of its own, and its tables."""

    def __init__(self, library: Any, address: str, place: Path) -> None:
        self.settings = KafkaSettings(
            client=library,
            bootstrap_servers=address,
            linger_ms=5,
            session_timeout_ms=6000,
            request_timeout_ms=5000,
            transaction_timeout_ms=5000,
        )
        self.client: Client = connect(self.settings)
        self.place = place
        self.name = f"lake_{secrets.token_hex(4)}"
        self.numbers = itertools.count(int(time.time()) % 10**6 * 1000)
        self.ids: list[str] = []
        self.maintain_every = 50
        self.runs: list[Run] = []

    def create(self, partitions: int = 1) -> None:
        with closing(self.client.admin()) as admin:
            for topic, count in ((TOPIC, partitions), (DLQ, 1)):
                if topic not in admin.topics():
                    admin.create(TopicSpec(topic, count, 1, {}))

    def delete(self) -> None:
        with closing(self.client.admin()) as admin:
            for topic in {TOPIC, DLQ} & admin.topics().keys():
                admin.delete(topic)

    def produce(self, count: int, *bad: bytes) -> None:
        """Events in one transaction, what is no event after them."""
        with closing(self.client.outbox(f"producer-{self.name}")) as outbox:
            outbox.begin()
            for _ in range(count):
                event = consuming.event(next(self.numbers), consuming.CATEGORIES["recebimentos"])
                self.ids.append(event.event_id)
                outbox.send(TOPIC, str(event.end_to_end_id).encode(), encode(event), [])
            for value in bad:
                outbox.send(TOPIC, b"k", value, [])
            outbox.commit()

    def consumer(self, replica: int = 0) -> DeltaLake:
        made = DeltaLake(
            type="delta_lake",
            uri=str(self.place),
            fsync=False,
            categories=["recebimentos"],
            batch=BatchLimits(rows=500, seconds=0.3),
            maintain_every=self.maintain_every,
        )
        made.name, made.replica = self.name, replica
        return made

    def start(self, replica: int = 0) -> "Run":
        run = Run(self, replica)
        self.runs.append(run)
        return run

    def rows(self) -> Counter[str]:
        found: Counter[str] = Counter()
        with suppress(Exception):
            for file in DeltaTable(self.place / "recebimentos").file_uris():
                found.update(pq.read_table(file, columns=["event_id"])["event_id"].to_pylist())
        return found

    def letters(self) -> list[bytes | None]:
        """Ids of this consumer's dead letters, as often as they were written."""
        scan = self.client.scan(DLQ)
        return [r.key for r in scan if self.name.encode() in dict(r.headers)["consumer"]]

    def show(self) -> list[Any]:
        with closing(self.client.admin()) as admin:
            return offsets.show(self.consumer(), admin)

    def until(self, holds: Callable[[], bool]) -> None:
        wait_for(
            holds,
            lambda: (self.show(), sum(self.rows().values()), [run.error for run in self.runs]),
            progress=lambda: sum(self.rows().values()),
            alive=lambda: all(run.error is None for run in self.runs),
            every=0.1,
        )

    def until_all_is_there(self) -> None:
        """Each event once, nothing else, and no lag."""
        self.until(lambda: self.rows() == Counter(self.ids))
        self.until(lambda: all(s.lag == 0 and s.committed == s.remembered for s in self.show()))


@dataclasses.dataclass
class Run:
    """A loop in a thread, as in a process of its own."""

    pipeline: Pipeline
    replica: int

    def __post_init__(self) -> None:
        self.error: BaseException | None = None
        self.stop = threading.Event()
        pipeline = self.pipeline
        self.loop = ConsumeLoop(
            pipeline.consumer(self.replica),
            connect(pipeline.settings),
            LetterWriter(pipeline.name, consuming.VAULT, 2**20, pipeline.place),
            retry=RetrySettings(max_seconds=1.0),
            stop=self.stop,
        )
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.loop.run()
        except PixstreamError as error:
            self.error = error

    def end(self) -> BaseException | None:
        self.stop.set()
        return self.join()

    def join(self) -> BaseException | None:
        self.thread.join()
        if self in self.pipeline.runs:
            self.pipeline.runs.remove(self)
        return self.error


@pytest.fixture
def pipeline(library: Any, broker: str, tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(library, broker, tmp_path)
    made.delete()
    made.create()
    yield made
    for run in list(made.runs):
        run.end()
    made.delete()


def until_it_waits(run: Run) -> None:
    wait_for(lambda: run.loop.state == "waiting", alive=lambda: run.error is None)


def test_a_member_never_looks_ready_in_an_outage_that_outlives_its_session(
    pipeline: Pipeline, broker_control: EmbeddedBroker
) -> None:
    pipeline.produce(20)
    run = pipeline.start()
    pipeline.until_all_is_there()
    broker_control.stop()
    until_it_waits(run)
    states: Counter[str] = Counter()
    end = time.monotonic() + 3 * pipeline.settings.session_timeout_ms / 1000
    while time.monotonic() < end:
        states[run.loop.state] += 1
        time.sleep(0.05)
    broker_control.start()
    assert states.keys() == {"waiting"}
    pipeline.runs.clear()
    # By its own former self, still joining, it may be fenced: its process would start again.
    pipeline.until(lambda: run.loop.state == "ready" or isinstance(run.error, FencedError))
    run.end()


def test_a_broker_that_restarts_is_waited_out_by_the_same_process(
    pipeline: Pipeline, broker_control: EmbeddedBroker
) -> None:
    pipeline.produce(20)
    run = pipeline.start()
    pipeline.until_all_is_there()
    broker_control.stop()
    until_it_waits(run)
    time.sleep(1.0)  # an outage of more than one poll
    broker_control.start()
    produced = False
    while not produced:
        with suppress(Transient):
            pipeline.produce(20)
            produced = True
    try:
        pipeline.until_all_is_there()
    except AssertionError:
        # By its own former self, still joining: its process would start again.
        if not isinstance(run.error, FencedError):
            raise
        pipeline.runs.clear()
        run = pipeline.start()
        pipeline.until_all_is_there()
    assert run.end() is None
    assert run.loop.state == "ready"


def test_a_batch_that_ends_in_poison_advances_table_and_group(pipeline: Pipeline) -> None:
    """Peers write the last bad records of a partition to the dead letters at every start."""
    pipeline.produce(3, b"poison", b"\xff")
    run = pipeline.start()
    pipeline.until_all_is_there()
    assert run.end() is None
    assert len(pipeline.letters()) == 2
    again = pipeline.start()
    pipeline.until(lambda: again.loop.state == "ready")
    time.sleep(1.0)
    assert again.end() is None
    assert again.loop.counts["consumed"] == 0
    assert len(pipeline.letters()) == 2


def test_two_members_and_a_rebalance_in_the_middle_neither_lose_nor_double(
    pipeline: Pipeline,
) -> None:
    """Rebalance duplicates and loss: the most frequent pain of the peers."""
    pipeline.delete()
    pipeline.create(partitions=4)
    first = pipeline.start(0)
    pipeline.produce(300)
    second = pipeline.start(1)
    for _ in range(5):
        pipeline.produce(200)
    assert first.end() is None
    pipeline.produce(200)
    again = pipeline.start(0)
    pipeline.produce(200)
    pipeline.until_all_is_there()
    assert (second.end(), again.end()) == (None, None)


def stopped(run: Run) -> str:
    wait_for(lambda: run.error is not None, lambda: run.loop.counts)
    run.join()
    assert isinstance(run.error, TopicChangedError), run.error
    return str(run.error)


def mend(pipeline: Pipeline, *words: str) -> None:
    """Do what the message says, once the members are gone."""
    with closing(pipeline.client.admin()) as admin:
        wait_for(lambda: not admin.group_members(group_id(pipeline.name)), every=0.2)
        changes = offsets.plan(
            offsets.show(pipeline.consumer(), admin),
            admin,
            "earliest",
            new_topic="--new-topic" in words,
            allow_rewind="--allow-rewind" in words,
        )
        offsets.apply(pipeline.consumer(), admin, changes)


def test_a_topic_created_anew_while_it_is_read_stops_until_somebody_decides(
    pipeline: Pipeline,
) -> None:
    pipeline.produce(10)
    run = pipeline.start()
    pipeline.until_all_is_there()
    with closing(pipeline.client.admin()) as admin:
        admin.delete(TOPIC)
        admin.create(TopicSpec(TOPIC, 1, 1, {}))
    pipeline.produce(15)

    def has_noticed() -> bool:
        nonlocal run
        if run.error is not None and not isinstance(run.error, TopicChangedError):
            run.join()  # it looked just while there was no topic at all
            run = pipeline.start()
        return isinstance(run.error, TopicChangedError)

    wait_for(has_noticed, every=0.2)
    said = stopped(run)
    command = f"pixstream offsets set {pipeline.name} --topic {TOPIC} --to earliest --new-topic"
    assert command in said
    assert command in stopped(pipeline.start())
    assert len(pipeline.rows()) == 10
    mend(pipeline, "--new-topic")
    run = pipeline.start()
    pipeline.until_all_is_there()
    assert run.end() is None


def expire(pipeline: Pipeline, before: int) -> None:
    admin = AdminClient({"bootstrap.servers": pipeline.settings.bootstrap_servers or ""})
    for done in admin.delete_records([Partition(TOPIC, 0, before)]).values():
        done.result()


def test_records_that_expired_unread_stop_it_until_somebody_decides(pipeline: Pipeline) -> None:
    pipeline.produce(10)
    run = pipeline.start()
    pipeline.until_all_is_there()
    assert run.end() is None
    lost = len(pipeline.ids)
    pipeline.produce(5)
    expire(pipeline, 14)
    said = stopped(pipeline.start())
    command = f"pixstream offsets set {pipeline.name} --topic {TOPIC} --partition 0 --to earliest"
    assert "offset 11 has expired: retention deleted 3 offsets unread" in said
    assert command in said
    (standing,) = pipeline.show()
    assert command in standing.note()
    mend(pipeline)
    del pipeline.ids[lost : lost + 3]
    run = pipeline.start()
    pipeline.until_all_is_there()
    assert run.end() is None


def test_an_offset_beyond_the_end_stops_it_until_somebody_decides(pipeline: Pipeline) -> None:
    pipeline.produce(10)
    run = pipeline.start()
    pipeline.until_all_is_there()
    assert run.end() is None
    with closing(pipeline.client.admin()) as admin:
        (place,) = admin.end_offsets([TOPIC])
        pipeline.consumer().set_offsets({place: 500}, admin.cluster_id())
    said = stopped(pipeline.start())
    assert "offset 500 is beyond the end 11" in said
    assert f"--topic {TOPIC} --partition 0 --to earliest --allow-rewind" in said
    mend(pipeline, "--allow-rewind")
    pipeline.produce(5)
    run = pipeline.start()
    pipeline.until_all_is_there()
    assert run.end() is None
    assert run.loop._consumer.counts["deduplicated"] == 10


def copy(table: Path, to: Path) -> None:
    """A backup as docs/guarantees.md says: the log first, then the files that it names."""
    unfinished = shutil.ignore_patterns("*#*")  # deltalake's names of what it is writing
    shutil.copytree(table / "_delta_log", to / "_delta_log", ignore=unfinished)
    rest = shutil.ignore_patterns("_delta_log")
    shutil.copytree(table, to, dirs_exist_ok=True, ignore=rest)


def test_a_table_restored_from_a_copy_takes_the_rest_from_kafka(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """The copy is made while the table is written, merged and checkpointed; then the disk is lost.

    The Kafka group is ahead of the restored table: the table decides.
    """
    pipeline.maintain_every = 2
    table, backup = pipeline.place / "recebimentos", tmp_path / "backup"
    run = pipeline.start()
    pipeline.produce(300, b"poison")
    pipeline.until(lambda: pipeline.rows().total() > 0)
    copying = threading.Thread(target=copy, args=(table, backup))
    copying.start()
    for _ in range(5):
        pipeline.produce(100)
    copying.join()
    held = DeltaTable(backup).version()
    for _ in range(5):
        pipeline.produce(100, b"poison")
        pipeline.until_all_is_there()
    assert run.end() is None
    assert DeltaTable(table).version() > held
    letters = set(pipeline.letters())
    shutil.rmtree(table)
    shutil.copytree(backup, table)

    run = pipeline.start()
    pipeline.until_all_is_there()

    assert run.end() is None
    assert run.loop.counts["consumed"] > 0
    assert set(pipeline.letters()) == letters
    assert len(letters) == 6
