import datetime as dt

import pytest

from pixstream.dead_letters import LetterView
from pixstream.dead_letters.selection import ALL, Selection, choose, moment
from pixstream.dead_letters.state import DISCARDED, REPLAYED
from pixstream.errors import ConfigError, PixstreamError

NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def letter(number: int, **headers: str) -> LetterView:
    every = {
        "source": "webhook",
        "reason": "not_a_pix",
        "stage": "read",
        "time": (NOON + dt.timedelta(hours=number)).isoformat(),
    }
    return LetterView(f"{number:032x}", number, every | headers, b"", b"", b"")


LETTERS = [
    letter(0),
    letter(1, reason="empty"),
    letter(2, source="", consumer="lake", stage="write"),
    letter(3, stage="seal"),
    letter(4, time="yesterday"),
]


def numbers(selection: Selection, states: dict[bytes, str] | None = None) -> list[int]:
    chosen = choose(LETTERS, states or {}, selection)
    return sorted(int.from_bytes(letter_id) for letter_id in chosen.ids)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), [0, 1, 2, 3, 4]),
        (Selection(reason="empty"), [1]),
        (Selection(component="lake"), [2]),
        (Selection(component="webhook", stage="read"), [0, 1, 4]),
        (Selection(stage="seal"), [3]),
        (Selection(since=NOON + dt.timedelta(hours=1)), [1, 2, 3]),
        (Selection(until=NOON + dt.timedelta(hours=1)), [0]),
        (Selection(ids=(f"{3:032x}",)), [3]),
        (Selection(ids=(f"{3:032x}", f"{1:032x}"), reason="empty"), [1]),
    ],
)
def test_every_filter_leaves_out_what_does_not_fit(
    selection: Selection, expected: list[int]
) -> None:
    assert numbers(selection) == expected


def test_only_open_letters_are_chosen_unless_another_state_is_asked_for() -> None:
    states = {bytes(15) + b"\1": REPLAYED, bytes(15) + b"\2": DISCARDED}
    assert numbers(Selection(), states) == [0, 3, 4]
    assert numbers(Selection(state=REPLAYED), states) == [1]
    assert numbers(Selection(state=ALL), states) == [0, 1, 2, 3, 4]
    assert choose(LETTERS, states, Selection()).otherwise == {REPLAYED: 1, DISCARDED: 1}


@pytest.mark.parametrize(
    ("ids", "complaint"),
    [(("f",), "no letter with"), (("000",), "5 letters with"), ((f"{1:032x}", "f"), "no letter")],
)
def test_an_id_means_exactly_one_letter(ids: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(PixstreamError, match=complaint):
        choose(LETTERS, {}, Selection(ids=ids))


def test_a_selection_is_named_by_anything_but_its_state_and_tells_itself() -> None:
    assert not Selection().named
    assert not Selection(state=ALL).named
    assert Selection(stage="read").named
    told = str(Selection(ids=("3f2a",), reason="empty", since=NOON))
    assert told == "3f2a reason=empty since=2026-11-24 12:00:00+00:00 state=open"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOON - dt.timedelta(hours=2)),
        ("90s", NOON - dt.timedelta(seconds=90)),
        ("7d", NOON - dt.timedelta(days=7)),
        ("2026-11-20", dt.datetime(2026, 11, 20, tzinfo=dt.UTC)),
        ("2026-11-20T09:00", dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)),
        ("2026-11-20T09:00-03:00", dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)),
        ("2026-11-20T09:00Z", dt.datetime(2026, 11, 20, 9, tzinfo=dt.UTC)),
    ],
)
def test_a_time_is_so_long_ago_or_iso_8601(text: str, expected: dt.datetime) -> None:
    assert moment(text, NOON) == expected


@pytest.mark.parametrize(
    "text", ["", "2", "0h", "-2h", "2y", "yesterday", "9999999w", "2026-13-01"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a time"):
        moment(text, NOON)
