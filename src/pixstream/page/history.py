"""The last hour of throughput, latency and lag, in memory and of a bounded size.

A point is taken every five seconds from the status that the supervisor has published anyway; an
hour is 720 points, 8 bytes each. With the supervisor the history ends: Prometheus keeps the past.
"""

from __future__ import annotations

import math
from array import array
from typing import TYPE_CHECKING, Literal, TypeAlias

from pixstream.page import figures
from pixstream.processes.lag_watch import LAG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixstream.metrics import Distribution, Sample
    from pixstream.processes.run_status import SupervisorStatus

Kind: TypeAlias = Literal["throughput", "latency", "lag", "lag_seconds", "freshness"]
KINDS: tuple[Kind, ...] = ("throughput", "latency", "freshness", "lag", "lag_seconds")

STEP_SECONDS = 5.0
POINTS = 720
MOST_SERIES = 64
"""Per kind; a further one is left out."""

LATE = 0.95
"""The share of events that were at least as fast as the latency that is kept."""


class Ring:
    """The last `POINTS` values of one series; NaN where there was none."""

    def __init__(self) -> None:
        self._values = array("d", [math.nan] * POINTS)

    def put(self, place: int, value: float) -> None:
        """Set the value at a place of the ring."""
        self._values[place % POINTS] = value

    def read(self, upto: int, number: int) -> list[float]:
        """Return the last `number` values before a place, the oldest first."""
        return [self._values[place % POINTS] for place in range(upto - number, upto)]

    def empty(self) -> bool:
        """Whether no value is left."""
        return all(map(math.isnan, self._values))


class History:
    """Takes points and gives them back; used in one thread."""

    def __init__(self) -> None:
        self._rings: dict[Kind, dict[str, Ring]] = {kind: {} for kind in KINDS}
        self._taken = 0
        self._clock: float | None = None
        self._counts: dict[str, float] = {}
        self._latencies: dict[str, Distribution] = {}

    @property
    def taken(self) -> int:
        """How many points were taken so far."""
        return self._taken

    @property
    def points(self) -> int:
        """How many points there are, at most `POINTS`."""
        return min(self._taken, POINTS)

    def due(self, status: SupervisorStatus) -> bool:
        """Return whether it is time for the next point."""
        return self._clock is None or status.clock - self._clock >= STEP_SECONDS

    def take(self, status: SupervisorStatus, samples: Sequence[Sample]) -> None:
        """Take a point.

        Args:
            status: published after that of the last point.
            samples: those of all components, and of the supervisor itself.
        """
        components = figures.of_components(status)
        passed = 0.0 if self._clock is None else status.clock - self._clock
        counts = {name: one.taken for name, one in components.items()}
        latencies = figures.latencies(samples)
        self._put(
            "throughput",
            {
                name: max(count - self._counts[name], 0.0) / passed
                for name, count in counts.items()
                if name in self._counts and passed > 0
            },
        )
        self._put("latency", self._late(latencies))
        self._put(
            "freshness",
            {n: one.freshness for n, one in components.items() if one.freshness is not None},
        )
        self._put("lag", figures.lag(samples))
        self._put("lag_seconds", figures.lag(samples, LAG_SECONDS.name))
        self._counts, self._latencies, self._clock = counts, latencies, status.clock
        self._taken += 1

    def series(self, kind: Kind) -> dict[str, list[float]]:
        """Return every series of a kind that has a value, by its name, the oldest value first."""
        return {
            name: ring.read(self._taken, self.points)
            for name, ring in self._rings[kind].items()
            if not ring.empty()
        }

    def _late(self, latencies: Mapping[str, Distribution]) -> dict[str, float]:
        """Return how long all but the latest events of the last step took, by stage."""
        late = {
            stage: figures.quantile(figures.since(now, self._latencies.get(stage)), LATE)
            for stage, now in latencies.items()
        }
        return {stage: value for stage, value in late.items() if value is not None}

    def _put(self, kind: Kind, values: Mapping[str, float]) -> None:
        rings = self._rings[kind]
        for name in values:
            if name not in rings and len(rings) < MOST_SERIES:
                rings[name] = Ring()
        for name, ring in rings.items():
            ring.put(self._taken, values.get(name, math.nan))
