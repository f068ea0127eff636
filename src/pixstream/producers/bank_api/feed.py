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
"""Pause before asking a bank again that refused: a person has to fix something meanwhile."""

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
        failure: why the last attempt failed; None if it did not. Unless it is Transient, the bank
            refuses, and waiting does not help.
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
        self._bank_time: dt.datetime | None = None

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
        for piece in one_day_each(window) if self._query.one_day else [window]:
            number, last = 0, b""
            while True:
                page = yield from self._page(piece, number)
                if page.body.raw == last:
                    break  # some banks return the same page for every number
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
        self._schedule.postpone(wait)


def run_calls(loop: asyncio.AbstractEventLoop, feeds: Sequence[Feed]) -> None:
    """Run the calls of the feeds for a moment.

    A failed feed waits on its own while others are read. If all have failed, the framework waits,
    or stops if the bank refuses all of them.

    Raises:
        Transient: every feed failed, and no call is in progress.
        PixstreamError: the bank refuses every feed.
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
    """Raise if all feeds failed in the same way; otherwise each feed waits on its own."""
    failures = {feed.stream: feed.failure for feed in feeds if feed.failure is not None}
    if len(failures) < len(feeds):
        return
    stream, failure = next(iter(failures.items()))
    if any(isinstance(f, Busy) for f in failures.values()):
        return  # a restart would not wait as long as the bank asks
    refusals = [f for f in failures.values() if not isinstance(f, Transient)]
    if not refusals:
        raise failure
    if len(refusals) == len(feeds):
        others = "; the bank refuses every other stream too" if len(feeds) > 1 else ""
        raise PixstreamError(f"{stream}: {failure}{others}")


async def end_calls(client: BankClient, feeds: Sequence[Feed]) -> None:
    """Cancel the calls in progress and close the connections."""
    calls = [feed.call for feed in feeds if feed.call is not None]
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await client.aclose()
