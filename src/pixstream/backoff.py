"""Exponential back-off with full jitter."""

from __future__ import annotations

import random
from typing import Annotated

import msgspec
from msgspec import Meta


class BackoffSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The bounds of the wait between two attempts."""

    min_seconds: Annotated[float, Meta(gt=0, description="upper bound of the first wait")] = 0.2
    max_seconds: Annotated[
        float, Meta(gt=0, description="upper bound of every wait; below max_poll_interval_ms")
    ] = 30.0


class Backoff:
    """Growing waits, each drawn between zero and a bound that doubles up to the maximum."""

    def __init__(self, settings: BackoffSettings) -> None:
        self._settings = settings
        self.attempts = 0

    def next(self) -> float:
        """Return the seconds to wait before the next attempt."""
        bound = self._settings.min_seconds * 2.0 ** min(self.attempts, 30)
        self.attempts += 1
        return random.uniform(0, min(bound, self._settings.max_seconds))  # noqa: S311  jitter

    def reset(self) -> None:
        """Start over with a short wait, after a success."""
        self.attempts = 0
