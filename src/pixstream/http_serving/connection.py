"""One HTTP connection, which knows what it waits for: uvicorn limits only the idle time."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.http_serving.limits import ConnectionLimits

_LEAST_BYTES = 16 * 1024
"""A client reads its answer if it takes this much of it in `write_seconds`, or the rest."""


class Phase(enum.Enum):
    """What a connection waits for."""

    HEAD = "the handshake, or the headers of a request"
    BODY = "the body of a request"
    ANSWER = "the application"
    WRITE = "its client to read the answer"
    IDLE = "its next request"


class Connection(H11Protocol):
    """A connection of the server; only `Door` makes it, and looks at it now and then.

    Attributes:
        on_served: called when a request has been answered.
        on_pipelined: called when it is ended because a request came before the answer to the last.
        on_lost: called when the connection has ended.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_served: Callable[[], None] = lambda: None
        self.on_pipelined: Callable[[], None] = lambda: None
        self.on_lost: Callable[[], None] = lambda: None
        self._seen: tuple[Phase, object] | None = None
        self._since = 0.0
        self._unread = 0

    @property
    def phase(self) -> Phase:
        """What it waits for now."""
        if self.transport.get_write_buffer_size():
            return Phase.WRITE
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.BODY
        if self.cycle is not None and not self.cycle.response_complete:
            return Phase.ANSWER
        if self.cycle is None or self.conn.trailing_data[0]:
            return Phase.HEAD
        return Phase.IDLE

    def overdue(self, limits: ConnectionLimits, now: float) -> Phase | None:
        """Return the phase that lasts longer than its limit, as far as it was seen; None: none.

        uvicorn itself limits how long a connection is idle.
        """
        phase = self.phase
        unread = self.transport.get_write_buffer_size()
        reads = unread > self._unread or unread <= self._unread - _LEAST_BYTES
        if (phase, self.cycle) != self._seen or (phase is Phase.WRITE and reads):
            self._seen, self._since, self._unread = (phase, self.cycle), now, unread
            return None
        longest = {
            Phase.HEAD: limits.head_seconds,
            Phase.BODY: limits.body_seconds,
            Phase.WRITE: limits.write_seconds,
        }.get(phase)
        return phase if longest is not None and now - self._since > longest else None

    def on_response_complete(self) -> None:
        """Tell that a request has been answered, and end the connection if the next came too early.

        Whoever sends requests without reading the answers would be served for as long as he likes.
        """
        if self.conn.their_state is h11.DONE and self.conn.trailing_data[0].strip():
            self.transport.close()
            self.on_pipelined()
        super().on_response_complete()
        self.on_served()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the connection has ended."""
        super().connection_lost(exc)
        self.on_lost()

    def abort(self) -> None:
        """End the connection at once."""
        self.transport.abort()
