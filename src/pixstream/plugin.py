"""The two interfaces, and how a name in the YAML becomes one of their classes.

A plugin only reads or writes. Batching, retries, back-off, positions, offsets, pseudonyms, dead
letters, logs and shutdown belong to the framework (`ingest`). Adding a source or a destination is
one module of `producers/` or `consumers/` with exactly one class, and one YAML section: the
section's keys are the class's fields.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from pixstream.errors import ConfigError
from pixstream.event import Draft

if TYPE_CHECKING:
    import threading

    import pyarrow as pa

Stream: TypeAlias = str
"""One thing that a producer reads in order: an account at a bank, a log file, a directory."""

Position: TypeAlias = str
"""Where a producer stands in a stream: JSON text that only this producer understands."""

Reject: TypeAlias = Callable[[Sequence[int], str], None]
"""`reject(rows, reason)` makes dead letters of these rows of the batch; durable on return."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that could not become a draft, whole, with the reason (a code of `event.Reason`)."""

    reason: str
    message: str
    raw: bytes
    content_type: str = "application/octet-stream"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a producer read: a draft or a refusal, and the position that resumes after it.

    `position` None: the stream's position does not move with this reading (more of the same page
    or file follows). `content` None: nothing but the position moves. `more`: the next reading is in
    the same transaction, whatever the batch's limits say; it comes without a None between.
    """

    stream: Stream
    position: Position | None
    content: Draft | Refusal | None
    more: bool = False


class TopicIdPartition(NamedTuple):
    """A partition of one incarnation of a topic: a recreated topic has another id."""

    topic: str
    topic_id: str
    partition: int


class EventBatch(NamedTuple):
    """Decoded events in columns, with the Kafka coordinates of each row.

    Attributes:
        table: rows in consumption order, schema `lake.schema.EVENT_SCHEMA` (the event's fields and
            `_topic`, `_partition`, `_offset`, `_kafka_timestamp`, `_ingested_at`); behind them
            further columns, and in payer and payee further children, for new fields of a newer
            writer: a text, an integer or a boolean each, null in most rows.
        next_offsets: where each partition of the batch goes on, past transaction markers and past
            rows that became dead letters; a partition may stand here without any row in `table`.
        cluster_id: Kafka's cluster id, part of what a destination remembers offsets by.
        begins: where reading for this batch began in those partitions, as far as the caller knows.
            A destination that remembers a lower offset was set back meanwhile: what lies between
            is not in the batch, which must not move its offset.
    """

    table: pa.Table
    next_offsets: Mapping[TopicIdPartition, int]
    cluster_id: str
    begins: Mapping[TopicIdPartition, int] = MappingProxyType({})


class Loop(Protocol):
    """What a process of a component does until it is told to stop.

    Attributes:
        state: starting, ready, waiting, breaker_open or breaker_half_open.
        counts: since the start; see the loop's own list.
    """

    @property
    def state(self) -> str:
        """As it is now."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Since the start."""

    def run(self) -> None:
        """Work until the end.

        Raises:
            PixstreamError: what waiting does not cure.
        """


@dataclasses.dataclass(kw_only=True)
class Component:
    """What both kinds share: the part of a section that the framework itself reads."""

    type: Annotated[str, Meta(description="module of producers/ or consumers/, or entry point")]
    enabled: Annotated[bool, Meta(description="false: `pixstream run` leaves it out")] = True
    replicas: Annotated[
        Annotated[int, Meta(ge=1, le=64)], Meta(description="processes of this component")
    ] = 1

    def __post_init__(self) -> None:
        """Give the framework's own attributes their place; they are no settings."""
        self.name: str = self.type
        self.replica: int = 0

    def check(self) -> str:
        """Try the other side without reading or writing an event; say what was found.

        Raises:
            PixstreamError: what is wrong and what to do.
        """
        return "nothing to try"


@dataclasses.dataclass(kw_only=True)
class Producer(Component):
    """A source of Pix events. Its fields are its YAML section; every field has a default."""

    batch: Annotated[BatchLimits, Meta(description="when a transaction closes")] = (
        dataclasses.field(default_factory=lambda: BatchLimits(rows=5_000, seconds=1.0))
    )

    def read(self, since: Mapping[Stream, Position]) -> Iterator[Reading | None]:
        """Yield readings after `since`, each naming its stream and the position to resume from.

        Yields None within 100 ms when there is nothing yet. The generator is closed at the end
        (`finally` releases what it holds). Replica `self.replica` of `self.replicas` reads only
        the streams that `owns` gives it.

        Raises:
            Transient: the source does not answer now; the framework calls `read` again with
                back-off, from the last committed positions.
        """
        raise NotImplementedError

    def parse(self, raw: bytes) -> Iterator[Draft | Refusal]:
        """Yield what one body or file holds, as `read` would, without its source."""
        raise NotImplementedError

    def parse_again(self, raw: bytes, stream: Stream) -> Iterator[Draft | Refusal]:
        """As `parse`, of a dead letter: of bytes that were read from `stream` once.

        For a source whose streams give the same bytes another meaning (an account's own ISPB).

        Raises:
            ConfigError: this configuration does not tell what they mean; the letter stays open.
        """
        del stream
        return self.parse(raw)

    def delivered(self, reading: Reading) -> None:
        """Kafka holds `reading` durably. Called in reading order, in the loop's thread."""

    def failed(self, reading: Reading, error: Exception) -> None:
        """`reading` was not committed in time; `read` is called again from the last positions."""

    def stats(self) -> Mapping[str, int]:
        """Counts since the start that only the source knows (bodies refused); from any thread."""
        return {}

    def waits(self) -> bool:
        """Whether a part of the source does not answer while the rest is read.

        The component is shown as waiting then, not as ready. Called from another thread.
        """
        return False

    def owns(self, stream: Stream) -> bool:
        """Tell whether this replica is the one owner of `stream` (a stable hash decides)."""
        import zlib

        return zlib.crc32(stream.encode()) % self.replicas == self.replica


