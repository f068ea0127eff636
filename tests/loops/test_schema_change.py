"""Producers of two versions write to the same topics while a consumer runs over real tables."""

import dataclasses
import itertools
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from deltalake import DeltaTable
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pixstream import dead_letters
from pixstream.breaker import RetrySettings
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.dead_letters import LetterWriter
from pixstream.errors import DestinationError, PixstreamError, Transient
from pixstream.event.contract import ContractSettings
from pixstream.event.model import encode
from pixstream.event.sealing import Sealer
from pixstream.kafka import connect
from pixstream.kafka.memory import MemoryInbox, MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS, group_id
from pixstream.kafka.ports import Client, TopicSpec
from pixstream.kafka.settings import KafkaSettings
from pixstream.lab.demo import tables
from pixstream.loops import member
from pixstream.loops.consume import ConsumeLoop
from pixstream.loops.segments import Segment, segments
from pixstream.plugins.component import BatchLimits
from pixstream.privacy import Pseudonymiser, Vault
from pixstream.testing.waiting import wait_for
from tests.loops import consume_world as consuming

pytestmark = pytest.mark.usefixtures("ticks")

TOPIC = EVENT_TOPICS["recebimentos"]
VAULT = Vault(bytes(range(32)), "k1")
SEALER = Sealer(Pseudonymiser(bytes(32), "k1"), VAULT)
QUICK = RetrySettings(min_seconds=0.001, max_seconds=0.01, breaker_seconds=0.01)
EVOLVE = ContractSettings()


@dataclasses.dataclass(frozen=True)
class Told:
    """One event that a producer told, and what was new about it."""

    event_id: str
    new: Mapping[str, Any]


class World:
    """A topic of three partitions, its producers, one consumer over tables at `place`."""

    def __init__(self, client: Client, place: Path, retry: RetrySettings = QUICK) -> None:
        self.client, self.place, self.retry = client, place, retry
        self.name = f"lake_{secrets.token_hex(4)}"
        self.numbers = itertools.count(int(time.time()) % 10**6 * 1000)
        self.told: list[Told] = []
        self.stop = threading.Event()

    def produce(self, *versions: int, **new: Any) -> None:
        """One transaction with an event of each version; those of version 2 tell what is new."""
        with closing(self.client.outbox(f"producer-{self.name}")) as outbox:
            outbox.begin()
            for version in versions:
                number = next(self.numbers)
                event = consuming.event(number, consuming.CATEGORIES["recebimentos"])
                document = json.loads(encode(event)) | {"schema_version": version}
                told = dict(new) if version > 1 else {}
                document |= {name: value for name, value in told.items() if name != "payer"}
                document["payer"] |= told.get("payer", {})
                value = json.dumps(document).encode()
                headers = (("schema-version", str(version).encode()),)
                outbox.send(TOPIC, str(event.end_to_end_id).encode(), value, headers)
                self.told.append(Told(event.event_id, told))
            outbox.commit()

    def loop(self, contract: ContractSettings = EVOLVE, **batch: Any) -> ConsumeLoop:
        """A loop that has just started."""
        self.stop = threading.Event()
        lake = DeltaLake(
            type="delta_lake",
            uri=str(self.place / "lake"),
            fsync=False,
            categories=["recebimentos"],
            batch=BatchLimits(**{"rows": 500, "seconds": 0.02, **batch}),
        )
        lake.name = self.name
        return ConsumeLoop(
            lake,
            self.client,
            LetterWriter(self.name, VAULT, 2**20, self.place),
            retry=self.retry,
            stop=self.stop,
            seal_extra=lambda extra, event_id: SEALER.seal_extra(extra, {}, event_id),
            contract=contract,
        )

    def rows(self) -> dict[str, dict[str, Any]]:
        table = tables.read(self.place / "lake" / "recebimentos")
        found = [] if table is None else table.to_pylist()
        rows = {row["event_id"]: row for row in found}
        assert len(rows) == len(found), "an event is there twice"
        return rows

    def letters(self) -> list[Any]:
        found = dead_letters.views(self.client.scan(DLQ))
        return [letter for letter in found if letter.component == self.name]

    def version(self) -> int:
        return DeltaTable(self.place / "lake" / "recebimentos").version()

    def check(self) -> None:
        """Each event once, with what is new about it in its column, null without."""
        rows = self.rows()
        assert rows.keys() == {told.event_id for told in self.told}
        for told in self.told:
            row = rows[told.event_id]
            assert row.get("novelty") == told.new.get("novelty")
            assert row["payer"].get("nick") == told.new.get("payer", {}).get("nick")
            assert row["schema_version"] == (2 if told.new else 1)


