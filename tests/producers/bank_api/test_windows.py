import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixstream.errors import ConfigError
from pixstream.event.model import Draft, Reason, Refusal
from pixstream.producers.bank_api.windows import Recent, Window, beginning, digest, one_day_each

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
SECOND, MINUTE, HOUR, DAY = (
    dt.timedelta(**{u: 1}) for u in ("seconds", "minutes", "hours", "days")
)


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
