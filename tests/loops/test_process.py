"""The process loop on Kafka in memory: whatever dies when, each event has its outputs once.

The processor of these tests numbers the events of each partition and emits each with its number: so
a lost, doubled or forgotten batch shows in the outputs, and a wrong state in the numbers.
"""

import dataclasses
import datetime as dt
import itertools
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, ClassVar, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pixstream import dead_letters
from pixstream.breaker import RetrySettings
from pixstream.columns.batch import EventBatch
from pixstream.dead_letters import REPLAY_FOR, LetterWriter
from pixstream.errors import DestinationError, FencedError, KafkaError, PixstreamError, Transient
from pixstream.event.identifiers import e2e
from pixstream.event.model import Draft, encode
from pixstream.event.record import Headers
from pixstream.event.sealing import Sealer
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS, changelog, group_id
from pixstream.kafka.ports import (
    Client,
    Listener,
    Membership,
    Record,
    Span,
    TopicIdPartition,
    TopicPartition,
    TopicSpec,
)
from pixstream.kafka.topics.declared import TopicSettings
from pixstream.loops.process import METRICS, ProcessLoop
from pixstream.loops.segments import Segment
from pixstream.metrics.records import IN_HAND
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.processor import Emit, HasState, Processor, StateRecord
from pixstream.privacy import Pseudonymiser, Vault

pytestmark = pytest.mark.usefixtures("ticks")

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
VAULT = Vault(bytes(range(32)), "k1")
SEALER = Sealer(Pseudonymiser(bytes(32), "k1"), VAULT)
QUICK = RetrySettings(
    min_seconds=0.0001, max_seconds=0.0002, breaker_failures=3, breaker_seconds=0.0005
)
NAME, IN, OUT = "tally", EVENT_TOPICS["recebimentos"], "pix.tally"
GROUP = group_id(NAME)
POINTS = ("process", "send", "send_offsets", "commit", "committed")
AWAY = Transient("no broker answers")


class KilledError(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclasses.dataclass(kw_only=True)
class Tally(Processor):
    """Numbers the events of each partition."""

    type: str = NAME
    writes: ClassVar[Mapping[str, TopicSettings]] = MappingProxyType({OUT: TopicSettings()})

    def __post_init__(self) -> None:
        super().__post_init__()
        self.numbers: dict[TopicPartition, int] = {}
        self.changed: set[TopicPartition] = set()
        self.gate: Callable[[str], None] = lambda _: None

    def restore(self, partitions: Collection[TopicPartition], state: Iterable[StateRecord]) -> None:
        self.numbers = dict.fromkeys(partitions, 0)
        self.changed.clear()
        for place, key, value in state:
            assert key == b"events"
            self.numbers[place] = int(value or 0)

    def process(self, batch: EventBatch, emit: Emit) -> None:
        for row in batch.table.select(["event_id", "_topic", "_partition"]).to_pylist():
            place = TopicPartition(row["_topic"], row["_partition"])
            self.numbers[place] += 1
            self.changed.add(place)
            value = f"{place.partition}:{self.numbers[place]}".encode()
            emit(OUT, row["event_id"].encode(), value)
            self.gate("process")

    def checkpoint(self) -> Iterable[StateRecord]:
        changed, self.changed = self.changed, set()
        return [StateRecord(p, b"events", b"%d" % self.numbers[p]) for p in sorted(changed)]


class Process:
    """A process of the processor, driven step by step; it may be killed at any point."""

    def __init__(self, world: "World", replica: int) -> None:
        self.world = world
        self.dead = False
        self.error: PixstreamError | None = None
        self.stop = threading.Event()
        limits = BatchLimits(rows=4, seconds=1e-9)
        self.plugin = Tally(categories=["recebimentos"], batch=limits)
        self.plugin.replica = replica
        self.plugin.gate = self.gate
        letters = LetterWriter(NAME, VAULT, 2**20, Path("unused"))
        client = cast("Client", GatedClient(world.kafka.client(), self))
        self.loop = world.loop_kind(self.plugin, client, letters, retry=QUICK, stop=self.stop)
        self.do(self.loop.open)

    def step(self) -> None:
        self.do(self.loop.step)

    def do(self, call: Callable[[], None]) -> None:
        """Run until it returns, or the process ends."""
        if self.dead:
            return
        try:
            call()
        except KilledError:
            self.dead = True
        except PixstreamError as error:
            self.dead, self.error = True, error

    def gate(self, point: str) -> None:
        """A point at which the process may be killed, or something else happens first."""
        if self.dead:
            raise KilledError
        waiting = self.world.traps.get(point)
        if waiting:
            waiting.pop(0)(self)
        if self.dead:
            raise KilledError


class GatedClient:
    """Kafka as a process that may be gone sees it."""

    def __init__(self, client: Any, process: Process) -> None:
        self._client, self._process = client, process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def inbox(self, **options: Any) -> "GatedInbox":
        return GatedInbox(self._client.inbox(**options), self._process)

    def scan(self, topic: str) -> Iterator[Record]:
        """See `GatedInbox.poll`."""
        try:
            yield from list(self._client.scan(topic))
        except Transient:
            self._process.world.expire()
            raise

    def outbox(self, transactional_id: str) -> "GatedOutbox":
        return GatedOutbox(self._client.outbox(transactional_id), self._process)


class GatedInbox:
    """See `GatedClient`."""

    def __init__(self, inbox: Any, process: Process) -> None:
        self._inbox, self._process = inbox, process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)

    def poll(self, max_records: int, timeout: float) -> Sequence[Record]:
        """Whoever waits for a transaction that somebody left open waits until Kafka aborts it."""
        try:
            found: Sequence[Record] = self._inbox.poll(max_records, timeout)
        except Transient:
            self._process.world.expire()
            raise
        return found


