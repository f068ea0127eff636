"""A time limit on waiting without progress that only a hang reaches.

Wall-clock time does not distinguish a hung pipeline from one on a busy machine: 20 seconds of work
take minutes there. A hung process is idle. So a second counts only to the extent that this process
and all its descendants neither ran nor queued for a CPU. An endless busy loop is never idle:
therefore at least a fifth of every second counts.

The kernel reports what each thread does (`/proc/PID/task/TID/schedstat`). Where it does not, as on
macOS, only wall-clock time is available.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

LEAST_SHARE = 0.2
"""At least this share of every second counts."""

_LOOK_SECONDS = 0.5


class Effort(NamedTuple):
    """Seconds that threads have run, and have queued for a CPU, since they started."""

    ran: float
    queued: float


class Family:
    """This process and all its descendants, including those that have ended."""

    def __init__(self) -> None:
        self._threads: dict[str, Effort] = {}
        self._ran = self._queued = 0.0

    def effort(self) -> Effort:
        """Return the total of all threads seen so far.

        What a thread did between the last sample and its end is lost.
        """
        threads = dict(_threads())
        for thread, now in threads.items():
            before = self._threads.get(thread, Effort(0.0, 0.0))
            self._ran += max(0.0, now.ran - before.ran)
            self._queued += max(0.0, now.queued - before.queued)
        self._threads = threads
        return Effort(self._ran, self._queued)


class Patience:
    """A limit that is reached after so many counted seconds without progress.

    Args:
        seconds: the limit.
        even_at_work: also count the time in which the processes ran, and leave out only the time in
            which they queued: for a limit that promises speed.
        clock: returns monotonic seconds.
        effort: returns what the processes have done so far; default: that of a `Family`.
    """

    def __init__(
        self,
        seconds: float,
        *,
        even_at_work: bool = False,
        clock: Callable[[], float] = time.monotonic,
        effort: Callable[[], Effort] | None = None,
    ) -> None:
        self.seconds = seconds
        self._even_at_work = even_at_work
        self._clock = clock
        self._effort = effort or Family().effort
        self._pause = min(_LOOK_SECONDS, seconds / 4)
        self._looked = clock()
        self._known: Effort | None = None
        self._state: Hashable = None
        self._spent = 0.0

    def saw(self, state: Hashable) -> None:
        """Start over if `state` differs from the last one: there was progress."""
        if state != self._state:
            self._state = state
            self._looked, self._known, self._spent = self._clock(), None, 0.0

    @property
    def spent(self) -> float:
        """Counted seconds since the last progress; samples the processes twice a second."""
        passed = self._clock() - self._looked
        if passed >= self._pause:
            self._looked += passed
            self._spent += max(passed - self._excused(passed), LEAST_SHARE * passed)
        return self._spent

    @property
    def exhausted(self) -> bool:
        """Whether the limit is reached."""
        return self.spent >= self.seconds

    def _excused(self, passed: float) -> float:
        """Return the seconds that do not count; more than `passed` if threads ran in parallel."""
        before, self._known = self._known, self._effort()
        if before is None:  # no sample at the start: most waits end before it pays
            return passed
        queued = self._known.queued - before.queued
        return queued if self._even_at_work else queued + self._known.ran - before.ran


def _threads() -> list[tuple[str, Effort]]:
    me = psutil.Process()
    family = [me.pid, *(child.pid for child in me.children(recursive=True))]
    found: list[tuple[str, Effort]] = []
    for pid in family:
        with suppress(OSError):  # it has ended, or this is not Linux
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    ran, queued, _ = (thread / "schedstat").read_text("ascii").split()
                    found.append((thread.name, Effort(int(ran) / 1e9, int(queued) / 1e9)))
    return found
