"""Reading an API by time windows: the windows, their settings, and the contents already read.

An API that filters by time lists some entries late, and its pages shift while entries arrive.
Windows therefore overlap, and repeated contents are recognised. This module does no I/O;
`schedules` chooses the next window.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import ConfigError
from pixstream.event.model import encode
from pixstream.event.values import BRASILIA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import msgspec

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TICK = dt.timedelta(milliseconds=1)


class Window(NamedTuple):
    """A span of time, both ends included."""

    start: dt.datetime
    end: dt.datetime


class Recent:
    """The contents read last, as hashes, at most `size` of them."""

    def __init__(self, size: int, digests: Iterable[bytes] = ()) -> None:
        self._size = size
        self._digests: dict[bytes, None] = {}
        self.add(digests)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._digests

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._digests)

    def add(self, digests: Iterable[bytes]) -> None:
        """Remember these; the oldest are forgotten."""
        for digest in digests:
            self._digests[digest] = None
            if len(self._digests) > self._size:
                del self._digests[next(iter(self._digests))]


def digest(content: msgspec.Struct) -> bytes:
    """Return a 128-bit hash of the whole content of a reading."""
    return hashlib.blake2b(encode(content), digest_size=16).digest()


def one_day_each(window: Window) -> list[Window]:
    """Split a window at midnight in Brasília, for banks that accept one calendar day per call."""
    pieces = []
    start = window.start
    while start <= window.end:
        local = start.astimezone(BRASILIA).replace(hour=0, minute=0, second=0, microsecond=0)
        midnight = (local + dt.timedelta(days=1)).astimezone(dt.UTC)
        pieces.append(Window(start, min(window.end, midnight - _TICK)))
        start = midnight
    return pieces


def beginning(text: str, now: dt.datetime) -> dt.datetime:
    """Return the time of a setting: `now`, a duration before now such as `24h`, or ISO 8601.

    Raises:
        ConfigError: it is none of these, has no time zone, or is in the future.
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
            "start: must be `now`, a duration such as 24h or 7d, or a past time with its time "
            "zone, such as 2026-01-31T00:00:00Z"
        )
    return when.astimezone(dt.UTC)
