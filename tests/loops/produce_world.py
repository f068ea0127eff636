"""A source that can be read from any position, and processes of it that stop at every step."""

import dataclasses
import datetime as dt
import itertools
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, cast

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pixstream.backoff import BackoffSettings
from pixstream.config.settings import Settings
from pixstream.dead_letters import LetterWriter
from pixstream.errors import KafkaError, PixstreamError, Transient
from pixstream.event.identifiers import e2e
from pixstream.event.model import Draft, PixEvent, Refusal
from pixstream.event.record import Headers
from pixstream.event.sealing import Sealer
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS, POSITIONS, layout_id
from pixstream.kafka.ports import Client, Record, Span, TopicPartition
from pixstream.kafka.topics.declared import declared
from pixstream.loops.produce import ProduceLoop
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.producer import Position, Producer, Reading, Stream
from pixstream.privacy import Pseudonymiser, Vault

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
VAULT = Vault(bytes(range(32)), "k1")
SEALER = Sealer(Pseudonymiser(bytes(32), "k1"), VAULT)
QUICK = BackoffSettings(min_seconds=0.0001, max_seconds=0.0002)
WAIT = 600.0


class Source:
    """Streams of items in order, each a Pix or bytes that are none, named by a text of its own."""

    def __init__(self) -> None:
        self.streams: dict[Stream, list[tuple[str, Draft | Refusal]]] = {}
        self.transient = 0
        self._rng = Random(5)
        self._numbers = itertools.count()

    def append(self, stream: Stream, *, broken: bool = False) -> str:
        """One more item; its name."""
        content: Draft | Refusal
        if broken:
            name = f"broken {next(self._numbers)}"
            content = Refusal(reason="malformed_json", message=name, raw=name.encode())
        else:
            name = e2e("99999004", NOW, self._rng)
            content = Draft(message="api_pix.pix", end_to_end_id=name, amount="1.00")
        self.streams.setdefault(stream, []).append((name, content))
        return name

    def until(self, positions: Mapping[Stream, int]) -> Counter[str]:
        """The names of what stands before these positions."""
        return Counter(n for s, p in positions.items() for n, _ in self.streams[s][:p])

    def all(self) -> Counter[str]:
        """Every name."""
        return Counter(name for items in self.streams.values() for name, _ in items)


@dataclasses.dataclass(kw_only=True)
class Scripted(Producer):
    """Reads the streams that it owns; the position counts items. Two of a kind share a body."""

    type: str = "scripted"

    def attach(self, source: Source, gate: Callable[[str], None] = lambda _: None) -> None:
        self.source, self.gate = source, gate
        self.heard: list[Reading] = []
        self.failures: list[Reading] = []
        self.on_delivered: Callable[[Reading], None] = lambda _: None

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        at = {stream: int(position) for stream, position in since.items()}
        while True:
            for stream in sorted(self.source.streams):
                if not self.owns(stream):
                    continue
                items = self.source.streams[stream]
                while (number := at.get(stream, 0)) < len(items):
                    self.gate("read")
                    if self.source.transient:
                        self.source.transient -= 1
                        raise Transient("the source does not answer")
                    at[stream] = number + 1
                    yield Reading(stream=stream, position=str(number + 1), content=items[number][1])
            self.gate("idle")
            yield None

    def delivered(self, reading: Reading) -> None:
        self.heard.append(reading)
        self.on_delivered(reading)

    def failed(self, reading: Reading, error: Exception) -> None:
        del error
        self.failures.append(reading)


def name_of(reading: Reading) -> str:
    """The name of the item in a reading."""
    content = reading.content
    assert content is not None
    return content.message if isinstance(content, Refusal) else str(content.end_to_end_id)


def names(records: Iterable[Record], component: str) -> Counter[str]:
    """The items of a component among records of the topics of events and letters."""
    found: Counter[str] = Counter()
    for record in records:
        headers = dict(record.headers)
        if record.topic == DLQ:
            if headers.get("source", b"").decode() == component:
                found[headers["message"].decode()] += 1
        else:
            try:
                event = msgspec.json.decode(record.value or b"", type=PixEvent)
            except msgspec.DecodeError:
                continue  # what another test wrote into the topics that all share
            if event.source == component:
                found[str(event.end_to_end_id)] += 1
    return found


def held(client: Client, component: str) -> Counter[str]:
    """What a read_committed reader finds of a component."""
    topics = (*EVENT_TOPICS.values(), DLQ)
    return names(itertools.chain.from_iterable(map(client.scan, topics)), component)


def standing(client: Client, component: str) -> dict[Stream, int]:
    """The committed positions of a component."""
    prefix = f"{component}/"
    found = client.load(POSITIONS, prefix)
    return {key.removeprefix(prefix): int(value) for key, value in found.items()}


def ends(source: Source) -> dict[Stream, int]:
    """The positions after everything that a source holds."""
    return {stream: len(items) for stream, items in source.streams.items()}


