"""How a loop that reads Kafka bears failures: back-off, the breaker, and what people see of it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixstream import breaker
from pixstream.backoff import Backoff
from pixstream.breaker import Breaker
from pixstream.errors import Transient
from pixstream.metrics.records import RETRIES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pixstream.breaker import RetrySettings
    from pixstream.metrics import Counts

log = logging.getLogger("pixstream.loops")

METRICS = (RETRIES, *breaker.METRICS)

_STATES = {"closed": "waiting", "open": "breaker_open", "half_open": "breaker_half_open"}


class Patience:
    """Counts failures and says how long to wait.

    Args:
        name: of the component.
        retry: back-off of transient failures, and the plugin's circuit breaker.
        counts: keeps `METRICS`.

    Attributes:
        state: starting, ready, waiting (for Kafka or the plugin), breaker_open (the plugin is left
            alone) or breaker_half_open (one call tries it).
    """

    def __init__(self, name: str, retry: RetrySettings, counts: Counts) -> None:
        self.state = "starting"
        self._name = name
        self._counts = counts
        self._backoff = Backoff(retry)
        self._breaker = Breaker(name, retry, counts)

    def works(self) -> None:
        """All went well: the next wait is a short one again."""
        self._backoff.reset()
        self.state = "ready"

    def after(self, error: Transient) -> float:
        """Seconds to wait after this failure."""
        wait = max(self._backoff.next(), self._breaker.remaining())
        self._counts.add(RETRIES)
        self.state = _STATES[self._breaker.state]
        log.warning(
            "%s: %s; tried again in %.1f s, nothing is committed before it succeeds",
            self._name,
            error,
            wait,
        )
        return wait

    def check_open(self) -> None:
        """See that the plugin may be asked.

        Raises:
            Transient: its breaker is open.
        """
        if self._breaker.remaining():
            raise Transient(f"{self._name}: its destination is left alone")

    @contextmanager
    def attempt(self, elsewhere: Collection[Transient] = ()) -> Iterator[None]:
        """Around a call of the plugin: its breaker learns how it ended.

        Args:
            elsewhere: failures that are not the plugin's, also those that are yet to come.
        """
        if self._breaker.state == "open":
            self.state = _STATES["half_open"]
        self._breaker.trying()
        try:
            yield
        except Transient as error:
            if error not in elsewhere:
                self._breaker.failed()
            raise
        else:
            self._breaker.succeeded()
