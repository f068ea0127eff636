"""Refuses a record that its topic would refuse, before it is part of a transaction.

A record that the broker rejects leaves a hole in the producer's sequence numbers, so that the next
transaction fails as well (seen with both libraries); one that was never sent does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.event.record import Headers
    from pixstream.kafka.settings import KafkaSettings

_BATCH_BYTES = 128
"""More than what Kafka writes around the key, value and headers of a batch of one record."""

_HEADER_BYTES = 10
"""The lengths before a header's name and value."""


def largest_request(settings: KafkaSettings) -> int:
    """Bytes that a client must be able to send: the largest letter or event, and its headers."""
    return max(settings.max_letter_bytes, settings.max_event_bytes) + 2**20


class RecordLimits:
    """How large a record each topic takes.

    Args:
        ask: returns the topic's max.message.bytes; raises KafkaError for an unknown topic. Called
            at the first record of each topic, and again before a refusal: it may have been raised.
    """

    def __init__(self, ask: Callable[[str], int]) -> None:
        self._ask = ask
        self._limits: dict[str, int] = {}

    def check(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Return if the topic takes this record.

        Raises:
            KafkaError: it does not, or there is no such topic.
        """
        size = _BATCH_BYTES + len(key or b"") + len(value or b"")
        for name, content in headers:
            size += _HEADER_BYTES + len(name) + len(content)
        if size <= self._limits.get(topic, -1):
            return
        limit = self._limits[topic] = self._ask(topic)
        if size > limit:
            raise KafkaError(
                f"topic {topic}: a record of {size} bytes is larger than it takes, {limit} bytes "
                "(MSG_SIZE_TOO_LARGE): raise its max.message.bytes"
            )

    def forget(self) -> None:
        """Ask anew for every topic: a transaction failed, perhaps since a topic is gone."""
        self._limits.clear()