class GatedOutbox:
    """See `GatedClient`."""

    def __init__(self, outbox: Any, process: Process) -> None:
        self._outbox, self._process = outbox, process

    def begin(self) -> None:
        self._outbox.begin()

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        self._process.gate("send")
        self._outbox.send(topic, key, value, headers)

    def send_offsets(self, offsets: Mapping[TopicIdPartition, int], membership: Membership) -> None:
        self._process.gate("send_offsets")
        self._outbox.send_offsets(offsets, membership)

    def commit(self) -> None:
        self._process.gate("commit")
        self._outbox.commit()
        self._process.gate("committed")

    def spans(self) -> Mapping[TopicPartition, Span]:
        found: Mapping[TopicPartition, Span] = self._outbox.spans()
        return found

    def abort(self) -> None:
        self._process.gate("abort")
        self._outbox.abort()

    def close(self) -> None:
        self._outbox.close()


class World:
    """Kafka, the processor's processes, and what must hold of them at any moment."""

    def __init__(self, loop_kind: type[ProcessLoop] = ProcessLoop, partitions: int = 3) -> None:
        self.kafka = MemoryKafka()
        self.loop_kind = loop_kind
        self.traps: dict[str, list[Callable[[Process], None]]] = {}
        self.processes: dict[int, Process] = {}
        self._numbers = itertools.count()
        self._rng = Random(7)
        admin = self.kafka.client().admin()
        for topic, count in ((IN, partitions), (OUT, 2), (DLQ, 1), (changelog(NAME), 1)):
            admin.create(TopicSpec(topic, count, 1, {}))

    def produce(self, *kinds: str) -> None:
        """One transaction of these kinds: good, bad, or other (for somebody else)."""
        failures, self.kafka._failures = self.kafka._failures, defaultdict(list)
        outbox = self.kafka.client().outbox("producer")
        outbox.begin()
        for kind in kinds:
            draft = Draft(
                message="api_pix.pix",
                end_to_end_id=e2e("99999004", NOW, self._rng),
                amount="1.00",
            )
            event = SEALER.seal(draft, source="test", now=NOW)
            number = b"%d" % next(self._numbers)
            value = encode(event) if kind == "good" else b"no event " + number
            headers = [(REPLAY_FOR, b"somebody")] if kind == "other" else []
            outbox.send(IN, kind.encode() + number, value, headers)
        outbox.commit()
        outbox.close()
        self.kafka._failures = failures

    def start(self, replica: int) -> Process:
        """A process, also in the place of one that lives or was killed."""
        process = self.processes[replica] = Process(self, replica)
        return process

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.processes.values() if not process.dead]

    def trap(self, point: str, what: Callable[[Process], None]) -> None:
        """Let it happen to the next process that comes to a point."""
        self.traps.setdefault(point, []).append(what)

    def usurp(self, process: Process) -> None:
        """A process is silent for longer than its session: another one takes its partitions."""
        mine = process.plugin.replica
        self.kafka.groups[GROUP].pop(f"{NAME}-{mine}", None)
        other = self.kafka.client().inbox(
            group=GROUP,
            topics=[IN],
            member=f"{NAME}-{1 - mine}",
            listener=Listener(lambda new, _: dict.fromkeys(new, 0), lambda _: None),
        )
        with suppress(Transient):  # an offset is being moved: it waits
            other.poll(1, 0)

    def outlive(self, process: Process) -> None:
        """A process is silent for longer than its transaction: another one does its work."""
        mine = process.plugin.replica
        self.kafka.groups[GROUP].pop(f"{NAME}-{mine}", None)
        self.expire()
        other = self.start(1 - mine)
        for _ in range(3):
            other.step()

    def expire(self) -> None:
        """Kafka aborts what was left open, and fences who left it."""
        for name, outbox in self.kafka.open.items():
            if outbox._transaction is not None:
                outbox.end("aborted")
                self.kafka.epochs[name] += 1

    def check(self) -> None:
        """The outputs are those of the input before the group's offsets, numbered, each once."""
        offsets = self.kafka.committed[GROUP]
        expected: Counter[bytes] = Counter()
        bad: Counter[tuple[int, int]] = Counter()
        for partition, log in enumerate(self.kafka.topic(IN).partitions):
            number = 0
            for entry in log.entries[: offsets.get(TopicPartition(IN, partition), 0)]:
                kind = b"" if entry.record is None else entry.record.key or b""
                if kind.startswith(b"good"):
                    number += 1
                    expected[b"%d:%d" % (partition, number)] += 1
                elif kind.startswith(b"bad"):
                    assert entry.record is not None
                    bad[partition, entry.record.offset] += 1
        outputs = Counter(value or b"" for value in self.values(OUT))
        assert outputs == expected, "outputs and offsets disagree"
        letters = Counter(
            (int(head["origin-partition"]), int(head["origin-offset"])) for head in self.letters()
        )
        assert letters == bad, "letters and offsets disagree"

    def values(self, topic: str) -> list[bytes | None]:
        """What is committed, whatever is open before it."""
        return [
            entry.record.value
            for log in self.kafka.topic(topic).partitions
            for entry in log.entries
            if entry.record is not None and entry.transaction.state == "committed"
        ]

    def letters(self) -> Iterator[dict[str, str]]:
        for entry in self.kafka.topic(DLQ).partitions[0].entries:
            if entry.record is not None and entry.transaction.state == "committed":
                yield {k: v.decode("latin-1") for k, v in entry.record.headers}

    def settle(self) -> None:
        """All trouble is over: every record gets through."""
        self.traps.clear()
        self.kafka._failures.clear()
        self.produce("good", "bad", "good")
        for process in self.processes.values():
            process.dead = True
        self.processes.clear()
        self.kafka.groups[GROUP].clear()
        self.expire()
        for replica in range(2):
            self.start(replica)
        for _ in range(12 + next(self._numbers)):
            for process in self.alive:
                process.step()
        stopped = [p.error for p in self.processes.values() if p.error is not None]
        assert not stopped, stopped
        self.check()
        for partition, log in enumerate(self.kafka.topic(IN).partitions):
            done = self.kafka.committed[GROUP].get(TopicPartition(IN, partition), 0)
            assert done == len(log.entries), "something was never processed"


