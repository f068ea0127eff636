import datetime as dt
import itertools
import logging

import pytest

from pixstream.errors import PixstreamError
from pixstream.producers.bank_api.schedules import Follow, History, Sweep
from pixstream.producers.bank_api.windows import Window

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
SECOND, MINUTE, HOUR, DAY = (
    dt.timedelta(**{u: 1}) for u in ("seconds", "minutes", "hours", "days")
)


class Clock:
    """The machine's two clocks: one that is set, and one that never goes back."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_(self, span: dt.timedelta) -> None:
        self.seconds += span.total_seconds()


def follow(
    position: str | None = None,
    start: dt.datetime = NOW - HOUR,
    *,
    clock: Clock | None = None,
    history: History | None = None,
) -> Follow:
    return Follow(
        position,
        start=start,
        overlap=5 * MINUTE,
        span=DAY,
        every=30 * SECOND,
        clock=clock or Clock(),
        history=history,
    )


def sweep(
    position: str | None = None,
    *,
    reach: dt.timedelta = 3 * DAY,
    clock: Clock | None = None,
    history: History | None = None,
) -> Sweep:
    return Sweep(
        position, reach=reach, span=DAY, every=HOUR, clock=clock or Clock(), history=history
    )


def whole(schedule: Follow | Sweep, now: dt.datetime) -> tuple[list[Window], str]:
    """Every window that is due, done; and the last position."""
    windows, position = [], ""
    while (window := schedule.next(now)) is not None:
        windows.append(window)
        position = schedule.done(window)
    return windows, position


def test_following_begins_before_the_start_and_ends_now() -> None:
    schedule = follow()
    assert schedule.next(NOW) == Window(NOW - HOUR - 5 * MINUTE, NOW)


def test_a_window_is_due_again_after_the_pause() -> None:
    clock = Clock()
    schedule = follow(clock=clock)
    window = schedule.next(NOW)
    assert window is not None
    assert schedule.done(window) == '{"until":"2026-03-04T05:06:07Z"}'
    clock.pass_(29 * SECOND)
    assert schedule.next(NOW + 29 * SECOND) is None
    clock.pass_(SECOND)
    assert schedule.next(NOW + 30 * SECOND) == Window(NOW - 5 * MINUTE, NOW + 30 * SECOND)


def test_a_window_that_was_not_done_is_given_again() -> None:
    clock = Clock()
    schedule = follow(clock=clock)
    first = schedule.next(NOW)
    schedule.postpone(MINUTE)
    clock.pass_(59 * SECOND)
    assert schedule.next(NOW + 59 * SECOND) is None
    clock.pass_(SECOND)
    again = schedule.next(NOW + MINUTE)
    assert first is not None
    assert again == Window(first.start, NOW + MINUTE)


def test_catching_up_takes_windows_of_the_longest_span_without_a_pause() -> None:
    schedule = follow(start=NOW - 3 * DAY)
    windows = []
    while (window := schedule.next(NOW)) is not None:
        windows.append(window)
        schedule.done(window)
    assert windows[0].start == NOW - 3 * DAY - 5 * MINUTE
    assert windows[-1].end == NOW
    assert all(w.end - w.start <= DAY for w in windows)
    assert all(b.start == a.end - 5 * MINUTE for a, b in itertools.pairwise(windows))


def test_following_goes_on_from_its_position() -> None:
    schedule = follow('{"until": "2026-03-04T05:00:00Z"}')
    assert schedule.next(NOW) == Window(NOW - 11 * MINUTE - 7 * SECOND, NOW)
    assert follow(schedule.position).position == schedule.position


def test_a_clock_that_went_back_waits() -> None:
    assert follow('{"until": "2026-03-04T05:06:08Z"}').next(NOW) is None


def test_a_sweep_covers_its_reach_and_rests_until_the_next() -> None:
    schedule = sweep()
    windows = []
    while (window := schedule.next(NOW)) is not None:
        windows.append(window)
        schedule.done(window)
    assert windows == [Window(NOW - n * DAY, NOW - (n - 1) * DAY) for n in (3, 2, 1)]
    assert schedule.next(NOW + 59 * MINUTE) is None
    assert schedule.next(NOW + HOUR) == Window(NOW + HOUR - 3 * DAY, NOW + HOUR - 2 * DAY)


def test_an_interrupted_sweep_goes_on_where_it_was() -> None:
    schedule = sweep()
    window = schedule.next(NOW)
    assert window is not None
    resumed = sweep(schedule.done(window))
    assert resumed.next(NOW + 2 * HOUR) == Window(NOW - 2 * DAY, NOW - DAY)


def test_a_finished_sweep_is_not_repeated_after_a_restart() -> None:
    schedule = sweep()
    position = ""
    while (window := schedule.next(NOW)) is not None:
        position = schedule.done(window)
    assert sweep(position).next(NOW + 59 * MINUTE) is None
    assert sweep(position).next(NOW + HOUR) is not None


def test_a_postponed_sweep_waits_and_takes_the_same_window() -> None:
    clock = Clock()
    schedule = sweep(clock=clock)
    window = schedule.next(NOW)
    schedule.postpone(MINUTE)
    assert schedule.next(NOW) is None
    clock.pass_(MINUTE)
    assert schedule.next(NOW + MINUTE) == window


@pytest.mark.parametrize("position", ["", "{}", "7", '{"until": "2026-03-04"}', '{"at": 1}'])
def test_a_position_of_something_else_stops_the_stream(position: str) -> None:
    with pytest.raises(PixstreamError, match="stored position"):
        follow(position or "x")
    with pytest.raises(PixstreamError, match="stored position"):
        sweep(position or "x")


def stopping(reach: dt.timedelta, met: list[Window]) -> History:
    def met_gap(window: Window) -> None:
        met.append(window)
        raise PixstreamError("a gap")

    return History(reach, met_gap)


def test_a_position_older_than_the_sources_history_is_a_gap_with_its_bounds() -> None:
    met: list[Window] = []
    schedule = follow('{"until":"2026-01-01T00:00:00Z"}', history=stopping(10 * DAY, met))
    for _ in range(2):
        with pytest.raises(PixstreamError, match="a gap"):
            schedule.next(NOW)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert met == [Window(start, NOW - 10 * DAY)] * 2


def test_after_a_gap_reading_goes_on_where_the_history_begins() -> None:
    met: list[Window] = []
    history = History(2 * DAY, met.append)
    schedule = follow('{"until":"2026-01-01T00:00:00Z"}', history=history)
    windows, _ = whole(schedule, NOW)
    assert windows[0].start == NOW - 2 * DAY
    assert windows[-1].end == NOW
    assert len(met) == 1


def test_the_overlap_never_asks_for_more_than_the_history() -> None:
    met: list[Window] = []
    schedule = follow(start=NOW - 2 * DAY + MINUTE, history=stopping(2 * DAY, met))
    window = schedule.next(NOW)
    assert window is not None
    assert window.start == NOW - 2 * DAY
    assert met == []


def test_after_a_long_absence_a_sweep_reaches_back_to_what_may_have_changed_meanwhile() -> None:
    last = NOW - 20 * DAY
    position = f'{{"until":"{last.isoformat()}","to":"{last.isoformat()}"}}'
    windows, _ = whole(sweep(position, reach=95 * DAY), NOW)
    assert windows[0].start == last - 90 * DAY
    assert windows[-1].end == NOW
    windows, _ = whole(sweep(position, reach=3 * DAY), NOW)
    assert windows[0].start == NOW - 3 * DAY


def test_what_a_sweep_cannot_reach_any_more_is_a_gap() -> None:
    last, met = NOW - 20 * DAY, list[Window]()
    position = f'{{"until":"{last.isoformat()}","to":"{last.isoformat()}"}}'
    schedule = sweep(position, reach=95 * DAY, history=History(95 * DAY, met.append))
    window = schedule.next(NOW)
    assert window is not None
    assert met == [Window(last - 90 * DAY, NOW - 95 * DAY)]
    assert window.start == NOW - 95 * DAY


def test_a_sweep_over_the_whole_history_that_is_tried_again_later_is_no_gap() -> None:
    met: list[Window] = []
    clock = Clock()
    schedule = sweep(reach=95 * DAY, history=stopping(95 * DAY, met), clock=clock)
    first = schedule.next(NOW)
    schedule.postpone(MINUTE)
    clock.pass_(30 * MINUTE)
    again = schedule.next(NOW + 30 * MINUTE)
    assert first is not None
    assert again is not None
    assert again.start == first.start
    assert met == []


def test_a_clock_that_is_set_back_stops_no_poll_whose_time_has_come() -> None:
    clock = Clock()
    schedule = follow(clock=clock)
    window = schedule.next(NOW)
    assert window is not None
    schedule.done(window, NOW - HOUR)  # ours is an hour ahead of the source's
    clock.pass_(30 * SECOND)
    right = NOW - HOUR + 30 * SECOND
    assert schedule.next(right) == Window(NOW - HOUR - 5 * MINUTE, right)
    sweeping = sweep(clock=clock)
    sweeping.postpone(MINUTE)
    clock.pass_(MINUTE)
    assert sweeping.next(NOW - DAY) is not None


def test_a_position_never_passes_the_sources_own_time_nor_goes_back_for_it() -> None:
    schedule = follow()
    window = schedule.next(NOW)
    assert window is not None
    assert schedule.done(window, NOW - 10 * MINUTE) == '{"until":"2026-03-04T04:56:07Z"}'
    schedule = follow()
    window = schedule.next(NOW)
    assert window is not None
    assert schedule.done(window, NOW - 4 * MINUTE) == '{"until":"2026-03-04T05:06:07Z"}'
    schedule = follow('{"until":"2026-03-04T05:00:00Z"}')
    window = schedule.next(NOW)
    assert window is not None
    assert schedule.done(window, NOW - DAY) == '{"until":"2026-03-04T05:00:00Z"}'


def test_a_position_in_the_future_waits_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    schedule = follow('{"until":"2027-03-04T05:00:00Z"}')
    with caplog.at_level(logging.ERROR):
        assert schedule.next(NOW) is None
        assert schedule.next(NOW) is None
    assert caplog.text.count("2027-03-04T05:00:00+00:00") == 1
    assert "Correct the clock" in caplog.text


def test_a_sweep_that_a_wrong_clock_dated_into_the_future_begins_anew() -> None:
    schedule = sweep('{"until":"2027-01-01T00:00:00Z","to":"2027-01-01T00:00:00Z"}')
    assert schedule.next(NOW) == Window(NOW - 3 * DAY, NOW - 2 * DAY)
