import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pixstream.columns import revisions
from pixstream.event.model import Direction, Party, PixEvent
from pixstream.testing import event, rows

Decide = Callable[[Sequence[PixEvent], Sequence[PixEvent]], list[int | None]]


@pytest.fixture
def decide() -> Decide:
    def decide(stored: Sequence[PixEvent], arrivals: Sequence[PixEvent]) -> list[int | None]:
        tables = [rows(events).select(revisions.COLUMNS) for events in (stored, arrivals)]
        return revisions.decide(*tables)

    return decide


def test_the_first_telling_is_kept_as_it_is(decide: Decide) -> None:
    assert decide([], [event(1), event(2)]) == [0, 0]
    assert decide([event(1)], [event(2)]) == [0]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"source": "bank_api", "source_ref": "page 2"},
        {"source_time": dt.datetime(2026, 11, 21, tzinfo=dt.UTC)},
        {"ingested_at": dt.datetime(2026, 11, 21, tzinfo=dt.UTC)},
        {"flags": ["id_irregular"]},
        {"amount_centavos": None},
        {"payer": Party()},
        {"direction": Direction.UNKNOWN},
        {"extra": {"sealed": "another nonce"}},
        {"extra": {}},
        {
            "event_time": dt.datetime(2026, 11, 20, 13, tzinfo=dt.UTC),
            "flags": ["time_inferred"],
        },
    ],
)
def test_a_telling_that_adds_nothing_is_dropped(decide: Decide, changes: dict[str, Any]) -> None:
    first = event(1, extra={"sealed": "nonce", "tipo": "x"})
    again = event(1, **{"extra": {"sealed": "nonce"}, **changes})
    assert decide([first], [again]) == [None]
    assert decide([], [first, again]) == [0, None]


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_centavos": 1235},
        {"txid": "T1"},
        {"payer": Party(ispb="12345678", document="k1.pseudonym")},
        {"extra": {"tipo": "y"}},
        {"extra": {"outro": "x"}},
        {"event_time": dt.datetime(2026, 11, 20, 13, tzinfo=dt.UTC)},
    ],
)
def test_a_telling_that_adds_or_differs_is_a_revision(
    decide: Decide, changes: dict[str, Any]
) -> None:
    first = event(1, extra={"sealed": "nonce", "tipo": "x"})
    again = event(1, **changes)
    assert decide([first], [again]) == [1]
    assert decide([], [first, again]) == [0, 1]
    assert decide([first], [again, first, again]) == [1, None, None]


def test_a_revision_counts_on_from_the_highest_stored(decide: Decide) -> None:
    stored = [event(1), event(1, txid="T1", revision=1), event(1, txid="T2", revision=4)]
    assert decide(stored, [event(1, txid="T3"), event(1, txid="T1"), event(1, reason="AB03")]) == [
        *(5, None, 6)
    ]


def test_fields_may_be_known_from_different_tellings(decide: Decide) -> None:
    stored = [event(1, txid="T1"), event(1, reason="AB03", revision=1)]
    assert decide(stored, [event(1, txid="T1", reason="AB03")]) == [None]


def test_events_do_not_mix(decide: Decide) -> None:
    stored = [event(1, txid="T1"), event(2, txid="T2")]
    arrivals = [event(2, txid="T1"), event(1, txid="T1"), event(3), event(2, txid="T2")]
    assert decide(stored, arrivals) == [1, None, 0, None]


def test_a_real_time_equal_to_a_guessed_one_is_no_news(decide: Decide) -> None:
    assert decide([event(1, flags=["time_inferred"])], [event(1)]) == [None]
