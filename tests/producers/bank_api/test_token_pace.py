"""How often a bank is asked for a token."""

import pytest

from pixstream.errors import PixstreamError, Transient
from pixstream.producers.bank_api.answers import Busy
from pixstream.producers.bank_api.token_pace import MOST, REFUSED_SECONDS, SPAN_SECONDS, TokenPace


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_requests_are_few_in_any_span() -> None:
    clock = Clock()
    pace = TokenPace(clock)
    for _ in range(MOST):
        pace.ask()
        clock.now += 1
    with pytest.raises(Busy, match=r"asked for 3 times within 15 s") as caught:
        pace.ask()
    assert caught.value.seconds == SPAN_SECONDS - MOST
    clock.now += caught.value.seconds
    pace.ask()
    with pytest.raises(Busy):
        pace.ask()


def test_a_refused_secret_is_not_sent_again_before_somebody_could_act() -> None:
    clock = Clock()
    pace = TokenPace(clock)
    pace.ask()
    pace.failed(PixstreamError("token: HTTP 401; check client_id"))
    clock.now += REFUSED_SECONDS - 1
    with pytest.raises(PixstreamError, match="token: HTTP 401; check client_id") as caught:
        pace.ask()
    assert not isinstance(caught.value, Transient)
    clock.now += 1
    pace.ask()


def test_a_bank_in_trouble_may_be_asked_again_soon() -> None:
    pace = TokenPace(Clock())
    pace.ask()
    pace.failed(Transient("token: HTTP 503"))
    pace.ask()
