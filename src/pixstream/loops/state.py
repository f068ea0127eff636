"""A processor's state from batch to batch: restored from its changelog, written with a batch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pixstream.errors import KafkaError
from pixstream.kafka.names import changelog
from pixstream.kafka.ports import TopicPartition
from pixstream.plugins.processor import HasState, StateRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pixstream.kafka.ports import Client, Transaction
    from pixstream.plugins.processor import Processor

log = logging.getLogger("pixstream.loops")


class State:
    """What a processor remembers; nothing happens for one that remembers nothing.

    The state in memory is that of the last committed transaction, or it is not trusted: it is
    restored before the next batch. The changelog is read after the group's offsets were, which
    Kafka gives only once no transaction moves them any more; so what a former owner committed of
    these partitions is in it, and what that one still tries to commit is refused.

    Args:
        processor: the plugin.
        client: Kafka.
    """

    def __init__(self, processor: Processor, client: Client) -> None:
        self._processor = processor if isinstance(processor, HasState) else None
        self._client = client
        self._name = processor.name
        self._topic = changelog(processor.name)
        self._trusted = False

    def distrust(self) -> None:
        """Partitions came or went, or a batch is about to change it."""
        self._trusted = False

    def trust(self) -> None:
        """Kafka holds all that is in memory."""
        self._trusted = True

    def restore(self, partitions: Collection[TopicPartition]) -> None:
        """Bring the state of these partitions back, unless what is in memory can be trusted.

        Raises:
            Transient: Kafka does not answer.
            KafkaError: the changelog does not exist, or holds what is not a state.
        """
        if self._processor is None or self._trusted:
            return
        log.info("%s: its state is restored from %s", self._name, self._topic)
        self._processor.restore(partitions, self._records(set(partitions)))

    def write(self, transaction: Transaction) -> None:
        """Send what changed."""
        for place, key, value in () if self._processor is None else self._processor.checkpoint():
            prefix = f"{place.topic}/{place.partition}/".encode()
            transaction.send(self._topic, prefix + key, value, ())

    def _records(self, partitions: Collection[TopicPartition]) -> Iterator[StateRecord]:
        for record in self._client.scan(self._topic):
            try:
                topic, number, key = (record.key or b"").split(b"/", 2)
                place = TopicPartition(topic.decode(), int(number))
            except ValueError:
                raise KafkaError(
                    f"topic {self._topic}, offset {record.offset}: is not a state that this "
                    "version reads; nothing is processed before it is corrected"
                ) from None
            if place in partitions:
                yield StateRecord(place, key, record.value)
