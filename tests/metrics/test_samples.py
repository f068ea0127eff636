import math

import msgspec
import pytest

from pixstream.metrics import Distribution, Sample


def sample(value: float | Distribution, kind: str = "counter") -> Sample:
    return msgspec.convert({"name": "x", "kind": kind, "value": value}, Sample)


def spread(
    *counts: int, bounds: tuple[float, ...] = (1.0, 2.0), total: float = 0.0
) -> Distribution:
    return Distribution(bounds, counts, total)


def test_counters_and_histograms_go_on_where_an_earlier_process_ended() -> None:
    assert sample(2).after(sample(3)).value == 5
    grown = sample(spread(1, 2, 3, total=4.5), "histogram").after(
        sample(spread(10, 0, 1, total=1.0), "histogram")
    )
    assert grown.value == spread(11, 2, 4, total=5.5)
    assert sample(2).after(None).value == 2


def test_a_gauge_has_no_past() -> None:
    assert sample(2, "gauge").after(sample(3, "gauge")).value == 2


@pytest.mark.parametrize(
    "former",
    [
        sample(spread(1, 1, bounds=(9.0,)), "histogram"),
        sample(7, "histogram"),
        sample(7, "counter"),
    ],
)
def test_what_another_release_declared_otherwise_begins_again(former: Sample) -> None:
    now = sample(spread(1, 2, 3), "histogram")
    assert now.after(former) is now


def test_cumulative_buckets_include_those_before_them() -> None:
    assert [*spread(1, 2, 3).cumulative()] == [(1.0, 1), (2.0, 3), (math.inf, 6)]


@pytest.mark.parametrize("value", [3, 1.5, spread(1, 2, 3, total=1.0)])
def test_a_sample_travels_as_json(value: float | Distribution) -> None:
    sent = Sample(
        name="x_seconds", kind="gauge", value=value, help="h", labels={"topic": "a"}, short="x_a"
    )
    assert msgspec.json.decode(msgspec.json.encode(sent), type=Sample) == sent
    assert sent.key == ("x_seconds", ("a",))
