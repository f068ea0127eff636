"""The refusals of a body, bounded in number.

Each refusal becomes a dead letter of a kilobyte or more, so a body of many tiny unreadable pieces
would cost far more than its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.event.model import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_REFUSALS = 100
"""Of one body, each with its own piece; further pieces share one more refusal."""


class Refusals:
    """Refuses the unreadable pieces of one body.

    Args:
        raw: the whole body.
        content_type: of the body and of its pieces.
    """

    def __init__(self, raw: bytes, content_type: str) -> None:
        self._raw = raw
        self._content_type = content_type
        self._count = 0
        self._further: tuple[str, str] | None = None

    def of(
        self, reason: str, message: Callable[[], str], piece: Callable[[], bytes]
    ) -> Sequence[Refusal]:
        """Return the refusal of one piece; nothing from the 101st on, which `rest` covers.

        Args:
            reason: why it cannot become an event, a `Reason`.
            message: returns where it is and what is wrong, without any value of it.
            piece: returns its bytes.
        """
        self._count += 1
        if self._count <= MAX_REFUSALS:
            return (self._refusal(reason, message(), piece()),)
        if self._further is None:
            self._further = reason, message()
        return ()

    def bounded(self, refusal: Refusal) -> Sequence[Refusal]:
        """Return a refusal that exists already; nothing from the 101st on."""
        return self.of(refusal.reason, lambda: refusal.message, lambda: refusal.raw)

    def rest(self) -> Sequence[Refusal]:
        """Return the refusal that the pieces beyond `MAX_REFUSALS` share, if there are any.

        It keeps the whole body. Its replay needs a repair of every piece; the events that the body
        gave already are then known by their ids.
        """
        if self._further is None:
            return ()
        reason, first = self._further
        message = f"{self._count - MAX_REFUSALS:,} further unreadable pieces, first {first}"
        return (self._refusal(reason, message, self._raw),)

    def _refusal(self, reason: str, message: str, raw: bytes) -> Refusal:
        return Refusal(reason=reason, message=message, raw=raw, content_type=self._content_type)
