"""The metrics of pixstream: their declarations, their values, and how values are passed on.

A metric is declared once, in the module that counts it; its plugin or loop lists it in `metrics`.
Everything else follows from the declaration: the report of the process, the supervisor's sums,
`/metrics`, `pixstream status` and docs/reference/metrics.md.
"""

from pixstream.metrics.counts import Counts, published
from pixstream.metrics.declarations import Counter, Gauge, Histogram, Metric
from pixstream.metrics.samples import Distribution, Key, Sample

__all__ = [
    "Counter",
    "Counts",
    "Distribution",
    "Gauge",
    "Histogram",
    "Key",
    "Metric",
    "Sample",
    "published",
]
