"""A call of a client library in a thread of its own.

Both libraries wait without end in some calls, and kafka-python calls back in a thread of its own:
so ours can wait with a limit, or do something meanwhile.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def in_thread(call: Callable[[], T]) -> Future[T]:
    """Run `call` in a thread of its own, which does not keep the process from ending."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001  it is raised where the result is asked for
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True, name="pixstream-kafka").start()
    return outcome
