"""Waiting in tests: for progress, and never for the clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from pixstream.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

HANG_SECONDS = 120.0
"""Only what hangs stays idle for so long: see `pixstream.patience` for the seconds that count."""

T = TypeVar("T")


class HungError(AssertionError):
    """What was waited for did not come, and nothing moves any more that could bring it."""


def wait_for(
    condition: Callable[[], T | None],
    what: str | Callable[[], object] = "what was waited for",
    *,
    progress: Callable[[], Hashable] = lambda: None,
    alive: Callable[[], object] = lambda: True,
    seconds: float = HANG_SECONDS,
    every: float = 0.02,
) -> T:
    """Wait until the condition is true, as long as there is progress; return what made it true.

    Args:
        condition: asked again and again; asking takes at most half of the time.
        what: names it, or tells the state at the end, for the error.
        progress: an observable state; when it changes, the wait begins anew. Without one, progress
            is that this process or a descendant has something to do.
        alive: false when what is waited for cannot come any more, because its process has ended,
            say.
        seconds: that nothing may have moved for.
        every: seconds between two questions.

    Raises:
        HungError: nothing moves, or it is not `alive`.
    """
    patience = Patience(seconds)
    while True:
        asked = time.monotonic()
        if answer := condition():
            return answer
        patience.saw(progress())
        if not alive():
            raise HungError(f"{_told(what)}: cannot come any more")
        if patience.exhausted:
            raise HungError(f"{_told(what)}: nothing has moved for {patience.spent:.0f} s")
        time.sleep(max(every, time.monotonic() - asked))


def _told(what: str | Callable[[], object]) -> str:
    return what if isinstance(what, str) else str(what())
