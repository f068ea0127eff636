"""The transactional writer of a consumer's letters, for as long as its process lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.event.record import Headers
    from pixstream.kafka.ports import Outbox


class Letterbox:
    """`kafka.Outbox` that is opened anew after it could not begin.

    A client library may never end what an absent broker left open, even when Kafka is back, and one
    that gave up a record takes no other transaction; a new writer under the same transactional id
    fences it, and Kafka aborts what it left.

    Args:
        opening: opens a writer; called at once, and again when one is replaced.
    """

    def __init__(self, opening: Callable[[], Outbox]) -> None:
        self._opening = opening
        self._outbox: Outbox | None = opening()

    def begin(self) -> None:
        """See `kafka.Outbox`.

        Raises:
            Transient: it could not; the next call does so on a new writer.
        """
        outbox = self._present()
        try:
            outbox.begin()
        except Transient:
            self._outbox = None
            outbox.close()
            raise

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """See `kafka.Outbox`."""
        self._present().send(topic, key, value, headers)

    def commit(self) -> None:
        """See `kafka.Outbox`."""
        self._present().commit()

    def abort(self) -> None:
        """See `kafka.Outbox`."""
        self._present().abort()

    def close(self) -> None:
        """See `kafka.Outbox`."""
        if self._outbox is not None:
            self._outbox.close()

    def _present(self) -> Outbox:
        if self._outbox is None:
            self._outbox = self._opening()
        return self._outbox
