"""The contract of a consumer: a destination of Pix events, Kafka → destination."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

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

    def loop(self, settings: Any, stop: threading.Event) -> Loop | None:
        """A loop of its own, for a destination whose engine reads Kafka itself; None: ours.

        With a loop of its own nothing else of this class is called but `check`.

        Args:
            settings: the whole configuration, a `config.settings.Settings`.
            stop: set when it is to end; what is in hand is finished first.
        """
        del settings, stop
        return None

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
