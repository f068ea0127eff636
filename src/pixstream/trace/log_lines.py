"""The log lines of the batches that a payment's records were in, from `logging.file`.

A line about a batch names topic, partition, first and last offset, so that a record belongs to it
by its offset. Lines are in the order of time, as nearly as processes that share a file can be: the
part of the time in question is found by halves, and the rest of the file is not read.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import BinaryIO

    from pixstream.trace.question import Place, Window

MOST_BYTES = 64 * 2**20
"""The most bytes of one file that are read for one payment."""

_DISORDER = dt.timedelta(minutes=1)
"""By how much a line may be later in the file than its time says."""

_MARK = b'"kafka.offset.first"'


class LogLine(NamedTuple):
    """A line about a batch (or one message) that a record was in, and the line's own fields."""

    time: dt.datetime
    place: Place
    fields: dict[str, Any]


def files(setting: str) -> list[Path]:
    """Return the log files of `logging.file`, renamed ones and those of each component included."""
    pattern = Path(setting.replace("{component}", "*"))
    return sorted(path for path in pattern.parent.glob(f"{pattern.name}*") if path.is_file())


def lines_about(file: Path, places: Collection[Place], window: Window) -> Iterator[LogLine]:
    """Yield the lines of a time about batches with one of these records, in the file's order.

    Raises:
        OSError: the file cannot be read.
    """
    if not places:
        return
    with file.open("rb") as stream:
        start = _first_since(stream, window.start - _DISORDER)
        stream.seek(start)
        while stream.tell() - start < MOST_BYTES:
            raw = stream.readline()
            if not raw:
                return
            if _MARK not in raw:
                continue
            fields = _fields(raw)
            time = None if fields is None else _time(fields)
            if fields is None or time is None or not window.start <= time < window.stop:
                if time is not None and time >= window.stop + _DISORDER:
                    return
                continue
            for place in places:
                if _is_in(fields, place):
                    yield LogLine(time, place, fields)


def _is_in(fields: dict[str, Any], place: Place) -> bool:
    first, last = fields.get("kafka.offset.first"), fields.get("kafka.offset.last")
    return (
        (fields.get("kafka.topic"), fields.get("kafka.partition")) == place[:2]
        and isinstance(first, int)
        and isinstance(last, int)
        and first <= place.offset <= last
    )


def _first_since(stream: BinaryIO, time: dt.datetime) -> int:
    """Return the byte at which the first line of this time or later begins, or one before it."""
    low, high = 0, stream.seek(0, os.SEEK_END)
    while high - low > MOST_BYTES // 1024:
        middle = (low + high) // 2
        stream.seek(middle)
        stream.readline()
        found = _next_time(stream)
        if found is not None and found < time:
            low = middle
        else:
            high = middle
    stream.seek(low)
    if low:
        stream.readline()
    return stream.tell()


def _next_time(stream: BinaryIO) -> dt.datetime | None:
    """Return the time of the next line that has one; None at the end."""
    for raw in stream:
        fields = _fields(raw)
        time = None if fields is None else _time(fields)
        if time is not None:
            return time
    return None


def _fields(raw: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _time(fields: dict[str, Any]) -> dt.datetime | None:
    try:
        time = dt.datetime.fromisoformat(str(fields.get("@timestamp")))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)
