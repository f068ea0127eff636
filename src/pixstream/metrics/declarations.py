"""Declarations of counters, gauges and histograms; `Counts` has their values."""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar, Literal, Self

from pixstream.metrics.samples import Key

Kind = Literal["counter", "gauge", "histogram"]

RESERVED_LABELS = frozenset({"component", "replica", "le"})
"""The supervisor adds the first two to every series of a component; buckets use the third."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Buckets for the duration of one operation, from OpenTelemetry's semantic conventions."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric, or one series of a metric that has labels (see `of`).

    Label values come from the configuration and from closed lists, never from content: they never
    contain an identifier, key, person or participant.

    Attributes:
        name: the name in Prometheus, ending in the unit; the name of a counter ends in `_total`.
        help: one phrase for the reader of a dashboard.
        labels: the names of its labels, besides `component` and `replica`, which every metric has.
        short: the name in `pixstream status`; derived from `name` unless given.
        values: the values of the labels, in their order; empty if no series is chosen yet.

    Raises:
        ValueError: Prometheus would refuse the name, or it breaks Prometheus' conventions.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    short: str = dataclasses.field(default="", kw_only=True)
    values: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)
    key: Key = dataclasses.field(init=False, repr=False, compare=False)
    kind: ClassVar[Kind]

    def __post_init__(self) -> None:
        """Check the declaration on import, where its author sees the error first."""
        for name in (self.name, *self.labels):
            if not _NAME.fullmatch(name):
                raise ValueError(f"metric {self.name}: {name!r} is not a name in snake_case")
        if RESERVED_LABELS.intersection(self.labels):
            raise ValueError(f"metric {self.name}: {sorted(RESERVED_LABELS)} are reserved labels")
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"metric {self.name}: counters, and only counters, end in _total")
        if not self.short:
            derived = self.name.removeprefix("pix_").removesuffix("_total")
            object.__setattr__(self, "short", derived)
        object.__setattr__(self, "key", (self.name, self.values))

    @property
    def is_series(self) -> bool:
        """Whether it can have a value: it has no labels, or a value for each label."""
        return len(self.values) == len(self.labels)

    def of(self, short: str = "", **values: str) -> Self:
        """Return the series with these label values.

        Args:
            short: the name in `pixstream status`; default: the metric's short name and the values.
            values: one value for each label.

        Raises:
            ValueError: these are not exactly the metric's labels.
        """
        if values.keys() != set(self.labels):
            raise ValueError(f"metric {self.name}: its labels are {self.labels}, not {[*values]}")
        ordered = tuple(values[label] for label in self.labels)
        name = short or "_".join((self.short, *ordered))
        return dataclasses.replace(self, short=name, values=ordered)


class Counter(Metric):
    """A value that only grows, summed over a component's processes since its supervisor started."""

    kind = "counter"


class Gauge(Metric):
    """A present value; absent until it is first set, and while the process is down."""

    kind = "gauge"


@dataclasses.dataclass(frozen=True)
class Histogram(Metric):
    """The distribution of values over buckets, summed like a counter.

    Attributes:
        buckets: upper bounds, ascending; values above the last one are also counted.
    """

    kind = "histogram"
    buckets: tuple[float, ...] = dataclasses.field(default=SECONDS, kw_only=True)

    def __post_init__(self) -> None:
        """Check the declaration and the buckets."""
        super().__post_init__()
        if not self.buckets or list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"metric {self.name}: buckets must be ascending")
