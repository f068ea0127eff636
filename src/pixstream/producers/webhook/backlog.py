"""Bodies between the server that receives them and the thread that makes them safe, within bounds.

A body counts from the moment it is let in until its taker has done with it, also when its sender
was answered or went away before: what the taker still works on is still in memory. One that nobody
has taken yet is let go with its sender. Bounded are their number, the bytes they hold, and how long
the oldest may wait before nobody else is let in, so that who is let in is answered soon.
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


class Limits(NamedTuple):
    """What senders cannot exceed.

    Attributes:
        body_bytes: of one body; a longer one is answered 413.
        waiting: bodies that are being read, wait, or are being made safe; one more is answered 503.
        answer_seconds: from the first byte of a body to its answer; then it is answered 503.
        held_bytes: of all these bodies together, as announced or as they come; what would exceed
            it is answered 503.
        patience_seconds: while a complete body waits for longer, every further one is answered 503.
    """

    body_bytes: int
    waiting: int
    answer_seconds: float
    held_bytes: int = 64 * 2**20
    patience_seconds: float = 5.0


class PendingBody:
    """A body that is let in.

    Attributes:
        place: the path below the intake's own, without slashes: empty, or one of its places.
        raw: the body, once it is complete.
        answered: what its sender is told, set once.
    """

    def __init__(self, room: Backlog, place: str, size: int) -> None:
        self.place = place
        self.raw = b""
        self.size = size
        self.complete_since: float | None = None
        self.taken = False
        self._room = room
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[bool] = self._loop.create_future()

    def answer(self, *, safe: bool) -> None:
        """Answer 200 or 503, from any thread: its taker has done with it; the first word counts."""
        self._room.done(self)
        # A closed loop has answered everything, nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.settle, safe)

    def settle(self, safe: bool) -> None:  # noqa: FBT001  called by the event loop
        """Set the answer, in the server's own thread."""
        if not self.answered.done():
            self.answered.set_result(safe)


class Backlog:
    """Holds deliveries; the server's thread lets in and lets go, another one takes.

    Args:
        limits: see there.
        clock: seconds that never go back.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._held: set[PendingBody] = set()
        self._bytes = 0
        self._queue: deque[PendingBody] = deque()
        self._changed = threading.Condition()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closed

    @property
    def bodies(self) -> int:
        """How many are held."""
        return len(self._held)

    @property
    def size(self) -> int:
        """How many bytes they hold, or have announced."""
        return self._bytes

    @property
    def queued(self) -> int:
        """How many wait to be taken."""
        return len(self._queue)

    def enter(self, place: str, announced: int) -> PendingBody | None:
        """Let a body of so many bytes in (0: unknown yet); None: there is no room now."""
        with self._changed:
            full = len(self._held) >= self._limits.waiting
            if self._closed or full or not self._fits(announced) or self._is_late():
                return None
            delivery = PendingBody(self, place, announced)
            self._held.add(delivery)
            self._bytes += announced
            return delivery

    def grow(self, delivery: PendingBody, size: int) -> bool:
        """Make room for a body that has come to `size` bytes; False: there is none."""
        with self._changed:
            more = size - delivery.size
            if more > 0:
                if delivery in self._held and not self._fits(more):
                    return False
                delivery.size += more
                self._bytes += more
            return True

    def offer(self, delivery: PendingBody, raw: bytes) -> None:
        """A body is complete: it waits to be taken."""
        with self._changed:
            delivery.raw = raw
            delivery.complete_since = self._clock()
            self._queue.append(delivery)
            self._changed.notify()
            if self._closed:
                delivery.settle(False)

    def take(self, timeout: float) -> PendingBody | None:
        """The next body that waits; None after `timeout` seconds."""
        with self._changed:
            if not self._queue:
                self._changed.wait(timeout)
            if not self._queue:
                return None
            delivery = self._queue.popleft()
            delivery.taken = True
            return delivery

    def leave(self, delivery: PendingBody) -> None:
        """Its sender was answered or went away: it is let go, unless somebody works on it."""
        with self._changed:
            if not delivery.taken:
                with contextlib.suppress(ValueError):
                    self._queue.remove(delivery)
                self._let_go(delivery)

    def done(self, delivery: PendingBody) -> None:
        """Its taker has done with it."""
        with self._changed:
            self._let_go(delivery)

    def close(self) -> None:
        """Let nobody in any more, and answer 503 to whoever waits."""
        with self._changed:
            self._closed = True
            held = list(self._held)
        for delivery in held:
            delivery.answer(safe=False)

    def _let_go(self, delivery: PendingBody) -> None:
        if delivery in self._held:
            self._held.remove(delivery)
            self._bytes -= delivery.size
            delivery.raw = b""

    def _fits(self, more: int) -> bool:
        return self._bytes + more <= self._limits.held_bytes

    def _is_late(self) -> bool:
        """Whether a body waits for longer than others should be made to wait."""
        oldest = min((d.complete_since for d in self._held if d.complete_since), default=None)
        patience = self._limits.patience_seconds
        return oldest is not None and self._clock() - oldest > patience
