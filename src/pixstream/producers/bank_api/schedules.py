"""Schedules that choose the next time window of an API: following the present, sweeping the past.

Pauses use the monotonic clock. Windows use the time of this machine, which may be set back or
forward: a position does not advance past the source's own time, if the source reports it.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from pixstream.errors import PixstreamError
from pixstream.producers.bank_api.windows import Window

if TYPE_CHECKING:
    from pixstream.plugins.producer import Position

log = logging.getLogger("pixstream.producers.bank_api.schedules")

_HISTORY_SLACK = dt.timedelta(hours=1)
"""How long a window may be retried before Pix that left the source's history count as a gap."""

CLOCKS_DIFFER = dt.timedelta(hours=1)
"""A difference between clocks that is a fault, for a person to correct."""

RETURNS_COME = dt.timedelta(days=90)
"""Longest time between a Pix and its return (Banco Central)."""


class Schedule(Protocol):
    """The order in which a stream reads its windows."""

    def next(self, now: dt.datetime) -> Window | None:
        """Return the window to read now; None: nothing is due."""

    def done(self, window: Window, source_time: dt.datetime | None = None) -> Position:
        """Return the position after a window that was read completely.

        Args:
            window: the window that `next` returned.
            source_time: the source's own time when it began to answer; None: not reported.
        """

    def postpone(self, wait: dt.timedelta) -> None:
        """Make nothing due for this long."""


MetGap: TypeAlias = Callable[[Window], None]
"""Called with a window that the source no longer has; raises if it must not be skipped."""


class History(NamedTuple):
    """How far back the source lists, and the function that handles a gap before that."""

    reach: dt.timedelta
    met_gap: MetGap

    def since(self, wanted: dt.datetime, now: dt.datetime) -> dt.datetime:
        """Return the time at which reading can begin if it should begin at `wanted`."""
        first = now - self.reach
        if wanted >= first - _HISTORY_SLACK:
            return wanted
        self.met_gap(Window(wanted, first))
        return first


class _Pause:
    """A wait that does not change when the machine's time is set."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due = clock()

    def begin(self, wait: dt.timedelta) -> None:
        self._due = self._clock() + wait.total_seconds()

    def is_over(self) -> bool:
        return self._clock() >= self._due


class Follow:
    """Windows that follow the present; each begins a little before the end of the last one.

    Args:
        position: the current position, or None.
        start: beginning without a position.
        overlap: overlap of a window with the one before.
        span: longest window, longer than `overlap`.
        every: pause once the present is reached.
        history: how far back the source lists; None: without limit.
        clock: monotonic clock, in seconds.
    """

    def __init__(
        self,
        position: Position | None,
        *,
        start: dt.datetime,
        overlap: dt.timedelta,
        span: dt.timedelta,
        every: dt.timedelta,
        history: History | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._until = _read(position, _FollowPosition).until if position else start
        self._overlap = overlap
        self._span = span
        self._every = every
        self._history = history
        self._pause = _Pause(clock)
        self._present = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._warned = False

    @property
    def position(self) -> Position:
        """The current position."""
        return _write(_FollowPosition(until=self._until))

    @property
    def begins(self) -> dt.datetime:
        """The time up to which everything counts as read."""
        return self._until

    def next(self, now: dt.datetime) -> Window | None:
        """See `Schedule`. If the clock was set back, nothing is due until it catches up."""
        if now <= self._until:
            self._warn_ahead(now)
            return None
        if not self._pause.is_over():
            return None
        self._present = now
        start = self._until - self._overlap
        if self._history is not None:
            self._until = self._history.since(self._until, now)
            start = max(start, min(self._until, now - self._history.reach))
        return Window(start, min(now, start + self._span))

    def done(self, window: Window, source_time: dt.datetime | None = None) -> Position:
        """See `Schedule`. Times that the source's clock has not reached yet are read again."""
        until = window.end
        if source_time is not None and source_time < until - self._overlap:
            until = max(self._until, source_time)
        self._until = until
        if window.end >= self._present:
            self._pause.begin(self._every)
        return self.position

    def postpone(self, wait: dt.timedelta) -> None:
        """See `Schedule`."""
        self._pause.begin(wait)

    def _warn_ahead(self, now: dt.datetime) -> None:
        """Log once that the position is in the future: a clock is or was wrong."""
        if self._until - now > CLOCKS_DIFFER and not self._warned:
            self._warned = True
            log.error(
                "a position is at %s, which is in the future for this machine's clock: nothing is "
                "read until then. Correct the clock. If it is right now, it was wrong before: then "
                "read the Pix since that fault again, with a new name for the account and a "
                "`start` before the fault",
                self._until.isoformat(timespec="seconds"),
            )


class Sweep:
    """Windows over the last `reach`, swept repeatedly; an interrupted sweep resumes.

    After a long downtime a sweep reaches back further, to cover the changes since: to
    `RETURNS_COME` before the end of the last sweep, unless `reach` itself is less.

    Args:
        position: the current position, or None.
        reach: how far back a sweep begins.
        span: longest window.
        every: time between the starts of two sweeps.
        history: how far back the source lists; None: without limit.
        clock: monotonic clock, in seconds.
    """

    def __init__(
        self,
        position: Position | None,
        *,
        reach: dt.timedelta,
        span: dt.timedelta,
        every: dt.timedelta,
        history: History | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at = _read(position, _SweepPosition) if position else None
        self._reach = reach
        self._span = span
        self._every = every
        self._history = history
        self._pause = _Pause(clock)

    def next(self, now: dt.datetime) -> Window | None:
        """See `Schedule`."""
        if not self._pause.is_over():
            return None
        at = self._at
        if at is not None and at.to - now > CLOCKS_DIFFER:
            at = None  # a wrong clock dated the end of this sweep
        if at is None or at.until >= at.to:
            if at is not None and now < at.to + self._every:
                return None
            at = _SweepPosition(until=self._beginning(at, now), to=now)
        if self._history is not None:
            at.until = self._history.since(at.until, now)
        self._at = at
        return Window(at.until, min(at.to, at.until + self._span))

    def done(self, window: Window, source_time: dt.datetime | None = None) -> Position:
        """See `Schedule`."""
        del source_time
        end = self._at.to if self._at else window.end
        self._at = _SweepPosition(until=window.end, to=end)
        return _write(self._at)

    def postpone(self, wait: dt.timedelta) -> None:
        """See `Schedule`."""
        self._pause.begin(wait)

    def _beginning(self, last: _SweepPosition | None, now: dt.datetime) -> dt.datetime:
        begin = now - self._reach
        if last is not None and self._reach >= RETURNS_COME:
            begin = min(begin, last.to - RETURNS_COME)
        return begin


class _FollowPosition(msgspec.Struct):
    until: Annotated[dt.datetime, Meta(tz=True)]


class _SweepPosition(msgspec.Struct):
    until: Annotated[dt.datetime, Meta(tz=True)]
    to: Annotated[dt.datetime, Meta(tz=True)]


P = TypeVar("P", _FollowPosition, _SweepPosition)


def _read(position: Position, kind: type[P]) -> P:
    try:
        return msgspec.json.decode(position, type=kind)
    except msgspec.MsgspecError:
        raise PixstreamError(
            "the stored position belongs to another kind of stream; perhaps the name of the "
            "producer or account was used for something else before. Give it a new name"
        ) from None


def _write(position: _FollowPosition | _SweepPosition) -> Position:
    return msgspec.json.encode(position).decode()
