"""The values of one object's metrics since it was created."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pixstream.metrics.declarations import Gauge, Histogram
from pixstream.metrics.samples import Distribution, Sample

if TYPE_CHECKING:
    from pixstream.metrics.declarations import Counter, Metric
    from pixstream.metrics.samples import Key


class _Observed:
    """The values of a histogram so far: how many are in each bucket alone, and their sum."""

    def __init__(self, histogram: Histogram) -> None:
        self.bounds = histogram.buckets
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0


class Counts(Mapping[str, int | float]):
    """Values of metrics; as a mapping, the counters and gauges by their short names.

    The counters and histograms in `declared` start at 0, so that their first increase is visible. A
    gauge starts when it is set, and a metric with labels with its first series. Any thread may
    read; one thread at a time may write to a series.

    Args:
        declared: metrics, or single series of metrics.
    """

    def __init__(self, *declared: Metric) -> None:
        self._series: dict[Key, Metric] = {}
        self._keys: dict[str, Key] = {}
        self._numbers: dict[Key, int | float] = {}
        self._observed: dict[Key, _Observed] = {}
        for metric in declared:
            if metric.is_series and not isinstance(metric, Gauge):
                self._begin(metric)

    def add(self, counter: Counter, amount: float = 1) -> None:
        """Increase a counter.

        Raises:
            ValueError: the metric has labels, and no series was chosen.
        """
        if counter.key not in self._numbers:
            self._begin(counter)
        self._numbers[counter.key] += amount

    def set(self, gauge: Gauge, value: float) -> None:
        """Set a gauge."""
        if gauge.key not in self._numbers:
            self._begin(gauge)
        self._numbers[gauge.key] = value

    def observe(self, histogram: Histogram, value: float, times: int = 1) -> None:
        """Count a value in its bucket, `times` times."""
        if histogram.key not in self._observed:
            self._begin(histogram)
        observed = self._observed[histogram.key]
        observed.counts[bisect_left(observed.bounds, value)] += times
        observed.sum += value * times

    def samples(self) -> list[Sample]:
        """Return a sample of every series; any thread may call this."""
        return [
            Sample(
                name=metric.name,
                kind=metric.kind,
                value=self._value(metric),
                help=metric.help,
                labels=dict(zip(metric.labels, metric.values, strict=True)),
                short=metric.short,
            )
            for metric in list(self._series.values())
        ]

    def __getitem__(self, short: str) -> int | float:
        return self._numbers[self._keys[short]]

    def __iter__(self) -> Iterator[str]:
        return (short for short, key in list(self._keys.items()) if key in self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __repr__(self) -> str:
        return f"Counts({dict(self)})"

    def _begin(self, metric: Metric) -> None:
        if not metric.is_series:
            raise ValueError(f"metric {metric.name}: choose one of its series with Metric.of")
        if metric.short in self._keys:
            raise ValueError(f"metric {metric.name}: another has the short name {metric.short!r}")
        if isinstance(metric, Histogram):
            self._observed[metric.key] = _Observed(metric)
        else:
            self._numbers[metric.key] = 0
        self._keys[metric.short] = metric.key
        self._series[metric.key] = metric  # last: a concurrent reader finds its value

    def _value(self, metric: Metric) -> int | float | Distribution:
        if metric.key in self._numbers:
            return self._numbers[metric.key]
        observed = self._observed[metric.key]
        return Distribution(observed.bounds, tuple(observed.counts), observed.sum)
