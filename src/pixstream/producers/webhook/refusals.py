"""Bodies that a webhook refuses: counted by reason, and logged at most every few seconds.

Their senders may give up, so an operator has to know. No part of a request is logged.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from pixstream.http_serving.tally import Tally
from pixstream.metrics import Counter

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.metrics import Counts

log = logging.getLogger("pixstream.producers.webhook.refusals")

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


class Refusals(Tally):
    """Counts and logs refused bodies.

    Args:
        counts: the counts of `METRICS`.
        clock: monotonic clock, in seconds.
    """

    def __init__(self, counts: Counts, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(counts, log, ("body refused", "bodies refused"), _ADVICE, clock)
