"""The contract of a consumer: a destination of Pix events, Kafka → destination.

`Consumer` is what every destination implements; the protocols below it are for those that can do
more, and are recognised by their methods.
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
"""`reject(rows, reason)` makes dead letters of these rows of the batch; durable on return."""


@dataclasses.dataclass(kw_only=True)
class Consumer(Reader):
    """A destination of Pix events. Its fields are its YAML section; every field has a default."""

    def write(self, batch: EventBatch, reject: Reject) -> None:
        """Make the whole batch durable; the same offsets may come again.

        `reject` comes first: it returns once those letters are durable.

        Raises:
            Transient: called again with back-off.
            DestinationError: any other error stops this process, nothing committed.
        """
        raise NotImplementedError


@runtime_checkable
class OwnsItsLoop(Protocol):
    """A destination whose engine reads Kafka itself: of `Consumer` only `check` is called then."""

    def loop(self, settings: Any, stop: threading.Event) -> Loop:
        """The loop to run instead of `ConsumeLoop`.

        Args:
            settings: the whole configuration, a `config.settings.Settings`.
            stop: set when it is to end; what is in hand is finished first.
        """


@runtime_checkable
class RemembersOffsets(Protocol):
    """A destination that keeps offsets with its rows; they take precedence over the group's."""

    def offsets(
        self, partitions: Collection[TopicIdPartition], cluster_id: str
    ) -> Mapping[TopicIdPartition, int]:
        """The next offset wanted per partition; those that it does not know are left out.

        It only looks: nothing is created or changed.

        Raises:
            TopicChangedError: the destination remembers another incarnation of the topic.
            ClusterChangedError: it remembers another Kafka cluster, and nothing of this one.
        """


@runtime_checkable
class AcceptsOffsets(Protocol):
    """Of those that remember offsets, one for which `pixstream offsets set` can change them."""

    def set_offsets(self, offsets: Mapping[TopicIdPartition, int], cluster_id: str) -> None:
        """Remember these next offsets instead, also lower ones: a person decided so.

        It also takes these incarnations of the topics for its own from now on. Nothing is being
        written meanwhile.
        """


@runtime_checkable
class HasColumns(Protocol):
    """A destination with columns beyond those of an event, for new fields of a newer writer."""

    def columns(self) -> Mapping[str, pa.DataType]:
        """Their types by dotted path.

        Asked when a newer writer sends new fields: their values come with these types, or not at
        all; those of the null type get none.

        Raises:
            Transient: asked again with back-off.
        """
