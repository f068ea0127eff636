"""Every metric of `pixstream run`, and the collector that makes them from its status.

Children tell their supervisor their counts about once a second, and it sums them over their
restarts (`processes.report`, `processes.child`), so a counter goes back only when the supervisor
itself starts again. What a child counted in the last second before it was killed is not told: look
at tables and Kafka for exact sums, at metrics for rates.

Labels come from the configuration and from closed lists, never from content: no identifier, key,
person or participant.
"""

from __future__ import annotations

import platform
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from pixstream import __version__
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.processes.report import GAUGES
from pixstream.processes.run_status import STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixstream.processes.run_status import ComponentStatus, SupervisorStatus


class Metric(NamedTuple):
    """A metric as it is exposed.

    Attributes:
        name: with its unit; a counter's ends in `_total`.
        kind: a counter sums since the supervisor's start, a gauge is as it is now.
        meaning: its help text.
        labels: beside `component` and `replica`, which all but those of the supervisor have.
    """

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    labels: tuple[str, ...] = ()


class Count(NamedTuple):
    """Where a count of a child goes.

    Attributes:
        metric: whose sample it is.
        labels: values of the metric's labels, in their order.
        scale: what one counted thing is in the metric's unit.
    """

    metric: Metric
    labels: tuple[str, ...] = ()
    scale: float = 1.0


BUILD = Metric(
    "pix_build_info", "gauge", "1, with the release that runs", ("version", "python_version")
)
STATUS_AGE = Metric(
    "pix_supervisor_status_age_seconds",
    "gauge",
    "Since the supervisor last looked after its components; about a second unless it hangs",
)
STATE = Metric(
    "pix_component_state",
    "gauge",
    "1 for the state that the component is in, 0 for every other one",
    ("state",),
)
RESTARTS = Metric(
    "pix_component_restarts_total", "counter", "Processes started again after one ended or hung"
)
SILENT = Metric(
    "pix_component_silent_seconds", "gauge", "Since its last report; one comes about every second"
)
STALLED = Metric("pix_component_stalled_seconds", "gauge", "Since its loop last turned")
RECORDS = Metric(
    "pix_records_total",
    "counter",
    "Records by step of their journey and what became of them there; topic is empty where all "
    "topics are counted together",
    ("stage", "outcome", "topic"),
)
DEAD_LETTERS = Metric("pix_dlq_records_total", "counter", "Dead letters sent")
DUPLICATES = Metric(
    "pix_duplicates_total",
    "counter",
    "Arrivals that added nothing: their event, in the same revision, was there",
)
REVISIONS = Metric(
    "pix_revisions_total", "counter", "Rows among the written that tell a known event otherwise"
)
COMMITTED = Metric(
    "pix_committed_readings_total",
    "counter",
    "Readings of committed Kafka transactions, also those that only moved a position",
)
BATCHES = Metric("pix_batches_total", "counter", "Batches that the destination has taken")
RETRIES = Metric("pix_retries_total", "counter", "Waits after a failure that may pass")
FAILURES = Metric(
    "pix_destination_failures", "gauge", "Failures of the destination in a row until now"
)
OPENED = Metric("pix_breaker_opened_total", "counter", "Times the destination was left alone")
FRESHNESS = Metric(
    "pix_freshness_seconds",
    "gauge",
    "How long the oldest record of the last batch lay in Kafka; absent before a first batch, and "
    "as it was while nothing comes",
)
REFUSED = Metric(
    "pix_refused_bodies_total",
    "counter",
    "Bodies posted to a webhook that it did not take: no room (busy, their senders try again), "
    "wrong path, token missing or wrong, too large, or compressed (encoding)",
    ("reason",),
)
LINES = Metric("pix_console_lines_total", "counter", "Events shown as lines")
PLUGIN = Metric(
    "pix_plugin_counts_total", "counter", "What a plugin from elsewhere counts", ("count",)
)
PLUGIN_GAUGE = Metric(
    "pix_plugin_values",
    "gauge",
    "What a plugin from elsewhere tells under a name that ends in _ms",
    ("count",),
)

OF_SUPERVISOR = (BUILD, STATUS_AGE)
OF_COMPONENT = (
    *(STATE, RESTARTS, SILENT, STALLED, RECORDS, DEAD_LETTERS, DUPLICATES, REVISIONS, COMMITTED),
    *(BATCHES, RETRIES, FAILURES, OPENED, FRESHNESS, REFUSED, LINES, PLUGIN, PLUGIN_GAUGE),
)

COUNTS = {
    "read": Count(RECORDS, ("read", "accepted", "")),
    **{
        category: Count(RECORDS, ("produce", "produced", topic))
        for category, topic in EVENT_TOPICS.items()
    },
    "consumed": Count(RECORDS, ("consume", "accepted", "")),
    "written": Count(RECORDS, ("write", "written", "")),
    "processed": Count(RECORDS, ("process", "accepted", "")),
    "emitted": Count(RECORDS, ("process", "emitted", "")),
    "replayed": Count(RECORDS, ("write", "replayed", "")),
    "not_for_us": Count(RECORDS, ("write", "not_for_us", "")),
    "letters": Count(DEAD_LETTERS),
    "deduplicated": Count(DUPLICATES),
    "revisions": Count(REVISIONS),
    "committed": Count(COMMITTED),
    "batches": Count(BATCHES),
    "retries": Count(RETRIES),
    "destination_failures": Count(FAILURES),
    "breaker_opened": Count(OPENED),
    "freshness_ms": Count(FRESHNESS, scale=0.001),
    **{
        f"refused_{reason}": Count(REFUSED, (reason,))
        for reason in ("busy", "path", "token", "too_large", "encoding")
    },
    "shown": Count(LINES),
}
"""The counts of the loops and of our plugins by the names that children report them under."""


class StatusCollector(Collector):
    """Makes the metrics of one supervisor.

    Args:
        latest: what it last published; None before it did. Called from the threads of scrapes.
    """

    def __init__(self, latest: Callable[[], SupervisorStatus | None]) -> None:
        self._latest = latest

    def collect(self) -> Iterator[Family]:
        """Every family that has a sample now."""
        build = _family(BUILD)
        build.add_sample(
            BUILD.name,
            {"version": __version__, "python_version": platform.python_version()},
            1,
        )
        yield build
        status = self._latest()
        if status is None:
            return
        age = _family(STATUS_AGE)
        age.add_sample(STATUS_AGE.name, {}, max(0.0, time.monotonic() - status.clock))
        yield age
        families = {metric: _family(metric) for metric in OF_COMPONENT}
        for component in status.components:
            for metric, labels, value in _samples(component):
                families[metric].add_sample(
                    metric.name,
                    {
                        "component": component.component,
                        "replica": str(component.replica),
                        **dict(zip(metric.labels, labels, strict=True)),
                    },
                    value,
                )
        yield from (family for family in families.values() if family.samples)


def _family(metric: Metric) -> Family:
    # The library appends _total to a counter's name by itself.
    return Family(metric.name.removesuffix("_total"), metric.meaning, metric.kind)


def _samples(component: ComponentStatus) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
    for state in dict.fromkeys((*STATES, component.state)):
        yield STATE, (state,), float(state == component.state)
    yield RESTARTS, (), component.restarts
    yield SILENT, (), component.silent_seconds
    yield STALLED, (), component.stalled_seconds
    for name, number in component.counts.items():
        count = COUNTS.get(name) or Count(
            PLUGIN_GAUGE if name.endswith(GAUGES) else PLUGIN, (name,)
        )
        yield count.metric, count.labels, number * count.scale
