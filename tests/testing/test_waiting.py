"""Waiting follows progress: it ends with the condition, with a hang, or with an end."""

from itertools import count

import pytest

from pixstream.testing.waiting import HungError, wait_for


def test_what_made_it_true_is_returned() -> None:
    numbers = count()
    assert wait_for(lambda: (n := next(numbers)) > 3 and f"the {n}th", every=0.0) == "the 4th"


def test_without_progress_it_ends_and_tells_the_state() -> None:
    with pytest.raises(HungError, match=r"^3 rows: nothing has moved for \d s$"):
        wait_for(lambda: False, lambda: "3 rows", seconds=0.1)


def test_as_long_as_something_moves_it_waits() -> None:
    numbers, states = count(), count()
    assert wait_for(
        lambda: next(numbers) >= 20, progress=lambda: next(states), seconds=0.1, every=0.05
    )


def test_what_has_ended_brings_nothing_any_more() -> None:
    with pytest.raises(HungError, match=r"^its answer: cannot come any more$"):
        wait_for(lambda: False, "its answer", alive=lambda: False)


def test_the_condition_comes_before_the_end() -> None:
    assert wait_for(lambda: "the last words", alive=lambda: False) == "the last words"
