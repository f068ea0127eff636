"""The circuit breaker: when it opens, and when it lets a trial call through."""

import logging

import msgspec
import pytest

from pixstream.breaker import METRICS, Breaker, RetrySettings
from pixstream.metrics import Counts

SETTINGS = RetrySettings(breaker_failures=3, breaker_seconds=10)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts() -> Counts:
    return Counts(*METRICS)


@pytest.fixture
def breaker(clock: Clock, counts: Counts) -> Breaker:
    return Breaker("lake", SETTINGS, counts, clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.trying()
        breaker.failed()


def test_it_opens_after_so_many_failures_in_a_row_and_no_sooner(
    breaker: Breaker, counts: Counts
) -> None:
    assert counts == {"destination_failures": 0, "breaker_opened": 0}
    fail(breaker, 2)
    assert (breaker.state, breaker.remaining()) == ("closed", 0)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.state == "closed"
    fail(breaker, 1)
    assert breaker.remaining() > 0
    assert counts == {"destination_failures": 3, "breaker_opened": 1}


def test_while_open_it_says_how_long(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 4
    assert breaker.remaining() == 6
    clock.now += 60
    assert breaker.remaining() == 0


def test_one_call_tries_and_closes_it(breaker: Breaker, clock: Clock, counts: Counts) -> None:
    fail(breaker, 3)
    clock.now += 10
    breaker.trying()
    assert breaker.state == "half_open"
    breaker.succeeded()
    assert counts == {"destination_failures": 0, "breaker_opened": 1}
    fail(breaker, 2)
    assert breaker.remaining() == 0


def test_a_trial_that_fails_opens_it_again_at_once(
    breaker: Breaker, clock: Clock, counts: Counts
) -> None:
    fail(breaker, 3)
    clock.now += 10
    fail(breaker, 1)
    assert (breaker.state, breaker.remaining()) == ("open", 10)
    assert counts["breaker_opened"] == 2


def test_each_change_is_a_log_line(breaker: Breaker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pixstream.breaker")
    fail(breaker, 4)
    breaker.trying()
    breaker.succeeded()
    breaker.succeeded()
    said = [(r.levelname, r.getMessage()) for r in caplog.records]
    assert [level for level, _ in said] == ["ERROR", "INFO", "ERROR", "INFO", "INFO"]
    assert "failed 3 times in a row" in said[0][1]
    assert "circuit breaker open for 10 s" in said[0][1]
    assert "half open" in said[1][1]
    assert "breaker closed" in said[4][1]


@pytest.mark.parametrize("wrong", ['{"breaker_failures":0}', '{"breaker_seconds":0}'])
def test_settings_that_make_no_sense_are_refused(wrong: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(wrong, type=RetrySettings)
