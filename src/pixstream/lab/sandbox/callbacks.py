"""The bank's callbacks: every body is posted until the webhook answers 200; none is lost.

Single Pix of a key are collected for a moment and posted as one body, as API Pix allows. A refused
body waits longer after each attempt, while others overtake it.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections import Counter
from itertools import count
from threading import Condition, Thread
from typing import TYPE_CHECKING, NamedTuple

import httpx2

if TYPE_CHECKING:
    import ssl

logger = logging.getLogger(__name__)

LARGEST_BODY = 50
"""Most Pix of one key in one body."""


class _Job(NamedTuple):
    """A body to post; the heap orders by `due`, then by `number`."""

    due: float
    number: int
    url: str
    body: bytes
    attempts: int


class _Gathering(NamedTuple):
    """Pix of one key that are being collected into a body."""

    due: float
    url: str
    elements: list[bytes]


class Callbacks:
    """An engine that posts bodies with a few threads over kept-alive connections.

    Args:
        workers: most concurrent posts.
        linger_seconds: how long Pix of a key are collected.
        timeout_seconds: timeout of one answer.
        first_delay_seconds: pause before the second attempt; doubles with each attempt.
        longest_delay_seconds: upper limit of the pause.
        tls: context for https webhooks, with the bank's client certificate if they require one.
    """

    def __init__(
        self,
        *,
        workers: int = 8,
        linger_seconds: float = 0.02,
        timeout_seconds: float = 30.0,
        first_delay_seconds: float = 0.1,
        longest_delay_seconds: float = 5.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._workers = workers
        self._linger = linger_seconds
        self._delays = (first_delay_seconds, longest_delay_seconds)
        self._client = httpx2.Client(
            timeout=timeout_seconds,
            verify=tls or True,
            limits=httpx2.Limits(max_connections=workers, max_keepalive_connections=workers),
            trust_env=False,
        )
        self._changed = Condition()
        self._jobs: list[_Job] = []
        self._gatherings: dict[str, _Gathering] = {}
        self._numbers = count()
        self._pending = 0
        self._stopping = False
        self._threads: list[Thread] = []
        self._counts: Counter[str] = Counter()

    def start(self) -> None:
        """Start posting; bodies sent before wait for this."""
        self._threads = [
            Thread(target=self._work, name=f"callbacks-{n}", daemon=True)
            for n in range(self._workers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop after the posts in progress; pending bodies stay pending and counted."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def send(self, url: str, body: bytes) -> None:
        """Post `body` unchanged to `url` until it answers 200."""
        with self._changed:
            self._push(url, body)

    def notify(self, key: str, url: str, pix: bytes) -> None:
        """Post one Pix of `key`, together with others of the same time."""
        with self._changed:
            gathering = self._gatherings.get(key)
            if gathering is None:
                gathering = _Gathering(time.monotonic() + self._linger, url, [])
                self._gatherings[key] = gathering
                self._changed.notify()
            gathering.elements.append(pix)
            if len(gathering.elements) >= LARGEST_BODY:
                self._close(key)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait until nothing is pending; False if that takes too long."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._pending and not self._gatherings, timeout_seconds
            )

    def stats(self) -> dict[str, int]:
        """Return the numbers of sent, acknowledged and pending bodies, attempts and failures."""
        with self._changed:
            names = ("sent", "acknowledged", "attempts", "failures")
            return {name: self._counts[name] for name in names} | {
                "pending": self._pending + len(self._gatherings)
            }

    def _push(self, url: str, body: bytes) -> None:
        self._pending += 1
        self._counts["sent"] += 1
        heapq.heappush(self._jobs, _Job(time.monotonic(), next(self._numbers), url, body, 0))
        self._changed.notify()

    def _close(self, key: str) -> None:
        gathering = self._gatherings.pop(key)
        self._push(gathering.url, b'{"pix":[' + b",".join(gathering.elements) + b"]}")

    def _work(self) -> None:
        while (job := self._take()) is not None:
            acknowledged = self._post(job)
            with self._changed:
                self._counts["attempts"] += 1
                if acknowledged:
                    self._counts["acknowledged"] += 1
                    self._pending -= 1
                    self._changed.notify_all()
                else:
                    self._counts["failures"] += 1
                    self._retry(job)

    def _retry(self, job: _Job) -> None:
        first, longest = self._delays
        delay = min(longest, first * 2 ** min(job.attempts, 20))
        later = job._replace(due=time.monotonic() + delay, attempts=job.attempts + 1)
        heapq.heappush(self._jobs, later)
        self._changed.notify()

    def _take(self) -> _Job | None:
        """Wait for the next body that is due; None at the end."""
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                for key in [k for k, g in self._gatherings.items() if g.due <= now]:
                    self._close(key)
                if self._jobs and self._jobs[0].due <= now:
                    return heapq.heappop(self._jobs)
                dues = [g.due for g in self._gatherings.values()]
                dues += [self._jobs[0].due] if self._jobs else []
                self._changed.wait(max(0.0, min(dues) - now) if dues else None)
            return None

    def _post(self, job: _Job) -> bool:
        try:
            answer = self._client.post(
                job.url, content=job.body, headers={"Content-Type": "application/json"}
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            logger.info("callback not delivered (%s); it is retried", type(error).__name__)
            return False
        if answer.status_code != httpx2.codes.OK:
            logger.info("webhook answered %d; the callback is retried", answer.status_code)
            return False
        return True
