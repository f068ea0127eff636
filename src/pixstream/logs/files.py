"""Appending to a log file that other processes may append to, rename or delete.

Each line is one `write` to a file opened with O_APPEND, which the kernel does not mix with the
lines of other processes. Before each line, one `stat` shows whether the file is still the one that
is open (logrotate, or another process of ours, may have renamed it), how long it is and when it was
last written to.

Rotation renames the file to `NAME.20261130T150000.000000Z`, and never over another file. Whoever
renames holds a lock on the file itself and looks again under the lock, so two processes never
rename each other's new file. What a process writes to the old file a moment later is in the renamed
one: no line is lost, and a shipper that follows renamed files reads it.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import logging
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pixstream.errors import ConfigError
from pixstream.logs.limit import UNWRITTEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixstream.logs.settings import RotationSettings
    from pixstream.metrics import Counts

_PERIODS = {"hour": 3600, "day": 86400}
_SUFFIX = "%Y%m%dT%H%M%S.%fZ"
_RENAMED = "[0-9]" * 8 + "T" + "[0-9]" * 6 + ".*Z"


class LineFile(logging.Handler):
    """Appends each record as one line.

    Args:
        path: of the file; its directory is created.
        rotation: when to rename it.
        counts: counts the lines that could not be written.
        clock: seconds since the epoch.

    Raises:
        ConfigError: the file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        rotation: RotationSettings,
        counts: Counts,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._path = path
        self._rotation = rotation
        self._counts = counts
        self._clock = clock
        self._torn = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._open()
        except OSError as error:
            raise ConfigError(
                f"logging.file: {path} cannot be opened: {error.strerror}; name a file that this "
                "user may write"
            ) from None

    def emit(self, record: logging.LogRecord) -> None:
        """Append the record; a line that cannot be written is counted."""
        try:
            line = self.format(record).encode(errors="backslashreplace") + b"\n"
        except (TypeError, ValueError):  # the arguments do not fit the text: an error in the code
            self.handleError(record)
            return
        try:
            self._look(len(line))
            self._write(line)
        except OSError as error:
            self._counts.add(UNWRITTEN)
            with suppress(OSError, ValueError):
                print(f"{self._path}: {error.strerror}", file=sys.stderr)  # noqa: T201

    def close(self) -> None:
        """Close the file."""
        self.acquire()
        try:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)
        finally:
            self.release()
        super().close()

    def _write(self, line: bytes) -> None:
        """Write all of a line; on a full disk, the next one does not continue half of this one."""
        rest = b"\n" + line if self._torn else line
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
            self._torn = bool(rest)

    def _look(self, length: int) -> None:
        """Open the file again if it is another one by now, and rename it if it is due."""
        if self._descriptor < 0:
            self._descriptor = self._open()
        elif not self._is_open_file():
            self._reopen()
        state = os.fstat(self._descriptor)
        if state.st_size and self._due(state, length):
            self._rename()
            self._reopen()

    def _due(self, state: os.stat_result, length: int) -> bool:
        rotation = self._rotation
        if rotation.max_bytes and state.st_size + length > rotation.max_bytes:
            return True
        period = _PERIODS.get(rotation.every)
        return period is not None and state.st_mtime // period < self._clock() // period

    def _rename(self) -> None:
        """Rename the open file, unless another process has; delete the oldest ones."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)  # released with the descriptor
        if not self._is_open_file():
            return
        self._path.rename(self._free_name())
        if self._rotation.keep:
            for old in sorted(self._path.parent.glob(f"{self._path.name}.{_RENAMED}"))[
                : -self._rotation.keep
            ]:
                old.unlink(missing_ok=True)

    def _free_name(self) -> Path:
        """Return a name that sorts after those of files that were renamed earlier."""
        now = dt.datetime.fromtimestamp(self._clock(), dt.UTC)
        while (path := self._path.with_name(f"{self._path.name}.{now:{_SUFFIX}}")).exists():
            now += dt.timedelta(microseconds=1)
        return path

    def _is_open_file(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def _open(self) -> int:
        # Who may read it is for the umask to decide: a shipper often is another user.
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _reopen(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        self._descriptor = self._open()
