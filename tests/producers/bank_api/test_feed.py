import asyncio
import datetime as dt
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pixstream.errors import PixstreamError, Transient
from pixstream.event.model import Draft, Reason, Refusal
from pixstream.formats.json_body import Body
from pixstream.plugins.producer import Reading
from pixstream.producers.bank_api.answers import Busy
from pixstream.producers.bank_api.client import BankClient
from pixstream.producers.bank_api.feed import Feed, Query, run_calls
from pixstream.producers.bank_api.pages import Page, Unreadable
from pixstream.producers.bank_api.schedules import Follow
from pixstream.producers.bank_api.waiting import DOCUMENT_TRIES, OTHER_TRIES
from pixstream.producers.bank_api.windows import Recent

PREFIX = "E2E-20261120-"
MINUTE = dt.timedelta(minutes=1)


class Client(BankClient):
    """Gives prepared pages or errors instead of asking a bank."""

    def __init__(self, *answers: Page | Exception) -> None:
        self.asked: list[int] = []
        self._answers = list(answers)

    async def page(self, *arguments: Any, **_: Any) -> Page:
        self.asked.append(arguments[1])
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def page(*names: str, pages: int = 1) -> Page:
    elements = [{"endToEndId": PREFIX + n, "valor": "1.00", "horario": "x"} for n in names]
    return Page(Body(json.dumps({"pix": elements}).encode()), pages, len(elements))


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def feed(
    loop: asyncio.AbstractEventLoop,
    client: Client,
    known: Recent | None = None,
) -> Feed:
    now = dt.datetime.now(dt.UTC)
    pause = dt.timedelta(0)
    return Feed(
        "account",
        Follow(None, start=now - MINUTE, overlap=MINUTE, span=10 * MINUTE, every=pause),
        Query(returns=False, page_size=10, one_day=False, headers={}, ispb=None),
        client=client,
        loop=loop,
        pause=pause,
        known=Recent(100) if known is None else known,
    )


def readings(loop: asyncio.AbstractEventLoop, one: Feed, turns: Any) -> Iterator[Reading]:
    """Take turns, run the calls between them, and give the readings."""
    for reading in turns:
        if reading is not None:
            yield reading
        elif one.call is not None:
            loop.run_until_complete(asyncio.wait([one.call]))


def told(reading: Reading) -> str | None:
    found = reading.content
    return str(found.end_to_end_id).removeprefix(PREFIX) if isinstance(found, Draft) else None


def test_a_window_ends_with_the_reading_that_moves_the_position(
    loop: asyncio.AbstractEventLoop,
) -> None:
    client = Client(page("a", "b", pages=2), page("b", "c", pages=2))
    one = feed(loop, client)
    steps = readings(loop, one, one.turns())
    found = [next(steps) for _ in range(4)]
    assert [told(reading) for reading in found] == ["a", "b", "c", None]
    assert [reading.position is None for reading in found] == [True, True, True, False]
    assert client.asked == [0, 1]


def test_only_delivered_windows_are_known_to_the_next_feed(loop: asyncio.AbstractEventLoop) -> None:
    known = Recent(100)
    one = feed(loop, Client(page("a"), page("b")), known)
    steps = readings(loop, one, one.turns())
    content, end, lost, lost_end = (next(steps) for _ in range(4))
    one.delivered(content)
    assert list(known) == []
    one.delivered(end)
    assert len(list(known)) == 1
    assert told(lost) == "b"
    assert lost_end.position is not None
    again = feed(loop, Client(page("a", "b")), known)
    assert told(next(readings(loop, again, again.turns()))) == "b"


def test_a_failed_window_begins_anew_and_repeats_nothing(loop: asyncio.AbstractEventLoop) -> None:
    client = Client(page("a", pages=2), Transient("down"), page("a", pages=2), page("b", pages=2))
    one = feed(loop, client)
    steps = readings(loop, one, one.turns())
    assert told(next(steps)) == "a"
    assert told(next(steps)) == "b"
    failure = one.waiting.failure
    assert failure is not None
    assert next(steps).position is not None
    assert one.waiting.failure is None
    assert client.asked == [0, 1, 0, 1]


