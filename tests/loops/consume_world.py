"""A group of consumers over Kafka in memory, killed at any point, and what must hold of them.

The oracle reads Kafka's log and the destination, never the loop: whatever lies before the offset
that the destination (or the group) remembers is in the table once, or a letter, or was meant for
somebody else; nothing else is there.
"""

import dataclasses
import datetime as dt
import itertools
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow.parquet as pq
from deltalake import DeltaTable
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pixstream.breaker import RetrySettings
from pixstream.columns.batch import EventBatch
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.dead_letters import REPLAY_FOR, LetterWriter
from pixstream.errors import FencedError, PixstreamError, TopicChangedError, Transient
from pixstream.event import routing
from pixstream.event.categories import Category
from pixstream.event.model import Direction, Party, PixEvent, Status, encode
from pixstream.event.record import Headers
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.names import DLQ, EVENT_TOPICS, group_id
from pixstream.kafka.ports import Client, Record, TopicIdPartition, TopicSpec
from pixstream.lake import maintenance
from pixstream.lake.table import LakeTable
from pixstream.loops import offsets
from pixstream.loops.consume import ConsumeLoop
from pixstream.metrics import Distribution, published
from pixstream.metrics.records import CONSUMED, IN_HAND, outcomes
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.consumer import Consumer, Reject
from pixstream.privacy import Vault

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
VAULT = Vault(bytes(range(32)), "k1")
QUICK = RetrySettings(
    min_seconds=0.0001, max_seconds=0.0002, breaker_failures=3, breaker_seconds=0.0005
)
NAME = "table"
GROUP = group_id(NAME)
CATEGORIES = {"recebimentos": Category.RECEBIMENTO, "estornos": Category.ESTORNO}
PARTITIONS = {"recebimentos": 2, "estornos": 1}
POINTS = tuple(
    f"{what}:{when}" for what in ("letters", "table", "group") for when in ("before", "after")
)


class Ticks:
    """A clock that goes on by a tenth of a millisecond whenever somebody looks: every run of the
    same steps is the same run.
    """

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.0001
        return self.now

    def time(self) -> float:
        return self.monotonic()


class Place(NamedTuple):
    """A record of one incarnation of a topic."""

    topic_id: str
    partition: int
    offset: int


def event(number: int, category: Category) -> PixEvent:
    """An event of its own for each number."""
    fields: dict[str, Any] = {
        "category": category,
        "direction": Direction.IN,
        "end_to_end_id": f"E99999004{NOW:%Y%m%d%H%M}{number:011}",
        "return_id": None,
        "txid": None,
        "amount_centavos": 100 + number,
        "currency": "BRL",
        "event_time": NOW + dt.timedelta(seconds=number),
        "source_time": None,
        "ingested_at": NOW,
        "status": Status.SETTLED,
        "payer": Party(ispb="99999004"),
        "payee": Party(ispb="99999005"),
        **dict.fromkeys(("initiation", "purpose", "reason", "channel", "device_id", "device_os")),
        "ip": None,
        "source": "webhook",
        "source_ref": None,
        "flags": [],
        "revision": 0,
        "extra": {},
        "schema_version": 1,
    }
    identity = routing.event_id(category, fields["end_to_end_id"], fields["status"])
    return PixEvent(event_id=identity, **fields)


class KilledError(BaseException):
    """The process is gone: nothing of it runs any more."""


