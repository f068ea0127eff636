"""Kafka through confluent-kafka (librdkafka): the default client, with the least CPU per record."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Partition

from pixstream.errors import Transient
from pixstream.kafka import scanning
from pixstream.kafka.confluent.admin import ConfluentAdmin
from pixstream.kafka.confluent.inbox import ConfluentInbox, consumer_config, records
from pixstream.kafka.confluent.link import translate
from pixstream.kafka.confluent.outbox import ConfluentOutbox

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from confluent_kafka import Message

    from pixstream.kafka.ports import Listener, Record
    from pixstream.kafka.settings import KafkaSettings

_READ_RECORDS = 2000
_FULL_QUEUE_MILLISECONDS = 10
"""The library's default waits a second whenever its read-ahead is full: half of a short reading."""


def connect(settings: KafkaSettings) -> ConfluentClient:
    """Return the client, not yet connected."""
    return ConfluentClient(settings)


class ConfluentClient:
    """`kafka.Client` through confluent-kafka."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def outbox(self, transactional_id: str) -> ConfluentOutbox:
        """See `kafka.Client`."""
        return ConfluentOutbox(self._settings, transactional_id)

    def inbox(
        self, *, group: str, topics: Sequence[str], member: str, listener: Listener
    ) -> ConfluentInbox:
        """See `kafka.Client`."""
        return ConfluentInbox(self._settings, group, topics, member, listener)

    def load(self, topic: str, key_prefix: str) -> Mapping[str, bytes]:
        """See `kafka.Client`."""
        return scanning.last_values(self.scan(topic), key_prefix)

    def scan(self, topic: str) -> Iterator[Record]:
        """See `kafka.Client`."""
        settings = self._settings
        with closing(ConfluentAdmin(settings)) as admin:
            admin.connect()
            begins = admin.beginning_offsets([topic])
            ends = admin.uncommitted_ends(topic)
        starts = [Partition(topic, p.partition, at) for p, at in begins.items() if at < ends[p]]
        with closing(_reader(settings)) as consumer:
            consumer.assign(starts)
            yield from scanning.to_end(
                topic,
                {p.partition: ends[p] for p in begins if begins[p] < ends[p]},
                lambda seconds: _readable(topic, consumer.consume(_READ_RECORDS, seconds)),
                lambda number: consumer.position([Partition(topic, number)])[0].offset,
                (settings.transaction_timeout_ms + settings.request_timeout_ms) / 1000,
            )

    def between(
        self,
        topic: str,
        ranges: Mapping[int, tuple[int, int]],
        keys: Collection[bytes] | None = None,
    ) -> Iterator[Record]:
        """See `kafka.Client`."""
        settings = self._settings
        with closing(ConfluentAdmin(settings)) as admin:
            admin.connect()
            begins, ends = admin.beginning_offsets([topic]), admin.end_offsets([topic])
        held = scanning.clipped(topic, ranges, begins, ends)
        if not held:
            return
        with closing(_reader(settings)) as consumer:
            consumer.assign([Partition(topic, number, at) for number, (at, _) in held.items()])
            found = scanning.to_end(
                topic,
                {number: stop for number, (_, stop) in held.items()},
                lambda seconds: _readable(topic, consumer.consume(_READ_RECORDS, seconds), keys),
                lambda number: consumer.position([Partition(topic, number)])[0].offset,
                settings.request_timeout_ms / 1000,
            )
            yield from scanning.within(found, held, keys)

    def admin(self) -> ConfluentAdmin:
        """See `kafka.Client`."""
        return ConfluentAdmin(self._settings)


def _reader(settings: KafkaSettings) -> Consumer:
    """Return a consumer for reading a part of a topic without a group."""
    config = consumer_config(settings, "pixstream-reader")
    return Consumer(config | {"fetch.queue.backoff.ms": _FULL_QUEUE_MILLISECONDS})


def _readable(
    topic: str, messages: list[Message], keys: Collection[bytes] | None = None
) -> list[Record]:
    """Return the records; raise errors about the topic, ignore errors about the group.

    With `keys`, only those that have one of them: a record costs more than its message.

    Raises:
        KafkaError: the topic cannot be read.
    """
    for message in messages:
        fault = message.error()
        if fault is not None and message.topic() is not None:
            failure = translate(f"topic {topic}", fault)
            if not isinstance(failure, Transient):
                raise failure
    return records(messages if keys is None else [m for m in messages if m.key() in keys])
