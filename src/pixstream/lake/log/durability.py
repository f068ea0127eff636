"""Durability on a local disk: the order in which rows, log entries and directories are synced.

deltalake does not call fsync. This order compensates: data files and their directories are on disk
before the log entry that names them exists (`files.write`); the log entry, and all before it, are
on disk before a write returns and its offsets are committed (`sync_log`). So a power cut can lose
or truncate only the newest log entries, whose rows Kafka still has and delivers again; `recovery`
cleans up after it.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pixstream.errors import DestinationError
from pixstream.lake.log import entries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LOG = "_delta_log"


def sync(paths: Iterable[Path]) -> None:
    """Sync these files or directories to disk.

    Raises:
        DestinationError: the disk failed. This is never retried: after a failed fsync the kernel
            may drop the data that it could not write and report the next fsync as a success.
        OSError: one of them does not exist, or cannot be opened.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            code = errno.errorcode.get(error.errno or 0, "no reason")
            raise DestinationError(
                f"{path}: the disk failed (fsync, {code}); this process stops with nothing "
                "confirmed to Kafka: check the disk before this component starts again"
            ) from None
        finally:
            os.close(descriptor)


def sync_way(directory: Path) -> None:
    """Sync a directory, and every parent on its file system, to disk.

    Stops at a directory that this user cannot read, because this user did not create it.
    """
    device = directory.stat().st_dev
    for place in (directory, *directory.parents):
        if place.stat().st_dev != device or not os.access(place, os.R_OK):
            break
        sync([place])


def sync_log(table: Path, versions: Iterable[int] | None = None) -> None:
    """Sync these log entries to disk, by default the whole log.

    Entries that have expired since are in a checkpoint, which was on disk before they were deleted.
    """
    directory = table / LOG
    if versions is None:
        written = [path for path in directory.iterdir() if path.is_file()]
    else:
        paths = (directory / entries.name(version) for version in versions)
        written = [path for path in paths if path.exists()]
    sync([*written, directory, table])


def holds(table: Path, version: int) -> bool:
    """Return whether the log has this version's entry: deltalake does not notice an emptied log."""
    return (table / LOG / entries.name(version)).exists()


def sync_checkpoint(table: Path, version: int) -> None:
    """Sync the checkpoint of this version; the entries that it replaces may then be deleted."""
    directory = table / LOG
    parts = directory.glob(f"{version:020}.checkpoint*.parquet")
    sync([*parts, directory / "_last_checkpoint", directory])
