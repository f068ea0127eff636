"""Values with their declaration, as a process sends them to the supervisor and to `status`.

A sample describes itself, so a supervisor does not need a list of metrics, and exports the metrics
of a plugin that it has never imported like any other.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Key: TypeAlias = tuple[str, tuple[str, ...]]
"""Identifies a series: the name of its metric and the values of its labels."""


class Distribution(msgspec.Struct, frozen=True):
    """The value of a histogram.

    Attributes:
        bounds: upper bounds of the buckets, ascending.
        counts: how many values are in each bucket alone, and, as the last one, in none.
        sum: the sum of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    def __add__(self, other: Distribution) -> Distribution:
        """Return the sum of two distributions with the same bounds."""
        counts = tuple(map(sum, zip(self.counts, other.counts, strict=True)))
        return Distribution(self.bounds, counts, self.sum + other.sum)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Yield Prometheus' buckets: each includes those before it, and the last is +Inf."""
        return zip((*map(float, self.bounds), math.inf), accumulate(self.counts), strict=True)


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of one series.

    Attributes:
        name: the name of the metric.
        kind: the kind of the metric.
        value: a number, or a distribution for a histogram.
        help: the help text of the metric.
        labels: its own labels, without `component` and `replica`.
        short: the name of the series in `pixstream status`.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    value: int | float | Distribution
    help: str = ""
    labels: dict[str, str] = {}
    short: str = ""

    @property
    def key(self) -> Key:
        """The series of this sample."""
        return self.name, tuple(self.labels.values())

    def after(self, former: Sample | None) -> Sample:
        """Return this sample plus what earlier processes had counted.

        A gauge does not have a past. Neither does a metric that a new release, installed between
        two starts, declares differently: it starts over, as a counter does when its process
        restarts.
        """
        if former is None or self.kind == "gauge" or former.kind != self.kind:
            return self
        ours, theirs = self.value, former.value
        if isinstance(ours, Distribution) and isinstance(theirs, Distribution):
            same = ours.bounds == theirs.bounds
            return msgspec.structs.replace(self, value=ours + theirs) if same else self
        if isinstance(ours, Distribution) or isinstance(theirs, Distribution):
            return self
        return msgspec.structs.replace(self, value=ours + theirs)