class Store:
    """Rows and offsets together, as a Delta table keeps them; it outlives its processes."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.next: dict[TopicIdPartition, int] = {}
        self.ids: dict[str, str] = {}

    def known(self, partitions: Collection[TopicIdPartition]) -> dict[TopicIdPartition, int]:
        for p in partitions:
            if self.ids.get(p.topic, p.topic_id) != p.topic_id:
                raise TopicChangedError(f"{p.topic} is another one")
        return {p: self.next[p] for p in partitions if p in self.next}

    def accepts(self, partition: TopicIdPartition, offset: int) -> bool:
        """A lower offset than the known one is never accepted."""
        return offset > self.next.get(partition, -1)

    def take(self, batch: EventBatch, left_out: set[int]) -> None:
        known = {(p.topic, p.partition): self.next.get(p, 0) for p in batch.next_offsets}
        moved = {p: at for p, at in batch.next_offsets.items() if self.accepts(p, at)}
        moving = {(p.topic, p.partition) for p in moved}
        for index, row in enumerate(batch.table.to_pylist()):
            place = row["_topic"], row["_partition"]
            if index in left_out or place not in moving or row["_offset"] < known[place]:
                continue
            if not self.rows[row["event_id"]]:
                self.rows[row["event_id"]] += 1
        self.next.update(moved)
        self.ids.update({p.topic: p.topic_id for p in moved})

    def decide(self, wanted: Mapping[TopicIdPartition, int]) -> None:
        self.next.update(wanted)
        self.ids.update({p.topic: p.topic_id for p in wanted})


@dataclasses.dataclass(kw_only=True)
class Modelled(Consumer):
    """A destination with offsets of its own that refuses some events and fails when told to."""

    type: str = NAME

    def attach(self, world: "World", process: "Process | None") -> None:
        self.world, self.process = world, process

    def offsets(
        self, partitions: Collection[TopicIdPartition], cluster_id: str
    ) -> Mapping[TopicIdPartition, int]:
        del cluster_id
        if self.process is not None:
            self.process.gate("offsets")
        return self.world.store.known(partitions)

    def set_offsets(self, offsets: Mapping[TopicIdPartition, int], cluster_id: str) -> None:
        del cluster_id
        self.world.store.decide(offsets)

    def write(self, batch: EventBatch, reject: Reject) -> None:
        assert self.process is not None
        self.process.gate("table:before")
        ids = batch.table["event_id"].to_pylist()
        refused = [index for index, found in enumerate(ids) if found in self.world.refused]
        if refused:
            reject(refused, "the destination never takes it")
        self.world.store.take(batch, set(refused))
        self.process.gate("table:after")


@dataclasses.dataclass(kw_only=True)
class Crashing(DeltaLake):
    """The real tables, with the same points of failure."""

    type: str = NAME

    def attach(self, world: "World", process: "Process | None") -> None:
        self.world, self.process = world, process

    def write(self, batch: EventBatch, reject: Reject) -> None:
        assert self.process is not None
        self.process.gate("table:before")
        super().write(batch, reject)
        self.process.gate("table:after")


class Process:
    """A process of the consumer: its loop, driven step by step; it may be killed at any point."""

    def __init__(self, world: "World", replica: int, consumer: Any) -> None:
        self.world = world
        self.dead = False
        self.error: PixstreamError | None = None
        self.stop = threading.Event()
        consumer.replica = replica
        consumer.attach(world, self)
        letters = LetterWriter(NAME, VAULT, 2**20, Path("unused"))
        client = cast("Client", GatedClient(world.kafka.client(), self))
        self.loop = world.loop_kind(consumer, client, letters, retry=QUICK, stop=self.stop)
        self.do(self.loop.open)

    def step(self) -> None:
        """Read a batch and take it through."""
        self.do(self.loop.step)

    def fill(self) -> None:
        """Read only."""
        self.do(self.loop.member.fill)

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

    def check_counted(self) -> None:
        """Every record that the process accepted has one outcome, or is in hand."""
        if self.dead and self.error is None:
            return  # killed: it published nothing after what it had published before
        sources = self.loop.counts, self.loop._consumer.counts
        seen = published(*sources)
        accepted, in_hand = seen[CONSUMED.key].value, seen[IN_HAND.key].value
        assert not isinstance(accepted, Distribution)
        assert not isinstance(in_hand, Distribution)
        assert accepted == outcomes(*sources) + in_hand
        assert in_hand == len(self.loop.member.buffer)

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

    def outbox(self, transactional_id: str) -> Any:
        return GatedOutbox(self._client.outbox(transactional_id), self._process)

    def inbox(self, **options: Any) -> Any:
        return GatedInbox(self._client.inbox(**options), self._process)

    def admin(self) -> Any:
        return self._client.admin()


class GatedOutbox:
    """See `GatedClient`."""

    def __init__(self, outbox: Any, process: Process) -> None:
        self._outbox, self._process = outbox, process

    def begin(self) -> None:
        self._outbox.begin()

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        self._outbox.send(topic, key, value, headers)

    def commit(self) -> None:
        self._process.gate("letters:before")
        self._outbox.commit()
        self._process.gate("letters:after")

    def abort(self) -> None:
        self._process.gate("abort")
        self._outbox.abort()

    def close(self) -> None:
        self._outbox.close()


class GatedInbox:
    """See `GatedClient`."""

    def __init__(self, inbox: Any, process: Process) -> None:
        self._inbox, self._process = inbox, process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)

    def commit(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        self._process.gate("group:before")
        self._inbox.commit(offsets)
        self._process.gate("group:after")


class World:
    """Kafka, a destination, and the processes between them.

    Args:
        lake: directory of real Delta tables; None: a model of one.
        loop_kind: the loop, perhaps one with a planted bug.
        store_kind: the model of the table, perhaps one with a planted bug.
    """

    def __init__(
        self,
        lake: Path | None = None,
        loop_kind: type[ConsumeLoop] = ConsumeLoop,
        store_kind: type[Store] = Store,
    ) -> None:
        self.kafka = MemoryKafka()
        self.lake = lake
        self.loop_kind = loop_kind
        self.store = store_kind()
        self.numbers = itertools.count()
        self.events: dict[str, tuple[str, PixEvent]] = {}
        self.refused: set[str] = set()
        self.traps: dict[str, list[Callable[[Process], None]]] = {}
        self.processes: dict[int, Process] = {}
        self.forgiven: set[Place] = set()
        self.gone: list[Record] = []
        self.gone_ids: dict[int, str] = {}
        self.seen: dict[tuple[str, str, int], int] = {}
        for category, partitions in PARTITIONS.items():
            self.create(category, partitions)
        self.kafka.client().admin().create(TopicSpec(DLQ, 1, 1, {}))

    # --- what happens -------------------------------------------------------------------------

    def create(self, category: str, partitions: int) -> None:
        self.kafka.client().admin().create(TopicSpec(EVENT_TOPICS[category], partitions, 1, {}))

    def produce(self, records: Sequence[tuple[str, str]], *, commit: bool = True) -> None:
        """Write records of these categories and kinds in one transaction.

        Kinds: good, newer (a later schema version, with a new field), bad, again (an event that is
        there already), refused (by the destination), other and mine (replayed for another consumer,
        for this one).
        """
        failures, self.kafka._failures = self.kafka._failures, defaultdict(list)
        outbox = self.kafka.client().outbox("producer")
        outbox.begin()
        for category, kind in records:
            key, value, headers = self._record(category, kind)
            outbox.send(EVENT_TOPICS[category], key, value, headers)
        if commit:
            outbox.commit()
        else:
            outbox.abort()
        self.kafka._failures = failures

    def start(self, replica: int) -> Process:
        """A process, also in the place of one that lives or was killed."""
        consumer: Any = self.consumer()
        process = self.processes[replica] = Process(self, replica, consumer)
        return process

    @property
    def alive(self) -> list[Process]:
        """The processes that have not ended."""
        return [process for process in self.processes.values() if not process.dead]

    def consumer(self) -> Any:
        """The plugin, opened anew."""
        options: dict[str, Any] = {
            "categories": list(CATEGORIES),
            "batch": BatchLimits(rows=4, seconds=1e-9),
        }
        made = Modelled(**options) if self.lake is None else self._delta(**options)
        made.attach(self, None)
        return made

    def _delta(self, **options: Any) -> Any:
        return Crashing(uri=str(self.lake), fsync=False, maintain_every=3, known_ids=5, **options)

    def kill_at(self, point: str) -> None:
        """The next process that comes to this point ends there."""

        def kill(process: Process) -> None:
            process.dead = True

        self.traps.setdefault(point, []).append(kill)

    def usurp_at(self, point: str) -> None:
        """The next process at this point is thrown out of the group, others take over, then it
        goes on, as one that was stopped for longer than its session.
        """

        def usurp(process: Process) -> None:
            mine = next((r for r, p in self.processes.items() if p is process), None)
            if mine is None:
                return
            self.kafka.groups[GROUP].pop(f"{NAME}-{mine}", None)
            other = self.start(1 - mine)
            for _ in range(3):
                other.step()

        self.traps.setdefault(point, []).append(usurp)

    def fail(self, what: str, times: int) -> None:
        """Let Kafka or the destination be away for some calls."""
        points = {"write": "table:before", "offsets": "offsets"}

        def refuse(_: Process) -> None:
            raise Transient("the destination does not answer")

        if what in points:
            self.traps.setdefault(points[what], []).extend([refuse] * times)
            return
        for _ in range(times):
            self.kafka.fail(what, Transient("no broker answers"))

    def evict(self, replica: int) -> None:
        """The session of a process expires."""
        self.kafka.groups[GROUP].pop(f"{NAME}-{replica}", None)

    def end(self) -> None:
        """Everybody is gone, and the group has noticed."""
        for process in self.processes.values():
            process.dead = True
        self.processes.clear()
        self.kafka.groups[GROUP].clear()

    def expire(self, category: str, partition: int, share: float) -> None:
        """Retention takes the oldest records, read or not."""
        topic = self.kafka.topic(EVENT_TOPICS[category])
        log = topic.partitions[partition]
        begin = log.begin + int((log.stable_end() - log.begin) * share)
        known = self.offsets().get(TopicIdPartition(topic.spec.name, topic.topic_id, partition), 0)
        self.forgiven |= {Place(topic.topic_id, partition, o) for o in range(known, begin)}
        log.begin = begin

    def recreate(self, category: str) -> None:
        """Somebody deletes a topic and makes it again: what nobody had read is gone."""
        name = EVENT_TOPICS[category]
        topic = self.kafka.topic(name)
        known = self.offsets()
        for number, log in enumerate(topic.partitions):
            read = known.get(TopicIdPartition(name, topic.topic_id, number), 0)
            for entry in log.entries:
                if entry.record is not None and entry.transaction.state == "committed":
                    self.gone.append(entry.record)
                    self.gone_ids[id(entry.record)] = topic.topic_id
            self.forgiven |= {
                Place(topic.topic_id, number, o) for o in range(read, len(log.entries))
            }
        self.kafka.client().admin().delete(name)
        self.create(category, PARTITIONS[category])

    def decide(self, to: offsets.Target) -> None:
        """`offsets set` for every partition, with all that it may need; what it skips is known."""
        self.end()
        consumer = self.consumer()
        admin = self.kafka.client().admin()
        changes = offsets.plan(
            offsets.show(consumer, admin), admin, to, new_topic=True, allow_rewind=True
        )
        for change in changes:
            s = change.standing
            old = 0 if s.next is None or s.recreated else s.next
            self.forgiven |= {Place(s.topic_id, s.partition, o) for o in range(old, change.new)}
        offsets.apply(consumer, admin, changes)
        self.seen.clear()

    def mend(self) -> None:
        """Do what the notes of `offsets show` say, partition by partition."""
        self.end()
        consumer = self.consumer()
        admin = self.kafka.client().admin()
        for standing in offsets.show(consumer, admin):
            problem = standing.problem()
            if problem is None:
                continue
            words = problem.options.split()
            assert words[words.index("--to") + 1] == "earliest"
            changes = offsets.plan(
                [standing],
                admin,
                "earliest",
                new_topic="--new-topic" in words,
                allow_rewind="--allow-rewind" in words,
            )
            offsets.apply(consumer, admin, changes)
        self.seen.clear()

    def maintain(self) -> None:
        """Somebody merges small files and writes a checkpoint."""
        if self.lake is None:
            return
        for category in CATEGORIES:
            if (self.lake / category / "_delta_log").is_dir():
                table = LakeTable(self.consumer()._location(category))
                maintenance.maintain(table, "zstd")
                table.checkpoint()

    def settle(self) -> None:
        """All trouble is over: whatever was committed gets where it belongs, and no lag is left."""
        self.traps.clear()
        self.kafka._failures.clear()
        self.produce([("recebimentos", "good"), ("estornos", "good"), ("recebimentos", "bad")])
        for replicas in (2, 1):
            self.end()
            for _ in range(4):
                self.mend()
                for replica in range(replicas):
                    self.start(replica)
                self._drain()
                stopped = [p.error for p in self.processes.values() if p.error is not None]
                if not stopped:
                    break
                assert all(isinstance(e, TopicChangedError | FencedError) for e in stopped), stopped
        self.check()
        standing = offsets.show(self.consumer(), self.kafka.client().admin())
        assert [s.lag for s in standing] == [0] * 3, standing
        assert [s.remembered for s in standing] == [s.committed for s in standing], standing
        self._check_complete()

    # --- what must hold -----------------------------------------------------------------------

    def check(self) -> None:
        """Nothing twice, nothing unknown; what lies before an offset is accounted for."""
        rows = self.rows()
        assert not [name for name, count in rows.items() if count > 1], "a row is there twice"
        mine = [record for record in self._committed() if not self._is_for_another(record)]
        good = {e for record in mine if (e := self._event_of(record)) is not None}
        assert rows.keys() <= good, "an unknown row"
        letters = self.letters()
        unfit = {self._place(record) for record in mine if self._is_for_a_letter(record)}
        assert letters <= unfit, "an unknown letter"
        known = self.offsets()
        group = self.kafka.committed[GROUP]
        ids = {name: topic.topic_id for name, topic in self.kafka.topics.items()}
        for (topic, number), offset in group.items():
            at = known.get(TopicIdPartition(topic, ids[topic], number), -1)
            assert offset <= at, "the group is ahead of the destination"
            self._never_less(("group", ids[topic], number), offset)
        for partition, offset in known.items():
            self._never_less(("table", partition.topic_id, partition.partition), offset)
        for record in self._committed():
            place = self._place(record)
            at = known.get(TopicIdPartition(record.topic, place.topic_id, place.partition), 0)
            if record.offset < at and place not in self.forgiven:
                self._check_accounted(record, rows, letters)
        for process in self.processes.values():
            process.check_counted()

    def rows(self) -> Counter[str]:
        """Event ids of the table."""
        if self.lake is None:
            return +self.store.rows
        found: Counter[str] = Counter()
        for category in CATEGORIES:
            if (self.lake / category / "_delta_log").is_dir():
                for file in DeltaTable(self.lake / category).file_uris():
                    found.update(pq.read_table(file, columns=["event_id"])["event_id"].to_pylist())
        return found

    def offsets(self) -> dict[TopicIdPartition, int]:
        """What the destination remembers of the topics that there are, or were."""
        if self.lake is None:
            return dict(self.store.next)
        consumer = self.consumer()
        known: dict[TopicIdPartition, int] = {}
        for name in (EVENT_TOPICS[c] for c in CATEGORIES):
            places = list(self.kafka.partitions([name]))
            try:
                known |= consumer.offsets(places, self.kafka.cluster)
            except TopicChangedError:
                continue
        return known

    def letters(self) -> set[Place]:
        """Where the committed letters come from."""
        found = set()
        for entry in self.kafka.topic(DLQ).partitions[0].entries:
            if entry.record is not None and entry.transaction.state == "committed":
                head = {name: value.decode("latin-1") for name, value in entry.record.headers}
                found.add(
                    Place(
                        head["origin-topic-id"],
                        int(head["origin-partition"]),
                        int(head["origin-offset"]),
                    )
                )
        return found

    def _drain(self) -> None:
        """Step until nothing moves any more."""
        still = 0
        while still < 3:
            before = self.offsets(), dict(self.kafka.committed[GROUP])
            for process in self.processes.values():
                process.step()
            still = still + 1 if before == (self.offsets(), self.kafka.committed[GROUP]) else 0

    def _check_complete(self) -> None:
        rows, letters = self.rows(), self.letters()
        for record in self._committed():
            if self._place(record) not in self.forgiven:
                self._check_accounted(record, rows, letters)

    def _check_accounted(self, record: Record, rows: Counter[str], letters: set[Place]) -> None:
        if self._is_for_another(record):
            return
        if self._is_for_a_letter(record):
            assert self._place(record) in letters, "a letter is missing"
        else:
            assert rows[self._event_of(record) or ""] == 1, "a row is missing"

    def _never_less(self, key: tuple[str, str, int], offset: int) -> None:
        assert offset >= self.seen.get(key, offset), "an offset went back"
        self.seen[key] = offset

    def _committed(self) -> Iterator[Record]:
        """Committed records of the topics of events that there are or were, expired ones too."""
        for name in (EVENT_TOPICS[c] for c in CATEGORIES):
            for log in self.kafka.topic(name).partitions:
                for entry in log.entries:
                    if entry.record is not None and entry.transaction.state == "committed":
                        yield entry.record
        yield from self.gone

    def _place(self, record: Record) -> Place:
        present = self.kafka.topic(record.topic).topic_id
        topic_id = self.gone_ids.get(id(record), present)
        return Place(topic_id, record.partition, record.offset)

    def _is_for_another(self, record: Record) -> bool:
        return dict(record.headers).get(REPLAY_FOR, NAME.encode()) != NAME.encode()

    def _is_for_a_letter(self, record: Record) -> bool:
        if self._is_for_another(record):
            return False
        found = self._event_of(record)
        return found is None or (self.lake is None and found in self.refused)

    def _event_of(self, record: Record) -> str | None:
        key = (record.key or b"").decode()
        return None if key.startswith("bad ") else key

    def _record(self, category: str, kind: str) -> tuple[bytes, bytes, Headers]:
        """Key (our event id, or that it is bad), value and headers."""
        number = next(self.numbers)
        headers: Headers = []
        if kind in {"other", "mine"}:
            headers = [(REPLAY_FOR, b"somebody" if kind == "other" else NAME.encode())]
        if kind == "bad":
            return b"bad %d" % number, b"\xff%d" % number, headers
        here = [key for key, (where, _) in self.events.items() if where == category]
        if kind == "again" and here:
            key = here[number % len(here)]
            return key.encode(), encode(self.events[key][1]), headers
        made = event(number, CATEGORIES[category])
        if kind != "other":
            self.events[made.event_id] = (category, made)
        if kind == "refused":
            self.refused.add(made.event_id)
        if kind == "newer":
            value = encode(made).replace(b'"schema_version":1', b'"schema_version":2,"new":"a"')
            return made.event_id.encode(), value, [("schema-version", b"2")]
        return made.event_id.encode(), encode(made), headers


KINDS = st.sampled_from(
    ["good", "good", "good", "newer", "bad", "again", "refused", "other", "mine"]
)
RECORDS = st.lists(st.tuples(st.sampled_from(list(CATEGORIES)), KINDS), min_size=1, max_size=5)
REPLICAS = st.integers(0, 1)


class ConsumeMachine(RuleBasedStateMachine):
    """Anything that can happen to a consumer's processes, its group, its topics and its table."""

    loop_kind: type[ConsumeLoop] = ConsumeLoop
    store_kind: type[Store] = Store

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make()

    def make(self) -> World:
        return World(loop_kind=self.loop_kind, store_kind=self.store_kind)

    @initialize()
    def begin(self) -> None:
        self.world.start(0)

    @rule(records=RECORDS, commit=st.sampled_from([True, True, True, False]))
    def produce(self, *, records: list[tuple[str, str]], commit: bool) -> None:
        self.world.produce(records, commit=commit)

    @rule(
        records=RECORDS,
        fault=st.sampled_from(["none", "kill", "kill", "usurp"]),
        point=st.sampled_from(POINTS),
    )
    def work(self, records: list[tuple[str, str]], fault: str, point: str) -> None:
        """Something is produced, everybody takes some steps, and perhaps one of them dies."""
        if fault == "kill":
            self.world.kill_at(point)
        elif fault == "usurp":
            self.world.usurp_at(point)
        self.world.produce(records)
        for process in self.world.alive or [self.world.start(0)]:
            process.step()
            process.step()

    @rule(replica=REPLICAS)
    def start(self, replica: int) -> None:
        self.world.start(replica)

    @precondition(lambda self: self.world.alive)
    @rule(data=st.data(), steps=st.integers(1, 3))
    def step(self, data: st.DataObject, steps: int) -> None:
        process = self._one(data)
        for _ in range(steps):
            process.step()

    @precondition(lambda self: self.world.alive)
    @rule(data=st.data())
    def fill(self, data: st.DataObject) -> None:
        self._one(data).fill()

    @rule(
        point=st.sampled_from(POINTS),
        what=st.sampled_from(["kill", "kill", "usurp", "evict 0", "evict 1"]),
    )
    def fault(self, point: str, what: str) -> None:
        """A process dies, or is thrown out of the group, now or when it comes to a point."""
        if what == "kill":
            self.world.kill_at(point)
        elif what == "usurp":
            self.world.usurp_at(point)
        else:
            self.world.evict(int(what[-1]))

    @rule(
        what=st.sampled_from(
            ["write", "offsets", "poll", "positions", "group_commit", "begin", "send", "commit"]
        ),
        times=st.integers(1, 4),
    )
    def away(self, what: str, times: int) -> None:
        """Kafka or the destination does not answer for a while."""
        self.world.kafka._failures.clear()
        self.world.fail(what, times)

    @rule(
        what=st.sampled_from(["maintain", "expire", "recreate", "mend", "earliest", "latest"]),
        category=st.sampled_from(list(CATEGORIES)),
        share=st.floats(0, 1),
    )
    def outside(self, what: str, category: str, share: float) -> None:
        """Something that people, or Kafka by itself, do to topics, tables and offsets."""
        if what == "maintain":
            self.world.maintain()
        elif what == "expire":
            self.world.expire(category, 0, share)
        elif what == "recreate":
            self.world.recreate(category)
        elif what == "mend":
            self.world.mend()
        else:
            self.world.decide("earliest" if what == "earliest" else "latest")

    @invariant()
    def accounted(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        self.world.settle()

    def _one(self, data: st.DataObject) -> Process:
        return data.draw(st.sampled_from(self.world.alive))
