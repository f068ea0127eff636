"""How long a wait has lasted without progress, in seconds that say something about a hang.

A clock on the wall cannot tell a pipeline that hangs from one that shares its processors with
others: what takes 20 seconds alone takes minutes there. What hangs is idle. So a second counts
only as far as this process and all its descendants neither ran nor queued for a processor in it.
Something that spins for ever would never be idle: a fifth of every second counts in any case.

The kernel tells what each thread does (`/proc/PID/task/TID/schedstat`). Where it does not, on
macOS say, the clock on the wall is all there is.
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
"""Of each second counts at least this."""

_LOOK_SECONDS = 0.5


class Effort(NamedTuple):
    """Seconds that threads ran, and that they queued for a processor, since they were started."""

    ran: float
    queued: float


class Family:
    """This process and all its descendants, whenever they came and went."""

    def __init__(self) -> None:
        self._threads: dict[str, Effort] = {}
        self._ran = self._queued = 0.0

    def effort(self) -> Effort:
        """What all threads seen so far did; the end of one that went between two looks is lost."""
        threads = dict(_threads())
        for thread, now in threads.items():
            before = self._threads.get(thread, Effort(0.0, 0.0))
            self._ran += max(0.0, now.ran - before.ran)
            self._queued += max(0.0, now.queued - before.queued)
        self._threads = threads
        return Effort(self._ran, self._queued)


class Patience:
    """Runs out when nothing has moved for so many seconds that count.

    Args:
        seconds: how many.
        even_at_work: count the time in which the processes ran, too, and leave out only what they
            queued: for a bound that is a promise of speed.
        clock: monotonic seconds.
        effort: tells what the processes have done so far; default: those of a `Family`.
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
        """Begin anew if this is another state than the last one: something has moved."""
        if state != self._state:
            self._state = state
            self._looked, self._known, self._spent = self._clock(), None, 0.0

    @property
    def spent(self) -> float:
        """Seconds that count since something moved; looks at the processes twice a second."""
        passed = self._clock() - self._looked
        if passed >= self._pause:
            self._looked += passed
            self._spent += max(passed - self._excused(passed), LEAST_SHARE * passed)
        return self._spent

    @property
    def exhausted(self) -> bool:
        """Tell whether it has run out."""
        return self.spent >= self.seconds

    def _excused(self, passed: float) -> float:
        """Seconds since the last look that do not count; processors may have run side by side."""
        before, self._known = self._known, self._effort()
        if before is None:  # nobody looked when it began: most waits end before it is worth while
            return passed
        queued = self._known.queued - before.queued
        return queued if self._even_at_work else queued + self._known.ran - before.ran


def _threads() -> list[tuple[str, Effort]]:
    me = psutil.Process()
    family = [me.pid, *(child.pid for child in me.children(recursive=True))]
    found: list[tuple[str, Effort]] = []
    for pid in family:
        with suppress(OSError):  # it has ended, or this is no Linux
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    ran, queued, _ = (thread / "schedstat").read_text("ascii").split()
                    found.append((thread.name, Effort(int(ran) / 1e9, int(queued) / 1e9)))
    return found
