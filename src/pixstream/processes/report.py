"""What a child tells its supervisor about once a second: states and counters, never content."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixstream.plugins.component import Loop
    from pixstream.processes.lifeline import Stop

log = logging.getLogger("pixstream.component")

REPORT_SECONDS = 1.0
STARTING, READY, WAITING = "starting", "ready", "waiting"

GAUGES = ("_ms", "destination_failures")
"""Ends of the names of counts that are no sum since the start, but as they are now."""

_LONGEST_WARNING = 300


class Report(msgspec.Struct, kw_only=True):
    """A line of a child to its supervisor.

    Attributes:
        state: of its loop.
        counts: since its start; those of `GAUGES` are as they are now.
        warning: its last log line of level warning or more, our own text.
        warned_at: when, seconds since the epoch.
        stalled_seconds: since its loop last turned.
    """

    state: str
    counts: dict[str, int]
    warning: str | None = None
    warned_at: float | None = None
    stalled_seconds: float = 0.0


class Reporter:
    """Writes the loop's state to the supervisor's pipe from a thread of its own.

    Nobody waits for a reader: a line that the pipe does not take is left out, the next one tells
    the same and more.

    Args:
        descriptor: the pipe; None: nobody listens.
        stop: what the loop looks at.
    """

    def __init__(self, descriptor: int | None, stop: Stop) -> None:
        self._descriptor = descriptor
        self._stop = stop
        self._loop: Loop | None = None
        self._stats: Callable[[], Mapping[str, int]] = dict
        self._waits: Callable[[], bool] = bool
        self._warnings = _LastWarning()

    @property
    def state(self) -> str:
        """Of the loop; `starting` before there is one, `waiting` while a part of it waits."""
        if self._loop is None:
            return STARTING
        state = self._loop.state
        return WAITING if state == READY and self._waits() else state

    def follow(
        self,
        loop: Loop,
        stats: Callable[[], Mapping[str, int]] = dict,
        waits: Callable[[], bool] = bool,
    ) -> None:
        """Tell of this loop from now on.

        Args:
            loop: what the process does.
            stats: further counts.
            waits: whether a part of what it does waits while the rest is ready.
        """
        self._stats, self._waits, self._loop = stats, waits, loop

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
        """Write one line."""
        if self._descriptor is None:
            return
        line = Report(
            state=self.state,
            counts=self._counts(),
            warning=self._warnings.text,
            warned_at=self._warnings.when,
            stalled_seconds=round(self._stop.unseen_seconds(), 1),
        )
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            os.write(self._descriptor, msgspec.json.encode(line) + b"\n")

    def _counts(self) -> dict[str, int]:
        if self._loop is None:
            return {}
        try:
            return {**self._loop.counts, **self._stats()}
        except Exception:  # a plugin that cannot count must not look like one that hangs
            self._stats = dict
            log.exception("the plugin cannot count: its counters are left out from now on")
            return dict(self._loop.counts)


class _LastWarning(logging.Handler):
    """Remembers the last line of level warning or more; our own text, without a trace."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text: str | None = None
        self.when: float | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Remember it."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):
            self.handleError(record)
            return
        if record.exc_info and record.exc_info[0] is not None:
            text += f" ({record.exc_info[0].__name__})"
        self.text, self.when = text[:_LONGEST_WARNING], record.created
