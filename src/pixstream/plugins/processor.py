"""The contract of processors: Kafka → Kafka.

A processor maps batches of events to records of topics that it declares. Those records, the dead
letters of the batch, the changes of the processor's state and the offsets of the input are written
in one transaction: all of it becomes visible, or none of it, whichever process is killed and when.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple, Protocol, runtime_checkable

from msgspec import Meta

from pixstream.kafka.names import changelog
from pixstream.kafka.topics.declared import TopicSettings, kept_by_key
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.reader import Reader

if TYPE_CHECKING:
    from pixstream.columns.batch import EventBatch
    from pixstream.event.record import Headers
    from pixstream.kafka.ports import TopicPartition


class Emit(Protocol):
    """Adds one record to the transaction of the batch."""

    def __call__(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> None:
        """Add the record; it is sent after `process` returns.

        Raises:
            PixstreamError: the processor does not declare the topic in `writes`.
        """


@dataclasses.dataclass(kw_only=True)
class Processor(Reader):
    """Maps events to records of other topics. Its fields are its YAML section; each has a default.

    Attributes:
        writes: the topics that it writes, each with its settings, which the section `topics` can
            change. `topics apply` creates the topics, `topics acls` grants access to them.
    """

    writes: ClassVar[Mapping[str, TopicSettings]] = MappingProxyType({})

    batch: Annotated[BatchLimits, Meta(description="when a batch closes")] = dataclasses.field(
        default_factory=lambda: BatchLimits(rows=5_000, seconds=0.2)
    )

    def process(self, batch: EventBatch, emit: Emit) -> None:
        """Map the events of a batch; called again with the same events after a failure.

        Its only effects are the records that it emits and the changes in its own state: both are
        undone if the transaction fails.

        Raises:
            Transient: the framework calls again, with back-off.
            PixstreamError: this and any other error stops the process; nothing is committed.
        """
        raise NotImplementedError


class StateRecord(NamedTuple):
    """One entry of a processor's state, or the change of one.

    Attributes:
        partition: the input partition whose events it comes from, and with which it moves.
        key: identifies the entry within the partition.
        value: the entry; None: it is deleted.
    """

    partition: TopicPartition
    key: bytes
    value: bytes | None


@runtime_checkable
class HasState(Protocol):
    """A processor that keeps state from one batch to the next.

    The state is stored in a compacted topic, its changelog. From there it is restored after a
    crash, and wherever a partition moves to.
    """

    def restore(self, partitions: Collection[TopicPartition], state: Iterable[StateRecord]) -> None:
        """Replace the whole state with this one, which is of these partitions and no others.

        Called before `process` after partitions were assigned or revoked, and after a transaction
        that was not committed. If a key has several records, the last one counts.
        """

    def checkpoint(self) -> Iterable[StateRecord]:
        """Return what changed since the last call, or since `restore`.

        Called once after each `process`; the changes are written in the transaction of its batch.
        """


def topics_of(processors: Mapping[str, Processor]) -> dict[str, TopicSettings]:
    """Return every topic that these processors write, by name, including changelogs."""
    found: dict[str, TopicSettings] = {}
    for name, processor in processors.items():
        found |= processor.writes
        if isinstance(processor, HasState):
            found[changelog(name)] = kept_by_key()
    return found
