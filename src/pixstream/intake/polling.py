"""Reading an API by windows of time: which window comes next, and what was read already.

An API that filters by time gives late entries, and its pages shift while entries arrive: windows
overlap, and what the overlap repeats is recognised. Nothing here talks to anybody.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Meta

from pixstream.canonical import BRASILIA
from pixstream.errors import ConfigError, PixstreamError
from pixstream.event import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pixstream.plugin import Position

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TICK = dt.timedelta(milliseconds=1)


class Window(NamedTuple):
    """A span of time, both ends included."""

    start: dt.datetime
    end: dt.datetime


class Schedule(Protocol):
    """What a stream reads next."""

    def next(self, now: dt.datetime) -> Window | None:
        """The window to read now; None: nothing is due."""

    def done(self, window: Window) -> Position:
        """The window was read whole: the position after it."""

    def postpone(self, until: dt.datetime) -> None:
        """Let nothing be due before `until`."""


class Follow:
    """Windows that follow the present; each begins a little before the end of the last one.

    Args:
        position: where it stands, or None.
        start: where it begins without a position.
        overlap: how far a window reaches back.
        span: longest window, longer than `overlap`.
        every: pause once the present is reached.
    """

    def __init__(
        self,
        position: Position | None,
        *,
        start: dt.datetime,
        overlap: dt.timedelta,
        span: dt.timedelta,
        every: dt.timedelta,
    ) -> None:
        self._until = _read(position, _FollowPosition).until if position else start
        self._overlap = overlap
        self._span = span
        self._every = every
        self._due = dt.datetime.min.replace(tzinfo=dt.UTC)
        self._present = self._due

    @property
    def position(self) -> Position:
        """Where it stands."""
        return _write(_FollowPosition(until=self._until))

    def next(self, now: dt.datetime) -> Window | None:
        """See `Schedule`. A clock that went back waits until it is where it was."""
        if now < self._due or now <= self._until:
            return None
        self._present = now
        start = self._until - self._overlap
        return Window(start, min(now, start + self._span))

    def done(self, window: Window) -> Position:
        """See `Schedule`."""
        self._until = window.end
        if window.end >= self._present:
            self._due = window.end + self._every
        return self.position

    def postpone(self, until: dt.datetime) -> None:
        """See `Schedule`."""
        self._due = until


class Sweep:
    """Windows over the whole past `reach`, again and again; an interrupted sweep goes on.

    Args:
        position: where it stands, or None.
        reach: how far back a sweep begins.
        span: longest window.
        every: from the beginning of a sweep to the next one's.
    """

    def __init__(
        self,
        position: Position | None,
        *,
        reach: dt.timedelta,
        span: dt.timedelta,
        every: dt.timedelta,
    ) -> None:
        self._at = _read(position, _SweepPosition) if position else None
        self._reach = reach
        self._span = span
        self._every = every
        self._due = dt.datetime.min.replace(tzinfo=dt.UTC)

    def next(self, now: dt.datetime) -> Window | None:
        """See `Schedule`."""
        if now < self._due:
            return None
        if self._at is None or self._at.until >= self._at.to:
            if self._at is not None and now < self._at.to + self._every:
                return None
            self._at = _SweepPosition(until=now - self._reach, to=now)
        return Window(self._at.until, min(self._at.to, self._at.until + self._span))

    def done(self, window: Window) -> Position:
        """See `Schedule`."""
        end = self._at.to if self._at else window.end
        self._at = _SweepPosition(until=window.end, to=end)
        return _write(self._at)

    def postpone(self, until: dt.datetime) -> None:
        """See `Schedule`."""
        self._due = until


class Recent:
    """The last things read, as hashes, at most `size` of them."""

    def __init__(self, size: int, digests: Iterable[bytes] = ()) -> None:
        self._size = size
        self._digests: dict[bytes, None] = {}
        self.add(digests)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._digests

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._digests)

    def add(self, digests: Iterable[bytes]) -> None:
        """Remember these; the oldest give way."""
        for digest in digests:
            self._digests[digest] = None
            if len(self._digests) > self._size:
                del self._digests[next(iter(self._digests))]


def digest(content: msgspec.Struct) -> bytes:
    """128-bit hash of everything that a reading says."""
    return hashlib.blake2b(encode(content), digest_size=16).digest()


def one_day_each(window: Window) -> list[Window]:
    """The window cut at the midnights of Brasília, for banks that take one calendar day a call."""
    pieces = []
    start = window.start
    while start <= window.end:
        local = start.astimezone(BRASILIA).replace(hour=0, minute=0, second=0, microsecond=0)
        midnight = (local + dt.timedelta(days=1)).astimezone(dt.UTC)
        pieces.append(Window(start, min(window.end, midnight - _TICK)))
        start = midnight
    return pieces


def beginning(text: str, now: dt.datetime) -> dt.datetime:
    """The time that a setting names: `now`, a duration before now such as `24h`, or ISO 8601.

    Raises:
        ConfigError: it is none of these, has no zone, or lies in the future.
    """
    duration = _DURATION.fullmatch(text)
    try:
        if text == "now":
            return now
        if duration:
            return now - dt.timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        when = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        when = None
    if when is None or when.tzinfo is None or when > now:
        raise ConfigError(
            "start: must be `now`, a duration such as 24h or 7d, or a past time with its zone "
            "such as 2026-01-31T00:00:00Z"
        )
    return when.astimezone(dt.UTC)


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