def kill(process: Process) -> None:
    process.dead = True


@pytest.fixture
def world() -> World:
    return World()


def steps(process: Process, count: int = 4) -> None:
    for _ in range(count):
        process.step()


def test_events_become_outputs_letters_state_and_offsets_together(world: World) -> None:
    assert isinstance(Tally(), HasState)
    world.produce("good", "bad", "good", "other", "good")
    process = world.start(0)
    assert dict(process.loop.counts) == dict.fromkeys(
        {m.short for m in METRICS if m.kind == "counter"} | {IN_HAND.short, "destination_failures"},
        0,
    )
    steps(process)
    world.check()
    assert len(world.values(OUT)) == 3
    (letter,) = world.letters()
    assert (letter["consumer"], letter["stage"]) == (NAME, "decode")
    counts = process.loop.counts
    assert [counts[name] for name in ("processed", "emitted", "letters", "not_for_us")] == [
        *(3, 3, 1, 1)
    ]
    assert process.loop.state == "ready"
    world.settle()


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_loses_and_doubles_nothing(world: World, point: str) -> None:
    world.produce("good", "good", "bad")
    first = world.start(0)
    steps(first)
    world.produce("good", "bad", "good", "good")
    world.trap(point, kill)
    steps(first)
    assert first.dead
    world.check()
    again = world.start(0)
    steps(again, 8)
    world.check()
    assert len(world.values(OUT)) == 5
    world.settle()


