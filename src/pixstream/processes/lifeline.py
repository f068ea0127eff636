"""How a child ends: when its supervisor asks, and always together with its supervisor.

If the supervisor dies, the kernel kills the child immediately (Linux); elsewhere the child ends
when its pipe from the supervisor closes. It does not drain: that would keep a new supervisor
waiting, and a kill at any moment is safe. So neither a native call nor an ignored signal keeps it
alive.
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
"""Why a child ended: asked to stop, an error, its configuration, or a newer owner took over."""

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.05
_ONE_REQUEST_SECONDS = 1.0
"""systemd signals all processes of a service, the supervisor its children: that is one request."""


class Stop(threading.Event):
    """Asks the loop to end, and knows when the loop last checked it, as each iteration does.

    It is a plain attribute without a lock: a signal handler sets it at any moment, and the standard
    class would then wait for a lock that the interrupted code may hold.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False
        self._looked = time.monotonic()
        self._owner = threading.get_ident()

    def set(self) -> None:
        """Ask the loop to end."""
        self._asked = True

    def clear(self) -> None:
        """Withdraw the request."""
        self._asked = False

    def is_set(self) -> bool:
        """Return whether the loop was asked to end."""
        if threading.get_ident() == self._owner:
            self._looked = time.monotonic()
        return self._asked

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until the loop is asked to end, for at most `timeout` seconds."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while not self.is_set() and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))
        return self._asked

    def unseen_seconds(self) -> float:
        """Return the seconds since the thread that created this object last checked it."""
        return time.monotonic() - self._looked


def end_with(parent: int) -> None:
    """Let this process be killed when its parent dies; immediately, if the parent is dead already.

    Args:
        parent: the process id of the supervisor; our standard input closes when it ends.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        os._exit(EXIT_FAILED)

    def watch() -> None:
        # Bypass Python's buffer: a waiting thread would hold its lock at interpreter shutdown.
        while os.read(0, 1):
            continue
        os._exit(EXIT_FAILED)

    threading.Thread(target=watch, daemon=True, name="supervisor-watch").start()


def disregard_requests() -> None:
    """Let SIGTERM change nothing more: the exit code is known, and the interpreter shuts down."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def obey(stop: Stop, starting: Callable[[], bool]) -> None:
    """Let SIGTERM end this process; the supervisor handles SIGINT and SIGHUP from its terminal.

    The first SIGTERM starts a graceful shutdown: work in progress is finished. If there is none
    yet, or at a second SIGTERM, the process ends immediately. That is safe: nothing is half
    committed.

    Args:
        stop: set at the first SIGTERM.
        starting: returns whether there is no work in progress yet.
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
