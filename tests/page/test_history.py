"""The last hour: what a point is, where gaps stay, and that the size is bounded."""

import math

import pytest

from pixstream.metrics import Distribution, Sample
from pixstream.page import charts, figures, history
from pixstream.page.history import History
from pixstream.processes.run_status import SupervisorStatus
from tests.page.kit import component, records, running, status


def take(past: History, now: SupervisorStatus) -> None:
    past.take(now, list(figures.samples(now)))


def filled(points: int, step: float = history.STEP_SECONDS) -> History:
    past = History()
    for number in range(points):
        take(past, status(*running(100.0 * number), clock=step * number))
    return past


def test_throughput_is_the_growth_between_two_points() -> None:
    series = filled(4).series("throughput")
    assert series.keys() == {"webhook", "delta_lake"}
    first, *rest = series["webhook"]
    assert math.isnan(first)
    assert rest == [20.0, 20.0, 20.0]


def test_lag_and_freshness_are_kept_as_they_are_reported() -> None:
    past = filled(2)
    assert past.series("lag") == {"pixstream.delta_lake": [6.0, 6.0]}
    assert past.series("freshness") == {"delta_lake": [0.5, 0.5]}
    assert past.series("lag_seconds") == {}


def latency(*counts: int) -> Sample:
    return Sample(
        name="pix_end_to_end_latency_seconds",
        kind="histogram",
        value=Distribution((1.0, 2.0), counts, 1.0),
        labels={"stage": "delta", "topic": "t"},
    )


def test_latency_is_that_of_the_last_step_alone() -> None:
    past = History()
    take(past, status(component("delta_lake", latency(100, 0, 0)), clock=0.0))
    take(past, status(component("delta_lake", latency(100, 100, 0)), clock=5.0))
    take(past, status(component("delta_lake", latency(100, 100, 0)), clock=10.0))
    first, second, third = past.series("latency")["delta"]
    assert first == pytest.approx(0.95)
    assert second == pytest.approx(1.95)
    assert math.isnan(third)  # nothing came: there is no latency


def test_a_counter_that_began_anew_is_no_negative_rate() -> None:
    past = History()
    for number, count in enumerate((500.0, 20.0)):
        take(past, status(component("a", records("read", "accepted", count)), clock=5.0 * number))
    assert past.series("throughput")["a"][-1] == 0.0


def test_a_point_is_due_every_five_seconds() -> None:
    past = History()
    assert past.due(status(clock=0.0))
    take(past, status(clock=0.0))
    assert not past.due(status(clock=4.9))
    assert past.due(status(clock=5.0))


def test_an_hour_is_kept_and_no_more() -> None:
    past = filled(history.POINTS + 10)
    assert past.points == history.POINTS
    values = past.series("throughput")["webhook"]
    assert len(values) == history.POINTS
    assert set(values) == {20.0}


def test_more_series_than_the_bound_are_left_out() -> None:
    past = History()
    many = [component(f"c{n}", records("read", "accepted", 1)) for n in range(100)]
    for clock in (0.0, 5.0):
        take(past, status(*many, clock=clock))
    assert len(past.series("throughput")) == history.MOST_SERIES


def test_a_chart_draws_the_largest_and_says_how_many_more_there_are() -> None:
    past = History()
    for step in (0.0, 5.0):
        many = [component(f"c{n:02}", records("read", "accepted", step * n)) for n in range(12)]
        take(past, status(*many, clock=step))
    (chart,) = [chart for chart in charts.charts(past) if chart.kind == "throughput"]
    assert [line.name for line in chart.lines] == [f"c{n:02}" for n in range(4, 12)]
    assert chart.more == 4
    assert chart.top == 20.0  # the largest is 11 per second
    assert chart.lines[-1].last == 11.0


@pytest.mark.parametrize(
    ("value", "time", "top"),
    [
        (0.0, False, 1.0),
        (11.0, False, 20.0),
        (0.03, True, 0.05),
        (59.0, True, 100.0),
        (900.0, True, 1_200.0),
        (5_000.0, True, 7_200.0),
        (60.0, False, 100.0),
    ],
)
def test_the_upper_edge_is_a_round_number_also_of_minutes(
    value: float, top: float, *, time: bool
) -> None:
    assert charts._round_up(value, time=time) == pytest.approx(top)


def test_a_gap_stays_a_gap() -> None:
    past = History()
    for number in range(6):
        shown = running(100.0 * number) if number != 3 else [component("other")]
        take(past, status(*shown, clock=5.0 * number))
    (chart,) = [chart for chart in charts.charts(past) if chart.kind == "lag"]
    assert chart.lines[0].points.count("M") == 2


def test_the_last_point_is_at_the_right_edge_however_long_the_past_is() -> None:
    for points in (2, 60, 61, 500, history.POINTS + 7):
        chart = next(c for c in charts.charts(filled(points)) if c.kind == "lag")
        assert chart.lines[0].points.rpartition("L")[2].startswith(f"{charts.WIDTH},")
        assert len(chart.lines[0].points) < 2_000
