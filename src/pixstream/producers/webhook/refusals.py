"""Bodies that an HTTP intake does not take: counted by reason, and told in the log now and then.

Whoever sends them may give up, so somebody has to hear of it. Nothing of a request is told.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("pixstream.producers.webhook.refusals")

WORD_SECONDS = 10.0
"""From one line about a reason to the next."""

BUSY = "refused_busy"
PATH = "refused_path"
TOKEN = "refused_token"  # noqa: S105  a reason, no secret
TOO_LARGE = "refused_too_large"
ENCODING = "refused_encoding"

_WORDS = {
    PATH: "no such path; compare the webhook's path with the URL that the bank has",
    TOKEN: "token missing or wrong; look at the webhook's token and at the URL that the bank has",
    TOO_LARGE: "longer than max_body_bytes; raise it if the bank does not send fewer Pix a body",
    ENCODING: "compressed, which is not supported; let the sender send them as they are",
}


class Refusals:
    """Counts and tells; used by one thread, its counts are read by any.

    Args:
        clock: seconds that never go back.

    Attributes:
        counts: bodies since the start, by reason.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys((BUSY, *_WORDS), 0))
        self._told: Counter[str] = Counter()
        self._next_word: dict[str, float] = {}
        self._clock = clock

    def add(self, reason: str, details: str = "") -> None:
        """One more body is refused.

        Args:
            reason: one of this module's.
            details: what to say instead of the usual advice.
        """
        self.counts[reason] += 1
        now = self._clock()
        if now >= self._next_word.get(reason, now):
            number = self.counts[reason] - self._told[reason]
            log.warning("%d bodies refused: %s", number, details or _WORDS[reason])
            self._told[reason] = self.counts[reason]
            self._next_word[reason] = now + WORD_SECONDS
