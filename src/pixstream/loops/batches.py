"""Cuts a producer's readings into batches, one per Kafka transaction."""

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
    """The readings of one transaction; the source yields them while they are being sent.

    Iteration reads from the source until the batch is full or old enough, the source has nothing
    more for now, or the loop must stop. Readings that belong together (`more`) stay together. An
    error of the source ends the iteration.

    Args:
        readings: the source's next readings; None: nothing yet.
        limits: when the batch is full.
        stop: set to end the batch after the current reading.

    Attributes:
        readings: those yielded so far.
        size: bytes of the records made from them; the sender adds it up.
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
        """Yield each reading as it arrives."""
        deadline = time.monotonic() + self._limits.seconds
        for reading in self._source:
            if reading is None:
                return
            self.readings.append(reading)
            yield reading
            if not reading.more and (self._full() or time.monotonic() >= deadline):
                return

    def positions(self) -> dict[Stream, Position]:
        """Return the last position of each stream that moved."""
        return {r.stream: r.position for r in self.readings if r.position is not None}

    def _full(self) -> bool:
        limits = self._limits
        return len(self.readings) >= limits.rows or self.size >= limits.bytes or self._stop.is_set()


def batches(
    readings: Iterator[Reading | None], limits: BatchLimits, stop: threading.Event
) -> Iterator[Batch]:
    """Yield a batch whenever the source has something, until `stop` is set or the source ends.

    The caller must iterate a batch to its end before it takes the next one.
    """
    for reading in readings:
        if reading is not None:
            yield Batch(chain([reading], readings), limits, stop)
        if stop.is_set():
            return