def in_memory(partitions: int) -> MemoryKafka:
    kafka = MemoryKafka()
    for spec in (TopicSpec(TOPIC, partitions, 1, {}), TopicSpec(DLQ, 1, 1, {})):
        kafka.client().admin().create(spec)
    return kafka


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(cast("Client", in_memory(3).client()), tmp_path)


@pytest.fixture
def line(tmp_path: Path) -> World:
    """The same with one partition, so that records come in the order in which they were sent."""
    return World(cast("Client", in_memory(1).client()), tmp_path)


def steps(loop: ConsumeLoop, count: int = 4) -> None:
    """Open a loop, take some steps, and close it."""
    try:
        loop.open()
        for _ in range(count):
            loop.step()
    finally:
        loop.close()


def test_a_column_appears_while_the_loop_runs(world: World) -> None:
    loop = world.loop()
    loop.open()
    world.produce(1, 1, 1)
    for _ in range(3):
        loop.step()
    assert "novelty" not in next(iter(world.rows().values()))
    world.produce(1, 2, 1, 2, 2, novelty="a", payer={"nick": 1})
    world.produce(2, 1, novelty="b")
    for _ in range(3):
        loop.step()
    loop.close()
    assert {row["novelty"] for row in world.rows().values()} == {None, "a", "b"}
    world.check()


