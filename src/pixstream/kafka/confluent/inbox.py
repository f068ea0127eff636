"""Reading from Kafka as a member of a group through confluent-kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka import TopicPartition as Partition

from pixstream.errors import Transient
from pixstream.kafka import faults
from pixstream.kafka.confluent.admin import ConfluentAdmin
from pixstream.kafka.confluent.link import (
    FATAL,
    LOGIN_REFUSED,
    NOBODY_ANSWERS,
    OFFSET_GONE,
    POLLED_TOO_LATE,
    cause,
    connection,
    log,
    translate,
)
from pixstream.kafka.ports import Record, TopicIdPartition, TopicPartition
from pixstream.kafka.record_limits import largest_request
from pixstream.kafka.scanning import (
    ASSIGNOR,
    FETCH_BYTES,
    METADATA_MILLISECONDS,
    PARTITION_FETCH_BYTES,
    QUEUE_BYTES,
    heartbeat_ms,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import KafkaError as Fault

    from pixstream.kafka.ports import Listener, Membership
    from pixstream.kafka.settings import KafkaSettings


class ConfluentInbox:
    """`kafka.Inbox` through confluent-kafka.

    `poll` first asks the listener for start offsets. If the listener raises, `poll` raises the same
    error, the partitions stay unread, and the next `poll` asks again. If the error is `Transient`,
    `poll` still polls the library, so that the member stays in its group.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        member: str,
        listener: Listener,
    ) -> None:
        self._admin = ConfluentAdmin(settings)
        self._admin.connect()
        self._admin.topic_ids(topics)  # raises if one does not exist
        self._topics = topics
        self._ids: dict[str, str] = {}  # of the topics that were ever assigned
        self._seconds = settings.request_timeout_ms / 1000
        self._name = f"group {group}"
        self._listener = listener
        self._starts: dict[tuple[str, int], int] = {}
        self._waiting: set[tuple[str, int]] = set()
        self._moved: set[tuple[str, int]] = set()
        self._failure: Exception | None = None
        self._paused = self._closing = self._unanswered = False
        self._consumer = Consumer(
            consumer_config(settings, group)
            | {
                "group.instance.id": member,
                "group.protocol": "classic",
                "partition.assignment.strategy": ASSIGNOR,
                "session.timeout.ms": settings.session_timeout_ms,
                "heartbeat.interval.ms": heartbeat_ms(settings),
                "max.poll.interval.ms": settings.max_poll_interval_ms,
                "error_cb": self._on_error,
            }
        )
        self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke)

    def poll(self, max_records: int, timeout: float) -> Sequence[Record]:
        """See `kafka.Inbox`."""
        if self._failure is not None:
            raise self._failure
        unanswered: Transient | None = None
        try:
            self._start_waiting()
        except Transient as error:
            unanswered = error
        try:
            self._moved.clear()
            # Asking for many would wait for all of them: wait for one, then take what has arrived.
            first = self._consumer.consume(1, timeout)
            rest = self._consumer.consume(max_records - 1, 0) if first and max_records > 1 else []
        except KafkaException as error:
            raise translate(self._name, cause(error)) from error
        if self._moved:
            first = [m for m in first if (m.topic(), m.partition()) not in self._moved]
        found = self._checked(first) + self._checked(rest)
        if not found and self._failure is not None:
            raise self._failure
        if not found and unanswered is not None:
            raise unanswered
        if not found and self._unanswered:
            self._unanswered = False
            raise Transient(f"{self._name}: no broker answers; it will be tried again")
        return found

    def positions(self) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Inbox`.

        Raises:
            TopicChangedError: a topic was recreated while it was being read.
        """
        # Not only of assigned topics: the library revokes a deleted topic's partitions, and all
        # partitions if an outage lasts longer than the session.
        now = self._admin.topic_ids(self._ids or self._topics)
        for topic, known in self._ids.items():
            if now[topic] != known:
                raise faults.recreated(topic)
        asked = [Partition(*key) for key in self._starts]
        return {
            self._identified(p): p.offset if p.offset >= 0 else self._starts[p.topic, p.partition]
            for p in (self._consumer.position(asked) if asked else [])
        }

    def seek(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """See `kafka.Inbox`."""
        for partition, offset in offsets.items():
            key = (partition.topic, partition.partition)
            if key in self._starts:
                self._consumer.seek(Partition(*key, offset))
                self._starts[key] = offset

    def pause(self) -> None:
        """See `kafka.Inbox`."""
        self._paused = True
        self._consumer.pause([Partition(*key) for key in self._starts])

    def resume(self) -> None:
        """See `kafka.Inbox`."""
        self._paused = False
        self._consumer.resume([Partition(*key) for key in self._starts])

    def commit(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """See `kafka.Inbox`.

        Raises:
            Transient: the group is rebalancing, or no broker answers.
        """
        ours = [
            Partition(p.topic, p.partition, offset)
            for p, offset in offsets.items()
            if (p.topic, p.partition) in self._starts
        ]
        if not ours:
            return
        try:
            # Without a group coordinator librdkafka waits here until one answers.
            results = self._consumer.commit(offsets=ours, asynchronous=False)
            refused = [result.error for result in results or [] if result.error is not None]
        except KafkaException as error:
            refused = [cause(error)]
        for fault in refused:
            if fault.code() not in faults.LOST_MEMBERSHIP:
                raise translate(self._name, fault)

    def membership(self) -> Membership:
        """See `kafka.Inbox`."""
        if not self._consumer.memberid():
            raise faults.lost_membership(self._name, "no member")
        return self._consumer.consumer_group_metadata()

    def close(self) -> None:
        """See `kafka.Inbox`; the listener is not called."""
        self._closing = True
        self._consumer.close()
        self._admin.close()

    def _identified(self, partition: Partition) -> TopicIdPartition:
        topic, number = partition.topic, partition.partition
        return TopicIdPartition(topic, self._ids[topic], number)

    def _checked(self, messages: list[Message]) -> list[Record]:
        for message in messages:
            fault = message.error()
            if fault is not None:
                self._on_error(fault, message)
        return records(messages)

    def _on_assign(self, consumer: Consumer, partitions: list[Partition]) -> None:
        self._waiting = {(p.topic, p.partition) for p in partitions}
        consumer.assign([])

    def _start_waiting(self) -> None:
        """Start new partitions at the offsets that the listener returns."""
        partitions = [Partition(*key) for key in sorted(self._waiting)]
        if not partitions:
            return
        self._ids.update(self._admin.topic_ids({p.topic for p in partitions}))
        starts = self._listener.assigned(
            [self._identified(p) for p in partitions], self._committed(partitions)
        )
        for partition in partitions:
            partition.offset = starts[self._identified(partition)]
        self._consumer.assign(partitions)
        self._starts = {(p.topic, p.partition): p.offset for p in partitions}
        self._waiting.clear()
        # The library remembers both: a partition revoked while paused would come back paused.
        if self._paused:
            self._consumer.pause(partitions)
        else:
            self._consumer.resume(partitions)

    def _committed(self, partitions: list[Partition]) -> dict[TopicIdPartition, int]:
        """Return the group's committed offsets; raise for one that could not be read."""
        try:
            found = self._consumer.committed(partitions, self._seconds)
            refused = [p.error for p in found if p.error is not None]
        except KafkaException as error:
            refused = [cause(error)]
        if refused:
            raise translate(self._name, refused[0])
        return {self._identified(p): p.offset for p in found if p.offset >= 0}

    def _on_revoke(self, consumer: Consumer, partitions: list[Partition]) -> None:
        gone = {(p.topic, p.partition) for p in partitions} & self._starts.keys()
        if gone and not self._closing:
            try:
                self._listener.revoked([TopicPartition(*key) for key in gone])
            except Exception as error:  # noqa: BLE001  `poll` raises it
                self._fail(error)
        self._starts.clear()
        self._moved |= gone
        self._waiting.clear()
        consumer.unassign()

    def _on_error(self, fault: Fault, message: Message | None = None) -> None:
        """Keep the error for `poll` to raise; log errors that the library recovers from."""
        if message is not None and fault.code() == OFFSET_GONE:
            topic, partition = message.topic() or "", message.partition() or 0
            self._fail(faults.offset_gone(topic, partition, message.offset() or 0))
        elif fault.code() == FATAL:
            # The only error that ends a member permanently. It can also hit a member that lost its
            # session and rejoins while its own earlier request is still in flight.
            self._fail(faults.fenced(self._name, "FENCED_INSTANCE_ID"))
        elif fault.code() == NOBODY_ANSWERS:
            self._unanswered = True
        elif fault.fatal() or message is not None or fault.code() == LOGIN_REFUSED:
            failure = translate(self._name, fault)
            if isinstance(failure, Transient) or fault.code() == POLLED_TOO_LATE:
                log.warning(
                    "%s: librdkafka reports %s and recovers by itself", self._name, fault.name()
                )
            else:
                self._fail(failure)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error


def consumer_config(settings: KafkaSettings, group: str) -> dict[str, Any]:
    """Return the configuration of every consumer: no offset reset, no automatic commit."""
    return connection(settings) | {
        "group.id": group,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "topic.metadata.refresh.interval.ms": METADATA_MILLISECONDS,
        "queued.max.messages.kbytes": QUEUE_BYTES // 1024,
        "max.partition.fetch.bytes": PARTITION_FETCH_BYTES,
        # The library requires room for the largest message that it might send.
        "fetch.max.bytes": max(FETCH_BYTES, largest_request(settings)),
    }


def records(messages: list[Message]) -> list[Record]:
    """Return the messages without an error, as records."""
    return [
        Record(
            m.topic(),  # type: ignore[arg-type]  # set, since there is no error
            m.partition(),  # type: ignore[arg-type]
            m.offset(),  # type: ignore[arg-type]
            m.timestamp()[1],
            m.key(),
            m.value(),
            m.headers() or (),  # type: ignore[arg-type]  # a list when it comes from Kafka
        )
        for m in messages
        if m.error() is None
    ]