@pytest.mark.parametrize("point", ["process", "send", "send_offsets"])
def test_whoever_lost_its_partitions_in_mid_transaction_commits_nothing(
    world: World, point: str
) -> None:
    world.produce("good", "good", "bad", "good")
    first = world.start(0)
    world.trap(point, world.usurp)
    steps(first, 3)
    assert first.error is None
    assert world.values(OUT) == []
    world.settle()
    assert len(world.values(OUT)) == 5


@pytest.mark.parametrize("point", ["process", "send", "send_offsets", "commit"])
def test_whoever_was_silent_for_longer_than_its_transaction_adds_nothing_to_it(
    world: World, point: str
) -> None:
    world.produce("good", "good", "bad", "good")
    first = world.start(0)
    world.trap(point, world.outlive)
    steps(first, 3)
    assert len(world.values(OUT)) == 3
    world.check()
    world.settle()


def test_a_second_process_of_the_same_replica_fences_the_first(world: World) -> None:
    world.produce("good")
    first = world.start(0)
    steps(first)
    world.start(0)
    world.produce("good")
    steps(first)
    assert isinstance(first.error, FencedError)
    world.settle()


def test_state_moves_with_the_partitions(world: World) -> None:
    world.produce(*["good"] * 8)
    first = world.start(0)
    steps(first, 6)
    second = world.start(1)
    for _ in range(4):
        first.step()
        second.step()
    assert first.plugin.numbers.keys().isdisjoint(second.plugin.numbers)
    world.produce(*["good"] * 8)
    for _ in range(6):
        first.step()
        second.step()
    assert sum(second.plugin.numbers.values()) > len(second.plugin.numbers)
    world.check()
    assert len(world.values(OUT)) == 16
    world.settle()


@pytest.mark.parametrize("operation", ["begin", "send", "send_offsets", "commit", "load", "poll"])
def test_kafka_may_be_away_for_a_while(world: World, operation: str) -> None:
    world.produce("good", "bad", "good")
    process = world.start(0)
    for _ in range(2):
        world.kafka.fail(operation, AWAY)
    steps(process)
    assert process.error is None
    world.check()
    assert len(world.values(OUT)) == 2
    world.settle()


def test_a_processor_that_fails_in_passing_is_called_again_on_its_last_committed_state(
    world: World,
) -> None:
    world.produce("good", "good")
    process = world.start(0)

    def fail(_: Process) -> None:
        raise Transient("the model does not answer")

    for _ in range(4):
        world.trap("process", fail)
    steps(process)
    assert process.error is None
    assert process.loop.counts["retries"] >= 4
    assert process.loop.counts["breaker_opened"] >= 1
    world.check()
    world.settle()


def test_any_other_error_of_a_processor_stops_it_with_nothing_committed(world: World) -> None:
    world.produce("good", "bad")
    process = world.start(0)

    def fail(_: Process) -> None:
        raise DestinationError("the model is not for these events")

    world.trap("process", fail)
    steps(process)
    assert isinstance(process.error, DestinationError)
    assert world.values(OUT) == []
    world.check()
    world.settle()


def test_a_commit_without_an_answer_ends_the_process(world: World) -> None:
    world.produce("good")
    process = world.start(0)
    steps(process, 1)
    world.produce("good")
    world.kafka.fail("commit", KafkaError("Kafka did not say whether it is done"))
    steps(process)
    assert isinstance(process.error, KafkaError)
    world.settle()


def test_a_topic_that_the_class_does_not_declare_is_refused(world: World) -> None:
    world.produce("good")
    process = world.start(0)
    process.plugin.writes = {}  # type: ignore[misc]
    steps(process)
    assert "emits to topic pix.tally, which its class does not declare" in str(process.error)
    world.check()


def test_a_changelog_that_is_none_is_named_before_anything_is_processed(world: World) -> None:
    world.produce("good")
    outbox = world.kafka.client().outbox("by hand")
    outbox.begin()
    outbox.send(changelog(NAME), b"what is this", b"1", ())
    outbox.commit()
    process = world.start(0)
    steps(process)
    assert f"{changelog(NAME)}, offset 0: is not a state" in str(process.error)
    assert world.values(OUT) == []


