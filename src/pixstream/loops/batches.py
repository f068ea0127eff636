"""A producer's readings, cut into the batches that one transaction each takes to Kafka."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from pixstream.plugins.component import BatchLimits
    from pixstream.plugins.producer import Position, Reading, Stream


class Batch:
    """Readings of one transaction, which the source yields while they are being sent.

    Iterating reads on from the source until the batch is full or old enough, the source has
    nothing more just now, or the loop is to stop; readings that belong together (`more`) stay
    together. An error of the source ends the iteration.

    Args:
        readings: what comes next; None: nothing yet.
        limits: when the batch is full.
        stop: set to end it after the reading in hand.

    Attributes:
        readings: those that were yielded so far.
        size: bytes of what they became; whoever sends them adds it up.
    """

    def __init__(
        self, readings: Iterator[Reading | None], limits: BatchLimits, stop: threading.Event
    ) -> None:
        self._source = readings
        self._limits = limits
        self._stop = stop
        self.readings: list[Reading] = []
        self.size = 0

    def __iter__(self) -> Iterator[Reading]:
        """Yield each reading as it comes."""
        deadline = time.monotonic() + self._limits.seconds
        for reading in self._source:
            if reading is None:
                return
            self.readings.append(reading)
            yield reading
            if not reading.more and (self._full() or time.monotonic() >= deadline):
                return

    def positions(self) -> dict[Stream, Position]:
        """The last position of each stream that moved."""
        return {r.stream: r.position for r in self.readings if r.position is not None}

    def _full(self) -> bool:
        limits = self._limits
        return len(self.readings) >= limits.rows or self.size >= limits.bytes or self._stop.is_set()


def batches(
    readings: Iterator[Reading | None], limits: BatchLimits, stop: threading.Event
) -> Iterator[Batch]:
    """Yield a batch whenever the source has something, until `stop` is set or the source ends.

    A batch is to be iterated to its end before the next one is asked for.
    """
    for reading in readings:
        if reading is not None:
            yield Batch(chain([reading], readings), limits, stop)
        if stop.is_set():
            return