def test_a_busy_bank_is_a_failure_until_it_answers(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    one = feed(loop, Client(Busy("later", 0.0), page("a")))
    steps = readings(loop, one, one.turns())
    assert told(next(steps)) == "a"
    assert str(one.waiting.failure) == "later"
    assert next(steps).position is not None
    assert one.waiting.failure is None
    assert "account: later; the window is read again from the beginning" in caplog.text


def test_a_refused_feed_pauses_for_long_and_names_its_stream(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(PixstreamError("refused"))
    one = feed(loop, client)
    turns = one.turns()
    for _ in range(3):
        assert next(turns) is None
        if one.call is not None:
            loop.run_until_complete(asyncio.wait([one.call]))
    assert str(one.waiting.failure) == "refused"
    assert client.asked == [0]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (
        "account: refused; the window is read again from the beginning in 300.0 s"
    )


DOWN, BUSY, REFUSED = Transient("down"), Busy("busy", 60.0), PixstreamError("HTTP 403")
UNREADABLE = Unreadable("not a page", b"", Reason.EMPTY)


@pytest.mark.parametrize(
    ("failures", "raised"),
    [
        ([DOWN, DOWN], "^down$"),
        ([REFUSED, REFUSED], None),
        ([REFUSED], None),
        ([UNREADABLE], None),
        ([DOWN, REFUSED], None),
        ([BUSY], None),
        ([DOWN, BUSY], None),
        ([None, REFUSED], None),
        ([None, DOWN], None),
    ],
)
def test_only_a_bank_that_answers_nobody_is_raised(
    loop: asyncio.AbstractEventLoop, failures: list[PixstreamError | None], raised: str | None
) -> None:
    feeds = [feed(loop, Client()) for _ in failures]
    for number, (one, failure) in enumerate(zip(feeds, failures, strict=True)):
        one.stream += number * "+"
        one.waiting.failure = failure
    if raised is None:
        run_calls(loop, feeds)
    else:
        with pytest.raises(PixstreamError, match=raised):
            run_calls(loop, feeds)


def test_a_position_does_not_pass_the_banks_own_time(loop: asyncio.AbstractEventLoop) -> None:
    told = dt.datetime.now(dt.UTC) - 30 * MINUTE
    one = feed(loop, Client(page("a")._replace(at=told)))
    _, end = (next(steps) for steps in [readings(loop, one, one.turns())] for _ in range(2))
    since = json.loads(end.position or "")["until"]
    now = dt.datetime.now(dt.UTC)
    assert dt.datetime.fromisoformat(since) < now - MINUTE / 2


def test_a_clock_far_ahead_of_the_banks_reads_nothing_until_they_agree(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    behind = page("a")._replace(at=dt.datetime.now(dt.UTC) - 90 * MINUTE)
    one = feed(loop, Client(behind, page("a")._replace(at=dt.datetime.now(dt.UTC))))
    steps = readings(loop, one, one.turns())
    with caplog.at_level(logging.WARNING):
        assert told(next(steps)) == "a"
    assert "s ahead of the bank's" in caplog.text
    assert next(steps).position is not None


def test_a_bank_whose_clock_is_ahead_is_read_up_to_ours(loop: asyncio.AbstractEventLoop) -> None:
    ahead = page("a")._replace(at=dt.datetime.now(dt.UTC) + 90 * MINUTE)
    one = feed(loop, Client(ahead))
    steps = readings(loop, one, one.turns())
    next(steps)
    until = dt.datetime.fromisoformat(json.loads(next(steps).position or "")["until"])
    assert until <= dt.datetime.now(dt.UTC)


def unreadable(raw: bytes) -> Unreadable:
    return Unreadable("the answer is not a page (malformed_json)", raw, Reason.MALFORMED_JSON)


def contents(found: list[Reading]) -> list[str | bytes | None]:
    return [r.content.raw if isinstance(r.content, Refusal) else told(r) for r in found]


def test_a_page_that_stays_unreadable_is_a_letter_and_the_next_pages_are_read(
    loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [answer for _ in range(3) for answer in (page("a", pages=3), unreadable(b'{"pix": ['))]
    client = Client(*broken, page(), page("b", pages=3))
    one = feed(loop, client)
    steps = readings(loop, one, one.turns())
    found = [next(steps) for _ in range(4)]
    assert contents(found) == ["a", b'{"pix": [', "b", None]
    assert [reading.position is None for reading in found] == [True, True, True, False]
    assert client.asked == [0, 1, 0, 1, 0, 1, 0, 2]
    refusal = found[1].content
    assert isinstance(refusal, Refusal)
    assert refusal.reason == Reason.MALFORMED_JSON
    assert refusal.message.startswith("GET /pix: page 1 of 20")
    assert one.waiting.failure is None
    assert "repair and replay it" in caplog.text


def test_a_page_that_is_read_at_the_second_try_leaves_no_letter(
    loop: asyncio.AbstractEventLoop,
) -> None:
    client = Client(unreadable(b"<html>"), unreadable(b"{"), page("a"), unreadable(b"{"), page("b"))
    one = feed(loop, client)
    steps = readings(loop, one, one.turns())
    assert contents([next(steps) for _ in range(4)]) == ["a", None, "b", None]


def test_what_is_not_even_json_is_tried_more_often(loop: asyncio.AbstractEventLoop) -> None:
    client = Client(*(unreadable(b"<html>") for _ in range(OTHER_TRIES)), page(), page("b"))
    one = feed(loop, client)
    steps = readings(loop, one, one.turns())
    assert contents([next(steps)]) == [b"<html>"]
    assert len(client.asked) == OTHER_TRIES + 1 > DOCUMENT_TRIES + 1


def test_a_bank_that_answers_nothing_else_is_waited_for(loop: asyncio.AbstractEventLoop) -> None:
    notice = [unreadable(b'{"message": "maintenance"}') for _ in range(20)]
    client = Client(*notice, page("a"))
    one = feed(loop, client)
    steps = readings(loop, one, one.turns())
    assert contents([next(steps), next(steps)]) == ["a", None]
    assert len(client.asked) == 21


def test_two_unreadable_pages_in_a_row_without_a_count_end_the_window(
    loop: asyncio.AbstractEventLoop,
) -> None:
    first: list[Page | Exception] = [unreadable(b"{1") for _ in range(DOCUMENT_TRIES - 1)]
    for _ in range(DOCUMENT_TRIES):
        first += [unreadable(b"{1"), page(), unreadable(b"{2")]
    client = Client(*first, page())
    one = feed(loop, client)
    steps = readings(loop, one, one.turns())
    assert contents([next(steps) for _ in range(3)]) == [b"{1", b"{2", None]


def test_a_feed_goes_on_where_the_one_before_waited(loop: asyncio.AbstractEventLoop) -> None:
    one = feed(loop, Client(PixstreamError("refused")))
    turns = one.turns()
    while one.waiting.failure is None:
        assert next(turns) is None
        if one.call is not None:
            loop.run_until_complete(asyncio.wait([one.call]))
    again = feed(loop, Client(page("a")))
    again.resume(one.waiting)
    assert again.waits
    turns = again.turns()
    assert [next(turns) for _ in range(5)] == [None] * 5
    assert again.call is None


def test_a_feed_waits_until_the_bank_has_answered(loop: asyncio.AbstractEventLoop) -> None:
    one = feed(loop, Client(page("a", pages=2), page("b", pages=2)))
    assert one.waits
    steps = readings(loop, one, one.turns())
    next(steps)
    assert not one.waits
