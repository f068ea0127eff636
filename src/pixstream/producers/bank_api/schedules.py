"""Which window of an API comes next: following the present, and sweeping over the past.

Pauses are measured by a clock that never goes back; windows are in the time of this machine, which
may be set back or forward: a position is not moved past the source's own time, where it tells it.
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
"""A window may be tried again for so long before what left the source's history counts as a gap."""

CLOCKS_DIFFER = dt.timedelta(hours=1)
"""A difference of clocks that is a fault, for a person to mend."""

RETURNS_COME = dt.timedelta(days=90)
"""Until so long after its Pix a return may come (Banco Central)."""


class Schedule(Protocol):
    """What a stream reads next."""

    def next(self, now: dt.datetime) -> Window | None:
        """The window to read now; None: nothing is due."""

    def done(self, window: Window, told: dt.datetime | None = None) -> Position:
        """The window was read whole: the position after it.

        Args:
            window: as `next` gave it.
            told: the source's own time when it began to answer, where it tells.
        """

    def postpone(self, wait: dt.timedelta) -> None:
        """Let nothing be due for so long."""


MetGap: TypeAlias = Callable[[Window], None]
"""Told of a window that the source no longer has; raises where that is not to be skipped."""


class History(NamedTuple):
    """How far back the source can be asked, and who decides about what lies before that."""

    reach: dt.timedelta
    met_gap: MetGap

    def since(self, wanted: dt.datetime, now: dt.datetime) -> dt.datetime:
        """Where reading can begin that should begin at `wanted`."""
        first = now - self.reach
        if wanted >= first - _HISTORY_SLACK:
            return wanted
        self.met_gap(Window(wanted, first))
        return first


class _Pause:
    """A wait that no change of the machine's time shortens or prolongs."""

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
        position: where it stands, or None.
        start: where it begins without a position.
        overlap: how far a window reaches back.
        span: longest window, longer than `overlap`.
        every: pause once the present is reached.
        history: what the source still has; None: all.
        clock: seconds that never go back.
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
        """Where it stands."""
        return _write(_FollowPosition(until=self._until))

    @property
    def begins(self) -> dt.datetime:
        """Up to when everything counts as read."""
        return self._until

    def next(self, now: dt.datetime) -> Window | None:
        """See `Schedule`. A clock that went back waits until it is where it was."""
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

    def done(self, window: Window, told: dt.datetime | None = None) -> Position:
        """See `Schedule`. What the source's own time has not come to yet is read again."""
        until = window.end
        if told is not None and told < until - self._overlap:
            until = max(self._until, told)
        self._until = until
        if window.end >= self._present:
            self._pause.begin(self._every)
        return self.position

    def postpone(self, wait: dt.timedelta) -> None:
        """See `Schedule`."""
        self._pause.begin(wait)

    def _warn_ahead(self, now: dt.datetime) -> None:
        """Say once that the position is in the future: some clock is or was wrong."""
        if self._until - now > CLOCKS_DIFFER and not self._warned:
            self._warned = True
            log.error(
                "a position stands at %s, which this machine's clock has yet to come to: nothing "
                "is read until then. Set the clock right; if it is right, it was wrong before: "
                "read what came meanwhile once more, by giving the account a new name and `start` "
                "a time before the fault",
                self._until.isoformat(timespec="seconds"),
            )


class Sweep:
    """Windows over the whole past `reach`, again and again; an interrupted sweep goes on.

    After a long absence a sweep reaches back further, to what may have changed meanwhile: to
    `RETURNS_COME` before the last sweep's end, unless `reach` itself is less.

    Args:
        position: where it stands, or None.
        reach: how far back a sweep begins.
        span: longest window.
        every: from the beginning of a sweep to the next one's.
        history: what the source still has; None: all.
        clock: seconds that never go back.
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
            at = None  # the end of a sweep that a wrong clock has dated
        if at is None or at.until >= at.to:
            if at is not None and now < at.to + self._every:
                return None
            at = _SweepPosition(until=self._beginning(at, now), to=now)
        if self._history is not None:
            at.until = self._history.since(at.until, now)
        self._at = at
        return Window(at.until, min(at.to, at.until + self._span))

    def done(self, window: Window, told: dt.datetime | None = None) -> Position:
        """See `Schedule`."""
        del told
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
            "the stored position is not one of this kind of stream; was the name of the producer "
            "or of an account used for something else before? Give it a new name"
        ) from None


def _write(position: _FollowPosition | _SweepPosition) -> Position:
    return msgspec.json.encode(position).decode()
