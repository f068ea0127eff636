"""File locks that the kernel releases with the last process that holds them.

A lock is taken on an open file (flock), so it does not outlive a kill -9 and needs no clean-up. A
process that inherits the open file holds the lock too.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

from pixstream.errors import PixstreamError

if TYPE_CHECKING:
    from pathlib import Path


class RunLock:
    """A lock that this process holds.

    Attributes:
        descriptor: the open file; a child that inherits it also holds the lock.
    """

    def __init__(self, file: Path, descriptor: int) -> None:
        self._file = file
        self.descriptor = descriptor

    def write(self, text: str) -> None:
        """Record who holds the lock, for a process that finds it held."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)

    def release(self) -> None:
        """Release the lock in this process; children that inherited it may still hold it."""
        os.close(self.descriptor)

    def remove(self) -> None:
        """Remove the file, then release the lock."""
        self._file.unlink(missing_ok=True)
        self.release()


def take(file: Path) -> RunLock | None:
    """Take the lock; return None if another process holds it.

    Raises:
        PixstreamError: the file cannot be written, or its file system does not support locks.
    """
    try:
        while True:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except OSError:
                os.close(descriptor)
                raise
            if _is(file, descriptor):
                return RunLock(file, descriptor)
            os.close(descriptor)  # removed at this moment: a lock on it is meaningless
    except OSError as error:
        reason = (
            "its file system has no locks"
            if error.errno in {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
            else error.strerror
        )
        raise PixstreamError(
            f"cannot lock {file}: {reason}. Nothing was started. Free disk space, let this user "
            "write there, or set data_dir to a local disk"
        ) from None


def is_held(file: Path) -> bool:
    """Return whether a process holds the lock."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))  # noqa: PTH116  one idea, twice
    except FileNotFoundError:
        return False
