"""How long facts waited for a table while nothing at all was committed to it.

A loop that stands still in the middle of a storm is healed by the next kill or rebalance, and what
is asked before and after does not show it. So the log of each table is looked at all the time: a
file of the next version is all that is asked for.

How long a consumer needs to start and to join its group, against how long the storm leaves it to
live, depends on the machine: on two busy cores whole storms passed in which nothing was committed.
So the storm leaves processes alone while no table has got a commit for `SPARE_SECONDS`, and goes on
after the next one. That none gets one all the same while the processes idle is a stall, see
`pixstream.patience`.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from pixstream.event.categories import Category
from pixstream.lab.simulation.pieces import WEBHOOK

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pixstream.lab.chaos.oracle import NumberedDocument

LOOK_SECONDS = 0.5
SPARE_SECONDS = 40.0

_COMMITTED = b'"txn"'
"""What a commit has that moves offsets; compaction and properties of a table have none."""


class Stall(NamedTuple):
    """The longest of one table: seconds, and when it began."""

    seconds: float
    since: dt.datetime


class Stalls:
    """Looks at the tables of every category.

    Args:
        lake: directory of the tables.

    Attributes:
        longest: by category; none where no fact had to wait.
        quiet_seconds: how long no table has got a commit, while facts wait.
        commits: how many have moved offsets.
    """

    def __init__(self, lake: Path) -> None:
        self._logs = {c: lake / c.plural / "_delta_log" for c in Category}
        self._versions = dict.fromkeys(Category, -1)
        self._waiting: dict[Category, Stall] = {}
        self._looked: float | None = None
        self.longest: dict[Category, Stall] = {}
        self.quiet_seconds = 0.0
        self.commits = 0
        self._see_commits()

    def told(self, documents: Iterable[NumberedDocument]) -> None:
        """Facts that wait from now on; not the webhook's, which may still be refused."""
        now = dt.datetime.now(dt.UTC)
        for told in documents:
            if told.source != WEBHOOK:
                for fact in told.facts:
                    self._waiting.setdefault(fact.category, Stall(0.0, now))

    def look(self, now: float, *, disk_shut: bool) -> None:
        """See what was committed; a few times a second.

        Args:
            now: monotonic seconds.
            disk_shut: the tables' disk takes nothing at this moment: such time does not count.
        """
        passed = 0.0 if self._looked is None else now - self._looked
        if self._looked is not None and passed < LOOK_SECONDS:
            return
        self._looked = now
        moved = self._see_commits()
        for category in moved:
            self._waiting.pop(category, None)
        if moved or not self._waiting:
            self.quiet_seconds = 0.0
        elif not disk_shut:
            self.quiet_seconds += passed
        for category, stall in self._waiting.items():
            longer = stall if disk_shut else stall._replace(seconds=stall.seconds + passed)
            self._waiting[category] = longer
            if longer.seconds > self.longest.get(category, stall).seconds:
                self.longest[category] = longer

    def summary(self) -> str:
        """One line for people."""
        longest = [
            f"{category.plural} {stall.seconds:.1f} s (from {stall.since:%H:%M:%S} UTC)"
            for category, stall in sorted(self.longest.items())
        ]
        return "longest stalls in the storm: " + (", ".join(longest) or "none")

    def _see_commits(self) -> list[Category]:
        """The tables whose offsets moved since the last look."""
        moved: list[Category] = []
        for category, log in self._logs.items():
            while (entry := log / f"{self._versions[category] + 1:020d}.json").exists():
                self._versions[category] += 1
                if _COMMITTED in entry.read_bytes():
                    self.commits += 1
                    moved += [category] if category not in moved else []
        return moved
