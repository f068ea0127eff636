"""docs/reference/metrics.md: every metric of `pixstream run`, made from the tables in the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.processes.metrics import COUNTS, OF_COMPONENT, OF_SUPERVISOR, RECORDS, Metric
from pixstream.processes.run_status import STATES

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# Metrics

What `/metrics` of each `pixstream run` tells Prometheus, made by `docs/generate.py` from
`pixstream.processes.metrics`. Where it listens: [metrics](configuration.md#metrics), and
`pixstream status`.

- Counters sum since the supervisor's start, over all restarts of a component's processes. They
  are there at 0 before anything happened, so that the first increase shows.
- What a process counted in the second before it was killed is missing, and what it had read but not
  committed is counted again: look at tables and Kafka for exact sums, at metrics for rates.
- Labels are names of the configuration and words of closed lists; none holds an identifier, a key,
  a person or a participant.
"""
_RECORDS = """\
## Records

Stages follow one another; within a stage outcomes never overlap. What a producer accepted at `read`
is what it produced + its dead letters. What a consumer accepted at `consume` is what `write` tells
+ duplicates + its dead letters + what it has in hand.

| count in `pixstream status` | stage | outcome | topic |
|---|---|---|---|
"""


def build() -> str:
    """The page's text."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## Of the supervisor\n"
    yield from _table(OF_SUPERVISOR)
    yield "\n## Of each component\n"
    yield "Besides the labels named here each has `component` and `replica`.\n"
    yield from _table(OF_COMPONENT)
    yield f"\nStates: {', '.join(f'`{state}`' for state in STATES)}.\n"
    yield _RECORDS + "\n".join(
        f"| `{name}` | {stage} | {outcome} | {topic} |"
        for name, count in COUNTS.items()
        if count.metric is RECORDS
        for stage, outcome, topic in [count.labels]
    )


def _table(metrics: tuple[Metric, ...]) -> Iterator[str]:
    yield "| metric | type | labels | meaning | count in `pixstream status` |"
    yield "|---|---|---|---|---|"
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        counts = [f"`{name}`" for name, count in COUNTS.items() if count.metric is metric]
        told = "see below" if metric is RECORDS else ", ".join(counts)
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} | {told} |"
