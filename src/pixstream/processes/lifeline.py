"""How a child ends: as its supervisor asks, and with its supervisor, whatever happens to that one.

A child of a supervisor that died is killed at once by the kernel (Linux), and elsewhere as soon as
its end of a pipe says so: to drain would keep a new supervisor waiting, and to be killed at any
moment is exact. So neither a native call nor an ignored signal keeps it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_OK, EXIT_FAILED, EXIT_CONFIG, EXIT_FENCED = 0, 1, 2, 3
"""How a child ended: as asked, by an error, by its configuration, since a newer owner took over."""

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.05
_ONE_REQUEST_SECONDS = 1.0
"""systemd signals every process of a service, and the supervisor its children: that is one."""


class Stop(threading.Event):
    """Asks the loop to end, and knows when the loop last looked: each of its turns does.

    A plain attribute, not a lock: a signal handler sets it at any moment, and that of the standard
    class would wait for a lock which the very code that it interrupted may hold.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False
        self._looked = time.monotonic()
        self._owner = threading.get_ident()

    def set(self) -> None:
        """Ask."""
        self._asked = True

    def clear(self) -> None:
        """Ask no more."""
        self._asked = False

    def is_set(self) -> bool:
        """Tell whether the loop was asked to end."""
        if threading.get_ident() == self._owner:
            self._looked = time.monotonic()
        return self._asked

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until asked, for `timeout` seconds at most."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while not self.is_set() and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
        return self._asked

    def unseen_seconds(self) -> float:
        """Seconds since the thread that made this last looked."""
        return time.monotonic() - self._looked


def end_with(parent: int) -> None:
    """Let this process be killed when its parent dies; at once, if that has happened already.

    Args:
        parent: process number of the supervisor, whose end of our standard input closes with it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel knew
        os._exit(EXIT_FAILED)

    def watch() -> None:
        # Past Python's buffer, whose lock a waiting thread would hold at the interpreter's end.
        while os.read(0, 1):
            continue
        os._exit(EXIT_FAILED)

    threading.Thread(target=watch, daemon=True, name="supervisor-watch").start()


def obey(stop: Stop, starting: Callable[[], bool]) -> None:
    """Let SIGTERM end this process; SIGINT and SIGHUP of its terminal are the supervisor's affair.

    The first SIGTERM drains: what is in hand is finished. While nothing is in hand yet, and at a
    second one, the process ends at once, still exact: nothing is half committed.

    Args:
        stop: set at the first.
        starting: whether nothing is in hand yet.
    """
    first: float | None = None

    def terminate(number: int, frame: object) -> None:
        nonlocal first
        del number, frame
        now = time.monotonic()
        if first is None:
            first = now
        elif now - first > _ONE_REQUEST_SECONDS:
            os._exit(EXIT_FAILED)
        if starting():
            os._exit(EXIT_OK)
        stop.set()

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
