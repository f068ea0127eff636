"""On a local disk: what is promised is on the disk, and what a power cut left half is set aside.

deltalake does not call fsync. The order here makes up for it: data files and their directories
reach the disk before the log entry that names them exists (`files.write`); the log entries, and
all that came before them, reach it before a write returns and offsets are let go (`sync_log`).
A power cut can therefore take away, or leave half written, only the newest log entries, whose rows
Kafka still holds and gives again. Half an entry or half a checkpoint would make the table
unreadable, so `set_aside_torn` renames it when the table is opened.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

log = logging.getLogger("pixstream.lake")

LOG = "_delta_log"

ACTIONS = "pixstreamActions"
"""Where a commit of ours says how many actions follow, so that a cut between two lines shows."""


def sync(paths: Iterable[Path]) -> None:
    """Wait until these files or directories are on the disk.

    Raises:
        OSError: the disk failed; what it holds is unknown.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_log(table: Path, versions: Iterable[int] | None = None) -> None:
    """Wait until these log entries are on the disk, or, by default, the whole log.

    Entries that have expired since are in a checkpoint, which was on the disk before they went.
    """
    directory = table / LOG
    if versions is None:
        written = [path for path in directory.iterdir() if path.is_file()]
    else:
        entries = (directory / f"{version:020}.json" for version in versions)
        written = [entry for entry in entries if entry.exists()]
    sync([*written, directory, table])


def holds(table: Path, version: int) -> bool:
    """Tell whether the log has this version's entry: deltalake takes an emptied log for news."""
    return (table / LOG / f"{version:020}.json").exists()


def sync_checkpoint(table: Path, version: int) -> None:
    """Wait until the checkpoint of this version is on the disk; what it replaces may go then."""
    directory = table / LOG
    parts = directory.glob(f"{version:020}.checkpoint*.parquet")
    sync([*parts, directory / "_last_checkpoint", directory])


def set_aside_torn(table: Path) -> None:
    """Rename the newest log entries and checkpoints that a power cut left half written.

    Nothing that was promised is in them: their rows are still in Kafka. The lock keeps two
    processes from judging an entry that one of them has just replaced.
    """
    directory = table / LOG
    if not directory.is_dir():
        return
    with _locked(directory):
        for entry in sorted(directory.glob("*.json"), reverse=True):
            if _whole_entry(entry):
                break
            _set_aside(entry)
        for checkpoint in directory.glob("*.checkpoint.parquet"):
            if not _whole_parquet(checkpoint):
                _set_aside(checkpoint)
                (directory / "_last_checkpoint").unlink(missing_ok=True)
        hint = directory / "_last_checkpoint"
        if hint.exists() and not _whole_entry(hint):
            hint.unlink()


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _whole_entry(path: Path) -> bool:
    """Tell whether a file is lines of JSON objects, as many as its first one says if it does."""
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        told = lines[0].get("commitInfo", {}).get(ACTIONS, len(lines) - 1) if lines else None
        return told == len(lines) - 1 and all(isinstance(line, dict) for line in lines)
    except (ValueError, AttributeError):
        return False


def _whole_parquet(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError):
        return False
    return True


def _set_aside(path: Path) -> None:
    path.rename(path.with_name(f".{path.name}.torn"))
    log.warning(
        "%s: half written, as a power cut leaves it; set aside. Its rows were never confirmed to "
        "Kafka and are read again",
        path,
    )