def loop_of(
    producer: Producer,
    client: Client,
    directory: Path,
    stop: threading.Event,
    kind: type[ProduceLoop] = ProduceLoop,
    retry: BackoffSettings = QUICK,
) -> ProduceLoop:
    """The loop of a producer."""
    letters = LetterWriter(producer.name, VAULT, 2**20, directory)
    return kind(producer, client, SEALER, letters, max_event_bytes=2**20, retry=retry, stop=stop)


def new_kafka() -> MemoryKafka:
    """A broker with every topic."""
    broker = MemoryKafka()
    admin = broker.client().admin()
    for spec in declared(Settings().topics):
        admin.create(spec)
    return broker


class KilledError(BaseException):
    """The process is gone: nothing of it runs any more, not even its `finally`."""


class Process:
    """A producer's process, in a thread that stops before every step outside of itself.

    `step` lets it go on to its next stop. Only one of all threads runs at a time, so what happens
    depends on the order of the steps alone.
    """

    def __init__(self, world: "World", replicas: int, replica: int) -> None:
        self.label = f"{replica} of {replicas}"
        self.at = "start"
        self.error: PixstreamError | None = None
        self.ended = False
        self.killed = False
        self.stop = threading.Event()
        self.producer = Scripted(replicas=replicas, batch=BatchLimits(rows=3))
        self.producer.replica = replica
        self.producer.attach(world.source, self.gate)
        self.producer.on_delivered = world.check_delivered
        client = cast("Client", SteppingClient(world.kafka.client(), self, world.lost_answers))
        self.loop = loop_of(self.producer, client, Path("unused"), self.stop, world.loop_kind)
        self._go: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._back: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def step(self) -> None:
        """Go on to the next stop, or to the end."""
        if self.ended:
            return
        self._go.put(None)
        failure = self._back.get(timeout=WAIT)
        if failure is not None:
            raise failure

    def kill(self) -> None:
        """End here and now, as SIGKILL does."""
        self.killed = True
        self.step()
        assert self.ended

    def gate(self, where: str) -> None:
        """Stop before `where`."""
        if self.killed:
            raise KilledError
        self.at = where
        self._back.put(None)
        self._go.get()
        if self.killed:
            raise KilledError

    def _run(self) -> None:
        failure: BaseException | None = None
        self._go.get()
        try:
            if not self.killed:
                self.loop.run()
        except KilledError:
            pass
        except PixstreamError as error:
            self.error = error
        except BaseException as error:  # noqa: BLE001  it is raised where the step was taken
            failure = error
        self.ended = True
        self._back.put(failure)


class SteppingClient:
    """Stops a process before each call of a port, and before the answer of a commit."""

    def __init__(self, client: Any, process: Process, lost_answers: list[bool]) -> None:
        self._client, self._process, self._lost = client, process, lost_answers

    def outbox(self, transactional_id: str) -> "SteppingOutbox":
        self._process.gate("outbox")
        outbox = SteppingOutbox(self._client.outbox(transactional_id), self._process, self._lost)
        outbox.what = "layout " if transactional_id == layout_id("scripted") else ""
        return outbox

    def load(self, topic: str, key_prefix: str) -> Mapping[str, bytes]:
        self._process.gate("load")
        found: Mapping[str, bytes] = self._client.load(topic, key_prefix)
        return found


class SteppingOutbox:
    """See `SteppingClient`; `what` stands before the names of the places."""

    what = ""

    def __init__(self, outbox: Any, process: Process, lost_answers: list[bool]) -> None:
        self._outbox, self._process, self._lost = outbox, process, lost_answers

    def begin(self) -> None:
        self._process.gate(f"{self.what}begin")
        self._outbox.begin()

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        self._process.gate(f"{self.what}send")
        self._outbox.send(topic, key, value, headers)

    def commit(self) -> None:
        self._process.gate(f"{self.what}commit")
        done = self._lost.pop(0) if self._lost else None
        if done is not False:
            self._outbox.commit()
        self._process.gate(f"{self.what}committed")
        if done is not None:
            raise KafkaError("Kafka did not say whether it is done")

    def spans(self) -> Mapping[TopicPartition, Span]:
        found: Mapping[TopicPartition, Span] = self._outbox.spans()
        return found

    def abort(self) -> None:
        self._process.gate(f"{self.what}abort")
        self._outbox.abort()

    def close(self) -> None:
        self._process.gate(f"{self.what}close")
        self._outbox.close()


