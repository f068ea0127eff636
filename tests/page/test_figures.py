"""What the samples say: sums over replicas, quantiles, and nothing where nothing is reported."""

import pytest

from pixstream.metrics import Distribution, Sample
from pixstream.page import figures
from pixstream.processes.lag_watch import LAG_RECORDS, LAG_SECONDS
from tests.page.kit import component, records, running, sample, status


def test_replicas_count_together_and_the_worst_state_is_shown() -> None:
    one = component("webhook", records("read", "accepted", 5), restarts=1)
    other = component("webhook", records("read", "accepted", 7), replica=1, state="waiting")
    found = figures.of_components(status(one, other))["webhook"]
    assert (found.taken, found.rate, found.restarts, found.replicas) == (12, 4.0, 1, 2)
    assert found.state == "waiting"
    assert found.freshness is None


@pytest.mark.parametrize(
    ("states", "shown"),
    [
        (["ready", "ready"], "ready"),
        (["ready", "starting"], "starting"),
        (["waiting", "stuck"], "stuck"),
        (["silent", "failed"], "failed"),
        ([], "ready"),
    ],
)
def test_the_worst_state(states: list[str], shown: str) -> None:
    assert figures.worst(states) == shown


def test_what_nobody_reports_is_not_made_up() -> None:
    bare = status(component("webhook"))
    assert figures.lag(figures.samples(bare)) == {}
    assert figures.latencies(figures.samples(bare)) == {}
    assert figures.of_components(None) == {}


def test_lag_in_records_is_summed_and_in_seconds_the_largest_counts() -> None:
    def lag(name: str, value: float, partition: int) -> Sample:
        return sample(name, value, "gauge", group="g", topic="t", partition=str(partition))

    metrics = [
        lag(name, value, partition)
        for name in (LAG_RECORDS.name, LAG_SECONDS.name)
        for partition, value in enumerate((3.0, 4.0))
    ]
    assert figures.lag(metrics) == {"g": 7.0}
    assert figures.lag(metrics, LAG_SECONDS.name) == {"g": 4.0}


def test_topics_are_those_of_the_samples() -> None:
    found = status(*running())
    assert figures.of_topics(figures.of_components(found))["pix.pagamentos"] == 2.0
    assert figures.produced(figures.samples(found)) == {"pix.pagamentos": 1_500.0}


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        ((10, 0, 0), 0.5, 0.5),
        ((5, 5, 0), 0.95, 1.9),
        ((0, 0, 4), 0.95, 2.0),  # beyond the last bound
        ((0, 0, 0), 0.95, None),
    ],
)
def test_quantiles_as_prometheus_computes_them(
    counts: tuple[int, ...], share: float, value: float | None
) -> None:
    found = figures.quantile(Distribution((1.0, 2.0), counts, 0.0), share)
    assert found == (None if value is None else pytest.approx(value))


def test_a_histogram_that_began_anew_counts_from_zero() -> None:
    before = Distribution((1.0,), (10, 0), 5.0)
    assert figures.since(Distribution((1.0,), (12, 1), 8.0), before).counts == (2, 1)
    after = Distribution((1.0,), (2, 0), 1.0)
    assert figures.since(after, before) == after
    assert figures.since(Distribution((2.0,), (12, 0), 1.0), before).counts == (12, 0)
