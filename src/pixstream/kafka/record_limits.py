"""Rejects a record that its topic would reject, before it becomes part of a transaction.

A record that the broker rejects leaves a gap in the producer's sequence numbers, and the next
transaction fails too (seen with both libraries). A record that was never sent leaves no gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.errors import KafkaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.event.record import Headers
    from pixstream.kafka.settings import KafkaSettings

_BATCH_BYTES = 128
"""An upper bound of what Kafka adds to key, value and headers in a batch of one record."""

_HEADER_BYTES = 10
"""The bytes of the lengths before a header's name and value."""


def largest_request(settings: KafkaSettings) -> int:
    """Return the largest request in bytes: the largest letter or event, and its headers."""
    return max(settings.max_letter_bytes, settings.max_event_bytes) + 2**20


class RecordLimits:
    """The largest record that each topic accepts.

    Args:
        ask: returns the topic's max.message.bytes; raises KafkaError for an unknown topic. Called
            at the first record of each topic, and again before a record is rejected: the limit
            may have been raised.
    """

    def __init__(self, ask: Callable[[str], int]) -> None:
        self._ask = ask
        self._limits: dict[str, int] = {}

    def check(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Return if the topic accepts this record.

        Raises:
            KafkaError: the record is too large, or the topic does not exist.
        """
        size = _BATCH_BYTES + len(key or b"") + len(value or b"")
        for name, content in headers:
            size += _HEADER_BYTES + len(name) + len(content)
        if size <= self._limits.get(topic, -1):
            return
        limit = self._limits[topic] = self._ask(topic)
        if size > limit:
            raise KafkaError(
                f"topic {topic}: a record of {size} bytes is larger than its limit of {limit} "
                "bytes (MSG_SIZE_TOO_LARGE): raise its max.message.bytes"
            )

    def forget(self) -> None:
        """Ask again for every topic: a transaction failed, perhaps because a topic is gone."""
        self._limits.clear()