class BatchLimits(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A batch closes at the first of these limits."""

    rows: Annotated[int, Meta(ge=1, le=1_000_000, description="records")] = 50_000
    bytes: Annotated[int, Meta(ge=1024, description="bytes of keys and values")] = 64 * 2**20
    seconds: Annotated[float, Meta(gt=0, le=3600, description="age of its first record")] = 5.0


@dataclasses.dataclass(kw_only=True)
class Consumer(Component):
    """A destination of Pix events. Its fields are its YAML section; every field has a default."""

    categories: Annotated[
        list[str], Meta(description="which topics of events: pagamentos, recebimentos, estornos")
    ] = dataclasses.field(default_factory=lambda: ["pagamentos", "recebimentos", "estornos"])
    start: Annotated[
        Literal["earliest", "latest"],
        Meta(
            description="cold start: where to begin while neither table nor group knows an offset"
        ),
    ] = "earliest"
    batch: Annotated[BatchLimits, Meta(description="when a batch closes")] = dataclasses.field(
        default_factory=BatchLimits
    )

    def loop(self, settings: Any, stop: threading.Event) -> Loop | None:
        """A loop of its own, for a destination whose engine reads Kafka itself; None: ours.

        With a loop of its own nothing else of this class is called but `check` and `stats`.

        Args:
            settings: the whole configuration, a `config.settings.Settings`.
            stop: set when it is to end; what is in hand is finished first.
        """
        del settings, stop
        return None

    def stats(self) -> Mapping[str, int]:
        """Counts since the start that only the destination knows (deduplicated, revisions)."""
        return {}

    def offsets(
        self, partitions: Collection[TopicIdPartition], cluster_id: str
    ) -> Mapping[TopicIdPartition, int]:
        """The next offset wanted per partition, where the destination itself remembers it.

        It only looks: nothing is created or changed.

        Raises:
            TopicChangedError: the destination remembers another incarnation of the topic.
            ClusterChangedError: it remembers another Kafka cluster, and nothing of this one.
        """
        del partitions, cluster_id
        return {}

    def columns(self) -> Mapping[str, pa.DataType]:
        """The columns that the destination has beyond those of an event, by dotted path.

        Asked when a newer writer tells new fields: their values come with these types, or not at
        all; those of the null type get none.

        Raises:
            Transient: asked again with back-off.
        """
        return {}

    def set_offsets(self, offsets: Mapping[TopicIdPartition, int], cluster_id: str) -> None:
        """Remember these next offsets instead, also lower ones: a person decided so.

        For a destination that implements `offsets`; it also takes these incarnations of the topics
        for its own from now on. Nothing is being written meanwhile.

        Raises:
            NotImplementedError: the destination cannot be told; nothing is changed.
        """
        raise NotImplementedError

    def write(self, batch: EventBatch, reject: Reject) -> None:
        """Make the whole batch durable; the same offsets may come again.

        `reject` comes first: it returns once those letters are durable.

        Raises:
            Transient: called again with back-off.
            DestinationError: any other error stops this process, nothing committed.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release what it holds; nothing is pending when this is called."""


P = TypeVar("P", bound=Component)


def load(kind: type[P], type_name: str) -> type[P]:
    """Import the one class that `type: NAME` means.

    Args:
        kind: `Producer` or `Consumer`.
        type_name: a module of `pixstream.producers` or `pixstream.consumers`, else an installed
            entry point of the group with that name.

    Raises:
        ConfigError: no such plugin, or its module does not hold exactly one class of the kind.
    """
    group = f"pixstream.{kind.__name__.lower()}s"
    if type_name in builtin(kind):
        module = importlib.import_module(f"{group}.{type_name}")
        return _only_class(kind, module.__name__, vars(module))
    for point in entry_points(group=group, name=type_name):
        loaded = point.load()
        if isinstance(loaded, type) and issubclass(loaded, kind):
            return loaded
        raise ConfigError(f"entry point {type_name} of {group} is no {kind.__name__}")
    known = ", ".join(available(kind))
    raise ConfigError(f"no {kind.__name__.lower()} of type {type_name!r}; known: {known}")


def builtin(kind: type[Component]) -> list[str]:
    """The modules of `producers/` or `consumers/`, by name, without importing them."""
    package = importlib.import_module(f"pixstream.{kind.__name__.lower()}s")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__))


def available(kind: type[Component]) -> list[str]:
    """Every type name that `load` would find, built in or installed."""
    group = f"pixstream.{kind.__name__.lower()}s"
    return sorted({*builtin(kind), *(p.name for p in entry_points(group=group))})


def _only_class(kind: type[P], module: str, members: Mapping[str, object]) -> type[P]:
    found = [
        m
        for m in members.values()
        if isinstance(m, type) and issubclass(m, kind) and m.__module__ == module
    ]
    if len(found) != 1:
        raise ConfigError(f"{module} must hold exactly one {kind.__name__}, it holds {len(found)}")
    return found[0]
