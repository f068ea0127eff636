"""One stream of an account at a bank: its windows, their pages, and the new Pix in them.

Feeds take turns in one thread. Each turn yields a reading, or None while a call is in progress or
nothing is due.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import PixstreamError, Transient
from pixstream.event.model import Refusal
from pixstream.formats import api_pix
from pixstream.plugins.producer import Reading
from pixstream.producers.bank_api.answers import Busy
from pixstream.producers.bank_api.pages import Unreadable
from pixstream.producers.bank_api.schedules import CLOCKS_DIFFER
from pixstream.producers.bank_api.waiting import Waiting
from pixstream.producers.bank_api.windows import Recent, Window, digest, one_day_each

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from pixstream.plugins.producer import Stream
    from pixstream.producers.bank_api.client import BankClient
    from pixstream.producers.bank_api.pages import Page
    from pixstream.producers.bank_api.schedules import Schedule

log = logging.getLogger("pixstream.producers.bank_api.feed")

_IDLE_SECONDS = 0.05
REFUSED_PAUSE = dt.timedelta(minutes=5)
"""Pause before asking a bank again that refused: a person has to fix something meanwhile."""

_PROBE = dt.timedelta(minutes=1)

REMEMBERED = 200_000
"""Hashes kept per stream, about 30 MB: one day of a large merchant's account."""


class Query(NamedTuple):
    """The parameters shared by every call of a feed.

    Attributes:
        returns: request only Pix with returns.
        page_size: Pix requested in one call.
        one_day: no call crosses midnight in Brasília.
        headers: request headers of the account.
        ispb: ISPB of the bank that keeps the account.
    """

    returns: bool
    page_size: int
    one_day: bool
    headers: Mapping[str, str]
    ispb: str | None