def test_the_batch_is_cut_before_the_first_record_of_a_new_version_and_only_there(
    line: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.produce(*[1] * 6, *[2, 1] * 6, novelty="a", payer={"nick": 2})
    written: list[list[int]] = []
    write = DeltaLake.write

    def recording(self: DeltaLake, batch: Any, reject: Any) -> None:
        if batch.table.num_rows:
            written.append(batch.table["schema_version"].to_pylist())
        write(self, batch, reject)

    monkeypatch.setattr(DeltaLake, "write", recording)
    loop = line.loop()
    loop.open()
    for _ in range(3):
        loop.step()
    assert len(written) == 2
    assert set(written[0]) == {1}
    assert written[1][0] == 2
    assert loop.counts["batches"] == 2
    line.produce(1, 2, 1, novelty="b", payer={"nick": 3})
    for _ in range(3):
        loop.step()
    assert [len(part) for part in written[2:]] == [3]
    loop.close()
    line.check()


def test_frozen_fields_stop_after_everything_that_came_before_them(line: World) -> None:
    line.produce(*[1] * 5)
    before = {told.event_id for told in line.told}
    line.produce(2, 1, novelty="secret")  # at offset 6, behind the marker of a transaction
    frozen = ContractSettings(event="freeze")
    loop = line.loop(frozen)
    with pytest.raises(DestinationError, match=r"novelty.*freeze.*upgrade it, or set") as caught:
        steps(loop)
    assert "secret" not in str(caught.value)
    assert line.rows().keys() == before
    assert line.letters() == []
    with closing(line.client.admin()) as admin:
        assert list(admin.group_offsets(group_id(line.name)).values()) == [6]
    with pytest.raises(DestinationError):
        steps(line.loop(frozen))
    steps(line.loop())
    line.check()


def test_a_discarded_value_is_sealed(world: World) -> None:
    world.produce(1, 2, novelty="secret", payer={"nick": 5})
    steps(world.loop(ContractSettings(event="discard_value")))
    row = world.rows()[world.told[1].event_id]
    assert "novelty" not in row
    assert row["payer"]["nick"] == 5
    assert "unknown_field" in row["flags"]
    assert "secret" not in str(row)
    (sealed,) = [value for name, value in row["extra"] if name == "sealed"]
    event = consuming.event(0, consuming.CATEGORIES["recebimentos"])
    event.event_id, event.extra = row["event_id"], {"sealed": sealed}
    assert SEALER.open_extra(event) == {"novelty": "secret"}


def test_a_discarded_row_is_a_letter_with_all_of_it(world: World) -> None:
    world.produce(1, 2, 1, novelty="a", payer={"nick": 5})
    steps(world.loop(ContractSettings(party="discard_row")))
    assert world.rows().keys() == {world.told[0].event_id, world.told[2].event_id}
    (letter,) = world.letters()
    assert letter.reason == "schema_contract"
    assert letter.headers["error-class"] == "SchemaContract"
    document = json.loads(dead_letters.content(letter, VAULT, world.place))
    assert (document["event_id"], document["payer"]["nick"]) == (world.told[1].event_id, 5)


def test_a_later_value_of_another_type_is_sealed_and_the_loop_goes_on(world: World) -> None:
    world.produce(2, novelty="text")
    steps(world.loop())
    world.produce(2, novelty=5)
    world.produce(2, novelty="more")
    steps(world.loop())
    rows = [world.rows()[told.event_id] for told in world.told]
    assert [row["novelty"] for row in rows] == ["text", None, "more"]
    assert ["unknown_field" in row["flags"] for row in rows] == [False, True, False]


def test_a_failure_between_two_parts_of_a_batch_repeats_only_the_second(
    line: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.produce(1, 1, 1, 2, 2, novelty="a")
    failures = iter([False, True, True])
    write = DeltaLake.write

    def failing(self: DeltaLake, batch: Any, reject: Any) -> None:
        if batch.table.num_rows and next(failures, False):
            raise Transient("the destination does not answer")
        write(self, batch, reject)

    monkeypatch.setattr(DeltaLake, "write", failing)
    loop = line.loop()
    steps(loop)
    assert (loop.counts["retries"], loop.counts["written"]) == (2, 5)
    line.check()


def test_a_part_that_lets_go_of_the_whole_batch_is_caught_by_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hasty(records: Any, ahead: Any, known: int) -> list[Segment]:
        return [part._replace(next_offsets=ahead) for part in segments(records, ahead, known)]

    monkeypatch.setattr(member, "segments", hasty)
    search = settings(
        max_examples=500,
        stateful_step_count=40,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        print_blob=False,
    )
    with pytest.raises(AssertionError, match=r"a row is missing|a letter is missing"):
        run_state_machine_as_test(consuming.ConsumeMachine, settings=search)


@pytest.mark.parametrize("point", ["table", "group"])
def test_a_kill_between_two_parts_of_a_batch_loses_and_doubles_nothing(
    line: World, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    line.produce(1, 2, 1, 1, 2, novelty="a", payer={"nick": 1})
    line.produce(1, 2, novelty="b")
    commit, times = MemoryInbox.commit, itertools.count()

    def killed(self: MemoryInbox, offsets: Any) -> None:
        if next(times) == 1 and point == "table":
            raise KeyboardInterrupt
        commit(self, offsets)
        if point == "group":
            raise KeyboardInterrupt

    monkeypatch.setattr(MemoryInbox, "commit", killed)
    with pytest.raises(KeyboardInterrupt):
        steps(line.loop(seconds=0.1))
    monkeypatch.undo()
    steps(line.loop())
    line.check()


def test_the_destination_that_does_not_tell_its_columns_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.produce(1, 2, novelty="a")
    failures = iter([True, True])
    columns = DeltaLake.columns

    def failing(self: DeltaLake) -> Any:
        if next(failures, False):
            raise Transient("the store does not answer")
        return columns(self)

    monkeypatch.setattr(DeltaLake, "columns", failing)
    loop = world.loop()
    steps(loop)
    assert loop.counts["retries"] == 2
    world.check()


# --- a real broker -----------------------------------------------------------------------------


@pytest.fixture(params=["confluent", "kafka-python"])
def on_a_broker(request: pytest.FixtureRequest, broker: str, tmp_path: Path) -> Iterator[World]:
    library: Literal["confluent", "kafka-python"] = request.param
    client = connect(KafkaSettings(client=library, bootstrap_servers=broker, linger_ms=5))
    made = World(client, tmp_path, RetrySettings(max_seconds=1.0))
    with closing(client.admin()) as admin:
        for spec in (TopicSpec(TOPIC, 3, 1, {}), TopicSpec(DLQ, 1, 1, {})):
            if spec.name in admin.topics():
                admin.delete(spec.name)
        until(lambda: not {TOPIC, DLQ} & admin.topics().keys())
        for spec in (TopicSpec(TOPIC, 3, 1, {}), TopicSpec(DLQ, 1, 1, {})):
            admin.create(spec)
    yield made
    with closing(client.admin()) as admin:
        for topic in (TOPIC, DLQ):
            admin.delete(topic)


def until(holds: Callable[[], bool]) -> None:
    wait_for(holds, every=0.1)


@pytest.mark.broker
def test_producers_of_both_versions_beside_a_running_consumer(on_a_broker: World) -> None:
    world = on_a_broker
    loop = world.loop(seconds=0.3)
    failed: list[PixstreamError] = []

    def run() -> None:
        try:
            loop.run()
        except PixstreamError as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        world.produce(*[1] * 20)
        until(lambda: failed != [] or len(world.rows()) == 20)
        for number in range(5):
            world.produce(*[1, 2, 2, 1] * 5, novelty=f"v{number}", payer={"nick": number})
        until(lambda: failed != [] or len(world.rows()) == len(world.told))
    finally:
        world.stop.set()
        thread.join()
    assert failed == []
    assert world.letters() == []
    world.check()
    assert {row["_partition"] for row in world.rows().values()} == {0, 1, 2}
    assert {row["novelty"] for row in world.rows().values()} == {
        *(None, "v0", "v1", "v2", "v3", "v4")
    }
