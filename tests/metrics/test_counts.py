import threading
from itertools import count

import pytest

from pixstream.metrics import Counter, Counts, Distribution, Gauge, Histogram

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
