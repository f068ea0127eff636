"""Exports what a supervisor knows as Prometheus metrics: its components' samples and states.

Children report their counts about once a second, and the supervisor sums them over restarts
(`processes.report`, `processes.child`), so a counter is reset only when the supervisor itself
restarts. What a child counted in the last second before it was killed is missing: use tables and
Kafka for exact sums, and metrics for rates.
"""

from __future__ import annotations

import logging
import math
import platform
import time
from typing import TYPE_CHECKING

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from pixstream import __version__
from pixstream.http_serving import door
from pixstream.metrics import Counter, Counts, Distribution, Gauge
from pixstream.processes import lag_watch
from pixstream.processes.run_status import STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pixstream.metrics import Sample
    from pixstream.processes.run_status import ComponentStatus, SupervisorStatus

log = logging.getLogger("pixstream.supervisor")

BUILD = Gauge("pix_build_info", "1, with the release as labels", ("version", "python_version"))
STATUS_AGE = Gauge(
    "pix_supervisor_status_age_seconds",
    "Time since the supervisor last checked its components; about a second unless it hangs",
)
STATE = Gauge(
    "pix_component_state",
    "1 for the present state of the component, 0 for every other state",
    ("state",),
)
RESTARTS = Counter("pix_component_restarts_total", "Restarts of a process that ended or hung")
SILENT = Gauge(
    "pix_component_silent_seconds", "Time since its last report; one comes about every second"
)
STALLED = Gauge("pix_component_stalled_seconds", "Time since its loop last made progress")

OF_SUPERVISOR = (BUILD, STATUS_AGE, *lag_watch.METRICS, *door.METRICS)
"""The latter about the connections of the endpoint itself."""

OF_COMPONENT = (STATE, RESTARTS, SILENT, STALLED)
"""What the supervisor itself knows about each component."""


class StatusCollector(Collector):
    """Collects the metrics of one supervisor; used from one thread.

    Args:
        latest: returns the status that it last published; None: none yet.
        own: returns samples of the supervisor itself.
    """

    def __init__(
        self,
        latest: Callable[[], SupervisorStatus | None],
        own: Callable[[], Sequence[Sample]] = tuple,
    ) -> None:
        self._latest = latest
        self._own = own
        self._contradicted: set[str] = set()

    def collect(self) -> Iterator[Family]:
        """Yield every family that has a sample now."""
        status = self._latest()
        families: dict[str, Family] = {}
        for sample in (*_of_supervisor(status).samples(), *self._own()):
            self._put(families, sample, {})
        for component in [] if status is None else status.components:
            labels = {"component": component.component, "replica": str(component.replica)}
            for sample in (*_of_component(component).samples(), *component.metrics):
                self._put(families, sample, labels)
        yield from families.values()

    def _put(self, families: dict[str, Family], sample: Sample, labels: dict[str, str]) -> None:
        """Add a sample to its family.

        Two plugins may declare the same name as different kinds. Prometheus would refuse the whole
        page, so the first kind wins.
        """
        # The library itself appends _total to a counter's name.
        name = sample.name.removesuffix("_total")
        family = families.setdefault(name, Family(name, sample.help, sample.kind))
        if family.type != sample.kind:
            if sample.name not in self._contradicted:
                self._contradicted.add(sample.name)
                log.error(
                    "%s of %s is a %s, but a %s elsewhere; it is not exported. Rename one of them",
                    sample.name,
                    labels["component"],
                    sample.kind,
                    family.type,
                )
            return
        for suffix, bucket, value in _lines(sample):
            family.add_sample(sample.name + suffix, {**labels, **sample.labels, **bucket}, value)


def _lines(sample: Sample) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield the name's suffix, the bucket's label and the value of each line of a series."""
    if not isinstance(sample.value, Distribution):
        yield "", {}, sample.value
        return
    total = 0
    for bound, total in sample.value.cumulative():
        yield "_bucket", {"le": "+Inf" if bound == math.inf else str(bound)}, total
    yield "_count", {}, total
    yield "_sum", {}, sample.value.sum


def _of_supervisor(status: SupervisorStatus | None) -> Counts:
    counts = Counts()
    counts.set(BUILD.of(version=__version__, python_version=platform.python_version()), 1)
    if status is not None:
        counts.set(STATUS_AGE, max(0.0, time.monotonic() - status.clock))
    return counts


def _of_component(component: ComponentStatus) -> Counts:
    counts = Counts()
    for state in dict.fromkeys((*STATES, component.state)):
        counts.set(STATE.of(state=state), float(state == component.state))
    counts.add(RESTARTS, component.restarts)
    counts.set(SILENT, component.silent_seconds)
    counts.set(STALLED, component.stalled_seconds)
    return counts
