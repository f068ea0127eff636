"""The contract of processors: Kafka → Kafka.

A processor maps batches of events to records of topics that it declares. Those records, the dead
letters of the batch, what changed in the processor's state and the offsets of the input are written
in one transaction: all of it is seen, or none of it, whatever is killed at whatever moment.
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
    """Hands one record to the transaction of the batch."""

    def __call__(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> None:
        """Take the record; it is sent once `process` has returned.

        Raises:
            PixstreamError: the processor does not declare the topic in `writes`.
        """


@dataclasses.dataclass(kw_only=True)
class Processor(Reader):
    """Events to records of other topics. Its fields are its YAML section; each has a default.

    Attributes:
        writes: the topics that it writes, and what each is where the section `topics` says
            nothing. `topics apply` creates them, `topics acls` grants them.
    """

    writes: ClassVar[Mapping[str, TopicSettings]] = MappingProxyType({})

    batch: Annotated[BatchLimits, Meta(description="when a batch closes")] = dataclasses.field(
        default_factory=lambda: BatchLimits(rows=5_000, seconds=0.2)
    )

    def process(self, batch: EventBatch, emit: Emit) -> None:
        """Map the events of a batch; called again with the same ones after a failure.

        It has no other effect than what it emits and what it changes in its own state: both are
        undone where the transaction fails.

        Raises:
            Transient: called again with back-off.
            PixstreamError: any other error stops this process, nothing committed.
        """
        raise NotImplementedError


class StateRecord(NamedTuple):
    """One entry of a processor's state, or the change of one.

    Attributes:
        partition: the input partition whose events it comes from, and with which it moves.
        key: names it within the partition.
        value: None: it is gone.
    """

    partition: TopicPartition
    key: bytes
    value: bytes | None


@runtime_checkable
class HasState(Protocol):
    """A processor that remembers something from one batch to the next.

    What it remembers is kept in a compacted topic, its changelog, from which it comes back after a
    crash and wherever a partition moves to.
    """

    def restore(self, partitions: Collection[TopicPartition], state: Iterable[StateRecord]) -> None:
        """Forget everything: the state is now this one, of these partitions and no others.

        Called before `process` whenever partitions came or went, and after a transaction that was
        not committed. Of several records of one key the last one counts.
        """

    def checkpoint(self) -> Iterable[StateRecord]:
        """What changed since the last call, or since `restore`.

        Called once after each `process`; written in the transaction of its batch.
        """


def topics_of(processors: Mapping[str, Processor]) -> dict[str, TopicSettings]:
    """Every topic that these processors, by name, write; changelogs among them."""
    found: dict[str, TopicSettings] = {}
    for name, processor in processors.items():
        found |= processor.writes
        if isinstance(processor, HasState):
            found[changelog(name)] = kept_by_key()
    return found
