"""Counts what clients do by reason, and logs each reason at most every few seconds.

Anybody can repeat a request as often as he likes, and a log that he can fill hides the rest.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixstream.metrics import Counter, Counts

WORD_SECONDS = 10.0
"""Shortest time between two log lines about the same reason."""


class Tally:
    """Counts and logs; one thread adds to it, any thread may read its counts.

    Args:
        counts: the counts of the reasons.
        log: takes the lines.
        what: what is counted, for the log: one and several, "body refused" and "bodies refused".
        advice: what each reason means and what to do, for the log.
        clock: monotonic clock, in seconds.
        level: the level of the lines.

    Attributes:
        counts: the same.
    """

    def __init__(
        self,
        counts: Counts,
        log: logging.Logger,
        what: tuple[str, str],
        advice: Mapping[Counter, str],
        clock: Callable[[], float] = time.monotonic,
        *,
        level: int = logging.WARNING,
    ) -> None:
        self._level = level
        self.counts = counts
        self._log = log
        self._what = what
        self._advice = advice
        self._unlogged: defaultdict[Counter, int] = defaultdict(int)
        self._next_line: dict[Counter, float] = {}
        self._clock = clock

    def add(self, reason: Counter, details: str = "") -> None:
        """Count one, and log it if the last line about this reason is old enough.

        Args:
            reason: one of the reasons.
            details: text that replaces the usual advice; nothing of what the client sent.
        """
        self.counts.add(reason)
        self._unlogged[reason] += 1
        now = self._clock()
        if now >= self._next_line.get(reason, now):
            number = self._unlogged.pop(reason)
            what = self._what[number > 1]
            self._log.log(self._level, "%d %s: %s", number, what, details or self._advice[reason])
            self._next_line[reason] = now + WORD_SECONDS
