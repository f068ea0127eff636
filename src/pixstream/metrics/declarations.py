"""Counters, gauges and histograms as their owners declare them; values live in `Counts`."""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar, Literal, Self

from pixstream.metrics.samples import Key

Kind = Literal["counter", "gauge", "histogram"]

RESERVED_LABELS = frozenset({"component", "replica", "le"})
"""The supervisor adds the first two to every series of a component; buckets have the third."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Buckets for the duration of one operation, those of OpenTelemetry's semantic conventions."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric, or one series of a metric that has labels (see `of`).

    Label values come from the configuration and from closed lists, never from content: no
    identifier, key, person or participant.

    Attributes:
        name: as Prometheus stores it, ending in its unit; a counter's ends in `_total`.
        help: one phrase for whoever reads a dashboard.
        labels: names of its labels, besides `component` and `replica`, which every metric has.
        short: what `pixstream status` calls it; derived from the name unless given.
        values: of the labels, in their order; empty for a metric that has labels, not yet a series.

    Raises:
        ValueError: a name that Prometheus would refuse or that breaks its conventions.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    short: str = dataclasses.field(default="", kw_only=True)
    values: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)
    key: Key = dataclasses.field(init=False, repr=False, compare=False)
    kind: ClassVar[Kind]

    def __post_init__(self) -> None:
        """Check the declaration, where its author sees the error first: on import."""
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
        """Whether it can be counted: it has no labels, or a value for each."""
        return len(self.values) == len(self.labels)

    def of(self, short: str = "", **values: str) -> Self:
        """The series with these label values.

        Args:
            short: what `pixstream status` calls it; else the metric's short name and the values.
            values: one for each label.

        Raises:
            ValueError: not exactly the metric's labels.
        """
        if values.keys() != set(self.labels):
            raise ValueError(f"metric {self.name}: its labels are {self.labels}, not {[*values]}")
        ordered = tuple(values[label] for label in self.labels)
        name = short or "_".join((self.short, *ordered))
        return dataclasses.replace(self, short=name, values=ordered)


class Counter(Metric):
    """Only grows; summed over all processes of a component since its supervisor started."""

    kind = "counter"


class Gauge(Metric):
    """As it is now; absent until it is first set, and while the process is down."""

    kind = "gauge"


@dataclasses.dataclass(frozen=True)
class Histogram(Metric):
    """How values are distributed over buckets; summed like a counter.

    Attributes:
        buckets: upper bounds, ascending; what exceeds the last one is counted all the same.
    """

    kind = "histogram"
    buckets: tuple[float, ...] = dataclasses.field(default=SECONDS, kw_only=True)

    def __post_init__(self) -> None:
        """Check the buckets, too."""
        super().__post_init__()
        if not self.buckets or list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"metric {self.name}: buckets must ascend")
