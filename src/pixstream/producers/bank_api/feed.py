"""One stream of an account at a bank: its windows, their pages, and what is new in them.

A feed takes turns with others in one thread: each turn gives a reading, or None while a call is
under way or nothing is due.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import PixstreamError, Transient
from pixstream.formats import api_pix
from pixstream.plugins.producer import Reading
from pixstream.producers.bank_api.answers import Busy
from pixstream.producers.bank_api.schedules import CLOCKS_DIFFER
from pixstream.producers.bank_api.windows import Recent, digest, one_day_each

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from pixstream.plugins.producer import Stream
    from pixstream.producers.bank_api.client import BankClient
    from pixstream.producers.bank_api.pages import Page
    from pixstream.producers.bank_api.schedules import Schedule
    from pixstream.producers.bank_api.windows import Window

log = logging.getLogger("pixstream.producers.bank_api.feed")

_IDLE_SECONDS = 0.05
REFUSED_PAUSE = dt.timedelta(minutes=5)
"""Before a bank is asked again that refused: a person has to mend something, and may meanwhile."""

REMEMBERED = 200_000
"""Hashes kept per stream, about 30 MB: a day of a large merchant's account."""


class Query(NamedTuple):
    """What is the same in every call of a feed.

    Attributes:
        returns: only Pix with returns.
        page_size: Pix asked for in one call.
        one_day: no call crosses midnight in Brasília.
        headers: the account's.
        ispb: of the bank that keeps the account.
    """

    returns: bool
    page_size: int
    one_day: bool
    headers: Mapping[str, str]
    ispb: str | None


class Feed:
    """A stream that is read.

    Args:
        stream: its name.
        schedule: which windows it reads.
        query: what it asks for.
        client: whom it asks.
        loop: runs the calls; whoever takes the turns runs the loop.
        pause: before a failed window is tried again, unless the bank says how long.
        known: what was delivered before; grows with `delivered`, and outlives the feed.

    Attributes:
        call: the call under way.
        failure: why the last try failed; None when it did not. The bank refuses, for a reason
            that waiting does not cure, unless it is Transient.
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
        self.failure: PixstreamError | None = None
        self._schedule = schedule
        self._query = query
        self._client = client
        self._loop = loop
        self._pause = pause
        self._known = known
        self._read = Recent(REMEMBERED, known)
        self._fresh: deque[bytes] = deque(maxlen=REMEMBERED)
        self._ends: deque[tuple[Reading, deque[bytes]]] = deque()
        self._told: dt.datetime | None = None

    def turns(self) -> Iterator[Reading | None]:
        """Read window after window, for ever; one that fails is read again after a pause.

        Raises:
            PixstreamError: what the stream misses is not to be skipped (see `schedules.History`).
        """
        while True:
            window = self._schedule.next(dt.datetime.now(dt.UTC))
            if window is None:
                yield None
                continue
            try:
                yield from self._window(window)
            except Busy as error:
                self.failure = error
                self._again_after(error, dt.timedelta(seconds=error.seconds))
            except Transient as error:
                self.failure = error
                self._again_after(error, self._pause)
            except PixstreamError as error:
                self.failure = error
                self._again_after(error, max(self._pause, REFUSED_PAUSE), logging.ERROR)
            else:
                self.failure = None
                yield self._end(window)

    def delivered(self, reading: Reading) -> None:
        """Kafka holds `reading`; at the end of a window its content need not be read again."""
        if self._ends and self._ends[0][0] is reading:
            self._known.add(self._ends.popleft()[1])

    def _end(self, window: Window) -> Reading:
        """The reading that moves the position, now that every page of the window was read."""
        position = self._schedule.done(window, self._told)
        reading = Reading(stream=self.stream, position=position, content=None)
        self._ends.append((reading, self._fresh))
        self._fresh = deque(maxlen=REMEMBERED)
        return reading

    def _window(self, window: Window) -> Iterator[Reading | None]:
        self._told = None
        for piece in one_day_each(window) if self._query.one_day else [window]:
            number, last = 0, b""
            while True:
                page = yield from self._page(piece, number)
                if page.body.raw == last:
                    break  # a bank that gives the same page for every number
                yield from self._new(page)
                number += 1
                if number >= page.pages if page.pages is not None else not page.items:
                    break
                last = page.body.raw

    def _page(self, window: Window, number: int) -> Generator[None, None, Page]:
        query = self._query
        self.call = self._loop.create_task(
            self._client.page(
                window, number, query.page_size, returns=query.returns, headers=query.headers
            )
        )
        while not self.call.done():
            yield None
        call, self.call = self.call, None
        page = call.result()
        self._compare_clocks(page)
        return page

    def _compare_clocks(self, page: Page) -> None:
        """Keep the bank's time of the window's first answer; refuse one far behind ours."""
        if self._told is not None or page.at is None:
            return
        ahead = dt.datetime.now(dt.UTC) - page.at
        if ahead > CLOCKS_DIFFER:
            raise Transient(
                f"this machine's clock is {ahead.total_seconds():.0f} s ahead of the bank's: "
                "nothing is read until they agree, or what comes meanwhile would be missed"
            )
        self._told = page.at

    def _new(self, page: Page) -> Iterator[Reading]:
        """What a page holds and was not read lately: pages shift and windows overlap."""
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
            "%s: %s; its window is read again from the beginning in %.1f s",
            self.stream,
            error,
            wait.total_seconds(),
        )
        self._schedule.postpone(wait)


def run_calls(loop: asyncio.AbstractEventLoop, feeds: Sequence[Feed]) -> None:
    """Let the calls of feeds that take turns go on for a moment.

    A feed that failed waits by itself while others are read. When all have failed it is for the
    framework to wait, or to stop where all are refused.

    Raises:
        Transient: every feed failed, and no call is under way.
        PixstreamError: every feed is refused.
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
    """Raise if all feeds failed in one way; whatever else there is, each waits for itself."""
    failures = {feed.stream: feed.failure for feed in feeds if feed.failure is not None}
    if len(failures) < len(feeds):
        return
    stream, failure = next(iter(failures.items()))
    if any(isinstance(f, Busy) for f in failures.values()):
        return  # read anew, it would not be left alone for as long as the bank asks
    refusals = [f for f in failures.values() if not isinstance(f, Transient)]
    if not refusals:
        raise failure
    if len(refusals) == len(feeds):
        others = "; every other stream is refused too" if len(feeds) > 1 else ""
        raise PixstreamError(f"{stream}: {failure}{others}")


async def end_calls(client: BankClient, feeds: Sequence[Feed]) -> None:
    """End the calls under way and the connections."""
    calls = [feed.call for feed in feeds if feed.call is not None]
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await client.aclose()
