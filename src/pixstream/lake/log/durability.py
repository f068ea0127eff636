"""On a local disk: in which order rows, log entries and directories reach it.

deltalake does not call fsync. The order here makes up for it: data files and their directories
reach the disk before the log entry that names them exists (`files.write`); the log entries, and
all that came before them, reach it before a write returns and offsets are let go (`sync_log`).
A power cut can therefore take away, or leave half written, only the newest log entries, whose rows
Kafka still holds and gives again; `recovery` cleans up after it.
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
    """Wait until these files or directories are on the disk.

    Raises:
        DestinationError: the disk failed. Whatever the reason, nothing tries again: after a failed
            fsync the kernel may drop what it could not write and call a second one a success.
        OSError: one of them is not there, or may not be opened.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            told = errno.errorcode.get(error.errno or 0, "no reason")
            raise DestinationError(
                f"{path}: the disk failed (fsync, {told}); this process stops with nothing "
                "confirmed to Kafka: check the disk before this component starts again"
            ) from None
        finally:
            os.close(descriptor)


def sync_way(directory: Path) -> None:
    """Wait until a directory, and every one above it on its file system, is on the disk.

    One that this user may not read was not made by this user: there the way ends.
    """
    device = directory.stat().st_dev
    for place in (directory, *directory.parents):
        if place.stat().st_dev != device or not os.access(place, os.R_OK):
            break
        sync([place])


def sync_log(table: Path, versions: Iterable[int] | None = None) -> None:
    """Wait until these log entries are on the disk, or, by default, the whole log.

    Entries that have expired since are in a checkpoint, which was on the disk before they went.
    """
    directory = table / LOG
    if versions is None:
        written = [path for path in directory.iterdir() if path.is_file()]
    else:
        paths = (directory / entries.name(version) for version in versions)
        written = [path for path in paths if path.exists()]
    sync([*written, directory, table])


def holds(table: Path, version: int) -> bool:
    """Tell whether the log has this version's entry: deltalake takes an emptied log for news."""
    return (table / LOG / entries.name(version)).exists()


def sync_checkpoint(table: Path, version: int) -> None:
    """Wait until the checkpoint of this version is on the disk; what it replaces may go then."""
    directory = table / LOG
    parts = directory.glob(f"{version:020}.checkpoint*.parquet")
    sync([*parts, directory / "_last_checkpoint", directory])
