"""Logging in: the token, the name, too many tries, and the end of a session."""

import pytest

from pixstream.errors import Refused
from pixstream.page import sessions
from pixstream.page.sessions import Sessions
from tests.page.kit import TOKEN


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def reason(open_sessions: Sessions, token: str, who: str = "ana") -> str:
    with pytest.raises(Refused) as caught:
        open_sessions.open(token, who)
    return caught.value.reason


def test_a_session_belongs_to_who_knew_the_token(clock: Clock) -> None:
    known = Sessions(TOKEN, clock)
    name = known.open(TOKEN, " ana.souza ")
    session = known.find(name)
    assert session is not None
    assert session.who == "ana.souza"
    assert session.owns(session.csrf)
    assert not session.owns("")
    assert known.find("another") is None
    assert known.find(None) is None
    known.close(name)
    assert known.find(name) is None


def test_nobody_logs_in_without_a_token(clock: Clock) -> None:
    known = Sessions("", clock)
    assert not known.possible
    assert reason(known, "") == sessions.READ_ONLY


@pytest.mark.parametrize("who", ["", "  ", "a" * 65, "ana\nroot", "<b>"])
def test_the_audit_log_needs_a_name(clock: Clock, who: str) -> None:
    assert reason(Sessions(TOKEN, clock), TOKEN, who) == sessions.NO_NAME


def test_guessing_ends_after_some_tries_and_may_begin_again_later(clock: Clock) -> None:
    known = Sessions(TOKEN, clock)
    for _ in range(sessions.FAILURES):
        assert reason(known, "guess") == sessions.WRONG
    assert reason(known, TOKEN) == sessions.TOO_MANY
    clock.now += sessions.FAILURE_SECONDS
    assert known.open(TOKEN, "ana")


@pytest.mark.parametrize("used", [True, False])
def test_a_session_ends_by_itself(clock: Clock, *, used: bool) -> None:
    known = Sessions(TOKEN, clock)
    name = known.open(TOKEN, "ana")
    step = sessions.IDLE_SECONDS - 1 if used else sessions.IDLE_SECONDS + 1
    for _ in range(int(sessions.LONGEST_SECONDS / step) if used else 0):
        clock.now += step
        assert known.find(name) is not None
    clock.now += step
    assert known.find(name) is None


def test_the_oldest_session_makes_room(clock: Clock) -> None:
    known = Sessions(TOKEN, clock)
    names = [known.open(TOKEN, "ana") for _ in range(sessions.MOST_SESSIONS + 1)]
    assert known.find(names[0]) is None
    assert all(known.find(name) for name in names[1:])
