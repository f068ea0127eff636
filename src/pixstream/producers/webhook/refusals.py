"""Bodies that a webhook refuses: counted by reason, and logged at most every few seconds.

Their senders may give up, so an operator has to know. No part of a request is logged.
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
"""Shortest time between two log lines about the same reason."""

REFUSED = Counter(
    "pix_refused_bodies_total",
    "Bodies that a webhook refused: no room (busy; their senders try again), Kafka away (away; the "
    "same), wrong path, missing or wrong token, too large, or compressed (encoding)",
    ("reason",),
    short="refused",
)
BUSY = REFUSED.of(reason="busy")
AWAY = REFUSED.of(reason="away")
PATH = REFUSED.of(reason="path")
TOKEN = REFUSED.of(reason="token")
TOO_LARGE = REFUSED.of(reason="too_large")
ENCODING = REFUSED.of(reason="encoding")

_ADVICE = {
    AWAY: "answered 503 while Kafka is away or the process starts or ends; their senders try again",
    PATH: "unknown path; compare the webhook's path with the URL registered at the bank",
    TOKEN: "token missing or wrong; compare the webhook's token with the URL at the bank",
    TOO_LARGE: "longer than max_body_bytes; raise it if the bank cannot send fewer Pix per body",
    ENCODING: "compressed, which is not supported; have the sender post plain bodies",
}
METRICS = (BUSY, *_ADVICE)


class Refusals:
    """Counts and logs refused bodies; one thread adds to it, any thread may read its counts.

    Args:
        counts: the counts of `METRICS`.
        clock: monotonic clock, in seconds.

    Attributes:
        counts: the same.
    """

    def __init__(self, counts: Counts, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = counts
        self._unlogged: defaultdict[Counter, int] = defaultdict(int)
        self._next_line: dict[Counter, float] = {}
        self._clock = clock

    def add(self, reason: Counter, details: str = "") -> None:
        """Count a refused body, and log it if the last line about this reason is old enough.

        Args:
            reason: one of this module's counters.
            details: text that replaces the usual advice.
        """
        self.counts.add(reason)
        self._unlogged[reason] += 1
        now = self._clock()
        if now >= self._next_line.get(reason, now):
            number = self._unlogged.pop(reason)
            log.warning("%d bodies refused: %s", number, details or _ADVICE[reason])
            self._next_line[reason] = now + WORD_SECONDS
