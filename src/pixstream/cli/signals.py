"""Handling of stop signals in commands that run for a while."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def stop_signals() -> Iterator[Callable[[], int]]:
    """Count SIGTERM, SIGINT and SIGHUP instead of exiting; yield a function for the count."""
    count = 0

    def note(number: int, frame: object) -> None:
        nonlocal count
        del number, frame
        count += 1

    with handling(note):
        yield lambda: count


@contextmanager
def interrupting() -> Iterator[None]:
    """Make every stop signal raise KeyboardInterrupt, while there is no work to finish."""
    with handling(signal.default_int_handler):
        yield


@contextmanager
def first_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether SIGTERM or SIGINT has arrived.

    A second signal has its usual effect.
    """
    asked = threading.Event()

    def note(number: int, frame: object) -> None:
        del number, frame
        asked.set()
        restore()

    former = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    try:
        yield asked.is_set
    finally:
        restore()


@contextmanager
def handling(handler: Callable[..., object]) -> Iterator[None]:
    """Handle SIGTERM, SIGINT and SIGHUP with `handler`; ignored signals (nohup) stay ignored."""
    former = {
        number: signal.signal(number, handler)
        for number in _STOP_SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, old in former.items():
            signal.signal(number, old)
