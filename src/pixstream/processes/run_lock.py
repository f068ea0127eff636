"""Locks in a directory that the kernel lets go with the last process that holds them.

A lock is taken on an open file (flock), so it survives no kill -9 and needs no clean-up, and a
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
        descriptor: the open file; a child that inherits it holds the lock as well.
    """

    def __init__(self, file: Path, descriptor: int) -> None:
        self._file = file
        self.descriptor = descriptor

    def write(self, text: str) -> None:
        """Say who holds it, for those who find it held."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text.encode(), 0)

    def release(self) -> None:
        """Let go of it in this process; children that inherited it may hold it still."""
        os.close(self.descriptor)

    def remove(self) -> None:
        """Remove its file, then let go."""
        self._file.unlink(missing_ok=True)
        self.release()


def take(file: Path) -> RunLock | None:
    """Take the lock, None when another process holds it.

    Raises:
        PixstreamError: the file cannot be written, or its file system knows no locks.
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
            os.close(descriptor)  # removed in this very moment: a lock on it means nothing
    except OSError as error:
        reason = (
            "its file system has no locks"
            if error.errno in {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
            else error.strerror
        )
        raise PixstreamError(
            f"{file} cannot be locked: {reason}. Nothing was started. Free space, let this user "
            "write there, or set data_dir to a local disk"
        ) from None


def is_held(file: Path) -> bool:
    """Tell whether a process holds the lock."""
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
