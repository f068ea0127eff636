import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.errors import ConfigError, PixstreamError
from pixstream.event import Draft, Reason
from pixstream.intake.polling import Follow, Recent, Sweep, Window, beginning, digest, one_day_each
from pixstream.plugin import Refusal

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
SECOND, MINUTE, HOUR, DAY = (
    dt.timedelta(**{u: 1}) for u in ("seconds", "minutes", "hours", "days")
)


def follow(position: str | None = None, start: dt.datetime = NOW - HOUR) -> Follow:
    return Follow(position, start=start, overlap=5 * MINUTE, span=DAY, every=30 * SECOND)


def sweep(position: str | None = None) -> Sweep:
    return Sweep(position, reach=3 * DAY, span=DAY, every=HOUR)


def test_following_begins_before_the_start_and_ends_now() -> None:
    schedule = follow()
    assert schedule.next(NOW) == Window(NOW - HOUR - 5 * MINUTE, NOW)


def test_a_window_is_due_again_after_the_pause() -> None:
    schedule = follow()
    window = schedule.next(NOW)
    assert window is not None
    assert schedule.done(window) == '{"until":"2026-03-04T05:06:07Z"}'
    assert schedule.next(NOW + 29 * SECOND) is None
    assert schedule.next(NOW + 30 * SECOND) == Window(NOW - 5 * MINUTE, NOW + 30 * SECOND)


def test_a_window_that_was_not_done_is_given_again() -> None:
    schedule = follow()
    first = schedule.next(NOW)
    schedule.postpone(NOW + MINUTE)
    assert schedule.next(NOW + 59 * SECOND) is None
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
    schedule = sweep()
    window = schedule.next(NOW)
    schedule.postpone(NOW + MINUTE)
    assert schedule.next(NOW) is None
    assert schedule.next(NOW + MINUTE) == window


@pytest.mark.parametrize("position", ["", "{}", "7", '{"until": "2026-03-04"}', '{"at": 1}'])
def test_a_position_of_something_else_stops_the_stream(position: str) -> None:
    with pytest.raises(PixstreamError, match="stored position"):
        follow(position or "x")
    with pytest.raises(PixstreamError, match="stored position"):
        sweep(position or "x")


def test_windows_are_cut_at_midnight_in_brasilia() -> None:
    midnight = dt.datetime(2026, 3, 4, 3, tzinfo=dt.UTC)
    tick = dt.timedelta(milliseconds=1)
    pieces = one_day_each(Window(midnight - HOUR, midnight + DAY + HOUR))
    assert pieces == [
        Window(midnight - HOUR, midnight - tick),
        Window(midnight, midnight + DAY - tick),
        Window(midnight + DAY, midnight + DAY + HOUR),
    ]
    assert one_day_each(Window(NOW, NOW + HOUR)) == [Window(NOW, NOW + HOUR)]


@given(st.integers(0, 10**7), st.integers(0, 10**6))
def test_the_pieces_of_a_window_leave_nothing_out(offset: int, length: int) -> None:
    window = Window(NOW + offset * SECOND, NOW + (offset + length) * SECOND)
    pieces = one_day_each(window)
    assert pieces[0].start == window.start
    assert pieces[-1].end == window.end
    for before, after in itertools.pairwise(pieces):
        assert after.start - before.end == dt.timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("now", NOW),
        ("24h", NOW - DAY),
        ("7d", NOW - 7 * DAY),
        ("90m", NOW - 90 * MINUTE),
        ("30s", NOW - 30 * SECOND),
        ("2026-03-04T00:00:00-03:00", dt.datetime(2026, 3, 4, 3, tzinfo=dt.UTC)),
    ],
)
def test_the_ways_to_say_where_to_begin(text: str, when: dt.datetime) -> None:
    assert beginning(text, NOW) == when


@pytest.mark.parametrize(
    "text", ["", "yesterday", "24", "-1h", "2026-03-04T00:00:00", "2026-03-05T00:00:00Z", "999999d"]
)
def test_any_other_beginning_is_a_mistake(text: str) -> None:
    with pytest.raises(ConfigError, match="start: must be"):
        beginning(text, NOW)


def test_only_the_last_things_are_remembered() -> None:
    recent = Recent(3, [b"a", b"b"])
    recent.add([b"c", b"d", b"d"])
    assert list(recent) == [b"b", b"c", b"d"]
    assert b"a" not in recent
    assert b"d" in Recent(3, recent)


def test_the_same_content_has_the_same_digest_and_no_other() -> None:
    def content(amount: str) -> Draft:
        return Draft(message="api_pix.pix", amount=amount, extra={"a": [1, None, {"b": 2.5}]})

    assert digest(content("1.00")) == digest(content("1.00"))
    assert digest(content("1.00")) != digest(content("1.01"))
    refusal = Refusal(reason=Reason.NOT_A_PIX, message="m", raw=b"\xff")
    assert len(digest(refusal)) == 16
