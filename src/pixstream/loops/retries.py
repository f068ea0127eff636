"""How a loop that reads Kafka handles failures: back-off, circuit breaker, and the state shown."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixstream import breaker
from pixstream.backoff import Backoff
from pixstream.batch_log import RETRIED
from pixstream.breaker import Breaker
from pixstream.errors import PixstreamError, Transient
from pixstream.metrics.records import RETRIES, failures

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pixstream.breaker import RetrySettings
    from pixstream.metrics import Counts

log = logging.getLogger("pixstream.loops")

METRICS = (RETRIES, failures("consume"), *breaker.METRICS)

_STATES = {"closed": "waiting", "open": "breaker_open", "half_open": "breaker_half_open"}


class RetryPolicy:
    """Counts failures and decides how long to wait.

    Args:
        name: the name of the component.
        retry: back-off after transient failures, and the plugin's circuit breaker.
        counts: keeps `METRICS`.
        stage: what a call of the plugin is in metrics: write or process.

    Attributes:
        state: starting, ready, waiting (for Kafka or the plugin), breaker_open (the plugin is not
            called) or breaker_half_open (one trial call).
    """

    def __init__(self, name: str, retry: RetrySettings, counts: Counts, stage: str) -> None:
        self.state = "starting"
        self._name = name
        self._counts = counts
        self._stage = stage
        self._plugins: PixstreamError | None = None
        self._backoff = Backoff(retry)
        self._breaker = Breaker(name, retry, counts)

    def works(self) -> None:
        """Note a success: the next wait is short again."""
        self._backoff.reset()
        self.state = "ready"

    def after(self, error: Transient) -> float:
        """Return the seconds to wait after this failure."""
        wait = max(self._backoff.next(), self._breaker.remaining())
        self.failed(error)
        self._counts.add(RETRIES)
        self.state = _STATES[self._breaker.state]
        log.warning(
            "%s: %s; next attempt in %.1f s, nothing is committed until it succeeds",
            self._name,
            error,
            wait,
            extra=RETRIED,
        )
        return wait

    def failed(self, error: PixstreamError) -> None:
        """Count a failure, at the stage at which it happened."""
        stage = self._stage if error is self._plugins else "consume"
        self._counts.add(failures(stage, type(error).__name__))

    def check_open(self) -> None:
        """Check that the plugin may be called.

        Raises:
            Transient: its circuit breaker is open.
        """
        if self._breaker.remaining():
            raise Transient(f"{self._name}: circuit breaker open, its destination is not called")

    @contextmanager
    def attempt(self, elsewhere: Collection[Transient] = ()) -> Iterator[None]:
        """Enclose a call of the plugin, and report its outcome to the breaker.

        Args:
            elsewhere: failures that are not the plugin's; the call itself may add to them.
        """
        if self._breaker.state == "open":
            self.state = _STATES["half_open"]
        self._breaker.trying()
        try:
            yield
        except PixstreamError as error:
            if error not in elsewhere:
                self._plugins = error
                if isinstance(error, Transient):
                    self._breaker.failed()
            raise
        else:
            self._breaker.succeeded()
