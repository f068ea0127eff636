"""A child's reports to its supervisor, about once a second: states and metrics, never content."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from pixstream import logs
from pixstream.metrics import Counts, Sample, published

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixstream.plugins.component import Loop
    from pixstream.processes.lifeline import Stop

log = logging.getLogger("pixstream.component")

REPORT_SECONDS = 1.0
STARTING, READY, WAITING = "starting", "ready", "waiting"

WARNED_SECONDS = 900.0
"""How long a warning is news: what persists is logged again before that, or shown by a state."""

_LONGEST_WARNING = 300
_COUNTED_WARNINGS = 10_000


class Report(msgspec.Struct, kw_only=True):
    """One line from a child to its supervisor.

    Attributes:
        state: the state of its loop.
        metrics: the values of its metrics since its start.
        warning: its last log line of level warning or higher, always pixstream's own text.
        warned_at: time of that line, in seconds since the epoch.
        warnings: how many such lines it has logged in the last `WARNED_SECONDS`.
        stalled_seconds: time since its loop last made progress.
    """

    state: str
    metrics: list[Sample] = []
    warning: str | None = None
    warned_at: float | None = None
    warnings: int = 0
    stalled_seconds: float = 0.0


class Reporter:
    """Writes the loop's state to the supervisor's pipe, from a thread of its own.

    Writing never blocks. No new line is begun before the last one is completely in the pipe: the
    next line contains the same and more.

    Args:
        descriptor: the pipe; None: nothing is reported.
        stop: the object that the loop checks in each iteration.

    Attributes:
        lines: counts of the log lines that were not written.
    """

    def __init__(self, descriptor: int | None, stop: Stop) -> None:
        self._descriptor = descriptor
        self._stop = stop
        self._loop: Loop | None = None
        self._counts = Counts()
        self.lines = Counts()
        self._waits: Callable[[], bool] = bool
        self._warnings = _LastWarning()
        self._writing = threading.Lock()
        self._rest = b""

    @property
    def state(self) -> str:
        """State of the loop; `starting` before there is one, `waiting` while a part of it waits."""
        if self._loop is None:
            return STARTING
        state = self._loop.state
        return WAITING if state == READY and self._waits() else state

    def follow(
        self,
        loop: Loop,
        counts: Counts | None = None,
        waits: Callable[[], bool] = bool,
    ) -> None:
        """Report this loop from now on.

        Args:
            loop: the loop of the process.
            counts: those of its plugin, which replace the loop's where both have a series.
            waits: returns whether a part of the source waits while the rest is ready.
        """
        self._counts = Counts() if counts is None else counts
        self._waits, self._loop = waits, loop

    def start(self) -> None:
        """Report every second until the process ends."""
        if self._descriptor is None:
            return
        os.set_blocking(self._descriptor, False)
        logging.getLogger("pixstream").addHandler(self._warnings)

        def reports() -> None:
            while True:
                self.report()
                time.sleep(REPORT_SECONDS)

        threading.Thread(target=reports, daemon=True, name="report").start()

    def report(self) -> None:
        """Write one line, after the rest of the last one."""
        if self._descriptor is None:
            return
        with self._writing:
            self._write(self._descriptor)
            if not self._rest:
                self._rest = msgspec.json.encode(self._line()) + b"\n"
                self._write(self._descriptor)

    def _line(self) -> Report:
        own = () if self._loop is None else (self._loop.counts,)
        metrics = published(*own, self.lines, self._counts)
        return Report(
            state=self.state,
            metrics=[*metrics.values()],
            warning=self._warnings.text,
            warned_at=self._warnings.when,
            warnings=self._warnings.recent(time.time()),
            stalled_seconds=round(self._stop.unseen_seconds(), 1),
        )

    def _write(self, descriptor: int) -> None:
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            while self._rest:
                self._rest = self._rest[os.write(descriptor, self._rest) :]


class _LastWarning(logging.Handler):
    """Remembers the last line of level warning or higher: pixstream's own text, without a trace."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text: str | None = None
        self.when: float | None = None
        self._times: deque[float] = deque(maxlen=_COUNTED_WARNINGS)

    def recent(self, now: float) -> int:
        """Return how many lines came in the last `WARNED_SECONDS`, up to 10,000.

        Args:
            now: seconds since the epoch.
        """
        return sum(now - when < WARNED_SECONDS for when in self._times.copy())

    def emit(self, record: logging.LogRecord) -> None:
        """Remember the line."""
        try:
            text = logs.message(record)
        except (TypeError, ValueError):
            self.handleError(record)
            return
        if record.exc_info and record.exc_info[0] is not None:
            text += f" ({record.exc_info[0].__name__})"
        self.text, self.when = text[:_LONGEST_WARNING], record.created
        self._times.append(record.created)
