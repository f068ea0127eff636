"""The supervisor under test: its process, and each of its unexpected exits."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import threading
import time
from typing import IO, TYPE_CHECKING

from pixstream.errors import PixstreamError
from pixstream.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_LOOK_SECONDS = 0.05


class Supervised:
    """One `pixstream run` after the other; used by several threads.

    Args:
        environment: environment of each process.

    Attributes:
        ends: texts about unexpected exits: any exit code or signal except our own SIGKILL and
            SIGTERM. The next start would silently repair them.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self.ends: list[str] = []

    def look(self) -> int | None:
        """Return its pid, None if none is running, and note one that exited on its own."""
        with self._lock:
            process = self._living()
            return None if process is None else process.pid

    def start(self, command: Sequence[str], errors: IO[bytes] | None) -> None:
        """Start another; `errors` receives its standard error and that of its children."""
        with self._lock:
            self._started = time.monotonic()
            self._process = subprocess.Popen(command, stderr=errors, env=self._environment)

    def kill(self) -> bool:
        """SIGKILL it and wait for its exit; False if none was running."""
        with self._lock:
            process = self._living()
            if process is None:
                return False
            process.kill()
            if process.wait() != -signal.SIGKILL:  # it exited just before
                self._note(process.returncode)
            self._process = None
            return True

    def drain(self, seconds: float) -> int | None:
        """Stop it with SIGTERM, like an operator.

        Returns:
            Its exit code; None if none was running.

        Raises:
            PixstreamError: it idles for that many seconds and does not exit.
        """
        with self._lock:
            process = self._living()
            if process is None:
                return None
            process.terminate()
            patience = Patience(seconds)
            while (code := process.poll()) is None:
                if patience.exhausted:
                    raise PixstreamError(
                        f"`pixstream run` did not exit within {seconds:g} s of SIGTERM"
                    )
                time.sleep(_LOOK_SECONDS)
            self._process = None
            return code

    def _living(self) -> subprocess.Popen[bytes] | None:
        if self._process is not None and self._process.poll() is not None:
            self._note(self._process.returncode)
            self._process = None
        return self._process

    def _note(self, code: int) -> None:
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        now = dt.datetime.now(dt.UTC)
        self.ends.append(
            f"`pixstream run` exited on its own with {how}, seen at {now:%H:%M:%S} UTC, "
            f"{time.monotonic() - self._started:.0f} s after its start"
        )
