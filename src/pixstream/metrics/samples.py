"""Values with their declaration, as they travel from a process to whoever adds or shows them.

A sample describes itself, so a supervisor needs no list of metrics, and a plugin that it has never
imported is exported like ours.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

Key: TypeAlias = tuple[str, tuple[str, ...]]
"""What makes a series: the name of its metric and the values of its labels."""


class Distribution(msgspec.Struct, frozen=True):
    """The value of a histogram.

    Attributes:
        bounds: upper bounds of the buckets, ascending.
        counts: how many values fell into each bucket alone, and last into none.
        sum: of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    def __add__(self, other: Distribution) -> Distribution:
        """Both together; they have the same bounds."""
        counts = tuple(map(sum, zip(self.counts, other.counts, strict=True)))
        return Distribution(self.bounds, counts, self.sum + other.sum)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Buckets as Prometheus counts them: each includes those before it, the last is +Inf."""
        return zip((*map(float, self.bounds), math.inf), accumulate(self.counts), strict=True)


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of one series.

    Attributes:
        name: of the metric.
        kind: of the metric.
        value: a number, or a distribution for a histogram.
        help: of the metric.
        labels: its own, without `component` and `replica`.
        short: what `pixstream status` calls the series.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    value: int | float | Distribution
    help: str = ""
    labels: dict[str, str] = {}
    short: str = ""

    @property
    def key(self) -> Key:
        """What it is a value of."""
        return self.name, tuple(self.labels.values())

    def after(self, former: Sample | None) -> Sample:
        """This sample with what an earlier process had counted.

        A gauge has no past. Nor has a metric that another release, installed between two starts,
        declared otherwise: it begins again, as a counter does when its process restarts.
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
