"""Kafka through kafka-python: pure Python, eight times the CPU per record of librdkafka."""

from __future__ import annotations

import warnings
from contextlib import closing
from typing import TYPE_CHECKING

from pixstream.kafka import scanning

with warnings.catch_warnings():
    # It reads its schemas with a function that is deprecated in Python 3.11 and 3.12.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaConsumer
    from kafka import TopicPartition as Partition
    from pixstream.kafka.kafka_python.admin import KafkaPythonAdmin
    from pixstream.kafka.kafka_python.inbox import KafkaPythonInbox, consumer_config, records
    from pixstream.kafka.kafka_python.link import build, translating
    from pixstream.kafka.kafka_python.outbox import KafkaPythonOutbox

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pixstream.kafka.ports import Listener, Record
    from pixstream.kafka.settings import KafkaSettings

_READ_RECORDS = 2000


def connect(settings: KafkaSettings) -> KafkaPythonClient:
    """Return the client, not yet connected."""
    return KafkaPythonClient(settings)


class KafkaPythonClient:
    """`kafka.Client` through kafka-python."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def outbox(self, transactional_id: str) -> KafkaPythonOutbox:
        """See `kafka.Client`."""
        return KafkaPythonOutbox(self._settings, transactional_id)

    def inbox(
        self, *, group: str, topics: Sequence[str], member: str, listener: Listener
    ) -> KafkaPythonInbox:
        """See `kafka.Client`."""
        return KafkaPythonInbox(self._settings, group, topics, member, listener)

    def load(self, topic: str, key_prefix: str) -> Mapping[str, bytes]:
        """See `kafka.Client`."""
        return scanning.last_values(self.scan(topic), key_prefix)

    def scan(self, topic: str) -> Iterator[Record]:
        """See `kafka.Client`."""
        settings = self._settings
        with closing(KafkaPythonAdmin(settings)) as admin:
            begins = admin.beginning_offsets([topic])
            ends = admin.uncommitted_ends(topic)
        starts = {Partition(topic, p.partition): at for p, at in begins.items() if at < ends[p]}
        stops = {Partition(topic, p.partition): end for p, end in ends.items() if begins[p] < end}
        patience = (settings.transaction_timeout_ms + settings.request_timeout_ms) / 1000
        yield from self._read(topic, starts, stops, patience)

    def _read(
        self,
        topic: str,
        starts: Mapping[Partition, int],
        stops: Mapping[Partition, int],
        patience: float,
    ) -> Iterator[Record]:
        """Yield what is read from these offsets on until all positions have reached their stops."""
        if not starts:
            return
        with (
            translating(f"topic {topic} could not be read"),
            closing(build(KafkaConsumer, consumer_config(self._settings))[0]) as consumer,
        ):
            consumer.assign(list(starts))
            for partition, offset in starts.items():
                consumer.seek(partition, offset)
            yield from scanning.to_end(
                topic,
                stops,
                lambda seconds: [
                    record
                    for part in consumer.poll(seconds * 1000, _READ_RECORDS).values()
                    for record in records(part)
                ],
                consumer.position,
                patience,
            )

    def between(
        self,
        topic: str,
        ranges: Mapping[int, tuple[int, int]],
        keys: Collection[bytes] | None = None,
    ) -> Iterator[Record]:
        """See `kafka.Client`."""
        settings = self._settings
        with closing(KafkaPythonAdmin(settings)) as admin:
            begins, ends = admin.beginning_offsets([topic]), admin.end_offsets([topic])
        held = scanning.clipped(topic, ranges, begins, ends)
        starts = {Partition(topic, number): at for number, (at, _) in held.items()}
        patience = settings.request_timeout_ms / 1000
        stops = {Partition(topic, number): stop for number, (_, stop) in held.items()}
        yield from scanning.within(self._read(topic, starts, stops, patience), held, keys)

    def admin(self) -> KafkaPythonAdmin:
        """See `kafka.Client`."""
        return KafkaPythonAdmin(self._settings)