class World:
    """Kafka, a source, the processes that read it, and what must hold of them at any moment."""

    def __init__(self, loop_kind: type[ProduceLoop] = ProduceLoop) -> None:
        self.kafka = new_kafka()
        self.source = Source()
        self.loop_kind = loop_kind
        self.processes: list[Process] = []
        self.last: dict[Stream, int] = {}
        self.lost_answers: list[bool] = []
        """For each of the next commits, in turn: it happens or not, and nobody hears which."""

    def start(self, replicas: int, replica: int) -> Process:
        """One more process, whatever others there are."""
        process = Process(self, replicas, replica)
        self.processes.append(process)
        return process

    @property
    def alive(self) -> list[Process]:
        """The processes that have not ended."""
        return [process for process in self.processes if not process.ended]

    def expire(self, *names: str) -> None:
        """Let Kafka abort what was left open, under all ids or these, and fence who left it."""
        for name, outbox in self.kafka.open.items():
            if outbox._transaction is not None and (not names or name in names):
                outbox.end("aborted")
                self.kafka.epochs[name] += 1

    def committed(self, *topics: str) -> list[Record]:
        """The committed records of these topics, whatever is open before them."""
        return [
            entry.record
            for topic in topics
            for partition in self.kafka.topic(topic).partitions
            for entry in partition.entries
            if entry.record is not None and entry.transaction.state == "committed"
        ]

    def names(self) -> Counter[str]:
        """What is committed of the source."""
        return names(self.committed(*EVENT_TOPICS.values(), DLQ), "scripted")

    def positions(self) -> dict[Stream, int]:
        """The committed positions."""
        return {
            (record.key or b"").decode().removeprefix("scripted/"): int(record.value or b"")
            for record in self.committed(POSITIONS)
            if (record.key or b"").startswith(b"scripted/")
        }

    def check(self) -> None:
        """What is committed is what the source holds before the positions, and these only rise."""
        positions = self.positions()
        assert self.names() == self.source.until(positions), "content and positions disagree"
        for stream, position in self.last.items():
            assert positions.get(stream, 0) >= position, "a position went back"
        self.last = positions

    def check_delivered(self, reading: Reading) -> None:
        """A producer hears of nothing that is not committed."""
        assert self.names()[name_of(reading)] == 1, "delivered before it is committed"

    def settle(self, replicas: int) -> None:
        """Everybody is gone, new processes come: what the source holds gets there, each once."""
        for process in self.alive:
            process.kill()
        self.expire()
        self.source.transient = 0
        self.lost_answers.clear()
        self.kafka._failures.clear()
        self.source.append("last")
        fresh = [self.start(replicas, replica) for replica in range(replicas)]
        for _ in range(2):
            for process in fresh:
                self.run_until(process, "idle")
        self.check()
        assert self.names() == self.source.all(), "something never arrived"
        self.close()

    def run_until(self, process: Process, place: str) -> None:
        """Take steps of one process until it stands before `place`, or has ended."""
        for _ in range(2_000):
            process.step()
            if process.ended or process.at == place:
                return
        raise AssertionError(f"{process.label} never came to {place}, it is at {process.at}")

    def close(self) -> None:
        """End every process."""
        for process in self.alive:
            process.kill()


LAYOUTS = st.sampled_from([(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)])


class ProduceMachine(RuleBasedStateMachine):
    """Anything that can happen to a producer's processes, in any order."""

    loop_kind: type[ProduceLoop] = ProduceLoop

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.loop_kind)

    @rule(items=st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), min_size=1, max_size=5))
    def append(self, items: list[tuple[str, bool]]) -> None:
        for stream, broken in items:
            self.world.source.append(stream, broken=broken)

    @initialize(layout=LAYOUTS)
    def begin(self, layout: tuple[int, int]) -> None:
        self.world.start(*layout)

    @rule(layout=LAYOUTS)
    def start(self, layout: tuple[int, int]) -> None:
        """A new process, also beside one of the same place, or one of another layout."""
        if len(self.world.alive) < 4:
            self.world.start(*layout)

    @precondition(lambda self: self.world.alive)
    @rule(data=st.data(), steps=st.integers(1, 5))
    def step(self, data: st.DataObject, steps: int) -> None:
        process = self._one(data)
        for _ in range(steps):
            process.step()

    @precondition(lambda self: self.world.alive)
    @rule(
        data=st.data(),
        place=st.sampled_from(
            ["outbox", "load", "layout commit", "send", "commit", "committed", "idle"]
        ),
    )
    def step_to(self, data: st.DataObject, place: str) -> None:
        process = self._one(data)
        for _ in range(40):
            process.step()
            if process.at == place:
                return

    @precondition(lambda self: self.world.alive)
    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        self._one(data).kill()

    @rule(
        trouble=st.sampled_from(
            ["expire", "stop", "source", "outbox", "load", "begin", "send", "commit", "done", "not"]
        ),
    )
    def trouble(self, trouble: str) -> None:
        """What is left open expires; a process is to stop; a source or Kafka is away for once;
        a commit is done, or not, and nobody hears which.
        """
        world = self.world
        if trouble == "expire":
            world.expire()
        elif trouble == "stop":
            for process in world.alive[:1]:
                process.stop.set()
        elif trouble == "source":
            world.source.transient = 1
        elif trouble in {"done", "not"}:
            world.lost_answers[:] = [trouble == "done"]
        else:
            world.kafka._failures.clear()
            world.kafka.fail(trouble, Transient("no broker answers"))

    @invariant()
    def nothing_lost_doubled_or_skipped(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        try:
            self.world.settle(2)
        finally:
            self.world.close()

    def _one(self, data: st.DataObject) -> Process:
        return data.draw(st.sampled_from(self.world.alive))
