"""Accepts the connections of a listener, and keeps their number and their waiting within limits.

asyncio's own server accepts without a limit until the process has no file left, counts no refused
TLS handshake, and then logs thousands of lines. uvicorn counts a connection only once its request
has been read.

When there is no room, a new connection takes the place of the one that has waited longest for its
client: senders of whole requests wait for milliseconds, so that those who only hold connections
open lose theirs. Those that have been served may wait ten times as long. A connection whose request
is being answered is never closed. If all are, nothing is accepted until one has ended, and new ones
wait in the kernel's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import ssl
import termios
import time
from array import array
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from pixstream.http_serving.connection import Phase
from pixstream.http_serving.limits import is_allowed, neighbours
from pixstream.http_serving.tally import Tally
from pixstream.metrics import Counter, Counts, Gauge

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from pixstream.http_serving.connection import Connection
    from pixstream.http_serving.limits import Terms

    _Made: TypeAlias = asyncio.Task[tuple[asyncio.Transport, Connection]]

log = logging.getLogger("pixstream.listener")

OPEN = Gauge("pix_connections", "Open connections of a listener")
CLOSED = Counter(
    "pix_closed_connections_total",
    "Connections that a listener refused or cut off: TLS handshake refused (tls), not in "
    "allow_from (stranger), too many of one address (address) or in all (crowded), no open files "
    "left (files), headers (head), body or reading of the answer (write) too late, or a request "
    "before the answer to the last one (pipelined)",
    ("reason",),
    short="closed",
)
TLS = CLOSED.of(reason="tls")
STRANGER = CLOSED.of(reason="stranger")
ADDRESS = CLOSED.of(reason="address")
CROWDED = CLOSED.of(reason="crowded")
FILES = CLOSED.of(reason="files")
HEAD = CLOSED.of(reason="head")
BODY = CLOSED.of(reason="body")
WRITE = CLOSED.of(reason="write")
PIPELINED = CLOSED.of(reason="pipelined")

_LATE = {Phase.HEAD: HEAD, Phase.BODY: BODY, Phase.WRITE: WRITE}
_ADVICE = {
    TLS: "TLS handshake refused",
    STRANGER: "its address is not in allow_from",
    ADDRESS: "too many of one address (connections.per_address); behind a proxy raise that",
    CROWDED: "too many at once (connections.most)",
    FILES: "this process has no open files left; raise its limit (ulimit -n, LimitNOFILE)",
    HEAD: "the handshake or the headers were not complete in connections.head_seconds",
    BODY: "the body was not complete in connections.body_seconds",
    WRITE: "nothing of the answer was read in connections.write_seconds",
    PIPELINED: "it sent a request before it had the answer to the last one",
}
METRICS = (OPEN, *_ADVICE)

_AT_ONCE = 64
"""Connections accepted in one go."""

_PAUSE_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_TLS_END_SECONDS = 5.0
_SERVED, _BODY = 0.1, 0.5
"""How much the waiting counts of a connection that has been served, or whose body is being read."""

_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class _Guest:
    """An accepted connection: its handshake, then its protocol."""

    def __init__(self, address: str, client: socket.socket) -> None:
        self.address = address
        self.client = client
        self.since = time.monotonic()
        """When it came, or was served last."""

        self.served = False
        self.connection: Connection | None = None
        self.handshake: _Made | None = None

    @property
    def phase(self) -> Phase:
        return Phase.HEAD if self.connection is None else self.connection.phase

    def may_end(self) -> bool:
        """Return whether it waits for its client, and nothing that has come waits to be read."""
        return self.phase is not Phase.ANSWER and not self._unread()

    def _unread(self) -> bool:
        """Return whether bytes have come that a busy event loop has not read yet."""
        number = array("i", [0])
        with contextlib.suppress(OSError, ValueError):  # it has just been closed
            fcntl.ioctl(self.client.fileno(), termios.FIONREAD, number)
        return bool(number[0])

    def waited(self, now: float) -> float:
        """Return how long it has waited for its client, s, weighted."""
        weight = _BODY if self.phase is Phase.BODY else _SERVED if self.served else 1.0
        return (now - self.since) * weight

    def end(self) -> None:
        """End it at once."""
        if self.connection is not None:
            self.connection.abort()
        elif self.handshake is not None:
            self.handshake.cancel()


class _Queue:
    """Connections in the order in which they came, and those that were served in that order."""

    def __init__(self) -> None:
        self._new: dict[_Guest, None] = {}
        self._served: dict[_Guest, None] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._served)

    def __iter__(self) -> Iterator[_Guest]:
        yield from self._new
        yield from self._served

    def add(self, guest: _Guest) -> None:
        """Put it last."""
        (self._served if guest.served else self._new)[guest] = None

    def drop(self, guest: _Guest) -> bool:
        """Take it out; return whether it was in."""
        queue = self._served if guest.served else self._new
        found = guest in queue
        queue.pop(guest, None)
        return found

    def longest_waiting(self) -> _Guest | None:
        """Return the connection that has waited longest for its client; None: none may be closed.

        Only the first of either kind is looked at: a flood must cost little.
        """
        now = time.monotonic()
        found = (next(filter(_Guest.may_end, queue), None) for queue in (self._new, self._served))
        return max(
            (guest for guest in found if guest is not None),
            key=lambda guest: guest.waited(now),
            default=None,
        )


class Door:
    """Accepts connections from `open` to `close`; used in the thread of its event loop.

    uvicorn closes it like a server of asyncio.

    Args:
        listening: the listening socket.
        make: makes the protocol of a connection.
        terms: which connections, how many, and how long.
        counts: the values of `METRICS`.
    """

    def __init__(
        self,
        listening: socket.socket,
        make: Callable[[], Connection],
        terms: Terms,
        counts: Counts,
    ) -> None:
        self._socket = listening
        self._make = make
        self._limits = terms.limits
        self._most = terms.limits.within_files()
        self._allowed = terms.allowed
        self._tls = terms.tls
        self._counts = counts
        self._tally = Tally(counts, log, ("connection closed", "connections closed"), _ADVICE)
        self._guests = _Queue()
        self._of: defaultdict[str, _Queue] = defaultdict(_Queue)
        self._loop = asyncio.get_running_loop()
        self._accepting = False
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def full(self) -> bool:
        """Whether it accepts nothing now, because every place is busy or no file is left."""
        return "resume" in self._timers

    def open(self) -> None:
        """Accept from now on."""
        self._socket.setblocking(False)
        self._accepting = True
        self._loop.add_reader(self._socket, self._accept)
        self._look()

    def close(self) -> None:
        """Accept nothing more; open connections go on."""
        self._accepting = False
        self._loop.remove_reader(self._socket)
        for timer in self._timers.values():
            timer.cancel()
        for guest in list(self._guests):
            if guest.connection is None:
                guest.end()

    async def wait_closed(self) -> None:
        """Return at once: uvicorn itself waits for its connections."""

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            full = len(self._guests) >= self._most
            leaves = self._guests.longest_waiting() if full else None
            if full and leaves is None:
                self._pause()
                return
            try:
                connection, place = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_FILES:
                    raise
                self._tally.add(FILES)
                self._end(self._guests.longest_waiting())
                self._pause()
                return
            if leaves is not None:
                self._tally.add(CROWDED)
                self._end(leaves)
            self._admit(connection, place[0])

    def _admit(self, connection: socket.socket, address: str) -> None:
        if not is_allowed(address, self._allowed):
            self._tally.add(STRANGER)
            connection.close()
            return
        guest = _Guest(neighbours(address), connection)
        own = self._of[guest.address]
        if len(own) >= self._limits.per_address:
            self._tally.add(ADDRESS)
            leaves = own.longest_waiting()
            if leaves is None:
                connection.close()
                return
            self._end(leaves)
            own = self._of[guest.address]
        self._guests.add(guest)
        own.add(guest)
        self._counts.set(OPEN, len(self._guests))
        connection.setblocking(False)
        welcoming = self._loop.connect_accepted_socket(
            self._make,
            connection,
            ssl=self._tls,
            ssl_handshake_timeout=self._limits.head_seconds if self._tls else None,
            ssl_shutdown_timeout=_TLS_END_SECONDS if self._tls else None,
        )
        guest.handshake = self._loop.create_task(welcoming)
        guest.handshake.add_done_callback(partial(self._welcomed, guest, connection))

    def _welcomed(self, guest: _Guest, connection: socket.socket, made: _Made) -> None:
        """Note the protocol of a connection, or why its TLS handshake failed."""
        guest.handshake = None
        error = None if made.cancelled() else made.exception()
        if error is None and not made.cancelled():
            transport, guest.connection = made.result()
            guest.connection.on_lost = lambda: self._gone(guest)
            guest.connection.on_served = lambda: self._served(guest)
            guest.connection.on_pipelined = lambda: self._tally.add(PIPELINED)
            if transport.is_closing():
                self._gone(guest)
            return
        connection.close()
        self._gone(guest)
        if isinstance(error, ssl.SSLError):
            self._tally.add(TLS, f"TLS handshake refused ({error.reason or 'no TLS'})")
        elif isinstance(error, ConnectionAbortedError):  # asyncio: the handshake takes too long
            self._tally.add(HEAD)
        elif error is not None and not isinstance(error, OSError):
            raise error
        # Otherwise the client went away, as the checks of load balancers do.

    def _served(self, guest: _Guest) -> None:
        """Put it last among those that were served."""
        own = self._of[guest.address]
        if self._guests.drop(guest) and own.drop(guest):
            guest.served, guest.since = True, time.monotonic()
            self._guests.add(guest)
            own.add(guest)

    def _gone(self, guest: _Guest) -> None:
        own = self._of[guest.address]
        self._guests.drop(guest)
        own.drop(guest)
        if not own:
            del self._of[guest.address]
        self._counts.set(OPEN, len(self._guests))
        if self._accepting:
            self._resume()

    def _end(self, guest: _Guest | None) -> None:
        if guest is not None:
            guest.end()
            self._gone(guest)

    def _look(self) -> None:
        """Cut off those who are too late, now and every second."""
        now = time.monotonic()
        for guest in list(self._guests):
            late = guest.connection and guest.connection.overdue(self._limits, now)
            if late:
                self._tally.add(_LATE[late])
                guest.end()
        shortest = min(self._limits.head_seconds, self._limits.write_seconds, 2 * _LOOK_SECONDS)
        self._timers["look"] = self._loop.call_later(shortest / 2, self._look)

    def _pause(self) -> None:
        """Accept nothing until a connection has ended, or for a moment."""
        self._loop.remove_reader(self._socket)
        self._timers["resume"] = self._loop.call_later(_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        timer = self._timers.pop("resume", None)
        if timer is not None:
            timer.cancel()
            self._loop.add_reader(self._socket, self._accept)
