"""An endless stream of transfers with the daily rhythm of Brazil, including stories of fraud.

Transfers come in the order in which they are reported. Their frequency depends on the hour and
weekday in Brasília time. Every transfer has the own institution on one side.
"""

from __future__ import annotations

import datetime as dt
import heapq
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from pixstream.event.values import BRASILIA
from pixstream.lab.simulation import fraud
from pixstream.lab.simulation.habits import Habits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.lab.simulation.transfers import Transfer
    from pixstream.lab.simulation.world import World

HOURS = (
    *(0.25, 0.15, 0.1, 0.08, 0.1, 0.25, 0.5, 0.8, 1.1, 1.3, 1.4, 1.6),
    *(1.8, 1.5, 1.4, 1.4, 1.5, 1.7, 1.8, 1.6, 1.3, 1.0, 0.7, 0.4),
)
WEEKDAYS = (1.0, 1.0, 1.0, 1.05, 1.25, 1.0, 0.7)

STORY_EVERY = 300
LONGEST_STORY = dt.timedelta(hours=2)


class Traffic:
    """Transfers from `start` to `end`, without end: after `end`, times stay just before it.

    Args:
        world: the payers and payees.
        seed: the same seed, world and times produce the same transfers.
        start: time of the first transfer, timezone-aware.
        end: latest time of a document.
        expected: number of transfers that should fill the time.
    """

    def __init__(
        self, world: World, seed: int, *, start: dt.datetime, end: dt.datetime, expected: int
    ) -> None:
        self._world = world
        self._rng = Random(f"traffic/{seed}")
        self._start, self._end = start, end
        self._gap = (end - start).total_seconds() / max(expected, 1)
        self._stories = count()
        self._habits = Habits(world, self._rng, end)

    def __iter__(self) -> Iterator[Transfer]:
        """Yield transfers in the order in which they are reported."""
        pending: list[tuple[dt.datetime, int, Transfer]] = []
        number = count()
        for moment in self._moments():
            while pending and pending[0][0] <= moment:
                yield heapq.heappop(pending)[2]
            if self._rng.randrange(STORY_EVERY) == 0 and moment + LONGEST_STORY < self._end:
                for transfer in self._story(moment):
                    heapq.heappush(pending, (transfer.told, next(number), transfer))
            yield self._habits.ordinary(moment)

    def _moments(self) -> Iterator[dt.datetime]:
        moment = self._start
        while True:
            local = moment.astimezone(BRASILIA)
            weight = HOURS[local.hour] * WEEKDAYS[local.weekday()]
            moment += dt.timedelta(seconds=self._rng.expovariate(1) * self._gap / weight)
            if moment > self._end:
                moment = self._end - dt.timedelta(seconds=self._rng.uniform(0, 60))
            yield moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def _story(self, moment: dt.datetime) -> Iterator[Transfer]:
        number = next(self._stories)
        story = fraud.STORIES[number % len(fraud.STORIES)]
        pattern = story.__name__
        scene = fraud.Scene(self._world, self._rng, moment, pattern, f"{pattern}-{number}")
        return (transfer for transfer in story(scene) if transfer.told <= self._end)
