"""The values of one object's metrics since it was created."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pixstream.metrics.declarations import Gauge, Histogram
from pixstream.metrics.samples import Distribution, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixstream.metrics.declarations import Counter, Metric
    from pixstream.metrics.samples import Key

_PUBLISHING = threading.RLock()
"""Held while changes are published and while samples are taken, of all objects alike."""


class _Observed:
    """The values of a histogram so far: how many are in each bucket alone, and their sum."""

    def __init__(self, histogram: Histogram) -> None:
        self.bounds = histogram.buckets
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0


class Counts(Mapping[str, int | float]):
    """Values of metrics; as a mapping, the sums of counters and gauges by their short names.

    The counters and histograms in `declared` start at 0, so that their first increase is visible. A
    gauge starts when it is set, and a metric with labels with its first series. Any thread may
    read; one thread at a time may write to a series.

    Args:
        declared: metrics, or single series of metrics.
    """

    def __init__(self, *declared: Metric) -> None:
        self._series: dict[Key, Metric] = {}
        self._keys: dict[str, list[Key]] = {}
        self._held: dict[Key, int | float] | None = None
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

    def observe_all(self, histogram: Histogram, values: Iterable[float]) -> None:
        """Count many values, each in its bucket."""
        if histogram.key not in self._observed:
            self._begin(histogram)
        observed, ordered, below = self._observed[histogram.key], sorted(values), 0
        for bucket, bound in enumerate(observed.bounds):
            up_to = bisect_right(ordered, bound)
            observed.counts[bucket] += up_to - below
            below = up_to
        observed.counts[-1] += len(ordered) - below
        observed.sum += sum(ordered)

    @contextmanager
    def together(self, *others: Counts) -> Iterator[None]:
        """Let samples show all changes of counters and gauges in the `with` block at once.

        Until its end they show the values from before it, here and in `others`. Blocks may be
        nested: the outermost counts.
        """
        with _PUBLISHING:
            held = [counts for counts in (self, *others) if counts.hold()]
        try:
            yield
        finally:
            with _PUBLISHING:
                for counts in held:
                    counts.release()

    def hold(self) -> bool:
        """Let samples show the present values until `release`; return False if they do already."""
        if self._held is not None:
            return False
        self._held = dict(self._numbers)
        return True

    def release(self) -> None:
        """Let samples show the newest values again."""
        self._held = None

    def numbers(self) -> dict[Key, int | float]:
        """Return the present values of counters and gauges, by series."""
        return dict(self._numbers)

    def samples(self) -> list[Sample]:
        """Return a sample of every series; any thread may call this."""
        with _PUBLISHING:
            numbers = dict(self._numbers if self._held is None else self._held)
            return [
                Sample(
                    name=metric.name,
                    kind=metric.kind,
                    value=self._value(metric, numbers),
                    help=metric.help,
                    labels=dict(zip(metric.labels, metric.values, strict=True)),
                    short=metric.short,
                )
                for metric in list(self._series.values())
                if metric.key in numbers or metric.key in self._observed
            ]

    def __getitem__(self, short: str) -> int | float:
        return sum(self._numbers[key] for key in self._keys[short])

    def __iter__(self) -> Iterator[str]:
        return (short for short, keys in list(self._keys.items()) if keys[0] in self._numbers)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Counts({dict(self)})"

    def _begin(self, metric: Metric) -> None:
        if not metric.is_series:
            raise ValueError(f"metric {metric.name}: choose one of its series with Metric.of")
        keys = self._keys.setdefault(metric.short, [])
        if any(name != metric.name for name, _ in keys):
            raise ValueError(f"metric {metric.name}: another has the short name {metric.short!r}")
        if isinstance(metric, Histogram):
            self._observed[metric.key] = _Observed(metric)
        else:
            self._numbers[metric.key] = 0
        keys.append(metric.key)
        self._series[metric.key] = metric  # last: a concurrent reader finds its value

    def _value(
        self, metric: Metric, numbers: Mapping[Key, int | float]
    ) -> int | float | Distribution:
        if metric.key in numbers:
            return numbers[metric.key]
        observed = self._observed[metric.key]
        return Distribution(observed.bounds, tuple(observed.counts), observed.sum)


def published(*sources: Counts) -> dict[Key, Sample]:
    """Return a sample of every series, all of one moment; a later source replaces earlier ones."""
    with _PUBLISHING:
        return {sample.key: sample for counts in sources for sample in counts.samples()}
