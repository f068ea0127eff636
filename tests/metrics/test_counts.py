import threading
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.metrics import Counter, Counts, Distribution, Gauge, Histogram, published

LINES = Counter("pix_lines_total", "Lines")
REFUSED = Counter("pix_refused_total", "Refused", ("reason",))
BUSY = REFUSED.of(reason="busy")
AGE = Gauge("pix_age_seconds", "Age")
LATENCY = Histogram("pix_latency_seconds", "Latency", buckets=(0.1, 1.0))


def value(counts: Counts, short: str) -> object:
    (found,) = [sample.value for sample in counts.samples() if sample.short == short]
    return found


def test_what_is_declared_starts_at_0_and_a_gauge_when_it_is_set() -> None:
    counts = Counts(LINES, REFUSED, BUSY, AGE, LATENCY)
    assert counts == {"lines": 0, "refused_busy": 0}
    assert value(counts, "latency_seconds") == Distribution((0.1, 1.0), (0, 0, 0), 0.0)
    counts.set(AGE, 0)
    assert counts == {"lines": 0, "refused_busy": 0, "age_seconds": 0}
    assert len(counts) == 3


def test_counters_add_and_gauges_replace() -> None:
    counts = Counts(LINES, AGE)
    for number in (1, 2):
        counts.add(LINES, number)
        counts.set(AGE, number)
    counts.add(BUSY)
    assert counts == {"lines": 3, "age_seconds": 2, "refused_busy": 1}
    assert repr(counts) == "Counts({'lines': 3, 'age_seconds': 2, 'refused_busy': 1})"


def test_a_bound_belongs_to_its_bucket_and_what_exceeds_all_to_none() -> None:
    counts = Counts(LATENCY)
    for seconds in (0.1, 0.2, 1.0, 1.1):
        counts.observe(LATENCY, seconds)
    counts.observe(LATENCY, 0.0, times=10)
    assert value(counts, "latency_seconds") == Distribution(
        (0.1, 1.0), (11, 2, 1), 2.4000000000000004
    )


def test_a_histogram_begins_with_its_first_value_where_it_was_not_declared() -> None:
    counts = Counts()
    counts.observe(LATENCY, 5)
    assert value(counts, "latency_seconds") == Distribution((0.1, 1.0), (0, 0, 1), 5.0)


def test_a_metric_with_labels_is_not_counted_without_their_values() -> None:
    with pytest.raises(ValueError, match="choose one of its series"):
        Counts().add(REFUSED)


def test_two_series_do_not_share_a_name_in_status() -> None:
    with pytest.raises(ValueError, match="another has the short name 'lines'"):
        Counts(LINES, Counter("their_lines_total", "Theirs", short="lines"))


def test_another_thread_may_read_while_series_begin() -> None:
    counts, stop = Counts(LATENCY, LINES), threading.Event()
    numbers = count()

    def write() -> None:
        while not stop.is_set():
            counts.add(REFUSED.of(reason=str(next(numbers) % 500)))
            counts.observe(LATENCY, 0.5)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(counts.samples()) < 501:
            assert dict(counts)["lines"] == 0
    finally:
        stop.set()
        writer.join()
    assert len(counts) == 501


def test_series_that_share_a_name_in_status_are_added_up() -> None:
    counts = Counts()
    for reason, number in (("busy", 2), ("path", 3)):
        counts.add(REFUSED.of(short="refused", reason=reason), number)
    assert dict(counts) == {"refused": 5}
    assert len(counts) == 1


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0, 2.0, 1e9])))
def test_many_values_at_once_are_the_same_as_one_by_one(values: list[float]) -> None:
    at_once, one_by_one = Counts(LATENCY), Counts(LATENCY)
    at_once.observe_all(LATENCY, values)
    for value in values:
        one_by_one.observe(LATENCY, value)
    (ours,), (theirs,) = at_once.samples(), one_by_one.samples()
    assert isinstance(ours.value, Distribution)
    assert isinstance(theirs.value, Distribution)
    assert ours.value.counts == theirs.value.counts
    assert ours.value.sum == pytest.approx(theirs.value.sum)


def test_changes_made_together_are_seen_together_also_of_two_objects() -> None:
    ours, theirs = Counts(LINES), Counts(AGE)
    with ours.together(theirs):
        ours.add(LINES, 2)
        with ours.together():
            theirs.set(AGE, 7)
        assert {s.name: s.value for s in published(ours, theirs).values()} == {LINES.name: 0}
        assert ours[LINES.short] == 2
    assert {s.name: s.value for s in published(ours, theirs).values()} == {
        LINES.name: 2,
        AGE.name: 7,
    }
