"""Bodies that an HTTP intake does not take: counted by reason, and told in the log now and then.

Whoever sends them may give up, so somebody has to hear of it. Nothing of a request is told.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from pixstream.metrics import Counter, Counts

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("pixstream.producers.webhook.refusals")

WORD_SECONDS = 10.0
"""From one line about a reason to the next."""

REFUSED = Counter(
    "pix_refused_bodies_total",
    "Bodies posted to a webhook that it did not take: no room (busy, their senders try again), "
    "wrong path, token missing or wrong, too large, or compressed (encoding)",
    ("reason",),
    short="refused",
)
BUSY = REFUSED.of(reason="busy")
PATH = REFUSED.of(reason="path")
TOKEN = REFUSED.of(reason="token")
TOO_LARGE = REFUSED.of(reason="too_large")
ENCODING = REFUSED.of(reason="encoding")

_WORDS = {
    PATH: "no such path; compare the webhook's path with the URL that the bank has",
    TOKEN: "token missing or wrong; look at the webhook's token and at the URL that the bank has",
    TOO_LARGE: "longer than max_body_bytes; raise it if the bank does not send fewer Pix a body",
    ENCODING: "compressed, which is not supported; let the sender send them as they are",
}
METRICS = (BUSY, *_WORDS)


class Refusals:
    """Counts and tells; used by one thread, its counts are read by any.

    Args:
        counts: keeps `METRICS`.
        clock: seconds that never go back.

    Attributes:
        counts: the same.
    """

    def __init__(self, counts: Counts, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = counts
        self._untold: defaultdict[Counter, int] = defaultdict(int)
        self._next_word: dict[Counter, float] = {}
        self._clock = clock

    def add(self, reason: Counter, details: str = "") -> None:
        """One more body is refused.

        Args:
            reason: one of this module's.
            details: what to say instead of the usual advice.
        """
        self.counts.add(reason)
        self._untold[reason] += 1
        now = self._clock()
        if now >= self._next_word.get(reason, now):
            number = self._untold.pop(reason)
            log.warning("%d bodies refused: %s", number, details or _WORDS[reason])
            self._next_word[reason] = now + WORD_SECONDS
