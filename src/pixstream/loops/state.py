"""A processor's state between batches: restored from its changelog, written with each batch."""

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
    """The state of a processor; does nothing for a processor without state.

    The state in memory either is that of the last committed transaction, or is not trusted: then it
    is restored before the next batch. The changelog is read after the group's offsets, which Kafka
    returns only once no open transaction can move them. So the changelog contains all that a former
    owner committed for these partitions, and what that owner still tries to commit is refused.

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
        """Note that partitions were reassigned, or that a batch is about to change the state."""
        self._trusted = False

    def trust(self) -> None:
        """Note that Kafka holds all of the state in memory."""
        self._trusted = True

    def restore(self, partitions: Collection[TopicPartition]) -> None:
        """Restore the state of these partitions, unless the state in memory is trusted.

        Raises:
            Transient: Kafka does not answer.
            KafkaError: the changelog does not exist, or has a record that is not a state.
        """
        if self._processor is None or self._trusted:
            return
        log.info("%s: restoring its state from %s", self._name, self._topic)
        self._processor.restore(partitions, self._records(set(partitions)))

    def write(self, transaction: Transaction) -> None:
        """Send what changed in the state."""
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
                    "version can read. Nothing is processed until it is corrected"
                ) from None
            if place in partitions:
                yield StateRecord(place, key, record.value)
