"""docs/reference/metrics.md: every metric of `pixstream run`, made from their declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.loops import consume, process, produce
from pixstream.metrics import Metric, records
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.discovery import builtin, load
from pixstream.plugins.producer import Producer
from pixstream.processes.metrics import OF_COMPONENT, OF_SUPERVISOR
from pixstream.processes.run_status import STATES
from pixstream.spark import ingestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HEAD = """\
# Metrics

What `/metrics` of each `pixstream run` exports to Prometheus, made by `docs/generate.py` from the
declarations beside the code that counts. Where it listens: [metrics](configuration.md#metrics), and
`pixstream status`.

- Counters and histograms sum since the supervisor's start, over all restarts of a component's
  processes. They are there at 0 before anything happened, so that the first increase shows.
- What a process counted in the second before it was killed is missing, and what it had read but not
  committed is counted again: look at tables and Kafka for exact sums, at metrics for rates.
- Labels are names of the configuration and words of closed lists; none holds an identifier, a key,
  a person or a participant.
- An installed plugin adds the metrics that it declares; this page lists those of pixstream itself.
"""
_RECORDS = """\
## Records

Stages follow one another; within a stage outcomes never overlap. What a producer accepted at `read`
is what it produced and its dead letters. What a consumer accepted at `consume` is the sum of its
`write` outcomes, its duplicates, its dead letters and what it has in hand.

| name in `pixstream status` | stage | outcome | topic |
|---|---|---|---|
"""


def build() -> str:
    """The page's text."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## Of the supervisor\n"
    yield from _table({"supervisor": OF_SUPERVISOR})
    counted = _counted()
    yield "\n## Of each component\n"
    yield "Besides the labels named here each has `component` and `replica`.\n"
    yield from _table({"supervisor": OF_COMPONENT, **counted})
    yield f"\nStates: {', '.join(f'`{state}`' for state in STATES)}.\n"
    rows = {
        series.short: series.values
        for metrics in counted.values()
        for series in metrics
        if series.name == records.RECORDS.name
    }
    yield _RECORDS + "\n".join(
        f"| `{short}` | {stage} | {outcome} | {topic} |"
        for short, (stage, outcome, topic) in rows.items()
    )


def _counted() -> Mapping[str, Sequence[Metric]]:
    """What the loops count, and each of our plugins."""
    plugins = [
        *((name, load(Producer, name)) for name in builtin(Producer)),
        *((name, load(Consumer, name)) for name in builtin(Consumer)),
    ]
    return {
        "every producer": produce.METRICS,
        "every consumer but `spark`": consume.METRICS,
        "every processor": process.METRICS,
        "`spark`": ingestion.METRICS,
        **{f"`{name}`": plugin.metrics for name, plugin in plugins if plugin.metrics},
    }


def _table(counted: Mapping[str, Sequence[Metric]]) -> Iterator[str]:
    yield "| metric | type | labels | meaning | counted by | name in `pixstream status` |"
    yield "|---|---|---|---|---|---|"
    found: dict[str, Metric] = {}
    by: dict[str, dict[str, None]] = {}
    shorts: dict[str, dict[str, None]] = {}
    for who, metrics in counted.items():
        for metric in metrics:
            found.setdefault(metric.name, metric)
            by.setdefault(metric.name, {})[who] = None
            if who != "supervisor":
                shorts.setdefault(metric.name, {})[f"`{metric.short}`"] = None
    for name, metric in found.items():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        told = "see below" if name == records.RECORDS.name else ", ".join(shorts.get(name, ()))
        row = (f"`{name}`", metric.kind, labels, metric.help, ", ".join(by[name]), told)
        yield f"| {' | '.join(row)} |"
