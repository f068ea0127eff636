"""Reading from Kafka as a member of a group through kafka-python."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import CommitFailedError, LogTruncationError, OffsetOutOfRangeError
from kafka.errors import KafkaError as Fault
from kafka.future import Future
from kafka.structs import MemberState, OffsetAndMetadata

from kafka import KafkaConsumer
from kafka import TopicPartition as Partition
from pixstream.errors import PixstreamError, Transient
from pixstream.kafka import faults
from pixstream.kafka.kafka_python.admin import KafkaPythonAdmin
from pixstream.kafka.kafka_python.link import build, connection, translate
from pixstream.kafka.ports import Record, TopicIdPartition, TopicPartition
from pixstream.kafka.scanning import (
    FETCH_BYTES,
    METADATA_MILLISECONDS,
    PARTITION_FETCH_BYTES,
    heartbeat_ms,
)
from pixstream.kafka.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pixstream.kafka.ports import Listener, Membership
    from pixstream.kafka.settings import KafkaSettings

_JOIN_MILLISECONDS = 3000


class KafkaPythonInbox:
    """`kafka.Inbox` through kafka-python.

    The library calls its listeners in its own thread, where its other methods must not be called.
    So the library polls in a separate thread, and meanwhile our thread runs our listener.

    `poll` first asks our listener for start offsets. If the listener raises, `poll` raises the same
    error, the partitions stay unread, and the next `poll` asks again. If the error is `Transient`,
    `poll` still polls the library: the member stays in its group and reads its other partitions.

    While the group rebalances, a poll may last three seconds longer than its timeout.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        member: str,
        listener: Listener,
    ) -> None:
        self._name = f"group {group}"
        self._topics = topics
        self._listener = listener
        self._ids: dict[str, str] = {}  # of the topics that were ever assigned
        self._assigned: set[Partition] = set()
        self._waiting: set[Partition] = set()
        self._milliseconds = settings.request_timeout_ms
        self._failure: Exception | None = None
        self._paused = self._closing = False
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._admin = KafkaPythonAdmin(settings)
        membership = {
            "group_id": group,
            "group_instance_id": member,
            "partition_assignment_strategy": [RoundRobinPartitionAssignor],
            "session_timeout_ms": settings.session_timeout_ms,
            "heartbeat_interval_ms": heartbeat_ms(settings),
            "max_poll_interval_ms": settings.max_poll_interval_ms,
        }
        try:
            self._admin.topic_ids(topics)  # raises if one does not exist
            config = consumer_config(settings) | membership
            self._consumer, self._network = build(KafkaConsumer, config)
        except Fault as error:
            self._admin.close()
            raise translate(self._name, error) from error
        except PixstreamError:
            self._admin.close()
            raise
        self._consumer.subscribe(list(topics), listener=_Rebalance(self))
        try:
            # Without this it would join and assign partitions before it knows of any.
            for topic in topics:
                self._consumer.partitions_for_topic(topic)
        except Fault as error:
            self._consumer.close(autocommit=False)
            self._admin.close()
            raise translate(self._name, error) from error

    def poll(self, max_records: int, timeout: float) -> Sequence[Record]:
        """See `kafka.Inbox`."""
        if self._failure is not None:
            raise self._failure
        unanswered: Transient | None = None
        try:
            self._start_waiting()
        except Transient as error:
            unanswered = error
        polling = in_thread(lambda: self._poll(max_records, timeout))
        polling.add_done_callback(lambda _: self._tasks.put(None))
        while (task := self._tasks.get()) is not None:
            task()
        try:
            found = polling.result()
        except Fault as error:
            raise self._translated(error) from error
        read = [record for part in found.values() for record in records(part)]
        if unanswered is not None and not read:
            raise unanswered
        return read

    def positions(self) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Inbox`.

        Raises:
            TopicChangedError: a topic was recreated while it was being read.
        """
        # Not only of assigned topics: the library revokes a deleted topic's partitions, and may
        # see the new topic only when its metadata expires.
        now = self._admin.topic_ids(self._ids or self._topics)
        for topic, known in self._ids.items():
            if now[topic] != known:
                raise faults.recreated(topic)
        try:
            return {self._identified(p): self._consumer.position(p) for p in self._assigned}
        except Fault as error:
            raise self._translated(error) from error

    def seek(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """See `kafka.Inbox`."""
        for wanted, offset in offsets.items():
            partition = Partition(wanted.topic, wanted.partition)
            if partition in self._assigned:
                self._consumer.seek(partition, offset)

    def pause(self) -> None:
        """See `kafka.Inbox`."""
        self._paused = True
        self._consumer.pause(*self._assigned)

    def resume(self) -> None:
        """See `kafka.Inbox`."""
        self._paused = False
        self._consumer.resume(*self._assigned)

    def commit(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """See `kafka.Inbox`.

        Raises:
            Transient: the group is rebalancing, or no broker answers.
        """
        wanted = {Partition(p.topic, p.partition): offset for p, offset in offsets.items()}
        ours = {
            partition: OffsetAndMetadata(offset, "", -1)
            for partition, offset in wanted.items()
            if partition in self._assigned
        }
        if not ours:
            return
        try:
            self._consumer.commit(ours)
        except Fault as error:
            if (
                isinstance(error, CommitFailedError)
                or getattr(error, "errno", 0) in faults.LOST_MEMBERSHIP
            ):
                return
            raise translate(self._name, error) from error

    def membership(self) -> Membership:
        """See `kafka.Inbox`."""
        member = self._consumer.group_metadata()
        if member.generation_id < 0:
            # Kafka would treat this as a client outside any group and skip the check.
            raise faults.lost_membership(self._name, "no member")
        return member

    def close(self) -> None:
        """See `kafka.Inbox`; the listener is not called."""
        self._closing = True
        self._consumer.close(autocommit=False)
        self._admin.close()

    def wait(self, partitions: set[Partition]) -> None:
        """Pause new partitions until their start offset is known."""
        self._waiting |= partitions
        self._consumer.pause(*partitions)
        for partition in partitions:
            self._consumer.seek(partition, 0)  # keeps the library from choosing a start itself

    async def lose(self, partitions: set[Partition]) -> None:
        """Call the listener in the polling thread; the library's own thread is not blocked."""
        self._waiting -= partitions
        gone = self._assigned & partitions
        if not gone or self._closing:
            return
        reported = Future()

        def report() -> None:
            try:
                self._listener.revoked([TopicPartition(*p) for p in gone])
            except Exception as error:  # noqa: BLE001  the next `poll` raises it
                self._failure = error
            self._assigned -= gone
            reported.success(None)
            self._network.wakeup()

        self._tasks.put(report)
        await reported

    def _start_waiting(self) -> None:
        """Start new partitions at the offsets that the listener returns."""
        partitions = sorted(self._waiting)
        if not partitions:
            return
        self._ids.update(self._admin.topic_ids({p.topic for p in partitions}))
        committed: dict[TopicIdPartition, int] = {}
        for partition in partitions:
            try:
                offset = self._consumer.committed(partition, timeout_ms=self._milliseconds)
            except Fault as error:
                raise translate(self._name, error) from error
            if offset is not None:
                committed[self._identified(partition)] = offset
        starts = self._listener.assigned([self._identified(p) for p in partitions], committed)
        for partition in partitions:
            self._consumer.seek(partition, starts[self._identified(partition)])
        self._assigned |= self._waiting
        self._waiting.clear()
        if not self._paused:
            self._consumer.resume(*partitions)

    def _poll(self, max_records: int, timeout: float) -> Any:
        found = self._consumer.poll(timeout_ms=timeout * 1000, max_records=max_records)
        if not found and self._consumer.group_metadata().state == MemberState.REBALANCING:
            # The library loses the result of a join that completes between two polls, and joins
            # again: members that poll in turn would keep the group rebalancing.
            found = self._consumer.poll(timeout_ms=_JOIN_MILLISECONDS, max_records=max_records)
        return found

    def _translated(self, error: Fault) -> Exception:
        """Return the error to raise; after a missing offset every `poll` raises it."""
        if isinstance(error, OffsetOutOfRangeError):
            partition, offset = next(iter(error.args[0].items()))
        elif isinstance(error, LogTruncationError):
            partition, end = next(iter(error.divergent_offsets.items()))
            offset = -1 if end is None else end.offset
        else:
            return translate(self._name, error)
        self._failure = faults.offset_gone(partition.topic, partition.partition, offset)
        return self._failure

    def _identified(self, partition: Partition) -> TopicIdPartition:
        topic, number = partition
        return TopicIdPartition(topic, self._ids[topic], number)


class _Rebalance(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # the library is untyped
    """The library's rebalance listener; it passes each call to the inbox."""

    def __init__(self, inbox: KafkaPythonInbox) -> None:
        self._inbox = inbox

    async def on_partitions_assigned(self, assigned: set[Partition]) -> None:
        self._inbox.wait(assigned)

    async def on_partitions_revoked(self, revoked: set[Partition]) -> None:
        await self._inbox.lose(revoked)


def consumer_config(settings: KafkaSettings) -> dict[str, Any]:
    """Return the configuration of every consumer: no offset reset, no automatic commit."""
    return {
        **connection(settings),
        "isolation_level": "read_committed",
        "auto_offset_reset": "none",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
        "metadata_max_age_ms": METADATA_MILLISECONDS,
        "max_partition_fetch_bytes": PARTITION_FETCH_BYTES,
        "fetch_max_bytes": FETCH_BYTES,
    }


def records(found: Sequence[Any]) -> list[Record]:
    """Convert the library's records to ours."""
    return [
        Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
        for r in found
    ]