class Feed:
    """The reader of one stream.

    Args:
        stream: name of the stream.
        schedule: the windows that it reads.
        query: parameters of its calls.
        client: client of the bank.
        loop: event loop of the calls; the caller that takes the turns runs it.
        pause: pause before a failed window is tried again, unless the bank says how long to wait.
        known: contents delivered before; `delivered` adds to it, and it outlives the feed.

    Attributes:
        call: the call in progress.
        waiting: why it waits; `resume` takes that of the feed before.
    """

    def __init__(
        self,
        stream: Stream,
        schedule: Schedule,
        query: Query,
        *,
        client: BankClient,
        loop: asyncio.AbstractEventLoop,
        pause: dt.timedelta,
        known: Recent,
    ) -> None:
        self.stream = stream
        self.call: asyncio.Task[Page] | None = None
        self.waiting = Waiting()
        self._schedule = schedule
        self._query = query
        self._client = client
        self._loop = loop
        self._pause = pause
        self._known = known
        self._read = Recent(REMEMBERED, known)
        self._fresh: deque[bytes] = deque(maxlen=REMEMBERED)
        self._ends: deque[tuple[Reading, deque[bytes]]] = deque()
        self._bank_time: dt.datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether its next window cannot be read now, as far as is known."""
        return self.waiting.failure is not None or not self.waiting.answered

    def resume(self, waiting: Waiting) -> None:
        """Go on with the pause of the feed before, if that has one of its own."""
        self.waiting = waiting
        if waiting.alone:
            self._schedule.postpone(dt.timedelta(seconds=waiting.left))

    def turns(self) -> Iterator[Reading | None]:
        """Read window after window without end; a failed window is read again after a pause.

        Raises:
            PixstreamError: the stream has a gap that must not be skipped (`schedules.History`).
        """
        while True:
            window = self._schedule.next(dt.datetime.now(dt.UTC))
            if window is None:
                yield None
                continue
            try:
                yield from self._window(window)
            except Busy as error:
                self._again_after(error, dt.timedelta(seconds=error.seconds))
            except Transient as error:
                self._again_after(error, self._pause)
            except PixstreamError as error:
                self._again_after(error, max(self._pause, REFUSED_PAUSE), logging.ERROR)
            else:
                self.waiting.succeeded()
                yield self._end(window)

    def delivered(self, reading: Reading) -> None:
        """Note that Kafka has `reading`; a whole window's contents need not be read again."""
        if self._ends and self._ends[0][0] is reading:
            self._known.add(self._ends.popleft()[1])

    def _end(self, window: Window) -> Reading:
        """Return the reading that advances the position, once all pages of the window are read."""
        position = self._schedule.done(window, self._bank_time)
        reading = Reading(stream=self.stream, position=position, content=None)
        self._ends.append((reading, self._fresh))
        self._fresh = deque(maxlen=REMEMBERED)
        return reading

    def _window(self, window: Window) -> Iterator[Reading | None]:
        self._bank_time = None
        pieces = one_day_each(window) if self._query.one_day else [window]
        for index, piece in enumerate(pieces):
            number, last = 0, b""
            pages: int | None = None
            empty = False
            while True:
                try:
                    page = yield from self._page(piece, number, self._query.page_size)
                except Unreadable as error:
                    yield from self._set_aside(error, piece, (index, number))
                    # Without a count, two in a row say nothing of a third.
                    raw, empty = b"", number > 0 and last == b""
                else:
                    raw, pages = page.body.raw, page.pages
                    if raw == last:
                        break  # some banks return the same page for every number
                    yield from self._new(page)
                    empty = not page.items
                number += 1
                if number >= pages if pages is not None else empty:
                    break
                last = raw

    def _set_aside(
        self, error: Unreadable, window: Window, place: tuple[int, int]
    ) -> Iterator[Reading | None]:
        """Yield the answer as a dead letter, if the same page was unreadable again and again.

        The bank must answer for another window meanwhile: while it answers nothing but a notice or
        a proxy's error, the Pix of every window would be passed over.

        Raises:
            Unreadable: it is to be tried again.
        """
        if not self.waiting.stays_unreadable(error, place):
            raise error
        now = dt.datetime.now(dt.UTC)
        yield from self._page(Window(now - _PROBE, now), 0, 1)
        since, until = (when.isoformat(timespec="seconds") for when in window)
        where = f"page {place[1]} of {since} to {until}"
        refusal = Refusal(
            reason=error.reason, message=f"GET /pix: {where}: {error.why}", raw=error.raw
        )
        seen = digest(Refusal(reason=error.reason, message="", raw=error.raw))
        if seen not in self._read:
            self._read.add([seen])
            self._fresh.append(seen)
            log.error(
                "%s: %s; other pages are read. The answer is a dead letter: repair and replay it, "
                "or read that time again with a new name for the account",
                self.stream,
                refusal.message,
            )
            yield Reading(stream=self.stream, position=None, content=refusal)

    def _page(self, window: Window, number: int, size: int) -> Generator[None, None, Page]:
        query = self._query
        self.call = self._loop.create_task(
            self._client.page(window, number, size, returns=query.returns, headers=query.headers)
        )
        while not self.call.done():
            yield None
        call, self.call = self.call, None
        page = call.result()
        self.waiting.answered = True
        self._compare_clocks(page)
        return page

    def _compare_clocks(self, page: Page) -> None:
        """Keep the bank's time in the window's first answer; raise if it is far behind ours."""
        if self._bank_time is not None or page.at is None:
            return
        ahead = dt.datetime.now(dt.UTC) - page.at
        if ahead > CLOCKS_DIFFER:
            raise Transient(
                f"this machine's clock is {ahead.total_seconds():.0f} s ahead of the bank's: "
                "nothing is read until they agree, because Pix could be missed; correct the clock"
            )
        self._bank_time = page.at

    def _new(self, page: Page) -> Iterator[Reading]:
        """Yield the contents of a page not read recently: pages shift and windows overlap."""
        for content in api_pix.read(page.body, ispb=self._query.ispb):
            seen = digest(content)
            if seen not in self._read:
                self._read.add([seen])
                self._fresh.append(seen)
                yield Reading(stream=self.stream, position=None, content=content)

    def _again_after(
        self, error: PixstreamError, wait: dt.timedelta, level: int = logging.WARNING
    ) -> None:
        log.log(
            level,
            "%s: %s; the window is read again from the beginning in %.1f s",
            self.stream,
            error,
            wait.total_seconds(),
        )
        self.waiting.failed(error, wait.total_seconds())
        self._schedule.postpone(wait)


def run_calls(loop: asyncio.AbstractEventLoop, feeds: Sequence[Feed]) -> None:
    """Run the calls of the feeds for a moment.

    A failed feed waits on its own while others are read. If the bank does not answer any of them,
    the framework waits; a restart would not help where a person has to act, or where the bank said
    how long to wait.

    Raises:
        Transient: the bank answers no feed, and no call is in progress.
    """
    calls = [feed.call for feed in feeds if feed.call is not None]
    if feeds and not calls:
        _raise_common_failure(feeds)
    if calls:
        first = asyncio.FIRST_COMPLETED
        loop.run_until_complete(asyncio.wait(calls, timeout=_IDLE_SECONDS, return_when=first))
    else:
        time.sleep(_IDLE_SECONDS)


def _raise_common_failure(feeds: Sequence[Feed]) -> None:
    """Raise if no feed is answered; otherwise each feed waits on its own."""
    failures = [failure for feed in feeds if (failure := feed.waiting.failure) is not None]
    if len(failures) == len(feeds) and not any(feed.waiting.alone for feed in feeds):
        raise failures[0]


async def end_calls(client: BankClient, feeds: Sequence[Feed]) -> None:
    """Cancel the calls in progress and close the connections."""
    calls = [feed.call for feed in feeds if feed.call is not None]
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await client.aclose()
