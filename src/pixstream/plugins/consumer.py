"""The contract of a consumer: a destination of Pix events, Kafka → destination.

Every destination implements `Consumer`. The protocols below it are optional, for destinations that
can do more; the framework recognises them by their methods.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import threading

    import pyarrow as pa

    from pixstream.columns.batch import EventBatch
    from pixstream.kafka.ports import TopicIdPartition
    from pixstream.plugins.component import Loop
from pixstream.plugins.reader import Reader

Reject: TypeAlias = Callable[[Sequence[int], str], None]
"""`reject(rows, reason)` turns these rows of the batch into dead letters, durable on return."""


@dataclasses.dataclass(kw_only=True)
class Consumer(Reader):
    """A destination of Pix events. Its fields are its YAML section; every field has a default."""

    def write(self, batch: EventBatch, reject: Reject) -> None:
        """Make the whole batch durable; the same offsets may be written again.

        Call `reject` first: it returns once its letters are durable.

        Raises:
            Transient: the framework calls again, with back-off.
            DestinationError: this and any other error stops the process; nothing is committed.
        """
        raise NotImplementedError


@runtime_checkable
class OwnsItsLoop(Protocol):
    """A destination whose engine reads Kafka itself: of `Consumer`, only `check` is called."""

    def loop(self, settings: Any, stop: threading.Event) -> Loop:
        """Return the loop to run instead of `ConsumeLoop`.

        Args:
            settings: the whole configuration, a `config.settings.Settings`.
            stop: set when the loop must end; it finishes its current work first.
        """


@runtime_checkable
class RemembersOffsets(Protocol):
    """A destination that keeps offsets with its rows; they take precedence over the group's."""

    def offsets(
        self, partitions: Collection[TopicIdPartition], cluster_id: str
    ) -> Mapping[TopicIdPartition, int]:
        """Return the next offset of each partition, without those that it does not know.

        The call creates and changes nothing.

        Raises:
            TopicChangedError: the destination remembers another incarnation of the topic.
            ClusterChangedError: it remembers another Kafka cluster, and nothing of this one.
        """


@runtime_checkable
class AcceptsOffsets(Protocol):
    """A destination whose remembered offsets `pixstream offsets set` can change."""

    def set_offsets(self, offsets: Mapping[TopicIdPartition, int], cluster_id: str) -> None:
        """Remember these next offsets instead, even if they are lower: an operator decided so.

        From now on, these incarnations of the topics are the ones that it is fed from. No write
        runs at the same time.
        """


@runtime_checkable
class HasVersions(Protocol):
    """A destination whose tables have versions, which log lines of batches name."""

    def versions(self) -> Mapping[str, int]:
        """Return, by topic, a version of its table that contains all that was written so far."""


@runtime_checkable
class HasColumns(Protocol):
    """A destination with columns beyond those of an event, for new fields of a newer writer."""

    def columns(self) -> Mapping[str, pa.DataType]:
        """Return their types by dotted path.

        Called when a newer writer sends new fields. The fields' values come with these types, or
        not at all; those of the null type get none.

        Raises:
            Transient: the framework calls again, with back-off.
        """
