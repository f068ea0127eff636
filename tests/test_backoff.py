"""Waits that grow, with full jitter."""

import random

import pytest

from pixstream.backoff import Backoff, BackoffSettings


def bounds(backoff: Backoff, tries: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The longest that each wait could have been."""
    monkeypatch.setattr(random, "uniform", lambda _least, most: most)
    return [backoff.next() for _ in range(tries)]


def test_the_bound_doubles_up_to_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    backoff = Backoff(BackoffSettings(min_seconds=0.5, max_seconds=3.0))
    assert bounds(backoff, 5, monkeypatch) == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff.attempts == 5


def test_a_wait_is_drawn_between_zero_and_its_bound() -> None:
    backoff = Backoff(BackoffSettings(min_seconds=8.0, max_seconds=8.0))
    waits = [backoff.next() for _ in range(500)]
    assert 0 <= min(waits) < 1
    assert 7 < max(waits) <= 8


def test_after_a_success_the_waits_are_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    backoff = Backoff(BackoffSettings(min_seconds=1.0, max_seconds=60.0))
    bounds(backoff, 4, monkeypatch)
    backoff.reset()
    assert bounds(backoff, 2, monkeypatch) == [1.0, 2.0]


def test_years_of_failures_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    backoff = Backoff(BackoffSettings(min_seconds=0.2, max_seconds=30.0))
    backoff.attempts = 10**7
    assert bounds(backoff, 1, monkeypatch) == [30.0]
