"""The rate limit: what is repeated fast is left out, counted, and the count is written.

What a client does, a bad file, or a destination that is away can be repeated as often as somebody
likes, and a log that others can fill hides the rest. Lines below WARNING pass, unless another
library writes them: the lines of batches must be complete, and there is a bounded number of them.
"""

from __future__ import annotations

import copy
import logging
import math
import threading
import time
from typing import TYPE_CHECKING, TypeAlias

from pixstream.logs.fields import FIELDS_ATTRIBUTE
from pixstream.logs.settings import RateLimitSettings
from pixstream.metrics import Counter, Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DROPPED = Counter(
    "pix_log_events_dropped_total",
    "Log lines that were not written, by the rate limit or because the file could not be written",
    ("reason",),
)
LIMITED = DROPPED.of("log_lines_left_out", reason="rate_limit")
UNWRITTEN = DROPPED.of("log_lines_unwritten", reason="not_writable")
METRICS = (LIMITED, UNWRITTEN)

LINES_OF_OTHERS = 1
"""Lines that another library may write from one place in `rate_limit.seconds`."""

_MOST_PLACES = 1000

_Place: TypeAlias = tuple[str, int, str, str]
"""Logger, line, file and reason."""


class Limit(logging.Filter):
    """Passes at most so many lines of one place in the code, with the number held back.

    Args:
        settings: how many.
        clock: monotonic clock, in seconds.

    Attributes:
        counts: `METRICS`.
    """

    def __init__(
        self,
        settings: RateLimitSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._settings = settings or RateLimitSettings()
        self._clock = clock
        self._seen: dict[tuple[str, int, str, str], _Seen] = {}
        self._lock = threading.Lock()
        self.counts = Counts(*METRICS)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to pass the record; `held_back` is set on it if others were not."""
        own = record.name.partition(".")[0] == "pixstream"
        if own and record.levelno < logging.WARNING:
            return True
        # The place of the call, since a library may put a client's words into its message.
        reason = getattr(record, FIELDS_ATTRIBUTE, {}).get("event.reason", "")
        place = record.name, record.lineno, record.pathname, reason
        most = self._settings.lines if own else LINES_OF_OTHERS
        with self._lock:
            seen = self._current(place, self._clock())
            if seen.passed >= most:
                seen.held_back, seen.last = seen.held_back + 1, record
                self.counts.add(LIMITED)
                return False
            record.held_back, seen.held_back, seen.last = seen.held_back, 0, None
            seen.passed += 1
        return True

    def left_out(self, *, at_end: bool = False) -> Iterator[logging.LogRecord]:
        """Yield a record for each place from which nothing came since some was left out.

        Args:
            at_end: the process ends, so nothing more can come from any place.
        """
        now = self._clock()
        with self._lock:
            waiting = [s for s in self._seen.values() if s.last and (at_end or now >= s.ends)]
            records = [seen.summary() for seen in waiting]
        yield from records

    def _current(self, place: _Place, now: float) -> _Seen:
        """Return what is known of this place, counted from now on if its time has passed."""
        seen = self._seen.get(place)
        if seen is None:
            if len(self._seen) >= _MOST_PLACES:
                self._seen = {p: s for p, s in self._seen.items() if now < s.ends or s.held_back}
            seen = self._seen[place] = _Seen()
        if now >= seen.ends:
            seen.ends, seen.passed = now + self._settings.seconds, 0
        return seen


class _Seen:
    """The lines of one place: when counting starts again, how many passed and were held back."""

    def __init__(self) -> None:
        self.ends = -math.inf
        self.passed = 0
        self.held_back = 0
        self.last: logging.LogRecord | None = None

    def summary(self) -> logging.LogRecord:
        """Return the last record that was held back, with the number of those before it."""
        assert self.last is not None  # noqa: S101  the caller looked
        record = copy.copy(self.last)
        record.held_back = self.held_back - 1
        self.held_back, self.last = 0, None
        return record


class Limited(logging.Handler):
    """Passes records on to another handler, as far as the limit allows.

    Args:
        target: writes them.
        limit: decides.
    """

    def __init__(self, target: logging.Handler, limit: Limit) -> None:
        super().__init__()
        self._target = target
        self._limit = limit

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record if the limit lets it pass, and what was left out elsewhere."""
        if self._limit.filter(record):
            self._target.handle(record)
        for summary in self._limit.left_out():
            self._target.handle(summary)

    def flush(self) -> None:
        """Let the other handler write what it still holds."""
        self._target.flush()

    def close(self) -> None:
        """Write what was left out, at the end of the process."""
        for summary in self._limit.left_out(at_end=True):
            self._target.handle(summary)
        self._target.close()
        super().close()
