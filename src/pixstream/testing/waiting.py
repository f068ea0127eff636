"""Waiting in tests: for progress, not for the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from pixstream.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

HANG_SECONDS = 120.0
"""Only a hang is idle for this long; see `pixstream.patience` for the seconds that count."""

T = TypeVar("T")


class HungError(AssertionError):
    """The condition is not true, and there is no more progress that could make it true."""


def wait_for(
    condition: Callable[[], T | None],
    what: str | Callable[[], object] = "what was waited for",
    *,
    progress: Callable[[], Hashable] = lambda: None,
    alive: Callable[[], object] = lambda: True,
    seconds: float = HANG_SECONDS,
    every: float = 0.02,
) -> T:
    """Wait until the condition is true, as long as there is progress; return its true value.

    Args:
        condition: called repeatedly; the calls take at most half of the time.
        what: names the condition, or returns the final state, for the error.
        progress: returns an observable state; when it changes, the wait starts over. Without one,
            progress means that this process or a descendant has something to do.
        alive: returns false if the condition cannot become true any more, for example because its
            process has ended.
        seconds: the limit on time without progress.
        every: seconds between two calls.

    Raises:
        HungError: there is no progress, or `alive` returns false.
    """
    patience = Patience(seconds)
    while True:
        asked = time.monotonic()
        if answer := condition():
            return answer
        patience.saw(progress())
        if not alive():
            raise HungError(f"{_described(what)}: cannot come any more")
        if patience.exhausted:
            raise HungError(f"{_described(what)}: nothing has moved for {patience.spent:.0f} s")
        time.sleep(max(every, time.monotonic() - asked))


def _described(what: str | Callable[[], object]) -> str:
    return what if isinstance(what, str) else str(what())
