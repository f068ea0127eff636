"""Keeps two supervisors of one data directory from running the same replica of a component.

The supervisor and the child that inherits the lock both hold it. So it is also held while the child
waits for a restart, and after a kill -9 of the supervisor as long as the child lives; the next
supervisor waits for that child to end.
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
    """The holder of a lock: the id of a supervisor, and the process id of its child."""

    supervisor: str
    pid: int | None = None


class ReplicaLocks:
    """The locks of one supervisor.

    Args:
        directory: the `run` directory in the data directory.
        supervisor: the id of the supervisor, see `run_status.StatusFile`.
    """

    def __init__(self, directory: Path, supervisor: str) -> None:
        self._directory = directory
        self._supervisor = supervisor
        self._held: dict[str, RunLock] = {}

    def take(
        self, label: str, patience: float, stop_requested: Callable[[], int]
    ) -> RunLock | None:
        """Lock a replica; wait for a process of it whose supervisor is dead.

        Args:
            label: the name and number of the replica.
            patience: seconds to wait.
            stop_requested: returns whether to stop waiting.

        Returns:
            The lock; None only if `stop_requested` ended the wait.

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
                    f"another supervisor already runs {label} (process {number}, same data_dir); "
                    "two of them would fence each other. Nothing was started. Stop the other one, "
                    "or name other components: `pixstream run NAME …`"
                )
            process = "a process" if holder is None else f"process {holder.pid}"
            if stop_requested():
                return None
            if time.monotonic() > deadline:
                raise PixstreamError(
                    f"{label}: {process} of a killed supervisor still runs it after "
                    f"{patience:g} s. Nothing was started. End that process (kill -9 loses "
                    "nothing), then start again"
                )
            if not waiting:
                waiting = True
                log.warning(
                    "%s: %s of a killed supervisor still runs it; waiting for that process to end",
                    label,
                    process,
                )
            time.sleep(_LOOK_SECONDS)
        self._held[label] = lock
        self.note(label, None)
        return lock

    def note(self, label: str, pid: int | None) -> None:
        """Record which process runs the replica now, for a supervisor that finds it locked."""
        try:
            text = msgspec.json.encode(LockHolder(supervisor=self._supervisor, pid=pid)).decode()
            self._held[label].write(text)
        except OSError as error:
            # A supervisor that finds the replica locked then waits in vain, and reports that.
            log.warning("%s cannot be written: %s", self._file(label), error.strerror)

    def release(self) -> None:
        """Release all locks."""
        for lock in self._held.values():
            lock.release()
        self._held.clear()

    def _holder(self, label: str) -> LockHolder | None:
        try:
            return msgspec.json.decode(self._file(label).read_bytes(), type=LockHolder)
        except (OSError, msgspec.DecodeError):  # it is being written
            return None

    def _file(self, label: str) -> Path:
        return self._directory / f"component.{label}.lock"
