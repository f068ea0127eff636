"""A circuit breaker: stops calls to a destination that keeps failing, then lets one call through.

closed ── N failures in a row ──▶ open ── time is up ────▶ half open ── works ──▶ closed
                                   ▲                          │
                                   └───────── fails ──────────┘
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from pixstream.backoff import BackoffSettings
from pixstream.metrics import Counter, Gauge

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.metrics import Counts

log = logging.getLogger("pixstream.breaker")

FAILURES = Gauge("pix_destination_failures", "Consecutive failures of the destination so far")
OPENED = Counter(
    "pix_breaker_opened_total", "Times the circuit breaker of the destination has opened"
)
METRICS = (FAILURES, OPENED)


class RetrySettings(BackoffSettings, kw_only=True, forbid_unknown_fields=True):
    """The `retry` section: back-off between attempts, and the circuit breaker."""

    breaker_failures: Annotated[
        int,
        Meta(ge=1, description="consecutive failures that open a destination's circuit breaker"),
    ] = 5
    breaker_seconds: Annotated[
        float, Meta(gt=0, description="how long the breaker stays open before one trial call, s")
    ] = 30.0


class Breaker:
    """The circuit breaker of one destination.

    Args:
        name: the destination's name, for the log.
        settings: the `retry` section.
        counts: keeps `METRICS`.
        clock: returns monotonic seconds; default: the system clock.

    Attributes:
        state: closed, open, or half_open during the trial call.
    """

    def __init__(
        self,
        name: str,
        settings: RetrySettings,
        counts: Counts,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._counts = counts
        self._clock = clock or time.monotonic
        self._until = 0.0
        self.state: Literal["closed", "open", "half_open"] = "closed"
        self._note_failures(0)

    def remaining(self) -> float:
        """Return the seconds to wait before the next call; 0 if it may be made now."""
        return max(0.0, self._until - self._clock()) if self.state == "open" else 0.0

    def trying(self) -> None:
        """Record that the destination is about to be called."""
        if self.state == "open":
            self.state = "half_open"
            log.info("%s: circuit breaker half open; making one trial call", self._name)

    def failed(self) -> None:
        """Record a transient failure."""
        self._note_failures(self._failures + 1)
        if self.state == "half_open" or self._failures >= self._settings.breaker_failures:
            self.state = "open"
            self._counts.add(OPENED)
            self._until = self._clock() + self._settings.breaker_seconds
            log.error(
                "%s: failed %d times in a row; circuit breaker open for %g s, then half open: one "
                "trial call. Nothing is lost: its records wait in Kafka",
                self._name,
                self._failures,
                self._settings.breaker_seconds,
            )

    def succeeded(self) -> None:
        """Record a successful call."""
        if self.state != "closed":
            log.info("%s: the destination works again; circuit breaker closed", self._name)
        self.state = "closed"
        self._note_failures(0)

    def _note_failures(self, number: int) -> None:
        self._failures = number
        self._counts.set(FAILURES, number)
