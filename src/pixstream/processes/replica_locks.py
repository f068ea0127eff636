"""Keeps two supervisors of one data directory from running the same replica of a component.

The lock belongs to the supervisor and to the child that inherits it. So it is held also while the
child waits to be started again, and after a kill -9 of the supervisor for as long as the child
still lives, for which the next supervisor waits.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import msgspec

from pixstream.errors import PixstreamError
from pixstream.processes import run_lock, run_status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixstream.processes.run_lock import RunLock

log = logging.getLogger("pixstream.supervisor")

_LOOK_SECONDS = 0.1


class LockHolder(msgspec.Struct, kw_only=True):
    """Who holds a lock: a supervisor by its id, and the child's process."""

    supervisor: str
    pid: int | None = None


class ReplicaLocks:
    """The locks of one supervisor.

    Args:
        directory: `run` of the data directory.
        supervisor: its id, see `run_status.StatusFile`.
    """

    def __init__(self, directory: Path, supervisor: str) -> None:
        self._directory = directory
        self._supervisor = supervisor
        self._held: dict[str, RunLock] = {}

    def take(
        self, label: str, patience: float, stop_requested: Callable[[], int]
    ) -> RunLock | None:
        """Lock a replica; wait for a process whose supervisor is dead already.

        Args:
            label: its name and number.
            patience: seconds to wait.
            stop_requested: true: wait no longer.

        Returns:
            None only when it was told to wait no longer.

        Raises:
            PixstreamError: another supervisor runs this replica, or the process does not end.
        """
        deadline = time.monotonic() + patience
        waiting = False
        while (lock := run_lock.take(self._file(label))) is None:
            holder = self._holder(label)
            if holder is not None and run_status.lives(self._directory, holder.supervisor):
                number = holder.supervisor.partition("-")[0]
                raise PixstreamError(
                    f"{label} is run by another supervisor already (process {number}, same "
                    f"data_dir): two of them would fence each other. Nothing was started. Stop "
                    "that one, or name other components: `pixstream run NAME …`"
                )
            process = "a process" if holder is None else f"process {holder.pid}"
            if stop_requested():
                return None
            if time.monotonic() > deadline:
                raise PixstreamError(
                    f"{label}: {process} of a supervisor that was killed still plays it after "
                    f"{patience:g} s. Nothing was started. End that process (kill -9 loses "
                    "nothing), then start again"
                )
            if not waiting:
                waiting = True
                log.warning(
                    "%s: %s of a supervisor that was killed still plays it; waits for its end",
                    label,
                    process,
                )
            time.sleep(_LOOK_SECONDS)
        self._held[label] = lock
        self.note(label, None)
        return lock

    def note(self, label: str, pid: int | None) -> None:
        """Write down which process plays the replica now, for those who find it locked."""
        try:
            text = msgspec.json.encode(LockHolder(supervisor=self._supervisor, pid=pid)).decode()
            self._held[label].write(text)
        except OSError as error:
            # Whoever finds it locked then waits for us in vain, and says so.
            log.warning("%s cannot be written: %s", self._file(label), error.strerror)

    def release(self) -> None:
        """Let go of all of them."""
        for lock in self._held.values():
            lock.release()
        self._held.clear()

    def _holder(self, label: str) -> LockHolder | None:
        try:
            return msgspec.json.decode(self._file(label).read_bytes(), type=LockHolder)
        except (OSError, msgspec.DecodeError):  # just being written
            return None

    def _file(self, label: str) -> Path:
        return self._directory / f"component.{label}.lock"
