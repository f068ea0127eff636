"""Runs a call of a client library in a separate thread.

Both libraries wait without a limit in some calls, whatever limit they are given, and kafka-python
calls back in its own thread. A separate thread lets the caller wait with a limit, or do something
else in the meantime.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def in_thread(call: Callable[[], T]) -> Future[T]:
    """Run `call` in a daemon thread, which does not keep the process from exiting."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001  `Future.result` raises it
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True, name="pixstream-kafka").start()
    return outcome
