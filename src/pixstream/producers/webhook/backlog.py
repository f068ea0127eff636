"""A bounded backlog of request bodies between the HTTP server and the thread that commits them.

The bytes of a body count from their arrival until the consuming thread has finished with it, even
if its sender got an answer or disconnected earlier: a body in progress is still in memory. A body
that is not taken yet is dropped when its sender disconnects. The backlog limits the number of
complete bodies, the bytes of all, and the time that the oldest may wait before new bodies are
rejected. Every complete body is therefore answered soon.

An incomplete body reserves nothing: whoever announces bytes and does not send them takes no room
from others. If the bytes that did arrive leave no room, the body that has been incomplete for the
longest gives way, unless it has only just begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


GRACE_SECONDS = 1.0
"""A body that has been incomplete for less than this does not give way."""


class Limits(NamedTuple):
    """The limits that a webhook imposes on its senders.

    Attributes:
        body_bytes: longest body; a longer one is answered 413.
        waiting: most complete bodies, queued or committed; one more is answered 503.
        answer_seconds: longest time from the first byte of a body to its answer; after it the
            answer is 503.
        held_bytes: most bytes of all bodies together, as received; a body that would exceed it, or
            announces that it will, is answered 503.
        patience_seconds: while a complete body waits longer, every new one is answered 503, and so
            is one that has waited for so long without being taken.
    """

    body_bytes: int
    waiting: int
    answer_seconds: float
    held_bytes: int = 64 * 2**20
    patience_seconds: float = 5.0


class PendingBody:
    """An admitted body.

    Attributes:
        place: path below the webhook's own, without slashes: empty, or one of its places.
        raw: the body, once it is complete.
        traceparent: header of the request; None: it has none.
        answered: whether its sender gets 200 (true) or 503 (false); set once.
        give_way: called in the server's thread to end the reading of an incomplete body.
    """

    def __init__(self, room: Backlog, place: str, since: float) -> None:
        self.place = place
        self.raw = b""
        self.traceparent: str | None = None
        self.size = 0
        self.since = since
        self.give_way: Callable[[], None] = lambda: None
        self.complete_since: float | None = None
        self.taken = False
        self._room = room
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[bool] = self._loop.create_future()

    def answer(self, *, safe: bool) -> None:
        """Finish the body and answer 200 or 503, from any thread; only the first answer counts."""
        self._room.done(self)
        # A closed loop has answered every request: no sender waits any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.settle, safe)

    def settle(self, safe: bool) -> None:  # noqa: FBT001  called by the event loop
        """Set the answer, in the server's thread."""
        if not self.answered.done():
            self.answered.set_result(safe)
            self.give_way()


class Backlog:
    """The admitted bodies; the server's thread adds and drops them, another thread takes them.

    Args:
        limits: the limits of the backlog.
        clock: monotonic clock, in seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._held: set[PendingBody] = set()
        self._incomplete: dict[PendingBody, None] = {}
        self._bytes = 0
        self._queue: deque[PendingBody] = deque()
        self._changed = threading.Condition()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the backlog rejects every new body."""
        return self._closed

    @property
    def bodies(self) -> int:
        """Number of complete bodies that are not finished with."""
        return len(self._held)

    @property
    def incomplete(self) -> int:
        """Number of bodies that are being read."""
        return len(self._incomplete)

    @property
    def size(self) -> int:
        """Bytes of all bodies, as received."""
        return self._bytes

    @property
    def queued(self) -> int:
        """Number of complete bodies that wait to be taken."""
        return len(self._queue)

    @property
    def takes(self) -> bool:
        """Whether a new small body would be admitted now."""
        with self._changed:
            return self._admits()

    def open(self) -> None:
        """Admit bodies from now on."""
        with self._changed:
            self._closed = False

    def enter(self, place: str, announced: int) -> PendingBody | None:
        """Admit a body of the announced size (0: unknown); None: there is no room now."""
        with self._changed:
            if not (self._admits() and self._give_way(announced)):
                return None
            delivery = PendingBody(self, place, self._clock())
            self._incomplete[delivery] = None
            return delivery

    def grow(self, delivery: PendingBody, size: int) -> bool:
        """Note that a body has grown to `size` bytes; False: there is no room for them."""
        with self._changed:
            more = size - delivery.size
            if delivery not in self._incomplete or not self._give_way(more, delivery):
                return False
            delivery.size = size
            self._bytes += more
            return True

    def offer(self, delivery: PendingBody, raw: bytes) -> bool:
        """Queue a complete body, to be taken; False: there is no room for it any more."""
        with self._changed:
            if delivery not in self._incomplete or len(self._held) >= self._limits.waiting:
                return False
            del self._incomplete[delivery]
            self._held.add(delivery)
            delivery.give_way = lambda: None
            delivery.raw = raw
            delivery.complete_since = self._clock()
            self._queue.append(delivery)
            self._changed.notify()
            return True

    def take(self, timeout: float) -> PendingBody | None:
        """Take the next queued body; None after `timeout` seconds."""
        with self._changed:
            if not self._queue:
                self._changed.wait(timeout)
            if not self._queue:
                return None
            delivery = self._queue.popleft()
            delivery.taken = True
            return delivery

    def leave(self, delivery: PendingBody) -> None:
        """Drop a body whose sender got an answer or disconnected, unless it has been taken."""
        with self._changed:
            delivery.give_way = lambda: None
            if not delivery.taken:
                with contextlib.suppress(ValueError):
                    self._queue.remove(delivery)
                self._let_go(delivery)

    def done(self, delivery: PendingBody) -> None:
        """Drop a body that the consuming thread has finished with."""
        with self._changed:
            self._let_go(delivery)

    def close(self) -> None:
        """Reject new bodies until `open`, and answer 503 to every sender that waits."""
        with self._changed:
            self._closed = True
            held = [*self._held, *self._incomplete]
        for delivery in held:
            delivery.answer(safe=False)

    def _let_go(self, delivery: PendingBody) -> None:
        if delivery in self._held or delivery in self._incomplete:
            self._held.discard(delivery)
            self._incomplete.pop(delivery, None)
            self._bytes -= delivery.size
            delivery.raw = b""

    def _admits(self) -> bool:
        full = len(self._held) >= self._limits.waiting
        return not (self._closed or full or self._is_late())

    def _give_way(self, more: int, but: PendingBody | None = None) -> bool:
        """Let incomplete bodies go until `more` bytes fit; return whether they do."""
        young = self._clock() - GRACE_SECONDS
        while not self._fits(more):
            oldest = next((body for body in self._incomplete if body is not but), None)
            if oldest is None or oldest.since > young:
                return False
            self._let_go(oldest)
            oldest.give_way()
        return True

    def _fits(self, more: int) -> bool:
        return self._bytes + more <= self._limits.held_bytes

    def _is_late(self) -> bool:
        """Whether the oldest complete body has waited longer than `patience_seconds`."""
        oldest = min((d.complete_since for d in self._held if d.complete_since), default=None)
        patience = self._limits.patience_seconds
        return oldest is not None and self._clock() - oldest > patience
