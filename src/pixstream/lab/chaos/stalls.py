"""Measurement of stalls: how long facts waited for a table without any commit to it.

The next kill or rebalance restarts a loop that hangs in the middle of a storm, so checks before and
after the storm do not show the hang. Therefore each table's log is polled all the time for the
file of the next version.

Whether a consumer can start and join its group before the storm kills it depends on the machine: on
two busy cores, nothing was committed in whole storms. Therefore the storm spares processes when no
table has had a commit for `SPARE_SECONDS`, and resumes after the next commit. If there is still no
commit while the processes idle, that is a stall, see `pixstream.patience`.
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
"""Mark of a commit that advances offsets; compactions and property changes do not have it."""


class Stall(NamedTuple):
    """The longest stall of a table: its duration in seconds, and its start."""

    seconds: float
    since: dt.datetime


class Stalls:
    """The stalls of the tables of every category.

    Args:
        lake: directory of the tables.

    Attributes:
        longest: longest stall by category; none where no fact had to wait.
        quiet_seconds: time without a commit to any table, while facts wait.
        commits: number of commits that advanced offsets.
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
        """Note facts that wait from now on; not the webhook's, which may still be refused."""
        now = dt.datetime.now(dt.UTC)
        for document in documents:
            if document.source != WEBHOOK:
                for fact in document.facts:
                    self._waiting.setdefault(fact.category, Stall(0.0, now))

    def look(self, now: float, *, disk_shut: bool) -> None:
        """Look for new commits; called several times per second.

        Args:
            now: monotonic seconds.
            disk_shut: the tables' disk accepts no writes now: this time does not count.
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
        """Return one line for people."""
        longest = [
            f"{category.plural} {stall.seconds:.1f} s (from {stall.since:%H:%M:%S} UTC)"
            for category, stall in sorted(self.longest.items())
        ]
        return "longest stalls in the storm: " + (", ".join(longest) or "none")

    def _see_commits(self) -> list[Category]:
        """Return the tables whose offsets advanced since the last look."""
        moved: list[Category] = []
        for category, log in self._logs.items():
            while (entry := log / f"{self._versions[category] + 1:020d}.json").exists():
                self._versions[category] += 1
                if _COMMITTED in entry.read_bytes():
                    self.commits += 1
                    moved += [category] if category not in moved else []
        return moved