def test_letters_can_be_opened(world: World) -> None:
    world.produce("bad")
    steps(world.start(0))
    (letter,) = dead_letters.views(world.kafka.client().scan(DLQ))
    assert dead_letters.content(letter, VAULT, Path("unused")) == b"no event 0"


class ProcessMachine(RuleBasedStateMachine):
    """Anything that can happen to a processor's processes, in any order."""

    loop_kind: type[ProcessLoop] = ProcessLoop

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.loop_kind)

    @initialize()
    def begin(self) -> None:
        self.world.start(0)

    @rule(kinds=st.lists(st.sampled_from(["good", "good", "bad", "other"]), min_size=1, max_size=6))
    def produce(self, kinds: Sequence[str]) -> None:
        self.world.produce(*kinds)

    @rule(replica=st.integers(0, 1))
    def start(self, replica: int) -> None:
        self.world.start(replica)

    @precondition(lambda self: self.world.alive)
    @rule(data=st.data(), count=st.integers(1, 4))
    def step(self, data: st.DataObject, count: int) -> None:
        steps(data.draw(st.sampled_from(self.world.alive)), count)

    @rule(
        point=st.sampled_from(POINTS),
        what=st.sampled_from(["kill", "kill", "usurp", "outlive", "evict"]),
    )
    def trap(self, point: str, what: str) -> None:
        world = self.world
        kinds = {
            "kill": kill,
            "usurp": world.usurp,
            "outlive": world.outlive,
            "evict": self._evict,
        }
        self.world.trap(point, kinds[what])

    @rule(
        what=st.sampled_from(["begin", "send", "send_offsets", "commit", "poll", "positions"]),
        times=st.integers(1, 3),
    )
    def away(self, what: str, times: int) -> None:
        for _ in range(times):
            self.world.kafka.fail(what, AWAY)

    @rule()
    def expire(self) -> None:
        self.world.expire()

    @invariant()
    def nothing_lost_or_doubled(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        self.world.settle()

    def _evict(self, process: Process) -> None:
        self.world.kafka.groups[GROUP].pop(f"{NAME}-{process.plugin.replica}", None)


def run_machine(machine: type[ProcessMachine], *, search: bool = False) -> None:
    options: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
    if search:  # a planted bug, found the same way in every run
        options |= {"derandomize": True, "database": None, "phases": [Phase.generate]}
        options |= {"print_blob": False}
    examples = 300 if search else 60
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=25, **options)
    )


def test_whatever_happens_every_event_has_its_outputs_once() -> None:
    run_machine(ProcessMachine)


# --- planted bugs: the oracle is no decoration ---------------------------------------------------


class KeepsItsState(ProcessLoop):
    """Goes on with the memory of a batch that was not committed."""

    def open(self) -> None:
        distrust = self._state.distrust
        self._state.distrust = lambda: None  # type: ignore[method-assign]
        self.member._reassigned = distrust
        super().open()


class OffsetsApart(ProcessLoop):
    """Commits the group's offsets after the transaction, as a consumer does."""

    def _take(self, segment: Segment) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GatedOutbox, "send_offsets", lambda *_: None)
            super()._take(segment)
        self.member.inbox.commit(segment.next_offsets)


class LettersApart(ProcessLoop):
    """Writes letters in a transaction of their own, before the batch's."""

    def _take(self, segment: Segment) -> None:
        decode = self._decoder.decode

        def posted(*arguments: Any) -> Any:
            batch = decode(*arguments)
            with self._writer.transaction() as transaction:
                for letter in batch.letters:
                    transaction.send(DLQ, *letter)
            return batch._replace(letters=())

        decoder: Any = self._decoder
        decoder.decode = posted
        try:
            super()._take(segment)
        finally:
            decoder.decode = decode


@pytest.mark.parametrize(
    ("bug", "caught"),
    [
        (KeepsItsState, "outputs and offsets disagree"),
        (OffsetsApart, "outputs and offsets disagree"),
        (LettersApart, "letters and offsets disagree"),
    ],
)
def test_a_planted_bug_is_caught_by_the_machine(bug: type[ProcessLoop], caught: str) -> None:
    class Planted(ProcessMachine):
        loop_kind = bug

    with pytest.raises(AssertionError, match=caught):
        run_machine(Planted, search=True)
