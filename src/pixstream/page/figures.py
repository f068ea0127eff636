"""What the samples of a status say about the flow: sums, rates, quantiles; None where they do not.

Every figure is read from samples by the name of its metric, so it appears as soon as a component
reports it, and stays away where none does.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pixstream.kafka.names import EVENT_TOPICS
from pixstream.metrics import Distribution
from pixstream.metrics.records import FRESHNESS, LATENCY, LETTERS, RECORDS
from pixstream.processes.lag_watch import LAG_RECORDS, LAG_SECONDS
from pixstream.processes.run_status import READY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pixstream.metrics import Sample
    from pixstream.processes.run_status import ComponentStatus, SupervisorStatus


_TAKEN = frozenset({"read", "consume"})
_WORST = ("failed", "stuck", "silent", "restarting", "stopped", "breaker_open")


class Figures(NamedTuple):
    """What one component does, all its replicas together.

    Attributes:
        state: the worst state of its replicas.
        taken: records that it has accepted.
        rate: the same per second.
        letters: dead letters that it has sent.
        letter_rate: the same per second.
        freshness: the age in Kafka of the oldest record of its last batch, s.
        topics: what it sent to each topic of events per second, where it counted any.
    """

    name: str
    state: str
    replicas: int
    restarts: int
    warnings: int
    taken: float
    rate: float
    letters: float
    letter_rate: float
    freshness: float | None
    topics: Mapping[str, float]


def of_components(status: SupervisorStatus | None) -> dict[str, Figures]:
    """Return the figures of each component of a status, by name, in its order."""
    groups: dict[str, list[ComponentStatus]] = {}
    for component in [] if status is None else status.components:
        groups.setdefault(component.component, []).append(component)
    return {name: _figures(name, replicas) for name, replicas in groups.items()}


def _figures(name: str, replicas: list[ComponentStatus]) -> Figures:
    fresh = [value for c in replicas for value in _values(c.metrics, FRESHNESS.name)]
    topics: Counter[str] = Counter()
    for component in replicas:
        for topic in EVENT_TOPICS.values():
            found = [s for s in _taken(component, {"produce"}) if s.labels.get("topic") == topic]
            if any(_number(s) for s in found):
                topics[topic] += _rates(component, found)  # type: ignore[assignment]
    return Figures(
        name=name,
        state=worst(c.state for c in replicas),
        replicas=len(replicas),
        restarts=sum(c.restarts for c in replicas),
        warnings=sum(c.recent_warnings for c in replicas),
        taken=sum(_number(s) for c in replicas for s in _taken(c, _TAKEN)),
        rate=sum(_rates(c, _taken(c, _TAKEN)) for c in replicas),
        letters=sum(sum(_values(c.metrics, LETTERS.name)) for c in replicas),
        letter_rate=sum(_rates(c, _named(c.metrics, LETTERS.name)) for c in replicas),
        freshness=max(fresh, default=None),
        topics=topics,
    )


def worst(states: Iterable[str]) -> str:
    """Return the state of several replicas that needs attention most."""
    found = list(states)
    for state in (*_WORST, *sorted(set(found) - {READY})):
        if state in found:
            return state
    return READY


def of_topics(components: Mapping[str, Figures]) -> dict[str, float]:
    """Return what all components send to each topic of events per second."""
    sums = dict.fromkeys(EVENT_TOPICS.values(), 0.0)
    for component in components.values():
        for topic, rate in component.topics.items():
            sums[topic] += rate
    return sums


def produced(found: Iterable[Sample]) -> dict[str, float]:
    """Return how many events all components have sent to each topic."""
    sums: dict[str, float] = {}
    for sample in _of_stages(found, {"produce"}):
        topic = sample.labels.get("topic", "")
        sums[topic] = sums.get(topic, 0.0) + _number(sample)
    return sums


def lag(found: Iterable[Sample], name: str = LAG_RECORDS.name) -> dict[str, float]:
    """Return the lag of each consumer group: the sum of its records, or its most seconds."""
    sums: dict[str, float] = {}
    for sample in found:
        group = sample.labels.get("group")
        if sample.name == name and group is not None:
            join = max if name == LAG_SECONDS.name else _sum
            sums[group] = join(sums.get(group, 0.0), _number(sample))
    return sums


def latencies(found: Iterable[Sample]) -> dict[str, Distribution]:
    """Return how long events took to each stage since the start, s, over all topics."""
    stages: dict[str, Distribution] = {}
    for sample in found:
        if sample.name == LATENCY.name and isinstance(sample.value, Distribution):
            stage = sample.labels.get("stage", "")
            known = stages.get(stage)
            if known is None or known.bounds != sample.value.bounds:
                stages[stage] = sample.value
            else:
                stages[stage] = known + sample.value
    return stages


def since(now: Distribution, then: Distribution | None) -> Distribution:
    """Return what was observed between two readings of a histogram."""
    if then is None or then.bounds != now.bounds or sum(then.counts) > sum(now.counts):
        return now
    grown = tuple(max(a - b, 0) for a, b in zip(now.counts, then.counts, strict=True))
    return Distribution(now.bounds, grown, now.sum - then.sum)


def quantile(distribution: Distribution, share: float) -> float | None:
    """Return the value below which this share lies, as Prometheus' histogram_quantile does.

    Within a bucket values count as evenly spread. None: nothing was observed. Beyond the last
    bound, the answer is that bound.
    """
    total = sum(distribution.counts)
    if not total:
        return None
    lower, before = 0.0, 0
    for bound, upto in distribution.cumulative():
        if upto >= share * total:
            if math.isinf(bound):
                return lower
            inside = upto - before
            return lower + (bound - lower) * ((share * total - before) / inside if inside else 1.0)
        lower, before = bound, upto
    return lower


def samples(status: SupervisorStatus | None) -> Iterator[Sample]:
    """Yield every sample of every component."""
    for component in [] if status is None else status.components:
        yield from component.metrics


def _taken(component: ComponentStatus, stages: Collection[str]) -> list[Sample]:
    return _of_stages(component.metrics, stages)


def _of_stages(found: Iterable[Sample], stages: Collection[str]) -> list[Sample]:
    """Return the series of records that were accepted at these stages, or produced."""
    outcome = "produced" if "produce" in stages else "accepted"
    return [
        sample
        for sample in _named(found, RECORDS.name)
        if sample.labels.get("stage") in stages and sample.labels.get("outcome") == outcome
    ]


def _rates(component: ComponentStatus, found: Iterable[Sample]) -> float:
    """Return the growth per second of these series; series with one short name share a rate."""
    return sum(component.rates.get(short, 0.0) for short in {sample.short for sample in found})


def _named(metrics: Iterable[Sample], name: str) -> list[Sample]:
    return [sample for sample in metrics if sample.name == name]


def _values(metrics: Iterable[Sample], name: str) -> list[float]:
    return [_number(sample) for sample in _named(metrics, name)]


def _number(sample: Sample) -> float:
    return 0.0 if isinstance(sample.value, Distribution) else float(sample.value)


def _sum(first: float, second: float) -> float:
    return first + second
